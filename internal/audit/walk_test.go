package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A walker takes a call through the table of states.
type walker struct {
	*phone
	state  lifecycle.State
	intent time.Time // of the dialing event, zero before
	denied bool      // the log says that nothing was placed
	orphan bool
	proofs int
	wanted bool // to be cancelled
}

// step writes one event and follows the table.
func (k *walker) step(t *rapid.T, name events.Name) {
	to, v := lifecycle.Calls().Next(k.state, name)
	if v == lifecycle.Illegal {
		t.Fatalf("the walk is not legal: %s in %s", name, k.state)
	}
	if name == lifecycle.Proved {
		k.prove()
		k.proofs++
	} else {
		k.add(name)
	}
	k.state = to
	switch name {
	case events.Dialing:
		k.intent = k.now
	case lifecycle.Proved:
		k.intent = time.Time{}
	case events.CancelRequested:
		k.wanted = true
	case events.Refused, events.NotPlaced, events.Withheld:
		k.denied = k.denied || !k.intent.IsZero()
	case events.Orphaned:
		k.orphan = true
	}
}

// choices are the events that the call may meet now: an agent is claimed only
// when free.
func (k *walker) choices(known bool) []events.Name {
	var out []events.Name
	for _, n := range lifecycle.Calls().Events() {
		_, v := lifecycle.Calls().Next(k.state, n)
		if v == lifecycle.Move && n == events.Assigned && k.states[k.agent].Claim != nil {
			continue
		}
		if n == lifecycle.Proved && (k.wanted || k.proofs+1 == lifecycle.MaxProofs) {
			continue
		}
		if v == lifecycle.Move || known && v == lifecycle.Known {
			out = append(out, n)
		}
	}
	return out
}

// home is the shortest legal way to closed.
func (k *walker) home(t *rapid.T) {
	type way struct {
		at   lifecycle.State
		path []events.Name
	}
	seen := map[lifecycle.State]bool{k.state: true}
	for queue := []way{{at: k.state}}; len(queue) > 0; queue = queue[1:] {
		if queue[0].at == lifecycle.Closed {
			for _, n := range queue[0].path {
				k.step(t, n)
			}
			return
		}
		for _, r := range lifecycle.Calls().Rules() {
			if r.From == queue[0].at && !seen[r.To] && r.On != events.Assigned {
				seen[r.To] = true
				queue = append(queue, way{r.To, append(slices.Clone(queue[0].path), r.On)})
			}
		}
	}
	t.Fatalf("no way from %s to closed", k.state)
}

// walk writes a few calls of two agents, interleaved, the first of them dialed.
func walk(t *rapid.T) *world {
	w := newWorld()
	w.enroll("agent5", "77")
	var calls []*walker
	for i := range rapid.IntRange(1, 4).Draw(t, "calls") {
		p := w.call(fmt.Sprint("c", i))
		p.agent = rapid.SampledFrom([]string{agentID, "agent5"}).Draw(t, "agent")
		calls = append(calls, &walker{phone: p, state: lifecycle.Requested})
	}
	for _, n := range []events.Name{events.Assigned, events.Preparing, events.Passed, events.Dialing} {
		calls[0].step(t, n)
	}
	for range rapid.IntRange(0, 40).Draw(t, "steps") {
		k := rapid.SampledFrom(calls).Draw(t, "call")
		if names := k.choices(true); len(names) > 0 {
			k.step(t, rapid.SampledFrom(names).Draw(t, "event"))
		}
	}
	for _, k := range calls {
		if k.state != lifecycle.Closed {
			k.home(t)
		}
		if k.intent.IsZero() || k.denied && !k.orphan {
			continue
		}
		provider := map[string]string{agentID: sid, "agent5": "77"}[k.agent]
		d := audit.Dialed{At: k.intent.Add(100 * time.Millisecond), Until: k.intent.Add(200 * time.Millisecond),
			Provider: "tcn", Agent: provider, Number: k.to}
		if rapid.Bool().Draw(t, "named") {
			d.ProviderCall = k.sid()
		}
		w.dials = append(w.dials, d)
	}
	return w
}

func TestLegalWalksGiveNoFindings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if r := walk(t).judge(audit.Options{Strict: true}); !r.Kept() {
			t.Fatal(text(r))
		}
	})
}

// mutation is one way to break an honest record. Each works on the first call,
// which was dialed, or on two good calls of one agent at the end, x and y.
type mutation struct {
	name string
	do   func(t *rapid.T, w *world)
	want string // a category that must be among the findings
}

