package log_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

// racers are four events that four services might want to append at the same
// moment. They go to four subjects of the same call.
func racers(call string, after uint64) []log.Draft {
	return []log.Draft{
		draft(call, events.Orchestrator, events.CancelRequested, "operator", after, &events.CallCancelRequested{By: events.ByOperator}),
		draft(call, events.Compliance, events.Failed, "opt-out", after, &events.CallFailed{}),
		draft(call, events.Dialer, events.Dialing, "pass", after, &events.CallDialing{}),
		draft(call, events.Bridge, events.Ringing, "webhook", after, &events.CallProgress{}),
	}
}

// race lets the racers go at once and counts who was told to have won.
func race(ctx context.Context, l log.Leader, ds []log.Draft) (won int, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, d := range ds {
		wg.Go(func() {
			<-start
			a, e := l.Append(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case e == nil && a.Won:
				won++
			case e != nil && !errors.Is(e, log.ErrConflict):
				err = errors.Join(err, e)
			}
		})
	}
	close(start)
	wg.Wait()
	return won, err
}

func TestFourRacersOneWinnerAndSubscribersSeeTheLog(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	sub, err := r.NC.SubscribeSync("calls.>")
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 200
	for i := range rounds {
		call := fmt.Sprintf("call%d", i)
		a := must(t, l, requested(call))
		won, err := race(t.Context(), l, racers(call, a.Record.Seq))
		if err != nil || won != 1 {
			t.Fatalf("round %d: %d winners, %v", i, won, err)
		}
	}
	for seq := uint64(1); seq <= 2*rounds; seq++ {
		rec, err := l.At(t.Context(), events.CallFamily, seq)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatalf("the subscriber misses sequence %d: %v", seq, err)
		}
		if seen.Subject != rec.Subject() || seen.Header.Get("ce-id") != rec.ID {
			t.Fatalf("sequence %d: the subscriber saw %s, stored is %s", seq, seen.Subject, rec.Subject())
		}
	}
	if err := r.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("the subscriber saw %s, which is not in the log", m.Subject)
	}
	if _, err := l.At(t.Context(), events.CallFamily, 2*rounds+1); !errors.Is(err, log.ErrNone) {
		t.Errorf("the log holds more than one winner a round: %v", err)
	}
}

// The negative control: with a filter over the literal subject the same race
// must be seen to fail, or the test above proves nothing.
func TestTheRaceTestCatchesALiteralFilter(t *testing.T) {
	t.Parallel()
	r := rig(t)
	good, bad := log.NewJetStream(r.JS, log.Options{}), log.NewLiteral(r.JS)
	doubles := 0
	for i := range 20 {
		call := fmt.Sprintf("call%d", i)
		a := must(t, good, requested(call))
		won, err := race(t.Context(), bad, racers(call, a.Record.Seq))
		if err != nil {
			t.Fatal(err)
		}
		if won > 1 {
			doubles++
		}
	}
	if doubles == 0 {
		t.Error("no round had two winners: the race test cannot fail")
	}
}

