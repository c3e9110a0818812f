package keycheck

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
)

// A witness is a record of the store that only the right key could have made.
type witness struct {
	where string // stream and sequence, for people
	at    time.Time
	list  bool // it is of the do-not-call list
	ours  bool // this key made it
}

// evidence is what a store says about a key.
type evidence struct {
	witnesses []witness
	listed    bool // the tenant's list holds something
}

// judge decides about a key that has no check value: nil when it may become
// the store's. The oldest entry of the list weighs most, because the list is
// what a wrong key loses: if it is not this key's, nobody can accept the key.
func judge(t Tenant, e evidence, accepted bool) error {
	var pro, contra *witness
	listPro, listContra := false, false
	for i, w := range e.witnesses {
		if w.ours {
			pro = &e.witnesses[i]
		} else {
			contra = &e.witnesses[i]
		}
		listPro, listContra = listPro || w.list && w.ours, listContra || w.list && !w.ours
	}
	name := fmt.Sprintf("tenants.%s.key %s", t.Name, t.From)
	byWord := fmt.Sprintf("if you know that it is the key of the do-not-call list, say so: --accept-key %s --by WHO --reason WHY", t.Name)
	switch {
	case contra != nil && (pro == nil || listContra && !listPro):
		return fmt.Errorf("%s: %w: it did not make %s of %s. %s. Put the old key back there; a tenant's key cannot be changed yet, and a new key needs an empty store",
			name, ErrOther, contra.where, contra.at.UTC().Format(time.RFC3339), stake)
	case accepted:
		return nil
	case contra != nil:
		return fmt.Errorf("%s: %w: it made %s of %s, and did not make %s of %s. %s. Put the old key back there; %s", name, ErrUnproved,
			pro.where, pro.at.UTC().Format(time.RFC3339), contra.where, contra.at.UTC().Format(time.RFC3339), stake, byWord)
	case pro == nil && e.listed:
		return fmt.Errorf("%s: %w, and there is a do-not-call list. %s. Put the old key there; %s", name, ErrUnproved, stake, byWord)
	}
	return nil
}

// most is how many messages of a kind are looked at for one that can be
// checked.
const most = 8

// A kind of record that a key can be checked against. check says whether the
// key made the record, and whether that can be told.
type kind struct {
	stream, subject string
	list            bool
	check           func(jetstream.RawStreamMsg) (ours, ok bool)
}

func (t Tenant) kinds() []kind {
	return []kind{
		{events.StreamCalls, events.LogSubject(events.CallFamily, t.Name, "*", events.Orchestrator, events.Requested), false, t.requested},
		{events.StreamAgents, events.LogSubject(events.AgentFamily, t.Name, "*", events.Orchestrator, events.Enrolled), false, t.enrolled},
		{events.StreamFacts, events.FactSubject(t.Name, "*", "*"), true, t.fact},
	}
}

// gather looks at the oldest and the newest record of each kind. It asks the
// streams' leaders, and changes nothing.
func gather(ctx context.Context, js jetstream.JetStream, t Tenant) (e evidence, err error) {
	for _, k := range t.kinds() {
		s, err := js.Stream(ctx, k.stream)
		if noStream(err) {
			continue
		}
		if err == nil {
			err = e.look(ctx, s, k)
		}
		if err != nil {
			return e, fmt.Errorf("ask stream %s about tenant %s's key: %w", k.stream, t.Name, err)
		}
	}
	return e, nil
}

func (e *evidence) look(ctx context.Context, s jetstream.Stream, k kind) error {
	var last uint64 // the one already heard
	for next, n := uint64(1), 0; n < most && last == 0; n++ {
		m, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(k.subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return err
		}
		if e.hear(k, m) {
			last = m.Sequence
		}
		next = m.Sequence + 1
	}
	if k.list && last > 0 && !e.witnesses[len(e.witnesses)-1].ours {
		return nil // that decides, and to look again takes long
	}
	m, err := s.GetLastMsgForSubject(ctx, k.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil && m.Sequence != last {
		e.hear(k, m)
	}
	return err
}

// hear reports whether a record could be checked.
func (e *evidence) hear(k kind, m *jetstream.RawStreamMsg) bool {
	e.listed = e.listed || k.list
	ours, ok := k.check(*m)
	if ok {
		e.witnesses = append(e.witnesses, witness{fmt.Sprintf("%s #%d", k.stream, m.Sequence), m.Time, k.list, ours})
	}
	return ok
}

// requested: the one event that has the number beside its token.
func (t Tenant) requested(m jetstream.RawStreamMsg) (ours, ok bool) {
	r, err := events.DecodeRecord(m.Subject, events.Header(m.Header), m.Data)
	if err != nil {
		return false, false
	}
	q, ok := r.Body.(*events.CallRequested)
	if !ok || q.Number.Token == "" {
		return false, false
	}
	return t.Key.NumberToken(q.Request.To) == q.Number.Token, true
}

// enrolled: an agent's credential is sealed with the key.
func (t Tenant) enrolled(m jetstream.RawStreamMsg) (ours, ok bool) {
	r, err := events.DecodeRecord(m.Subject, events.Header(m.Header), m.Data)
	if err != nil {
		return false, false
	}
	a, ok := r.Body.(*events.AgentEnrolled)
	if !ok || a.Token == "" {
		return false, false
	}
	_, err = t.Key.Open(a.Token, tenants.SealAbout(t.Name, r.Key))
	return err == nil, true
}

// fact: a number is there as a token and masked. Whoever holds the right key
// finds the digits that the mask hides, and whoever does not, never does.
func (t Tenant) fact(m jetstream.RawStreamMsg) (ours, ok bool) {
	f, _, err := events.DecodeBody[events.Fact](events.Header(m.Header), m.Data, events.TypeFact)
	if err != nil {
		return false, false
	}
	return unmask(t.Key, f.Masked, m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
}

// hidden is how many digits of a mask are tried at most: ten million tokens,
// some seconds, once in the life of a store.
const hidden = 7

// unmask reports whether a key makes the token out of any number that fits the
// mask. Not ok: the mask hides too much, or says too little.
func unmask(k events.Key, masked, token string) (ours, ok bool) {
	from := strings.IndexByte(masked, '*')
	n := strings.Count(masked, "*")
	if from < 2 || n > hidden || len(masked) != from+n+4 || strings.LastIndexByte(masked, '*') != from+n-1 {
		return false, false
	}
	number, match := []byte(masked), k.Matcher(token)
	for i, end := 0, int(math.Pow10(n)); i < end; i++ {
		for at, rest := from+n-1, i; at >= from; at, rest = at-1, rest/10 {
			number[at] = '0' + byte(rest%10)
		}
		if match(number) {
			return true, true
		}
	}
	return false, true
}
