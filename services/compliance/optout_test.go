package compliance

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
)

const optOutOfNewYork = `{"contacts":[{"phone_number":"` + newYork + `"}]}`

// addsAtOnce sends the opt-out and fails the test if it waits for anything. It
// runs in a bubble of synctest, where whoever waits is seen to wait.
func (w *world) addsAtOnce() {
	w.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := w.do("dnc", "add", optOutOfNewYork)
		done <- err
	}()
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
			w.addsAtOnce()
			return events.Scrub{OK: true}, true, nil
		}
		w.hear(r)
		w.want("requested assigned preparing failed")
		w.wantFailed(rules.DNCInternal, false, true)  // what was prepared is to be undone
		time.Sleep(time.Minute)                       // of the bubble's time
		w.want("requested assigned preparing failed") // whoever looked again found it said
	})
}

// The preparer had asked the list already, and its pass is stored after the
// opt-out was answered.
func TestAPassThatSlipsInBesideAnOptOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		w.addsAtOnce()
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
		w.addsAtOnce()
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: noon.Add(5 * time.Second)})
		time.Sleep(time.Minute) // of the bubble's time
		w.want("requested assigned preparing passed dialing")
	})
}

// Nobody looks for ever at a preparation that is never answered: the bubble
// would not end.
func TestAnOptOutDoesNotLookForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := beingPrepared(t)
		w.addsAtOnce()
		time.Sleep(w.s.Prepare + 6*time.Second) // of the bubble's time
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: noon.Add(time.Hour)})
		time.Sleep(time.Second) // of the bubble's time
		w.want("requested assigned preparing passed")
	})
}
