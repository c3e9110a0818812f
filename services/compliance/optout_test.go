package compliance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
)

const optOutOfNewYork = `{"contacts":[{"phone_number":"` + newYork + `"}]}`

// addsSoon sends the opt-out and fails the test if it waits for a preparation
// longer than one takes that is being answered. It runs in a bubble of synctest,
// where whoever waits is seen to wait.
func (w *world) addsSoon() {
	w.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := w.do("dnc", "add", optOutOfNewYork)
		done <- err
	}()
	time.Sleep(slips + 10*time.Millisecond) // of the bubble's time
	synctest.Wait()
	select {
	case err := <-done:
		if err != nil {
			w.t.Fatal(err)
		}
	default:
		w.t.Fatal("the opt-out waits for a preparation")
	}
}

// beingPrepared is a world in which somebody prepares the call.
func beingPrepared(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "tcn", newYork)
	w.assign()
	w.say(events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "p", NotAfter: noon.Add(20 * time.Second)})
	w.follow()
	return w
}

// The preparer asks the list again before it answers, so nobody need wait.
func TestAnOptOutWhileTheCallIsBeingPrepared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "tcn", newYork)
		r := w.assign()
		w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
			w.follow()
			w.addsSoon()
			return events.Scrub{OK: true}, true, nil
		}
		w.hear(r)
		w.want("requested assigned preparing failed")
		w.wantFailed(rules.DNCInternal, false, true)  // what was prepared is to be undone
		time.Sleep(time.Minute)                       // of the bubble's time
		w.want("requested assigned preparing failed") // whoever looked again found it said
	})
}

// The preparer had asked the list before the entry was there, and its pass is
// stored while the opt-out looks: the answer waits for it, and takes it back.
func TestTheAnswerOfAnOptOutWaitsForAPassThatSlipsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		began := time.Now()
		go func() {
			time.Sleep(100 * time.Millisecond) // of the bubble's time
			w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		}()
		if got, err := w.do("dnc", "add", optOutOfNewYork); err != nil || strings.Contains(got, "under way") {
			t.Errorf("%s, %v", got, err)
		}
		w.want("requested assigned preparing passed failed") // before it answers
		w.wantFailed(rules.DNCInternal, false, true)
		if took := time.Since(began); took > 110*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
	})
}

// The preparer was held up between asking the list and its pass, which is stored
// long after the opt-out was answered.
func TestAPassThatSlipsInBesideAnOptOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		w.addsSoon()
		w.want("requested assigned preparing")
		time.Sleep(3 * time.Second) // of the bubble's time: the provider is slow
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		time.Sleep(100 * time.Millisecond) // of the bubble's time
		synctest.Wait()
		w.want("requested assigned preparing passed failed")
		w.wantFailed(rules.DNCInternal, false, true)
	})
}

// What was dialed before anybody could look is not blamed on the list.
func TestAPassThatWasDialedBesideAnOptOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		w.addsSoon()
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: noon.Add(5 * time.Second)})
		time.Sleep(time.Minute) // of the bubble's time
		w.want("requested assigned preparing passed dialing")
	})
}

// What is under way is not stopped, and told of.
func TestAnOptOutTellsOfCallsThatAreUnderWay(t *testing.T) {
	t.Parallel()
	dial := func(w *world) {
		w.assign()
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: 1, ValidUntil: noon.Add(time.Hour)})
		w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a"})
	}
	start := func(w *world) { dial(w); w.say(events.Dialer, events.Started, &events.CallStarted{}) }
	for state, tc := range map[string]struct {
		bring func(*world)
		told  bool
	}{
		"requested": {func(*world) {}, false},
		"dialing":   {dial, true},
		"started":   {start, true},
		"unknown":   {func(w *world) { dial(w); w.say(events.Dialer, events.Unknown, &events.CallUnknown{}) }, true},
		"talking":   {func(w *world) { start(w); w.say(events.Bridge, events.Talking, &events.CallProgress{}) }, true},
		"ended":     {func(w *world) { start(w); w.say(events.Bridge, events.Ended, &events.CallProgress{}) }, false},
		"closed":    {func(w *world) { start(w); w.say(events.Orchestrator, events.Closed, &events.CallClosed{}) }, false},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "desk", newYork)
			tc.bring(w)
			w.request("other", "+12128675310") // somebody else's number
			w.follow()
			if got := string(w.call().State); got != state {
				t.Fatalf("it is %s", got)
			}
			got, err := w.do("dnc", "add", optOutOfNewYork)
			if err != nil || strings.Contains(got, "under way and not stopped: 1") != tc.told {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// An intent that is proved to have placed nothing leads back to waiting: the
// call may be dialed yet, and so is stopped like any other.
func TestAnOptOutReachesACallWhoseIntentCameToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.assign()
	w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
	w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a"})
	w.say(events.Dialer, events.Withheld, &events.CallWithheld{Attempt: "a", Proof: events.ProofNoResponders})
	w.follow()
	if _, err := w.do("dnc", "add", optOutOfNewYork); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned passed dialing withheld failed")
	w.wantFailed(rules.DNCInternal, false, false)
}

// A process that has not heard the whole log does not promise what it cannot.
// Of an empty log there is nothing to hear.
func TestAnOptOutThatMayHaveMissedCallsSaysSo(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		last  uint64
		err   error
		blind bool
	}{
		"all was heard":          {1, nil, false},
		"something is to come":   {1 << 40, nil, true},
		"nobody can say":         {0, fault.New(fault.Transient, "read", log.CodeUnavailable, nil), true},
		"there never was a call": {0, fmt.Errorf("read: %w", log.ErrNone), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "desk", newYork)
			w.follow()
			w.s.LastCall = func(context.Context) (uint64, error) { return tc.last, tc.err }
			got, err := w.do("dnc", "add", optOutOfNewYork)
			if err != nil || strings.Contains(got, "ask again") != tc.blind || !strings.Contains(got, dncCreated) {
				t.Errorf("%s: %s, %v", story, got, err)
			}
		})
	}
}

// Nobody looks for ever at a preparation that is never answered: the bubble
// would not end.
func TestAnOptOutDoesNotLookForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		w.addsSoon()
		time.Sleep(w.s.Prepare + 6*time.Second) // of the bubble's time
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		time.Sleep(time.Second) // of the bubble's time
		w.want("requested assigned preparing passed")
	})
}
