package orchestrator

import (
	"context"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// bare folds a log whose bodies, but for the request's, are whatever of says.
func bare(of func(events.Name) any, names ...events.Name) *lifecycle.Call {
	c := life()
	for i, n := range names {
		c.Take(events.Record{Tenant: "acme", Key: "c1", Name: n, Seq: uint64(i + 2), Time: noon, Body: of(n)})
	}
	return c
}

func TestABodyThatCannotBeTakesNobodyDown(t *testing.T) {
	t.Parallel()
	nothing := func(events.Name) any { return nil }
	for story, c := range map[string]*lifecycle.Call{
		"a no without a body":                 bare(nothing, events.Assigned, events.Failed),
		"a no without reasons":                bare(plainBody, events.Assigned, events.Failed),
		"a no without reasons, to be retried": life(assigned, happened{events.Failed, 0, &events.CallFailed{Retry: true}}),
		"an empty list of reasons":            life(assigned, happened{events.Failed, 0, &events.CallFailed{Reasons: []events.Reason{}}}),
		"a wait without a body":               bare(nothing, events.Waiting),
		"withheld without a body":             bare(nothing, events.Assigned, events.Passed, events.Withheld),
		"refused without a body":              bare(nothing, events.Assigned, events.Passed, events.Dialing, events.Refused),
		"resolved without a body":             bare(nothing, events.Assigned, events.Passed, events.Dialing, events.Unknown, events.Resolved),
		"another event's body":                bare(func(events.Name) any { return &events.CallPassed{} }, events.Assigned, events.Failed),
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			for _, at := range []time.Duration{0, time.Minute, 9 * time.Hour} {
				Plan(c, noon.Add(at), config.OrDefault(Limits{}))
			}
		})
	}
	if m := Plan(bare(nothing, events.Assigned, events.Failed), noon, config.OrDefault(Limits{})); m != (Action{Do: Nothing}) {
		t.Errorf("a call that makes no sense is left to a person, not: %+v", m)
	}
}

// Whatever is in a log, the index that every call shares survives it, and so
// does the call beside it.
func TestNoLogHarmsTheCallsBesideIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		x := newIndex()
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "good", Name: events.Requested, Seq: 1, Time: noon,
			Body: &events.CallRequested{Request: events.DialRequest{To: tokyo, Agent: "ann"}, NotBefore: noon, ExpiresAt: noon.Add(time.Minute)}})
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "bad", Name: events.Requested, Seq: 2, Time: noon,
			Body: &events.CallRequested{Request: events.DialRequest{To: tokyo, Agent: "ann"}, NotBefore: noon, ExpiresAt: noon.Add(time.Hour)}})
		a := &lifecycle.Agent{Tenant: "acme", ID: "ann", State: events.AgentState{Presence: events.Ready}}
		state := lifecycle.Requested
		for i := range rapid.IntRange(1, 12).Draw(rt, "events") {
			var next []events.Name
			for _, r := range lifecycle.Calls().Rules() {
				if r.From == state && r.On != events.Requested {
					next = append(next, r.On)
				}
			}
			if len(next) == 0 {
				break
			}
			on := rapid.SampledFrom(next).Draw(rt, "event")
			body := any(nil)
			switch rapid.IntRange(0, 2).Draw(rt, "body") {
			case 1:
				body = plainBody(on)
			case 2:
				body = plainBody(next[0]) // somebody else's
			}
			state, _ = lifecycle.Calls().Next(state, on)
			x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "bad", Name: on, Seq: uint64(i + 3), Time: noon, Body: body})
			for _, hour := range []time.Duration{0, 9} {
				at := (hour + 10*time.Duration(i)) * time.Hour
				for ref, ok := x.Offer(a, noon.Add(at)); ok; ref, ok = x.Offer(a, noon.Add(at)) {
					defer x.GiveBack(ref, 0)
				}
				due, _ := x.Due(noon.Add(at), mostAtOnce)
				found := false
				for _, d := range due {
					found = found || d.ID == "good"
				}
				if found != (at > 0) {
					rt.Fatalf("after %v the good call is due: %v", at, found)
				}
			}
		}
	})
}

