package orders_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/logtest"
)

var noon = time.Date(2026, 3, 9, 12, 0, 0, 500_000_000, time.UTC)

// enrolled is a book, and an agent whose sealed token is on record.
func enrolled(t *testing.T, about string) (orders.Book, *lifecycle.Agent, *logtest.Log) {
	t.Helper()
	key := events.Key(strings.Repeat("k", 32))
	sealed, err := key.Seal("s3cret", tenants.SealAbout("acme", about))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := tenants.New([]tenants.Tenant{{Name: "acme", Key: key}}, []tenants.Connection{{Name: "tcn", Tenant: "acme", Kind: providers.TCN}})
	if err != nil {
		t.Fatal(err)
	}
	store := logtest.New(nil)
	state := events.AgentState{Presence: events.Ready, Connection: "tcn", ProviderAgent: "2098765", HuntGroups: []string{"first"}, Session: "now"}
	a, err := store.Append(t.Context(), log.Draft{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Role: events.Orchestrator,
		Name: events.Enrolled, Time: noon, Body: &events.AgentEnrolled{Token: sealed, State: state}})
	if err != nil {
		t.Fatal(err)
	}
	return orders.Book{Log: store, Directory: dir}, lifecycle.FoldAgent("acme", "ann", a.Record), store
}

func assigned() *lifecycle.Call {
	return &lifecycle.Call{Tenant: "acme", ID: "c1",
		Request: &events.CallRequested{From: "+18667451900", ReceivedAt: noon, Request: events.DialRequest{To: "+81312345678",
			Metadata: []events.KeyValue{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}}, Options: map[string]any{"lang": "en"}}},
		Assigned: &events.CallAssigned{Agent: "ann", Connection: "tcn", HuntGroup: "sales", Session: "then"},
	}
}

func TestAnOrderGrowsWithItsCall(t *testing.T) {
	t.Parallel()
	book, ann, _ := enrolled(t, "ann")
	c := assigned()
	o, conn, err := book.BuildDialRequest(t.Context(), c, ann)
	if err != nil {
		t.Fatal(err)
	}
	if conn.Name != "tcn" || o.Call != "c1" || o.To != "+81312345678" || o.From != "+18667451900" || len(o.Metadata) != 2 || o.Options["lang"] != "en" {
		t.Errorf("%s", o.Call)
	}
	// The session and the hunt group are the assignment's, not those of the hour.
	if o.Agent.Token != "s3cret" || o.Agent.Session != "then" || o.Agent.HuntGroup != "sales" || o.Agent.Provider != "2098765" {
		t.Error("the agent is not the assignment's")
	}
	if !o.StartTime.Equal(noon.Truncate(time.Second)) || o.Attempt != "" {
		t.Errorf("starts at %v, attempt %q", o.StartTime, o.Attempt)
	}
	c.Preparing = &events.CallPreparing{Attempt: "prep", StartTime: noon.Add(time.Minute), NotAfter: noon.Add(2 * time.Minute)}
	if o, _, _ = book.BuildDialRequest(t.Context(), c, ann); o.Attempt != "prep" || !o.StartTime.Equal(noon.Add(time.Minute)) || !o.NotAfter.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("prepared: %q, %v", o.Attempt, o.NotAfter)
	}
	c.Passed = &events.CallPassed{Scrub: &events.Scrub{State: map[string]string{"callSid": "sid"}}}
	c.Dialing = &events.CallDialing{Attempt: "dial", NotAfter: noon.Add(3 * time.Minute)}
	o, _, _ = book.BuildDialRequest(t.Context(), c, ann)
	if o.Attempt != "dial" || !o.NotAfter.Equal(noon.Add(3*time.Minute)) || o.Scrub.State["callSid"] != "sid" {
		t.Errorf("dialed: %q, %v", o.Attempt, o.NotAfter)
	}
	if len(o.IDs) > 0 {
		t.Errorf("ids before the provider gave any: %v", o.IDs)
	}
	c.Log = []events.Record{{Body: &events.CallStarted{Provider: map[string]string{"call": "77", "leg": "1"}}},
		{Body: &events.CallProgress{Provider: map[string]string{"leg": "2"}}}}
	if o, _, _ := book.BuildDialRequest(t.Context(), c, ann); o.IDs["call"] != "77" || o.IDs["leg"] != "2" {
		t.Errorf("withdrawn by %v", o.IDs)
	}
	// What was scrubbed is what is dialed: the start repeats the prepared time.
	if !o.StartTime.Equal(noon.Add(time.Minute)) {
		t.Errorf("starts at %v", o.StartTime)
	}
}

func TestOrdersThatCannotBeMade(t *testing.T) {
	t.Parallel()
	book, ann, store := enrolled(t, "ann")
	none := assigned()
	none.Assigned = nil
	if _, _, err := book.BuildDialRequest(t.Context(), none, ann); fault.Code(err) != "not_assigned" {
		t.Errorf("not assigned: %v", err)
	}
	gone := assigned()
	gone.Assigned.Connection = "gone"
	if _, _, err := book.BuildDialRequest(t.Context(), gone, ann); !errors.Is(err, orders.ErrNoConnection) || fault.Of(err) != fault.Permanent {
		t.Errorf("no connection: %v", err)
	}
	store.Cut(true)
	if _, _, err := book.BuildDialRequest(t.Context(), assigned(), ann); fault.Of(err) != fault.Transient {
		t.Errorf("no log: %v", err)
	}
	other, ann, _ := enrolled(t, "bob") // sealed for somebody else
	_, _, err := other.BuildDialRequest(t.Context(), assigned(), ann)
	if fault.Code(err) != "token_sealed" || fault.Of(err) != fault.Permanent || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a token that does not open: %v", err)
	}
}

