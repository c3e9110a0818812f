package rig

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A watch reads the streams as they grow, whatever befalls the server.
type watch struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at every message
	calls    map[string][]events.Record
	order    []string // keys of calls, oldest first
	agents   map[string][]events.Record
	rejected []events.Rejected
	ops      []events.Ops
	texts    []string // REJECTED and OPS as they are stored
	total    int      // events of CALLS
	closed   int      // calls that are closed
	ends     []*worker.Tailer
	stop     context.CancelFunc
}

func follow(ctx context.Context, t testing.TB, js jetstream.JetStream, _ []string) *watch {
	t.Helper()
	w := &watch{changed: make(chan struct{})}
	w.forget()
	w.begin(ctx, t, js)
	return w
}

// forget empties the watch.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.agents = map[string][]events.Record{}, map[string][]events.Record{}
	w.order, w.rejected, w.ops, w.total, w.closed = nil, nil, nil, 0, 0
}

// begin reads the streams from their beginning.
func (w *watch) begin(ctx context.Context, t testing.TB, js jetstream.JetStream) {
	t.Helper()
	ctx, w.stop = context.WithCancel(ctx)
	t.Cleanup(w.stop)
	w.ends = nil
	for _, s := range []string{events.StreamCalls, events.StreamAgents, events.StreamRejected, events.StreamOps} {
		tail, err := worker.Tail(ctx, js, s, nil, 0, w.take)
		if err != nil {
			t.Fatal(err)
		}
		w.ends = append(w.ends, tail)
	}
}

func (w *watch) take(_ context.Context, d worker.Delivery, _ error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case d.Record != nil && d.Record.Family == events.CallFamily:
		k := d.Record.Tenant + "/" + d.Record.Key
		if w.calls[k] == nil {
			w.order = append(w.order, k)
		}
		w.calls[k] = append(w.calls[k], *d.Record)
		w.total++
		if d.Record.Name == events.Closed {
			w.closed++
		}
	case d.Record != nil:
		k := d.Record.Tenant + "/" + d.Record.Key
		w.agents[k] = append(w.agents[k], *d.Record)
	default:
		w.side(d)
	}
	close(w.changed)
	w.changed = make(chan struct{})
	return nil
}

func (w *watch) side(d worker.Delivery) {
	w.texts = append(w.texts, fmt.Sprint(d.Subject, " ", d.Header, " ", string(d.Data)))
	if note, _, err := events.DecodeBody[events.Rejected](d.Header, d.Data, events.TypeRejected); err == nil {
		w.rejected = append(w.rejected, note)
	}
	if op, _, err := events.DecodeBody[events.Ops](d.Header, d.Data, events.TypeOps); err == nil {
		w.ops = append(w.ops, op)
	}
}