// spoil stores something in a log that no reader of today understands.
func (w *world) spoil(f events.Family, key string, role events.Role, name events.Name) {
	r := events.Record{Family: f, Tenant: "acme", Key: key, Role: role, Name: name}
	w.log.Plant(f, r.Subject(), events.Header{"Content-Type": {"application/json"}}, []byte(`{"of":"tomorrow"}`))
}

// impossible stores an event that the call's table does not allow.
func (w *world) impossible(call string) {
	w.t.Helper()
	r := events.Record{Family: events.CallFamily, Tenant: "acme", Key: call, Role: events.Bridge, Name: events.WrappedUp,
		ID: "x", Time: w.Now(), Cause: "x", Body: &events.CallProgress{Common: w.call(call).Common()}}
	h, data, err := events.EncodeRecord(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log.Plant(events.CallFamily, r.Subject(), h, data)
}

func TestAnAgentWhoseLogCannotBeReadIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.pass(time.Minute)
	w.enrol("bob", "sales")
	w.work(w.s)
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.tell()
	if ids := w.s.candidates(t.Context(), w.call(call)); len(ids) != 2 || ids[0] != "ann" {
		t.Fatalf("candidates: %v, want ann first", ids)
	}
	w.spoil(events.AgentFamily, "ann", events.Bridge, events.Ready)
	if err := w.s.advance(t.Context(), log.Ref{Tenant: "acme", ID: call}); err != nil {
		t.Fatal(err)
	}
	w.wantCall(call, "requested assigned")
	if c := w.call(call); c.Assigned == nil || c.Assigned.Agent != "bob" {
		t.Errorf("assigned: %+v", c.Assigned)
	}
}

// A log that cannot be reached is no reason to prefer another agent.
func TestAnAgentWhoseLogIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.work(w.s)
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.tell()
	c := w.call(call)
	w.log.Cut(true)
	w.s.Log = log.New(w.log, nil)
	if a, _, err := w.s.pick(t.Context(), c, nil); a != nil || fault.Of(err) != fault.Transient {
		t.Errorf("%v, %v", a, err)
	}
}

func TestAReleaseFromACallThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for story, spoil := range map[string]func(*world, string){
		"a body of tomorrow":  func(w *world, call string) { w.spoil(events.CallFamily, call, events.Compliance, events.Passed) },
		"an impossible event": (*world).impossible,
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w, call := onACall(t)
			spoil(w, call)
			for range 2 { // the second time it is a quarantine that is ended
				if _, err := w.s.onReleaseAgent(t.Context(), "acme", []byte(release)); err != nil {
					t.Fatal(err)
				}
				if a := w.agent("ann"); a.State.Claim != nil {
					t.Fatalf("still claimed: %+v", a.State)
				}
			}
			w.wantAgent("ann", "enrolled claimed quarantined released")
		})
	}
	t.Run("a log that is away decides nothing", func(t *testing.T) {
		t.Parallel()
		w, _ := onACall(t)
		w.s.Log = log.New(&hiding{Leader: w.log, family: events.CallFamily}, nil)
		if _, err := w.s.onReleaseAgent(t.Context(), "acme", []byte(release)); fault.Of(err) != fault.Transient {
			t.Errorf("err = %v", err)
		}
		w.wantAgent("ann", "enrolled claimed")
	})
}

// hiding counts the reads of a family's logs, and may hide them.
type hiding struct {
	log.Leader
	family events.Family
	counts bool // only
	reads  map[string]int
}