func TestAnAgentWithoutATokenNeedsNoLog(t *testing.T) {
	t.Parallel()
	book, _, store := enrolled(t, "ann")
	store.Cut(true)
	ref, err := book.Agent(t.Context(), &lifecycle.Agent{Tenant: "acme", ID: "wes", State: events.AgentState{Connection: "tcn"}})
	if err != nil || ref.Token != "" || ref.Agent != "wes" {
		t.Errorf("%+v, %v", ref, err)
	}
}

// The token is asked for once an enrolment: not for every order, but again when
// the agent is enrolled anew, or when another store may hold another.
func TestATokenIsReadOnceAnEnrolment(t *testing.T) {
	t.Parallel()
	book, ann, store := enrolled(t, "ann")
	ann.State.EnrolledSeq = ann.Last.Seq
	token := func() string {
		t.Helper()
		ref, err := book.Agent(t.Context(), ann)
		if err != nil {
			return fault.Code(err)
		}
		return ref.Token
	}
	if token() != "s3cret" {
		t.Error("the token is not the enrolment's")
	}
	store.Cut(true)
	if got := token(); got != "s3cret" {
		t.Errorf("it was asked for again: %s", got)
	}
	ann.State.EnrolledSeq++
	if got := token(); got != log.CodeUnavailable {
		t.Errorf("the token of another enrolment: %s", got)
	}
	ann.State.EnrolledSeq--
	key := events.Key(strings.Repeat("k", 32))
	again, err := key.Seal("anew", tenants.SealAbout("acme", "ann"))
	if err != nil {
		t.Fatal(err)
	}
	// Whoever hears the agents' log anyway need not read.
	said := events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Seq: 7, Name: events.Enrolled, Body: &events.AgentEnrolled{Token: again}}
	book.Learn(said)
	ann.State.EnrolledSeq = said.Seq
	if got := token(); got != "anew" {
		t.Errorf("what was heard: %s", got)
	}
	book.Learn(events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Seq: 8, Name: events.Removed})
	if got := token(); got != log.CodeUnavailable {
		t.Errorf("of an agent who is gone: %s", got)
	}
	book.Learn(said)
	book.Forget()
	if got := token(); got != log.CodeUnavailable {
		t.Errorf("what was forgotten: %s", got)
	}
}

// A call in a queue of the provider's has no agent, and needs none to be read.
func TestAnOrderForAQueueHasNoAgent(t *testing.T) {
	t.Parallel()
	book, _, _ := enrolled(t, "ann")
	c := assigned()
	c.Assigned = &events.CallAssigned{Queue: "menu-7", Connection: "tcn"}
	a, err := orders.Lent(t.Context(), c, func(context.Context, log.Ref) (*lifecycle.Agent, error) {
		t.Error("somebody's log is read")
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o, conn, err := book.BuildDialRequest(t.Context(), c, a)
	if err != nil || conn.Name != "tcn" || o.Queue != "menu-7" || o.Agent.Agent != "" || o.Agent.Tenant != "acme" || o.To != "+81312345678" {
		t.Errorf("%+v, %v", o.Agent, err)
	}
}

// Of the person's numbers an order has those that the pass lists, in the pass's
// order, and no other, whatever the request names.
func TestAnOrderHasTheNumbersOfItsPass(t *testing.T) {
	t.Parallel()
	book, ann, _ := enrolled(t, "ann")
	key := events.Key(strings.Repeat("k", 32))
	const to, second, third, stranger = "+81312345678", "+81312345679", "+81312345680", "+81312345681"
	for story, tc := range map[string]struct {
		lists []string
		want  string // "" is refused
	}{
		"a pass of former versions":     {nil, to},
		"the one to call alone":         {[]string{to}, to},
		"two of three":                  {[]string{to, third}, to + " " + third},
		"all, in the pass's order":      {[]string{to, third, second}, to + " " + third + " " + second},
		"one that nobody asked for":     {[]string{to, stranger}, ""},
		"without the one to call":       {[]string{second}, ""},
		"the one to call in other ways": {[]string{second, to}, ""},
	} {
		c := assigned()
		c.Tenant, c.Request.Request.Alternates = "acme", []string{second, third, second}
		ends, at := noon.Add(time.Hour), noon.Add(time.Minute)
		c.Passed = &events.CallPassed{ValidUntil: ends, CallAt: &at}
		for _, n := range tc.lists {
			c.Passed.Numbers = append(c.Passed.Numbers, key.Number(n))
		}
		o, _, err := book.BuildDialRequest(t.Context(), c, ann)
		switch {
		case tc.want == "":
			if fault.Code(err) != "other_number" || fault.Of(err) != fault.Permanent || strings.Contains(err.Error(), "8131234") {
				t.Errorf("%s: it is ordered to ring another number: %d numbers, %v", story, len(o.Numbers), err)
			}
		case err != nil || strings.Join(o.Numbers, " ") != tc.want || o.To != to:
			t.Errorf("%s: it is ordered to ring another number: %d numbers, %v", story, len(o.Numbers), err)
		case !o.PassEnds.Equal(ends) || !o.CallAt.Equal(at):
			t.Errorf("%s: at %v, until %v", story, o.CallAt, o.PassEnds)
		}
	}
}
