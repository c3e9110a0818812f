package logtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// noon is when everything in the exam happens.
var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

// Exam asks a log whether it keeps the promises of log.Leader. fresh makes an
// empty one for the tenants acme and globex.
func Exam(t *testing.T, fresh func(t *testing.T) log.Leader) {
	t.Helper()
	l := fresh(t)
	for story, ask := range map[string]func(*testing.T, log.Leader){
		"of four racers one wins":                                  oneWinner,
		"who is behind conflicts, wherever the newer event stands": behind,
		"the same decision twice is one event":                     twice,
		"a decision of long ago is a conflict, not a repetition":   longAgo,
		"the same cause may lead to the same type again":           again,
		"an intent is nobody else's":                               intents,
		"tenants and calls do not swallow each other's ids":        nameSpaces,
		"a log is read in order, from its first event or not":      reads,
		"what comes back is what was written":                      roundTrip,
		"a call's log has an end, an agent's makes room":           fullLogs,
		"what is not of the vocabulary is refused":                 refusals,
		"an end of the context stores nothing":                     cancelled,
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			ask(t, l)
		})
	}
}

func draft(call string, r events.Role, n events.Name, cause string, after uint64, body any) log.Draft {
	return log.Draft{Family: events.CallFamily, Tenant: "acme", Key: call, Role: r, Name: n,
		Cause: cause, Time: noon, Body: body, After: after}
}

func requested(call string) log.Draft {
	return draft(call, events.Orchestrator, events.Requested, "request", 0, &events.CallRequested{})
}

func must(t *testing.T, l log.Leader, d log.Draft) log.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), d)
	if err != nil {
		t.Fatalf("append %s: %v", d.Name, err)
	}
	return a
}

func wantConflict(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, log.ErrConflict) || fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeConflict {
		t.Errorf("err = %v, want a transient conflict", err)
	}
}

func oneWinner(t *testing.T, l log.Leader) {
	for round := range 20 {
		call := fmt.Sprintf("race%d", round)
		after := must(t, l, requested(call)).Record.Seq
		var mu sync.Mutex
		var wg sync.WaitGroup
		won := 0
		for _, d := range []log.Draft{
			draft(call, events.Orchestrator, events.CancelRequested, "operator", after, &events.CallCancelRequested{}),
			draft(call, events.Compliance, events.Failed, "opt-out", after, &events.CallFailed{}),
			draft(call, events.Dialer, events.Dialing, "pass", after, &events.CallDialing{}),
			draft(call, events.Bridge, events.Ringing, "webhook", after, &events.CallProgress{}),
		} {
			wg.Go(func() {
				a, err := l.Append(t.Context(), d)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					wantConflict(t, err)
				} else if a.Won {
					won++
				}
			})
		}
		wg.Wait()
		log, err := l.Read(t.Context(), events.CallFamily, "acme", call, 0)
		if won != 1 || len(log) != 2 || err != nil {
			t.Fatalf("round %d: %d winners, %d events, %v", round, won, len(log), err)
		}
	}
}

func behind(t *testing.T, l log.Leader) {
	a := must(t, l, requested("behind"))
	b := must(t, l, draft("behind", events.Bridge, events.Ringing, "x", a.Record.Seq, &events.CallProgress{}))
	for _, after := range []uint64{0, a.Record.Seq, b.Record.Seq + 1} {
		_, err := l.Append(t.Context(), draft("behind", events.Bridge, events.Answered, "y", after, &events.CallProgress{}))
		wantConflict(t, err)
	}
	_, err := l.Append(t.Context(), draft("nobody", events.Bridge, events.Answered, "y", 7, &events.CallProgress{}))
	wantConflict(t, err)
}

func twice(t *testing.T, l log.Leader) {
	a, b := must(t, l, requested("twice")), must(t, l, requested("twice"))
	if !a.Won || b.Won || a.Record.ID != b.Record.ID || a.Record.Seq != b.Record.Seq {
		t.Errorf("first %+v, second %+v", a, b)
	}
}