func (l *hiding) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	if f != l.family {
		return l.Leader.Read(ctx, f, tenant, key, first)
	}
	if !l.counts {
		return nil, fault.New(fault.Transient, "read log", log.CodeUnavailable, nil)
	}
	l.reads[key]++
	return l.Leader.Read(ctx, f, tenant, key, first)
}

func TestACallThatCannotBeReadIsHeldAndNotAskedForAgain(t *testing.T) {
	t.Parallel()
	for story, spoil := range map[string]func(*world, string){
		"a body of tomorrow":  func(w *world, call string) { w.spoil(events.CallFamily, call, events.Compliance, events.Passed) },
		"an impossible event": (*world).impossible,
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			w.enrol("bob")
			bad, good := w.ask("1", map[string]any{"agent": "ann"}), w.ask("2", map[string]any{"agent": "bob"})
			w.work(w.s)
			count := &hiding{Leader: w.log, family: events.CallFamily, counts: true, reads: map[string]int{}}
			w.s.Log = log.New(count, nil)
			spoil(w, bad)
			w.pass(2 * time.Hour) // both have expired
			for range 10 {
				w.s.Turn(t.Context())
				w.pass(time.Second)
			}
			if n := count.reads[bad]; n != 1 {
				t.Errorf("asked for %d times, want once", n)
			}
			w.wantCall(good, "requested assigned closed")
			if due, _ := w.s.index.Due(w.Now().Add(time.Hour), mostAtOnce); strings.Contains(idsOf(due), bad) {
				t.Errorf("still due: %v", due)
			}
			if n := w.s.index.OpenByState()[string(lifecycle.Assigned)]; n == 0 {
				t.Error("the held call is not counted as open")
			}
		})
	}
}

// Whom a call would have had is not the call: it ends when its time is over.
func TestACallIsNotHeldForAnAgentWhoseLogCannotBeRead(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		tell func(*world) string
		want string
	}{
		"that it names, when it may have her": {func(w *world) string {
			w.enrol("ann")
			call := w.ask("1", map[string]any{"agent": "ann", "notBefore": noon.Add(time.Minute), "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			w.spoil(events.AgentFamily, "ann", events.Bridge, events.Ready)
			w.pass(2 * time.Minute)
			w.s.Turn(t.Context())
			return call
		}, "requested waiting closed"},
		"that it is offered": {func(w *world) string {
			w.enrol("ann", "sales")
			w.presence("ann", events.NotReady, "")
			call := w.ask("1", map[string]any{"huntGroup": "sales", "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			w.presence("ann", events.Ready, "")
			w.tell()
			w.spoil(events.AgentFamily, "ann", events.Bridge, events.Ready)
			if err := w.s.serve(t.Context(), log.Ref{Tenant: "acme", ID: "ann"}); fault.Of(err) != fault.Permanent || err == nil {
				t.Errorf("err = %v, want: it cannot be read", err)
			}
			return call
		}, "requested waiting closed"},
		"that nobody listened for": {func(w *world) string {
			w.enrol("ann")
			call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			w.dial(call)
			w.say(call, events.Dialer, events.Withheld, &events.CallWithheld{Attempt: "attempt", Proof: events.ProofNoResponders})
			w.tell()
			w.spoil(events.AgentFamily, "ann", events.Bridge, events.Ready)
			w.pass(2 * late)
			w.s.Turn(t.Context())
			return call
		}, "requested assigned passed dialing withheld waiting closed"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			call := tc.tell(w)
			w.pass(2 * time.Hour)
			w.s.Turn(t.Context())
			w.wantCall(call, tc.want)
		})
	}
}

func idsOf(ds []log.Ref) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.ID)
	}
	return strings.Join(out, " ")
}

func TestACallIsNotHeldBecauseTheLogIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.pass(2 * time.Hour)
	w.log.Cut(true)
	w.s.Turn(t.Context())
	w.log.Cut(false)
	w.pass(late)
	w.s.Turn(t.Context())
	w.wantCall(call, "requested assigned closed")
}