// lossy gives a log whose connection runs through a proxy.
func lossy(t *testing.T) (*natstest.Rig, *proxy, *log.JetStream) {
	t.Helper()
	r := rig(t, func(c *embedded.Config) { c.Listen = "127.0.0.1:0" })
	p := newProxy(t, strings.TrimPrefix(r.Server.ClientURL(), "nats://"))
	nc, err := nats.Connect(p.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return r, p, log.NewJetStream(js, log.Options{AckWait: 400 * time.Millisecond, ReadWait: time.Second})
}

// muted appends while the answer is swallowed, and lets answers through again
// before the log is read back.
func muted(t *testing.T, p *proxy, l log.Leader, d log.Draft) (log.Appended, error) {
	t.Helper()
	p.mute.Store(true)
	go func() {
		<-p.dropped
		p.mute.Store(false)
	}()
	return l.Append(t.Context(), d)
}

func TestALostAnswerIsReadBack(t *testing.T) {
	t.Parallel()
	_, p, l := lossy(t)
	a, err := muted(t, p, l, requested("c1"))
	if err != nil {
		t.Fatalf("the event is in the log, yet: %v", err)
	}
	if a.Won {
		t.Error("an event found on read-back was won")
	}
	if a.Record.Seq == 0 || a.Record.Name != events.Requested {
		t.Errorf("read back %+v", a.Record)
	}
	log, err := l.Read(t.Context(), events.CallFamily, "acme", "c1", 0)
	if err != nil || len(log) != 1 {
		t.Errorf("the log holds %d events, %v", len(log), err)
	}
}

func TestDialingAndPreparingNeverWinByReadBack(t *testing.T) {
	t.Parallel()
	for _, d := range []log.Draft{
		draft("c1", events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{Attempt: "x"}),
		draft("c1", events.Compliance, events.Preparing, "assigned", 0, &events.CallPreparing{Attempt: "x"}),
	} {
		t.Run(string(d.Name), func(t *testing.T) {
			t.Parallel()
			r, p, l := lossy(t)
			a, err := muted(t, p, l, d)
			if err != nil {
				t.Fatal(err)
			}
			if a.Won {
				t.Error("won by read-back: two processes could dial")
			}
			// The second time the event is there, and it is somebody's.
			direct := log.NewJetStream(r.JS, log.Options{})
			if a, err := direct.Append(t.Context(), d); err == nil {
				t.Errorf("a second %s was let in, won %v", d.Name, a.Won)
			} else if !errors.Is(err, log.ErrConflict) {
				t.Error(err)
			}
		})
	}
}

func TestSilenceThatCannotBeReadBackIsUncertain(t *testing.T) {
	t.Parallel()
	r, p, l := lossy(t)
	p.mute.Store(true)
	_, err := l.Append(t.Context(), requested("c1"))
	if fault.Of(err) != fault.Uncertain || fault.Code(err) != log.CodeAppendUnknown {
		t.Errorf("err = %v, want uncertain %s", err, log.CodeAppendUnknown)
	}
	// And it was uncertain indeed: the event had been stored.
	if _, err := log.NewJetStream(r.JS, log.Options{}).Last(t.Context(), events.CallFamily, "acme", "c1"); err != nil {
		t.Errorf("the swallowed append is not in the log: %v", err)
	}
}

func TestWithoutAServerNothingIsStored(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	r.Server.Stop()
	deadline := time.Now().Add(5 * time.Second)
	for r.NC.Status() == nats.CONNECTED && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	_, err := l.Append(t.Context(), requested("c1"))
	if fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeUnavailable {
		t.Errorf("err = %v, want transient %s", err, log.CodeUnavailable)
	}
}

func TestAppendStories(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})

	t.Run("the same decision twice is one event, and only the first won", func(t *testing.T) {
		a := must(t, l, requested("twice"))
		b := must(t, l, requested("twice"))
		if !a.Won || b.Won || a.Record.ID != b.Record.ID || a.Record.Seq != b.Record.Seq {
			t.Errorf("first %+v, second %+v", a, b)
		}
	})
	t.Run("the same cause may lead to the same type again", func(t *testing.T) {
		a := must(t, l, requested("again"))
		d := draft("again", events.Orchestrator, events.Waiting, a.Record.ID, a.Record.Seq, &events.CallWaiting{Reason: events.WaitAgentNotReady})
		b := must(t, l, d)
		d.After, d.Body = b.Record.Seq, &events.CallWaiting{Reason: events.WaitWindow}
		c := must(t, l, d)
		if !c.Won || c.Record.ID == b.Record.ID || c.Record.Seq <= b.Record.Seq {
			t.Errorf("the second waiting was swallowed: %+v after %+v", c, b)
		}
		if e := must(t, l, d); e.Won || e.Record.ID != c.Record.ID {
			t.Errorf("repeated, it became another event: %+v", e)
		}
	})
	t.Run("two tenants' agents of one name do not swallow each other", func(t *testing.T) {
		for _, tenant := range []string{"acme", "globex"} {
			a := must(t, l, log.Draft{
				Family: events.AgentFamily, Tenant: tenant, Key: "agent4", Role: events.Orchestrator,
				Name: events.Enrolled, Cause: "config", Time: noon, Body: &events.AgentEnrolled{},
			})
			if !a.Won {
				t.Errorf("%s: %+v", tenant, a)
			}
		}
	})
	t.Run("who is behind conflicts", func(t *testing.T) {
		must(t, l, requested("behind"))
		d := draft("behind", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{})
		if _, err := l.Append(t.Context(), d); !errors.Is(err, log.ErrConflict) || fault.Of(err) != fault.Transient {
			t.Errorf("err = %v", err)
		}
	})
}

