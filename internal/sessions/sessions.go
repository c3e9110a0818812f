// Package sessions is the projection of the agents' log (stream AGENTS) that
// answers one question quickly: which agent of a hunt group has been ready
// longest.
//
//	AGENTS ──fold──▶ Apply ─▶ agent records ─▶ ready queues ──Ready──▶ who next?
//	   ▲                                                                 │
//	   └───────── the claim, by compare-and-set ◀── Hint (saves a race) ◀┘
//
// Nothing here decides anything. The truth of a claim is the append on the
// agent's subject; a Hint only spares workers a race they would lose there.
// The projection may be lost, flushed or replaced by an old copy at any time:
// every write carries the log's incarnation and sequence and never goes back,
// and Rebuild makes the projection again from the log.
//
// There are two of it: Redis, shared by all workers, and Memory, its twin for
// a single process. Both sit the same exam, in sessionstest.
package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// An Agent is what the projection keeps of one agent after the last event of
// its log. It holds no personal data: ids are ours, never names or numbers.
type Agent struct {
	Tenant, Agent string
	HuntGroups    []string
	// Free says that the agent may be offered a call: ready, held by no call
	// and not quarantined. Such agents, and no others, are in the ready queues.
	Free  bool
	Since time.Time // when this presence began: the place in the queues
	Claim string    // the call that holds the agent

	// Incarnation is the instant the AGENTS stream was created, RFC 3339 with
	// or without a fraction; it is kept as Incarnation writes it. A stream that
	// was made anew starts its sequences again, and this tells them apart.
	Incarnation string
	// Seq is the stream sequence of the agent's last event, 1 or more.
	Seq uint64
}

// incarnationForm pads the fraction, so that the text sorts as the time does.
const incarnationForm = "2006-01-02T15:04:05.000000000Z"

// Incarnation writes the creation instant of a stream so that a later one
// sorts after an earlier one as text.
func Incarnation(created time.Time) string { return created.UTC().Format(incarnationForm) }

// canonicalIncarnation brings any RFC 3339 text into Incarnation's form.
func canonicalIncarnation(text string) (string, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return "", errors.New("incarnation is not an RFC 3339 time")
	}
	return Incarnation(at), nil
}

// newer reports whether the first event comes after the second: of a newer
// stream, or later in the same one. Both incarnations are canonical.
func newer(inc string, seq uint64, thanInc string, thanSeq uint64) bool {
	if inc != thanInc {
		return inc > thanInc
	}
	return seq > thanSeq
}

// canonical returns the agent as both stores keep it, or a permanent fault
// naming the field that cannot be kept. Values never appear in the fault.
func (a Agent) canonical() (Agent, error) {
	bad := func(why string) (Agent, error) {
		return Agent{}, fault.New(fault.Permanent, "project agent", "bad_agent", errors.New(why))
	}
	if err := names(a.Tenant, a.Agent); err != nil {
		return Agent{}, err
	}
	if !utf8.ValidString(a.Claim) {
		return bad("claim is not UTF-8")
	}
	if a.Seq == 0 {
		return bad("seq is 0: sequences begin at 1")
	}
	var err error
	if a.Incarnation, err = canonicalIncarnation(a.Incarnation); err != nil {
		return bad(err.Error())
	}
	a.Free = a.Free && a.Claim == ""
	a.Since = a.Since.UTC().Round(0)
	if y := a.Since.Year(); y < 1 || y > 9999 {
		return bad("since is outside the years 1 to 9999")
	}
	var groups []string // once each, in the order given
	for _, g := range a.HuntGroups {
		if g == "" || !utf8.ValidString(g) {
			return bad("a hunt group is empty or not UTF-8")
		}
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	a.HuntGroups = groups
	return a, nil
}

// names refuses a tenant or agent that could not stand in a key.
func names(tenant, agent string) error {
	if !events.IsToken(tenant) {
		return fault.New(fault.Permanent, "name a session", "bad_tenant", errors.New("tenant is not a token"))
	}
	if !events.IsToken(agent) {
		return fault.New(fault.Permanent, "name a session", "bad_agent", errors.New("agent is not a token"))
	}
	return nil
}

// longestHint is far beyond any use of a hint and keeps an agent from being
// passed over for ever by mistake.
const longestHint = 24 * time.Hour

// hintable refuses a hint that nobody could hold or that would never end.
func hintable(tenant, agent, call string, ttl time.Duration) error {
	if err := names(tenant, agent); err != nil {
		return err
	}
	if !events.IsToken(call) {
		return fault.New(fault.Permanent, "hint agent", "bad_call", errors.New("call is not a token"))
	}
	if ttl <= 0 || ttl > longestHint {
		return fault.New(fault.Permanent, "hint agent", "bad_ttl", fmt.Errorf("ttl is %v, must be above 0 and at most %v", ttl, longestHint))
	}
	return nil
}

// idleScore orders ready agents, longest idle first: microseconds, as the
// double that Redis sorts by. Agents ready since the same microsecond are
// ordered by id.
func (a Agent) idleScore() float64 { return float64(a.Since.UnixMicro()) }

// longestIdleFirst compares by idleScore, then id.
func longestIdleFirst(a, b Agent) int {
	switch x, y := a.idleScore(), b.idleScore(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return strings.Compare(a.Agent, b.Agent)
}

// queueNames refuses a queue that could not exist.
func queueNames(tenant, huntGroup string) error {
	if err := names(tenant, "any"); err != nil {
		return err
	}
	if huntGroup == "" || !utf8.ValidString(huntGroup) {
		return fault.New(fault.Permanent, "name a queue", "bad_hunt_group", errors.New("hunt group is empty or not UTF-8"))
	}
	return nil
}