func mutations() []mutation {
	first := func(w *world, name events.Name) *events.Record {
		i := slices.IndexFunc(w.calls, func(r events.Record) bool { return r.Key == "c0" && r.Name == name })
		return &w.calls[i]
	}
	last := func(w *world, name events.Name) int {
		i := len(w.agents) - 1
		for w.agents[i].Name != name {
			i--
		}
		return i
	}
	return []mutation{
		{"drop the pass", func(_ *rapid.T, w *world) { w.drop(first(w, events.Passed)) }, audit.I1},
		{"let the pass run out", func(_ *rapid.T, w *world) {
			p := first(w, events.Passed)
			p.Body.(*events.CallPassed).ValidUntil = p.Time
		}, audit.I1},
		{"forge the pass", func(_ *rapid.T, w *world) { first(w, events.Passed).Body.(*events.CallPassed).Decision = "forged" }, audit.I1},
		{"dial another number", func(_ *rapid.T, w *world) {
			first(w, events.Dialing).Body.(*events.CallDialing).Number = acmeKey.Number(stranger)
		}, audit.I1},
		{"duplicate the dialing", func(_ *rapid.T, w *world) {
			w.write(events.CallFamily, "c0", events.Dialer, events.Dialing, first(w, events.Dialing).Body)
		}, audit.I2},
		{"swap fences", func(_ *rapid.T, w *world) {
			a, b := w.of("x", events.Assigned).Body.(*events.CallAssigned), w.of("y", events.Assigned).Body.(*events.CallAssigned)
			a.Fence, b.Fence = b.Fence, a.Fence
		}, audit.I4},
		{"swap the intents' fences", func(_ *rapid.T, w *world) {
			a, b := w.of("x", events.Dialing).Body.(*events.CallDialing), w.of("y", events.Dialing).Body.(*events.CallDialing)
			a.Fence, b.Fence = b.Fence, a.Fence
		}, audit.I4},
		{"swap the passes' fences", func(_ *rapid.T, w *world) {
			a, b := w.of("x", events.Passed).Body.(*events.CallPassed), w.of("y", events.Passed).Body.(*events.CallPassed)
			a.Fence, b.Fence = b.Fence, a.Fence
		}, audit.I1},
		{"remove a closed", func(t *rapid.T, w *world) {
			id := rapid.SampledFrom([]string{"c0", "x", "y"}).Draw(t, "of")
			w.drop(w.of(id, events.Closed))
		}, audit.I3},
		{"close again", func(_ *rapid.T, w *world) {
			w.write(events.CallFamily, "c0", events.Orchestrator, events.Closed, first(w, events.Closed).Body)
		}, audit.I3},
		{"lose an event", func(t *rapid.T, w *world) {
			var inner []int
			for i := range w.calls {
				if w.calls[i].Key == "x" && w.calls[i].Name != events.Closed {
					inner = append(inner, i)
				}
			}
			i := rapid.SampledFrom(inner).Draw(t, "event")
			w.calls = slices.Delete(w.calls, i, i+1)
		}, audit.Corrupt},
		{"overlap the ledger's intervals", func(_ *rapid.T, w *world) {
			n := len(w.dials)
			w.dials[n-2].Until = w.dials[n-1].At.Add(time.Millisecond)
		}, audit.I4},
		{"ring again", func(t *rapid.T, w *world) {
			d := rapid.SampledFrom(w.dials[len(w.dials)-2:]).Draw(t, "dial")
			d.At, d.Until = w.now, w.now
			w.dials = append(w.dials, d)
		}, audit.I2},
		{"ring again, and the ledger names no call", func(t *rapid.T, w *world) {
			// One intent of the same agent and number that came to nothing
			// would be taken for the second ring's; a good call is.
			w.calls = slices.DeleteFunc(w.calls, func(r events.Record) bool { return r.Key != "x" && r.Key != "y" })
			w.dials = w.dials[len(w.dials)-2:]
			d := rapid.SampledFrom(w.anonymous().dials).Draw(t, "dial")
			d.At, d.Until = w.now, w.now
			w.dials = append(w.dials, d)
		}, audit.I2},
		{"ring a stranger", func(_ *rapid.T, w *world) {
			w.dials = append(w.dials, audit.Dialed{At: w.now, Until: w.now, Provider: "tcn", Agent: sid, Number: stranger})
		}, audit.I1},
		{"ring, and deny it", func(_ *rapid.T, w *world) {
			w.call("z").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Millisecond).adds(events.Refused, events.Closed)
		}, audit.Witness},
		{"never release", func(_ *rapid.T, w *world) {
			i := last(w, events.Released)
			w.agents = slices.Delete(w.agents, i, i+1)
		}, audit.I4},
		{"claim twice", func(_ *rapid.T, w *world) {
			i := last(w, events.Claimed) - 1
			for w.agents[i].Name != events.Released || w.agents[i].Key != agentID {
				i--
			}
			w.agents = slices.Delete(w.agents, i, i+1)
		}, audit.I4},
	}
}

// of finds a call's first event of a name.
func (w *world) of(id string, name events.Name) *events.Record {
	i := slices.IndexFunc(w.calls, func(r events.Record) bool { return r.Key == id && r.Name == name })
	return &w.calls[i]
}

func TestEveryMutationIsCaught(t *testing.T) {
	t.Parallel()
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				w := walk(t)
				w.talked("x")
				w.talked("y")
				if r := w.judge(audit.Options{Strict: true}); !r.Kept() {
					t.Fatalf("not good to begin with:\n%s", text(r))
				}
				m.do(t, w)
				r := w.judge(audit.Options{Strict: true})
				if !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Invariant == m.want }) {
					t.Fatalf("not caught, want %s:\n%s", m.want, text(r))
				}
				if strings.Contains(text(r), customer[1:]) || strings.Contains(text(r), stranger[1:]) {
					t.Fatalf("a number in clear:\n%s", text(r))
				}
			})
		})
	}
}
