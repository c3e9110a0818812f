package dialer

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// unknown brings a world's call to an unknown whose lookup is due.
func unknown(w *world) events.Record {
	w.t.Helper()
	w.p.start = func(providers.Order) (providers.Receipt, error) {
		return providers.Receipt{}, fault.New(fault.Uncertain, "dial", "timeout", nil)
	}
	w.prepare()
	w.hear(w.passed())
	w.pass(10 * time.Second)
	return w.last()
}

func TestTheVerdictsOfALookup(t *testing.T) {
	t.Parallel()
	placed, not := providers.Found{Verdict: providers.Placed, Evidence: "INCALL"}, providers.Found{Verdict: providers.NotPlaced, Evidence: "PREPARED"}
	for story, tc := range map[string]struct {
		found []providers.Found
		err   error
		want  string // what follows unknown; "" = again later
		over  bool
	}{
		"placed":                          {[]providers.Found{placed}, nil, " started", false},
		"over already":                    {[]providers.Found{{Verdict: providers.Over, Evidence: "READY"}}, nil, " started", true},
		"not placed, asked twice":         {[]providers.Found{not, not}, nil, " not_placed", false},
		"not placed, and then it was":     {[]providers.Found{not, placed}, nil, " started", false},
		"not placed, and then no word":    {[]providers.Found{not, {Verdict: providers.CannotSay}}, nil, "", false},
		"the provider cannot say":         {[]providers.Found{{Verdict: providers.CannotSay}}, nil, "", false},
		"the provider cannot be reached":  {nil, fault.New(fault.Transient, "look up", "down", nil), "", false},
		"the provider refuses the asking": {nil, fault.New(fault.Permanent, "look up", "unauthorized", nil), "", false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{LooksUp: true})
			u := unknown(w)
			w.p.found, w.p.lookErr = tc.found, tc.err
			err := w.hears(w.s, u)
			if tc.want == "" {
				wantSnooze(t, err)
			} else if err != nil {
				t.Fatal(err)
			}
			w.want("requested assigned preparing passed dialing unknown" + tc.want)
			if s := w.call().Started; s != nil && (!s.Presumed || s.Over != tc.over || s.Evidence == "") {
				t.Errorf("%+v", s)
			}
			w.wantStarts(1)
		})
	}
}

func TestALookupIsNotAskedTooEarlyOrInVain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{LooksUp: true})
	u := unknown(w)
	w.pass(-8 * time.Second)
	wantSnooze(t, w.hears(w.s, u))
	if w.p.lookups != 0 {
		t.Error("asked before the intent's time was over")
	}
	w.say(events.Bridge, events.Ringing, &events.CallProgress{Event: "RING"}) // settled by itself
	w.pass(time.Hour)
	w.hear(u)
	cannot := newWorld(t, providers.Capabilities{})
	cannot.hear(unknown(cannot))
	if w.p.lookups+cannot.p.lookups != 0 {
		t.Error("asked in vain")
	}
}

// endings are the ways in which a prepared call comes to be undone; each
// returns the event that the dialer hears.
func endings() map[string]func(*world) events.Record {
	refuse := func(w *world) {
		w.p.start = func(providers.Order) (providers.Receipt, error) {
			return providers.Receipt{}, fault.New(fault.Permanent, "dial", "no", nil)
		}
	}
	return map[string]func(*world) events.Record{
		"after compliance's no": func(w *world) events.Record {
			return w.say(events.Compliance, events.Failed, &events.CallFailed{Touched: true})
		},
		"when nothing was sent": func(w *world) events.Record {
			w.pass(10 * time.Minute)
			p := w.passed()
			w.pass(11 * time.Minute)
			w.hear(p)
			return w.last()
		},
		"after a refusal": func(w *world) events.Record { refuse(w); w.hear(w.passed()); return w.last() },
		"when it was cancelled": func(w *world) events.Record {
			w.passed()
			return w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		},
		"when it was cancelled before the answer": func(w *world) events.Record {
			w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
			if len(w.p.withdraws) != 0 {
				w.t.Error("withdrawn while compliance was at it")
			}
			return w.passed()
		},
		"when it was not placed": func(w *world) events.Record {
			w.p.start = func(providers.Order) (providers.Receipt, error) {
				return providers.Receipt{}, fault.New(fault.Uncertain, "dial", "timeout", nil)
			}
			w.p.found = []providers.Found{{Verdict: providers.NotPlaced}}
			w.hear(w.passed())
			w.pass(time.Minute)
			w.hear(w.last())
			return w.last()
		},
		"cancelled while it was sent, and then refused": func(w *world) events.Record {
			w.p.start = func(providers.Order) (providers.Receipt, error) {
				c := w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
				w.hear(c)
				if l := w.last(); l.Name != events.CancelFailed || len(w.p.withdraws) != 0 { // not while the start is on its way
					w.t.Errorf("%s, withdrawn %d times", l.Name, len(w.p.withdraws))
				}
				return providers.Receipt{}, fault.New(fault.Permanent, "dial", "no", nil)
			}
			w.hear(w.passed())
			return w.last()
		},
	}
}

func TestAPreparationIsUndone(t *testing.T) {
	t.Parallel()
	for story, bring := range endings() {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{LooksUp: true})
			w.prepare()
			r := bring(w)
			w.hear(r)
			w.hear(r) // twice is once
			if l := w.last(); l.Name != events.Cancelled || l.Body.(*events.CallCancelled).Evidence != "READY" {
				t.Errorf("last is %s", l.Name)
			}
			if len(w.p.withdraws) != 1 {
				t.Errorf("withdrawn %d times", len(w.p.withdraws))
			}
			if w.call().Touched {
				t.Error("the provider still holds it")
			}
		})
	}
}

func TestWithdrawalsThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.prepare()
	r := w.say(events.Compliance, events.Failed, &events.CallFailed{Touched: true})
	w.p.withdraw = func() (string, error) { return "", fault.New(fault.Transient, "withdraw", "down", nil) }
	wantSnooze(t, w.hears(w.s, r))
	w.p.withdraw = func() (string, error) { return "", fault.New(fault.Uncertain, "withdraw", "timeout", nil) }
	wantSnooze(t, w.hears(w.s, r))
	w.want("requested assigned preparing failed")
	w.p.withdraw = func() (string, error) { return "", fault.New(fault.Permanent, "withdraw", "unsupported", nil) }
	w.hear(r)
	w.hear(r)
	w.want("requested assigned preparing failed cancel_failed")
	if got := w.last().Body.(*events.CallCancelFailed).Reason; got != "unsupported" {
		t.Errorf("reason %s", got)
	}
}

func TestCancellingAPlacedCall(t *testing.T) {
	t.Parallel()
	cancel := func(w *world) events.Record {
		return w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
	}
	t.Run("where the provider can", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Withdraw: true})
		w.hear(w.passed())
		w.hear(cancel(w))
		w.want("requested assigned passed dialing started cancel_requested cancelled")
	})
	t.Run("where it cannot", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{})
		w.hear(w.passed())
		r := cancel(w)
		w.hear(r)
		w.hear(r)
		w.want("requested assigned passed dialing started cancel_requested cancel_failed")
		if len(w.p.withdraws) != 0 {
			t.Error("it was asked all the same")
		}
	})
	t.Run("when it rings already it keeps its state", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Withdraw: true})
		w.hear(w.passed())
		w.say(events.Bridge, events.Ringing, &events.CallProgress{Event: "RING"})
		w.hear(cancel(w))
		w.want("requested assigned passed dialing started ringing cancel_requested")
		if len(w.p.withdraws) != 1 {
			t.Error("the provider was not asked")
		}
	})
	// A start that hangs is no reason to be silent: that the provider cannot take
	// a call back is known before its answer.
	for answer, c := range map[events.Name]struct {
		err  error
		then string
	}{
		events.Started: {nil, ""},
		events.Refused: {fault.New(fault.Permanent, "dial", "refused", nil), " cancelled"}, // the preparation is withdrawn all the same
	} {
		t.Run("while its start hangs and then is "+string(answer), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{Prepares: true})
			w.prepare()
			begun, over := make(chan struct{}), make(chan struct{})
			w.p.during = func(context.Context) error { close(begun); <-over; return nil }
			w.p.start = func(providers.Order) (providers.Receipt, error) { return providers.Receipt{}, c.err }
			passed, ended := w.passed(), make(chan error, 1)
			go func() { ended <- w.hears(w.s, passed) }()
			<-begun
			w.hear(cancel(w))
			w.want("requested assigned preparing passed dialing cancel_requested cancel_failed")
			close(over)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			w.hear(w.last())
			w.want("requested assigned preparing passed dialing cancel_requested cancel_failed " + string(answer) + c.then)
			w.wantStarts(1)
		})
	}
	t.Run("where the provider can, once its start has an answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Withdraw: true})
		var r events.Record
		w.p.during = func(context.Context) error {
			r = cancel(w)
			wantSnooze(t, w.hears(w.s, r))
			return nil
		}
		w.hear(w.passed())
		w.hear(r)
		w.want("requested assigned passed dialing cancel_requested started cancelled")
	})
	t.Run("when it is closed there is nothing to do", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Withdraw: true})
		w.hear(w.passed())
		r := cancel(w)
		w.say(events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed})
		w.hear(r)
		if len(w.p.withdraws) != 0 {
			t.Error("withdrawn after the end")
		}
	})
}

func TestAnOrphanIsWithdrawnAndTheAlarmRings(t *testing.T) {
	t.Parallel()
	for story, can := range map[string]bool{"where the provider can": true, "where it cannot": false} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{Withdraw: can})
			w.p.start = func(providers.Order) (providers.Receipt, error) {
				return providers.Receipt{}, fault.New(fault.Permanent, "dial", "no", nil)
			}
			w.hear(w.passed())
			w.say(events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed})
			r := w.say(events.Bridge, events.Ringing, &events.CallProgress{Event: "RING", Late: true})
			w.hear(r)
			w.hear(r)
			w.want("requested assigned passed dialing refused closed ringing orphaned")
			o := w.last().Body.(*events.CallOrphaned)
			if o.Undone != can || (len(w.p.withdraws) == 1) != can {
				t.Errorf("%+v, withdrawn %d times", o, len(w.p.withdraws))
			}
			if len(w.ops) != 1 || w.ops[0].Event != "alarm" || w.ops[0].Call != call || w.ops[0].Agent != "ann" {
				t.Errorf("%+v", w.ops)
			}
		})
	}
}

func TestWhatIsOnRecordIsNotPersonal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.hear(w.passed())
	for _, r := range w.call().Log[1:] {
		raw, err := json.Marshal(r.Body)
		if err != nil || strings.Contains(string(raw), tokyo) || strings.Contains(string(raw), "secret-token") {
			t.Errorf("%s holds the number or the token, %v", r.Name, err)
		}
	}
}

func TestConnectionsAreListedByTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{LooksUp: true})
	v, err := w.s.onConnections(t.Context(), "acme", nil)
	raw, _ := json.Marshal(v)
	if err != nil || !strings.Contains(string(raw), `"connection":"tcn","kind":"tcn"`) {
		t.Errorf("%s, %v", raw, err)
	}
	if _, err := w.s.onConnections(t.Context(), "globex", nil); err == nil {
		t.Error("an unknown tenant has connections")
	}
}