func longAgo(t *testing.T, l log.Leader) {
	a := must(t, l, requested("ago"))
	must(t, l, draft("ago", events.Bridge, events.Ringing, "x", a.Record.Seq, &events.CallProgress{}))
	_, err := l.Append(t.Context(), requested("ago"))
	wantConflict(t, err)
}

func again(t *testing.T, l log.Leader) {
	a := must(t, l, requested("again"))
	d := draft("again", events.Orchestrator, events.Waiting, a.Record.ID, a.Record.Seq, &events.CallWaiting{Reason: "first"})
	b := must(t, l, d)
	d.After, d.Body = b.Record.Seq, &events.CallWaiting{Reason: "second"}
	c := must(t, l, d)
	if !c.Won || c.Record.ID == b.Record.ID || c.Record.Seq <= b.Record.Seq {
		t.Errorf("the second was swallowed: %+v after %+v", c, b)
	}
	if e := must(t, l, d); e.Won || e.Record.ID != c.Record.ID {
		t.Errorf("repeated, it became another event: %+v", e)
	}
}

func intents(t *testing.T, l log.Leader) {
	for _, d := range []log.Draft{
		draft("intent", events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{}),
		draft("prepared", events.Compliance, events.Preparing, "assigned", 0, &events.CallPreparing{}),
	} {
		if a := must(t, l, d); !a.Won {
			t.Errorf("%s was not won: %+v", d.Name, a)
		}
		_, err := l.Append(t.Context(), d)
		wantConflict(t, err)
	}
	d := draft("given", events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{})
	d.ID = "mine"
	if a := must(t, l, d); !a.Won || a.Record.ID != "mine" {
		t.Errorf("an id given was not kept: %+v", a)
	}
	if a := must(t, l, d); a.Won {
		t.Errorf("an intent found was won: %+v", a)
	}
}

func nameSpaces(t *testing.T, l log.Leader) {
	for _, tenant := range []string{"acme", "globex"} {
		for _, key := range []string{"agent4", "agent5"} {
			d := log.Draft{Family: events.AgentFamily, Tenant: tenant, Key: key, Role: events.Orchestrator,
				Name: events.Enrolled, ID: "the-same", Time: noon, Body: &events.AgentEnrolled{}}
			if a := must(t, l, d); !a.Won {
				t.Errorf("%s %s: %+v", tenant, key, a)
			}
		}
	}
	d := requested("shared")
	d.Tenant = "globex"
	if a := must(t, l, d); !a.Won {
		t.Errorf("%+v", a)
	}
	if log, err := l.Read(t.Context(), events.CallFamily, "acme", "shared", 0); err != nil || len(log) != 0 {
		t.Errorf("another tenant sees the call: %d events, %v", len(log), err)
	}
}

func reads(t *testing.T, l log.Leader) {
	ctx := t.Context()
	a := must(t, l, requested("reads"))
	ring := draft("reads", events.Bridge, events.Ringing, "x", a.Record.Seq,
		&events.CallProgress{Common: events.Common{Refs: events.Refs{Requested: a.Record.Seq}}})
	b := must(t, l, ring)
	for _, first := range []uint64{0, a.Record.Seq} {
		log, err := l.Read(ctx, events.CallFamily, "acme", "reads", first)
		if err != nil || len(log) != 2 || log[0].Seq != a.Record.Seq || log[1].Seq != b.Record.Seq {
			t.Errorf("from %d: %+v, %v", first, log, err)
		}
	}
	if log, err := l.Read(ctx, events.CallFamily, "acme", "none", 0); err != nil || len(log) != 0 {
		t.Errorf("an empty log: %+v, %v", log, err)
	}
	if last, err := l.Last(ctx, events.CallFamily, "acme", "reads"); err != nil || last.Seq != b.Record.Seq {
		t.Errorf("last: %+v, %v", last, err)
	}
	if _, err := l.Last(ctx, events.CallFamily, "acme", "none"); !errors.Is(err, log.ErrNone) {
		t.Errorf("last of nothing: %v", err)
	}
	if at, err := l.At(ctx, events.CallFamily, a.Record.Seq); err != nil || at.Key != "reads" || at.Name != events.Requested {
		t.Errorf("at: %+v, %v", at, err)
	}
	for _, seq := range []uint64{0, 1 << 40} {
		if _, err := l.At(ctx, events.CallFamily, seq); !errors.Is(err, log.ErrNone) {
			t.Errorf("at %d: %v", seq, err)
		}
	}
}