func TestWhatCannotBeAppended(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})

	t.Run("a body of 65 KiB is refused before it is sent", func(t *testing.T) {
		d := draft("big", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{Reason: strings.Repeat("x", 65<<10)})
		_, err := l.Append(t.Context(), d)
		if fault.Of(err) != fault.Permanent || fault.Code(err) != log.CodeTooLarge {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("the 65th event of a kind fills the log", func(t *testing.T) {
		var after uint64
		var err error
		for i := 0; i < 65 && err == nil; i++ {
			var a log.Appended
			a, err = l.Append(t.Context(), draft("full", events.Bridge, events.Held, fmt.Sprint(i), after, events.CallProgress{}))
			after = a.Record.Seq
		}
		if fault.Of(err) != fault.Permanent || fault.Code(err) != log.CodeLogFull {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("a role that does not exist is refused", func(t *testing.T) {
		_, err := l.Append(t.Context(), draft("c", events.Dialer, events.Passed, "x", 0, &events.CallPassed{}))
		if fault.Of(err) != fault.Permanent {
			t.Errorf("err = %v", err)
		}
	})
}

func TestABodyIsAPointerAsAReaderGetsIt(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	a := must(t, l, draft("value", events.Bridge, events.Ringing, "x", 0, events.CallProgress{Event: "Ring"}))
	if b, ok := a.Record.Body.(*events.CallProgress); !ok || b.Event != "Ring" {
		t.Errorf("given by value, the body is %T", a.Record.Body)
	}
}

// The two codes for a lost race, and the errors after which reading back is
// pointless.
func TestRefusals(t *testing.T) {
	t.Parallel()
	api := func(code jetstream.ErrorCode, text string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: code, Description: text})
	}
	for story, tc := range map[string]struct {
		err  error
		code string // "" = read back
	}{
		"lost the race, single node":         {api(10071, "wrong last sequence: 4"), ""},
		"lost the race, replicated":          {api(10164, "wrong last sequence"), ""},
		"no answer":                          {context.DeadlineExceeded, ""},
		"no such stream":                     {jetstream.ErrNoStreamResponse, log.CodeUnavailable},
		"not connected":                      {nats.ErrReconnectBufExceeded, log.CodeUnavailable},
		"too large for the stream":           {api(10054, "message size exceeds maximum allowed"), log.CodeTooLarge},
		"too large for the server":           {nats.ErrMaxPayload, log.CodeTooLarge},
		"too many of a kind":                 {api(10077, "maximum messages per subject exceeded"), log.CodeLogFull},
		"the disk is full":                   {api(10077, "no space left"), log.CodeNoRoom},
		"the stream is full":                 {api(10077, "maximum bytes exceeded"), log.CodeNoRoom},
		"the server's store is full":         {api(10023, "insufficient resources"), log.CodeNoRoom},
		"the account's store is full":        {api(10002, "resource limits exceeded for account"), log.CodeNoRoom},
		"the leader is not ready to compare": {api(10163, "temporarily unavailable"), log.CodeRefused},
	} {
		got := log.Refusal(tc.err)
		if (got == nil) != (tc.code == "") || (got != nil && fault.Code(got) != tc.code) {
			t.Errorf("%s: %v, want %q", story, got, tc.code)
		}
	}
}
