package compliance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestRightAfterTheRequest(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		to    string
		hour  time.Duration
		setup func(*world)
		code  string // "" = nothing is said yet
	}{
		"a good number says nothing":             {newYork, 0, nil, ""},
		"a wrong hour is cured by waiting":       {newYork, 12 * time.Hour, nil, ""},
		"an emergency number is hopeless":        {"+1911", 0, nil, rules.NumberEmergency},
		"a country that is not the tenant's too": {"+81312345678", 0, nil, rules.JurisdictionUnsupported},
		"a number on the company's list too": {newYork, 0, func(w *world) {
			if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}]}`); err != nil {
				w.t.Error(err)
			}
		}, rules.DNCInternal},
		"a list that cannot be read just now is no verdict": {newYork, 0, func(w *world) { w.list.down = true }, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "desk", tc.to)
			if tc.setup != nil {
				tc.setup(w)
			}
			w.pass(tc.hour)
			r := w.call().Log[0]
			for range 2 {
				w.hear(r)
			}
			if tc.code == "" {
				w.want("requested")
				return
			}
			w.want("requested failed")
			w.wantFailed(tc.code, false, false)
		})
	}
}

func TestAnAssignmentIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	r := w.assign()
	w.hear(r)
	w.hear(r)
	w.want("requested assigned passed")
	p := w.call().Passed
	if p.Fence != w.call().Assigned.Fence || p.Number.Token != key().NumberToken(newYork) || !p.ValidUntil.After(noon) || p.ValidUntil.After(noon.Add(time.Hour)) {
		t.Errorf("%+v", p)
	}
	if p.Evidence.Ruleset != "us-federal" || p.Evidence.RulesetHash == "" || p.Evidence.TZData == "" || len(p.Evidence.Rules) == 0 {
		t.Errorf("%+v", p.Evidence)
	}
}

func TestAnAssignmentThatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.pass(12 * time.Hour)
	w.hear(w.assign())
	w.want("requested assigned failed")
	if f := w.call().Failed; f.NextAllowedAt == nil || f.Retry {
		t.Errorf("%+v", f)
	}
	down := newWorld(t, "desk", newYork)
	down.list.down = true
	down.hear(down.assign())
	down.wantFailed(rules.DNCListUnavailable, true, false) // closed for now, and asked again
}

func TestAnOldAssignmentIsNotAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	old := w.assign()
	w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
	w.hear(old)
	w.assign()
	w.hear(old)
	w.want("requested assigned waiting assigned")
}

func TestTwoWorkersOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	other := w.join()
	r := w.assign()
	w.log.Before(events.Passed, func() {
		if err := w.hears(other, r); err != nil {
			t.Error(err)
		}
	})
	w.hear(r)
	w.want("requested assigned passed")
}

func TestTheProviderIsTouchedOnlyAfterOurRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	w.pass(12 * time.Hour) // night
	w.hear(w.assign())
	w.want("requested assigned failed")
	if w.p.prepares != 0 {
		t.Error("the provider was touched")
	}
}

func TestPreparedAndPassed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	w.p.prepare = func(_ context.Context, o providers.Order) (events.Scrub, bool, error) {
		if w.want("requested assigned preparing"); o.Attempt != w.call().Preparing.Attempt || o.To != newYork || !o.NotAfter.Equal(noon.Add(20*time.Second)) {
			t.Errorf("the order is not the call's")
		}
		return events.Scrub{OK: true, State: map[string]string{"id": "sid"}}, true, nil
	}
	r := w.assign()
	w.hear(r)
	w.hear(r)
	w.want("requested assigned preparing passed")
	if p := w.call().Passed; p.Scrub == nil || p.Scrub.State["id"] != "sid" || w.p.prepares != 1 {
		t.Errorf("%+v, touched %d times", p, w.p.prepares)
	}
}

func TestOnlyTheWinnerTouches(t *testing.T) {
	t.Parallel()
	for story, f := range map[string]logtest.Fault{
		"the acknowledgement was lost":    logtest.LostAnswer,
		"nobody can say, but it is there": logtest.StoredUnknown,
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "tcn", newYork)
			r := w.assign()
			w.log.Fail(events.Preparing, f)
			_ = w.hears(w.s, r)
			w.hear(r)
			w.want("requested assigned preparing")
			if w.p.prepares != 0 {
				t.Errorf("touched %d times", w.p.prepares)
			}
			w.pass(21 * time.Second)
			w.turns(w.s) // whoever won may still be about to answer
			w.want("requested assigned preparing")
			w.pass(time.Second)
			w.turns(w.s)
			w.turns(w.join()) // everybody looks
			w.want("requested assigned preparing failed")
			w.wantFailed("PREPARATION_LOST", true, true)
		})
	}
	w := newWorld(t, "tcn", newYork)
	other := w.join()
	r := w.assign()
	w.log.Before(events.Preparing, func() {
		if err := w.hears(other, r); err != nil {
			t.Error(err)
		}
	})
	w.hear(r)
	if w.want("requested assigned preparing passed"); w.p.prepares != 1 {
		t.Errorf("two workers touched %d times", w.p.prepares)
	}
}

// A process that slept past notAfter must not touch.
func TestALatePreparationDoesNotTouch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	r := w.assign()
	w.log.Before(events.Preparing, func() { w.pass(20 * time.Second) })
	w.hear(r)
	if w.p.prepares != 0 {
		t.Error("touched after notAfter")
	}
	w.want("requested assigned preparing failed")
	w.wantFailed("PROVIDER_DOWN", true, false)
}

func TestAClaimLostBeforeTouching(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	r := w.assign()
	w.agentSays(w.agent(), events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
	w.hear(r)
	w.wantFailed("AGENT_NOT_READY", true, false)
	if w.p.prepares != 0 {
		t.Error("touched for an agent who is not ours")
	}
}

func TestTheStricterVerdictWins(t *testing.T) {
	t.Parallel()
	no := events.Scrub{Reasons: []events.Reason{{Code: "DNC_NATIONAL"}, {Code: "PROVIDER_SCRUB_DENIED", Detail: "calling_hours: missing"}}}
	for story, tc := range map[string]struct {
		scrub events.Scrub
		spoil func(*world)
		codes string
	}{
		"theirs is no":                     {no, nil, "DNC_NATIONAL PROVIDER_SCRUB_DENIED"},
		"theirs is no, without saying why": {events.Scrub{}, nil, "PROVIDER_SCRUB_DENIED"},
		"ours has become no": {events.Scrub{OK: true}, func(w *world) {
			if _, err := w.do("dnc", "add", optOutOfNewYork); err != nil {
				w.t.Error(err)
			}
		}, "DNC_INTERNAL"},
		"both are no, the weightiest first": {no, func(w *world) { w.pass(12 * time.Hour) }, "DNC_NATIONAL TIME_BEFORE_WINDOW PROVIDER_SCRUB_DENIED"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "tcn", newYork)
			w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
				if tc.spoil != nil {
					tc.spoil(w)
				}
				return tc.scrub, true, nil
			}
			w.hear(w.assign())
			w.want("requested assigned preparing failed")
			f := w.call().Failed
			var codes []string
			for _, r := range f.Reasons {
				codes = append(codes, r.Code)
			}
			if strings.Join(codes, " ") != tc.codes || !f.Touched || f.Scrub == nil || f.Retry {
				t.Errorf("%v of %+v, want %s", codes, f, tc.codes)
			}
		})
	}
}

func TestAPreparationOwesAnAnswerThoughTheCallIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
		w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		return events.Scrub{OK: true}, true, nil
	}
	w.hear(w.assign())
	w.want("requested assigned preparing cancel_requested passed")
	if c := w.call(); !c.Touched || c.State != "cancelling" {
		t.Errorf("%s, touched %v", c.State, c.Touched)
	}
}

// The winner answers after somebody else has given the preparation up.
func TestAnAnswerAfterPreparationLostIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	other := w.join()
	w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
		w.pass(time.Minute)
		w.turns(other)
		return events.Scrub{OK: true}, true, nil
	}
	w.hear(w.assign())
	w.want("requested assigned preparing failed")
	w.wantFailed("PREPARATION_LOST", true, true)
}

func TestImpossible(t *testing.T) {
	t.Parallel()
	of := func(c fault.Class, code string) error { return fault.New(c, "prepare", code, nil) }
	for story, tc := range map[string]struct {
		err   error
		code  string
		retry bool
	}{
		"the agent is not ready":           {of(fault.Transient, "agent_not_ready"), "AGENT_NOT_READY", true},
		"it said so for good":              {of(fault.Permanent, "agent_not_ready"), "AGENT_NOT_READY", true},
		"another session":                  {of(fault.Permanent, "session_mismatch"), "AGENT_NOT_READY", true},
		"no session":                       {of(fault.Permanent, "session_lost"), "AGENT_NOT_READY", true},
		"the claim was lost":               {of(fault.Transient, "claim_lost"), "AGENT_NOT_READY", true},
		"the credential was refused":       {of(fault.Permanent, "unauthorized"), "AGENT_NOT_READY", true},
		"metadata is missing":              {of(fault.Permanent, "metadata_missing"), rules.MetadataMissing, false},
		"manual dialing is switched off":   {of(fault.Permanent, "manual_dial_disabled"), "MANUAL_DIAL_DISABLED", false},
		"it will never do":                 {of(fault.Permanent, "http_422"), "PROVIDER_REFUSED", false},
		"it is down":                       {of(fault.Transient, "provider_down"), "PROVIDER_DOWN", true},
		"nobody knows":                     {of(fault.Uncertain, "timeout"), "PROVIDER_DOWN", true},
		"the time was over":                {context.DeadlineExceeded, "PROVIDER_DOWN", true},
		"an error of no class is for good": {errors.New("?"), "PROVIDER_REFUSED", false},
		"wrapped":                          {fmt.Errorf("x: %w", of(fault.Transient, "agent_not_ready")), "AGENT_NOT_READY", true},
	} {
		if code, retry := Impossible(tc.err); code != tc.code || retry != tc.retry {
			t.Errorf("%s: %s, %v; want %s, %v", story, code, retry, tc.code, tc.retry)
		}
	}
}

func TestPreparingThatWasImpossible(t *testing.T) {
	t.Parallel()
	for _, touched := range []bool{false, true} {
		w := newWorld(t, "tcn", newYork)
		w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
			return events.Scrub{}, touched, fault.New(fault.Transient, "prepare", "provider_down", nil)
		}
		w.hear(w.assign())
		w.want("requested assigned preparing failed")
		w.wantFailed("PROVIDER_DOWN", true, touched)
		if w.call().Touched != touched {
			t.Errorf("touched is %v", w.call().Touched)
		}
	}
	w := newWorld(t, "tcn", newYork)
	w.p.setErr = fault.New(fault.Transient, "read settings", "provider_down", nil)
	w.hear(w.assign())
	w.want("requested assigned failed")
	w.wantFailed("PROVIDER_DOWN", true, false)
}

func TestAnOrderThatCannotBeMadeEndsTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	r := w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: "gone", Fence: w.agent().Fence})
	w.hear(r)
	w.wantFailed("PROVIDER_REFUSED", false, false)
}

func TestTheProvidersSettingsCount(t *testing.T) {
	t.Parallel()
	off := newWorld(t, "tcn", newYork)
	off.p.settings.Enabled = false
	off.hear(off.assign())
	off.wantFailed("MANUAL_DIAL_DISABLED", false, false)
	need := newWorld(t, "tcn", newYork)
	need.p.settings.RequiredMetadata = []string{"Account Number"}
	need.hear(need.assign())
	need.wantFailed(rules.MetadataMissing, false, false)
	if off.p.prepares+need.p.prepares != 0 {
		t.Error("the provider was touched")
	}
}

func TestAnUnapprovedRuleSetServesThisMachineOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "abroad", newYork)
	w.hear(w.call().Log[0]) // which connection it will be is not known yet
	w.want("requested")
	w.hear(w.assign())
	w.wantFailed(rules.RulesetNotFound, false, false)

	ok := newWorld(t, "abroad", newYork)
	ok.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
	set := ok.s.Rulesets["counsel"]
	set.Name = "us-federal"
	ok.s.Rulesets["us-federal"] = set
	ok.hear(ok.assign())
	ok.want("requested waiting assigned passed")
}

func TestWithoutALogNothingIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	r := w.assign()
	w.log.Cut(true)
	if err := w.hears(w.s, r); fault.Code(err) != log.CodeUnavailable || fault.Of(err) != fault.Transient {
		t.Errorf("err = %v", err)
	}
	w.log.Cut(false)
	if w.p.prepares != 0 {
		t.Error("touched without a log")
	}
}

// A call in a provider's own queue is judged by the same rules, and prepared
// where its provider prepares, though nobody of ours is claimed for it.
func TestACallInAQueueIsScrubbedAsEveryOther(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"desk": "requested assigned passed", "tcn": "requested assigned preparing passed",
	} {
		w := newWorld(t, connection, newYork)
		r := w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Queue: "menu-7", Connection: connection})
		w.hear(r)
		w.want(want)
		if p := w.call().Passed; p != nil && p.Fence != 0 {
			t.Errorf("passed %+v", p)
		}

		w = newWorld(t, connection, newYork)
		if _, err := w.do("dnc", "add", optOutOfNewYork); err != nil {
			t.Fatal(err)
		}
		w.hear(w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Queue: "menu-7", Connection: connection}))
		w.want("requested assigned failed")
	}
}