// Until waits until something is so, and fails the test when it does not come
// to be in time. It looks again at every stored event, and in between.
func (r *Rig) Until(what string, within time.Duration, so func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(within)
	for {
		r.watch.mu.Lock()
		changed := r.watch.changed
		r.watch.mu.Unlock()
		if so() {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s\n%s", within, what, r.Story())
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Changed is closed at the next event of any of the streams.
func (r *Rig) Changed() <-chan struct{} {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return r.watch.changed
}

// Call is a call of acme as its log stands.
func (r *Rig) Call(id string) *lifecycle.Call { return r.CallOf(Acme, id) }

// CallOf is a tenant's call as its log stands.
func (r *Rig) CallOf(tenant, id string) *lifecycle.Call {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return lifecycle.Fold(slices.Clone(r.watch.calls[tenant+"/"+id]))
}

// Progress says how many calls there are, and how many of them are closed.
func (r *Rig) Progress() (calls, closed int) {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return len(r.watch.order), r.watch.closed
}

// Calls are all calls as their logs stand, oldest first.
func (r *Rig) Calls() []*lifecycle.Call {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	out := make([]*lifecycle.Call, 0, len(r.watch.order))
	for _, k := range r.watch.order {
		out = append(out, lifecycle.Fold(slices.Clone(r.watch.calls[k])))
	}
	return out
}

// AgentState is an agent of acme as its log stands.
func (r *Rig) AgentState(id string) events.AgentState { return r.AgentStateOf(Acme, id) }

// AgentStateOf is a tenant's agent as its log stands.
func (r *Rig) AgentStateOf(tenant, id string) events.AgentState {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	log := r.watch.agents[tenant+"/"+id]
	if len(log) == 0 {
		return events.AgentState{}
	}
	s, _ := events.StateOf(log[len(log)-1].Body)
	return s
}

// AgentLog is an agent of acme's whole log.
func (r *Rig) AgentLog(id string) []events.Record {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return slices.Clone(r.watch.agents[Acme+"/"+id])
}

// Await waits until a call's log has an event.
func (r *Rig) Await(id string, name events.Name) *lifecycle.Call {
	r.t.Helper()
	return r.AwaitOf(Acme, id, name)
}

// AwaitOf waits until a tenant's call's log has an event.
func (r *Rig) AwaitOf(tenant, id string, name events.Name) *lifecycle.Call {
	r.t.Helper()
	var c *lifecycle.Call
	r.Until(fmt.Sprintf("%s in the log of %s", name, id), soon, func() bool {
		c = r.CallOf(tenant, id)
		return Has(c, name)
	})
	return c
}

// Closed waits until a call is closed and says so if it ended otherwise than
// it should; reason "" is any.
func (r *Rig) Closed(id, outcome, reason string) *lifecycle.Call {
	r.t.Helper()
	c := r.Await(id, events.Closed)
	if got := c.Closed; got.Outcome != outcome || (reason != "" && got.Reason != reason) {
		r.t.Errorf("call %s closed %s (%s), want %s (%s)\n%s", id, got.Outcome, got.Reason, outcome, reason, Path(c))
	}
	return c
}

// AwaitPresence waits for an agent of acme to be so.
func (r *Rig) AwaitPresence(agent string, is ...events.Name) {
	r.t.Helper()
	r.Until(fmt.Sprint("agent ", agent, " is ", is), soon, func() bool { return slices.Contains(is, r.AgentState(agent).Presence) })
}

// AwaitReadyAgents waits until so many of acme's agents are ready.
func (r *Rig) AwaitReadyAgents(n int) {
	r.t.Helper()
	r.Until(fmt.Sprintf("%d agents are ready", n), soon, func() bool {
		ready := 0
		r.watch.mu.Lock()
		defer r.watch.mu.Unlock()
		for k, log := range r.watch.agents {
			if s, _ := events.StateOf(log[len(log)-1].Body); strings.HasPrefix(k, Acme+"/") && s.Presence == events.Ready {
				ready++
			}
		}
		return ready >= n
	})
}

// Rejected are the refusals on record for a request's id; "" is all of them.
func (r *Rig) Rejected(id string) []events.Rejected {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.watch.rejected), func(n events.Rejected) bool { return id != "" && n.ID != id })
}

// Ops are the entries of OPS so far.
func (r *Rig) Ops() []events.Ops {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return slices.Clone(r.watch.ops)
}

// Has reports whether a call's log has an event.
func Has(c *lifecycle.Call, name events.Name) bool { return Count(c, name) > 0 }

// Count says how often a call's log has an event.
func Count(c *lifecycle.Call, name events.Name) int {
	n := 0
	for _, e := range c.Log {
		if e.Name == name {
			n++
		}
	}
	return n
}

// Path is a call's way on one line.
func Path(c *lifecycle.Call) string {
	var names []string
	for _, e := range c.Log {
		name := string(e.Name)
		switch b := e.Body.(type) {
		case *events.CallFailed:
			for _, why := range b.Reasons {
				name += ":" + why.Code + "(" + why.Detail + ")"
			}
		case *events.CallWithheld:
			name += ":" + b.Reason + b.Detail
		case *events.CallWaiting:
			name += ":" + b.Reason
		case *events.CallUnknown:
			name += ":" + b.Code
		case *events.CallRefused:
			name += ":" + b.Code
		case *events.CallProgress:
			name += ":" + b.Event + b.Reason
		case *events.CallClosed:
			name += ":" + b.Outcome + "," + b.Reason
		}
		names = append(names, name)
	}
	return c.ID + ": " + strings.Join(names, " › ")
}

// Story tells where everything stands, for a test that failed.
func (r *Rig) Story() string {
	var b strings.Builder
	for _, c := range r.Calls() {
		if c.State != lifecycle.Closed || len(r.Calls()) < 12 {
			fmt.Fprintln(&b, Path(c))
		}
	}
	for i := range r.opts.Agents {
		s := r.AgentState(Agent(i))
		fmt.Fprintf(&b, "agent %s: %s %s claim %v quarantine %v\n", Agent(i), s.Presence, s.Reason, s.Claim, s.Quarantine)
	}
	for _, d := range r.opts.Desks {
		s := r.AgentState(d.Agent)
		fmt.Fprintf(&b, "agent %s: %s %s claim %v quarantine %v\n", d.Agent, s.Presence, s.Reason, s.Claim, s.Quarantine)
	}
	for _, n := range r.Rejected("") {
		fmt.Fprintf(&b, "rejected %s %s %v\n", n.Stage, n.ID, n.Faults)
	}
	return b.String() + "log: " + r.logs.tail(6000)
}