func roundTrip(t *testing.T, l log.Leader) {
	d := draft("trip", events.Bridge, events.Ringing, "cause-1", 0, events.CallProgress{Event: "Ring", RawSeq: 9})
	d.Place, d.Time = 3, noon.Add(1234*time.Millisecond)
	d.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := must(t, l, d)
	back, err := l.Last(t.Context(), events.CallFamily, "acme", "trip")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []events.Record{a.Record, back} {
		b, ok := r.Body.(*events.CallProgress)
		if !ok || b.Event != "Ring" || b.RawSeq != 9 || r.Cause != "cause-1" || r.Place != 3 ||
			!r.Time.Equal(d.Time) || r.TraceParent != d.TraceParent || r.Role != events.Bridge || r.Seq != a.Record.Seq {
			t.Errorf("%+v with %+v", r, r.Body)
		}
	}
	if back.Body == d.Body || back.ID != a.Record.ID {
		t.Error("the reader got the writer's own body, or another id")
	}
}

func fullLogs(t *testing.T, l log.Leader) {
	var after uint64
	var err error
	n := 0
	for ; n < perSubject+1 && err == nil; n++ {
		var a log.Appended
		a, err = l.Append(t.Context(), draft("full", events.Bridge, events.Held, fmt.Sprint(n), after, &events.CallProgress{}))
		if err == nil {
			after = a.Record.Seq
		}
	}
	if n != perSubject+1 || fault.Of(err) != fault.Permanent || fault.Code(err) != log.CodeLogFull {
		t.Errorf("after %d: %v", n, err)
	}
	agent := log.Draft{Family: events.AgentFamily, Tenant: "acme", Key: "busy", Role: events.Bridge,
		Name: events.Ready, Time: noon, Body: &events.AgentPresence{}}
	var first uint64
	for i := range perSubject + 1 {
		agent.Cause = fmt.Sprint(i)
		a := must(t, l, agent)
		if agent.After = a.Record.Seq; i == 0 {
			first = a.Record.Seq
		}
	}
	if _, err := l.At(t.Context(), events.AgentFamily, first); !errors.Is(err, log.ErrNone) {
		t.Errorf("the oldest is still there: %v", err)
	}
}

func refusals(t *testing.T, l log.Leader) {
	for story, d := range map[string]log.Draft{
		"another's role": draft("c", events.Dialer, events.Passed, "x", 0, &events.CallPassed{}),
		"another's body": draft("c", events.Dialer, events.Dialing, "x", 0, &events.CallPassed{}),
		"no call id":     draft("a b", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{}),
		"too large": draft("c", events.Bridge, events.Ringing, "x", 0,
			&events.CallProgress{Reason: strings.Repeat("x", log.MaxBody+1)}),
	} {
		if _, err := l.Append(t.Context(), d); fault.Of(err) != fault.Permanent || err == nil {
			t.Errorf("%s: %v", story, err)
		}
	}
	if log, err := l.Read(t.Context(), events.CallFamily, "acme", "c", 0); err != nil || len(log) != 0 {
		t.Errorf("something was stored: %+v, %v", log, err)
	}
}

func cancelled(t *testing.T, l log.Leader) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Append(ctx, requested("over"))
	if fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeUnavailable {
		t.Errorf("err = %v", err)
	}
	if _, err := l.Last(t.Context(), events.CallFamily, "acme", "over"); !errors.Is(err, log.ErrNone) {
		t.Errorf("it was stored all the same: %v", err)
	}
}
