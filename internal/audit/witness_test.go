package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

// anonymous takes from the ledger what names the call.
func (w *world) anonymous() *world {
	for i := range w.dials {
		w.dials[i].ProviderCall = ""
	}
	return w
}

func TestTheLedgerAgainstTheLog(t *testing.T) {
	t.Parallel()
	placed := func(w *world, id string) *phone {
		return w.call(id).adds(events.Assigned, events.Passed, events.Dialing)
	}
	for story, tc := range map[string]struct {
		write func(w *world)
		want  string
		says  string
	}{
		"one dial, one intent": {func(w *world) { w.talked("c1") }, "", ""},
		"a second ring": {func(w *world) {
			w.talked("c1").rings(time.Second)
		}, "I2", "2 dials for one call, all under one id"},
		"a second ring, and the ledger names no call": {func(w *world) {
			w.talked("c1").rings(time.Second)
			w.anonymous()
		}, "I2", "2 dials for one call"},
		"a number nobody asked for": {func(w *world) {
			w.talked("c1")
			d := w.dials[0]
			d.At, d.Until, d.Number, d.ProviderCall = w.now, w.now, stranger, "x"
			w.dials = append(w.dials, d)
		}, "I1 I2", "dialed without intent: no call of agent agent4"},
		"a dial of the lost past, to a number and an agent that another call has": {func(w *world) {
			w.talked("c1")
			d := w.dials[0]
			d.At, d.Until, d.ProviderCall, d.Correlation = w.now, w.now, "x", events.RandomID()
			w.dials = append(w.dials, d)
		}, "I1 I2", "dialed without intent: no call of agent agent4"},
		"an agent who was not asked": {func(w *world) {
			w.talked("c1")
			w.enroll("agent5", "77")
			w.anonymous()
			w.dials[0].Agent = "77"
		}, "I1 I2", "no call of agent agent5"},
		"a cleared call that was withheld": {func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed).rings(time.Second).adds(events.Withheld, events.Closed)
		}, "I1 I2", "the call has no dialing on record"},
		"a call that the company's own scrub refused": {func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Preparing, events.Failed).rings(time.Second).add(events.Closed)
			w.at(events.Failed, 1).Body.(*events.CallFailed).Scrub = &events.Scrub{State: map[string]string{"callSid": p.sid()}}
		}, "I1 I2", "the call has no dialing on record"},
		"dialed first, intended after": {func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed).rings(time.Millisecond).adds(events.Dialing, events.Started, events.Closed)
		}, "I1 I2", "before its intent was on record"},
		"dialed first, and the ledger names no call": {func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed).rings(time.Millisecond).adds(events.Dialing, events.Started, events.Closed)
			w.anonymous()
		}, "I1 I2", "dialed without intent"},
		"another number than was cleared": {func(w *world) {
			w.talked("c1")
			w.dials[0].Number = stranger
		}, "I1", "dialed " + events.Mask(stranger) + ", cleared was " + events.Mask(customer)},
		"two calls under one id": {func(w *world) {
			w.talked("c1")
			p := placed(w, "c2").add(events.Started)
			w.at(events.Started, 2).Body.(*events.CallStarted).Provider = map[string]string{"callSid": "sid-c1"}
			p.add(events.Closed)
		}, "I2", "claimed by 2 calls"},
		"refused, says the log": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Refused, events.Closed)
		}, "I2-witness", "the log is wrong: refused is on record"},
		"not placed, says the log": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Unknown, events.NotPlaced, events.Closed)
		}, "I2-witness", "the log is wrong: not_placed is on record"},
		"withheld, says the log": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Withheld, events.Closed)
		}, "I2-witness", "the log is wrong: withheld is on record"},
		"not placed, says a person": {func(w *world) {
			p := placed(w, "c1").rings(time.Second).adds(events.Unknown, events.Resolved)
			w.at(events.Resolved, 1).Body.(*events.CallResolved).Placed = false
			p.add(events.Closed)
		}, "I2-witness", "the log is wrong: resolved is on record"},
		"not placed, but the orphan was noticed": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Unknown, events.NotPlaced, events.Closed, events.Orphaned)
		}, "", ""},
		"a late dial is the unknown's, not the refused's": {func(w *world) {
			placed(w, "c1").adds(events.Unknown, events.Closed)
			placed(w, "c2").adds(events.Refused, events.Closed).rings(time.Second)
			w.anonymous()
		}, "", ""},
		"a lost dialing: the request was dialed again": {func(w *world) {
			p := w.call("c1").rings(time.Second).adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second)
			p.adds(events.Started, events.Talking, events.Closed)
			w.dials[0].ProviderCall = "another"
		}, "I1 I2", "dialed without intent"},
		"a lost dialing: the store that went back was accepted": {func(w *world) {
			w.call("c1").rings(time.Second).add(events.Closed).wentBack()
			w.anonymous()
		}, "I1 I2", "dialed without intent"},
		"a lost started: the store that went back was accepted": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Unknown, events.Closed).wentBack()
		}, "I2-witness", "closed because the store went back"},
		"a lost started": {func(w *world) {
			placed(w, "c1").rings(time.Second).add(events.Closed)
			w.at(events.Closed, 1).Body.(*events.CallClosed).Presumed = false
		}, "I2-witness", "closed without an answer to its intent"},
		"nobody answered, and a watchdog closed": {func(w *world) {
			placed(w, "c1").rings(time.Second).add(events.Closed)
		}, "", ""},
		"started, and then the store went back": {func(w *world) {
			placed(w, "c1").rings(time.Second).adds(events.Started, events.Closed).wentBack()
		}, "", ""},
		"refused, and nobody rang": {func(w *world) {
			placed(w, "c1").adds(events.Refused, events.Closed)
		}, "", ""},
		"the desktop's ledger has the attempt": {func(w *world) {
			w.talked("c1")
			w.dials[0].ProviderCall, w.dials[0].Agent, w.dials[0].Number, w.dials[0].Correlation = "uuid", agentID, "", "attempt1"
		}, "", ""},
		"the same id elsewhere is a coincidence": {func(w *world) {
			w.talked("c1")
			w.enroll("agent5", "77")
			d := w.dials[0]
			d.At, d.Provider, d.Agent, d.Number = w.now, "webexcc", "77", stranger
			w.dials = append(w.dials, d)
		}, "I1 I2", "dialed without intent"},
		"the agent's first call had not ended": {func(w *world) {
			w.talked("c1")
			w.dials[0].Until = w.now.Add(time.Minute)
			w.talked("c2")
		}, "I4", "before the end of the agent's dial before it, of call c1"},
		"the agent's first call never ended": {func(w *world) {
			w.talked("c1")
			w.dials[0].Until = time.Time{}
			w.talked("c2")
		}, "I4", "no end of the agent's dial before it, of call c1"},
		"the third call overlaps the first": {func(w *world) {
			w.talked("c1")
			w.talked("c2")
			w.dials[0].Until = w.now.Add(time.Minute)
			w.talked("c3")
		}, "I4 I4", "of call c1"},
	} {
		w := newWorld()
		tc.write(w)
		r := w.judge(audit.Options{})
		if found(r) != tc.want || (tc.want != "" && !strings.Contains(r.Findings[0].What, tc.says)) {
			t.Errorf("%s: want %q: %s\n%s", story, tc.want, tc.says, text(r))
		}
	}
}

// The same agent calls the same number again and again, and the ledger has
// nothing but times.
func TestDialsAreMatchedInOrderOfTime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.call("c2").adds(events.Assigned, events.Passed, events.Dialing, events.Refused, events.Closed)
	w.talked("c3")
	w.talked("c4")
	expect(t, w.anonymous().judge(audit.Options{}), "")

	w.dials = append(w.dials, w.dials[2])
	w.dials[3].At, w.dials[3].Until = w.now, w.now
	r := w.judge(audit.Options{})
	expect(t, r, "I2-witness", "the log is wrong: refused") // c2 is the one without a dial

	w.dials = append(w.dials, w.dials[3])
	w.dials[4].At = w.now.Add(time.Second)
	if r := w.judge(audit.Options{}); found(r) != "I2 I2-witness" {
		t.Errorf("five dials for four intents:\n%s", text(r))
	}
}

func TestWithoutTheKeyMaskedFormsAreCompared(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.anonymous()
	none := map[string]events.Key{"other": acmeKey}
	expect(t, w.judge(audit.Options{Keys: none}), "")
	w.dials[0].Number = "+12025550000"
	expect(t, w.judge(audit.Options{Keys: none}), "I1 I2")
	w.dials[0].Number = "+12029990123" // masked alike: only the key tells
	expect(t, w.judge(audit.Options{Keys: none}), "")
	expect(t, w.judge(audit.Options{}), "I1 I2")
}

// Two tenants may have the same agent at the same company: the number's token
// under each tenant's key tells whose dial it cannot be.
func TestADialIsNotLaidToAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.tenant, w.key = "globex", events.Key(strings.Repeat("o", 32))
	w.enroll("agent7", sid)
	p := w.call("c2")
	p.agent, p.to = "agent7", stranger
	w.of("c2", events.Requested).Body.(*events.CallRequested).Number = w.key.Number(stranger)
	p.adds(events.Assigned, events.Passed, events.Dialing, events.Started, events.Closed)
	again := w.anonymous().dials[0]
	again.At, again.Until = w.now, w.now

	w.dials = append(w.dials, again)
	keys := map[string]events.Key{"acme": acmeKey, "globex": w.key}
	for story, o := range map[string]audit.Options{"both keys": {Keys: keys}, "one key": {Keys: map[string]events.Key{"acme": acmeKey}}} {
		r := w.judge(o)
		if found(r) != "I2" || r.Findings[0].Call != "c1" {
			t.Errorf("%s: the second ring is not c1's:\n%s", story, text(r))
		}
	}
	w.dials[1].Number = stranger
	expect(t, w.judge(audit.Options{Keys: keys}), "")
}

func TestClocksMayBeApartIfOneSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.dials[0].At = w.at(events.Dialing, 1).Time.Add(-time.Second)
	expect(t, w.judge(audit.Options{}), "I1 I2", "before its intent")
	expect(t, w.judge(audit.Options{Skew: 2 * time.Second}), "")
}

// A rehearsal shifts outdial's clock, not the company's: the ledger is compared
// with the server's time of storage.
func TestARehearsalsClock(t *testing.T) {
	t.Parallel()
	for _, shift := range []time.Duration{-1000 * time.Hour, 1000 * time.Hour} {
		w := newWorld()
		w.talked("c1")
		for _, log := range [][]events.Record{w.calls, w.agents} {
			for i := range log {
				log[i].Time = log[i].Time.Add(shift)
				if p, ok := log[i].Body.(*events.CallPassed); ok {
					p.ValidUntil = p.ValidUntil.Add(shift)
				}
			}
		}
		w.at(events.Dialing, 1).Body.(*events.CallDialing).PassHash = hashOf(*w.at(events.Passed, 1))
		w.now = w.now.Add(shift)
		expect(t, w.judge(audit.Options{Strict: true}), "")
	}
}
