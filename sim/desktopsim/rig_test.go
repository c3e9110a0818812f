package desktopsim_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	pace = 3 * time.Millisecond
	soon = 10 * time.Second
)

// A rig is one agent's world: a desktop, the hub, and the provider's own
// adapter on both ends. It reads what the desktop says as the bridge would,
// each message in the light of those before.
type rig struct {
	t        *testing.T
	kind     providers.Kind
	sim      *sim.Simulator
	fleet    *desktopsim.Fleet
	hub      *desktop.Hub
	provider providers.Provider
	config   desktopsim.Config

	mu      sync.Mutex
	changed chan struct{}
	session string
	view    providers.View
	story   []string // call events and presences, in order
	seen    []providers.Observation
	refused []error
	failing int // so many messages cannot be stored
}

func newRig(t *testing.T, kind providers.Kind, change ...func(*desktopsim.Config)) *rig {
	t.Helper()
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, kind: kind, sim: s, changed: make(chan struct{}), view: providers.View{HomeRegion: "US"}}
	r.hub, err = desktop.NewHub(desktop.Config{Sink: r, Authorize: func(_, _, token string) bool {
		return door.Same(token, "s3cret")
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(r.hub)
	r.provider = webexcc.System().Provider(bus.Config{Desktop: r})
	if kind == providers.Five9 {
		r.provider = five9.System().Provider(bus.Config{Desktop: r})
	}
	r.fleet = desktopsim.NewFleet(s, kind)
	r.config = desktopsim.Config{URL: srv.URL, Connection: "desk", Agent: "agent4", Token: "s3cret", Pace: pace}
	for _, c := range change {
		c(&r.config)
	}
	if _, err := r.fleet.Add(r.config); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.fleet.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		cctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := r.hub.Close(cctx); err != nil {
			t.Error(err)
		}
		srv.Close()
		_ = s.Close()
	})
	return r
}

func (r *rig) note(word string) {
	r.story = append(r.story, word)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *rig) Opened(_ context.Context, _, _, session string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = session
	r.note("open")
	return nil
}

func (r *rig) Closing(string) {}

func (r *rig) Closed(_ context.Context, _, _, _, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = ""
	r.note("closed:" + reason)
}

func (r *rig) Message(_ context.Context, _, agent, session string, raw []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing > 0 {
		r.failing--
		return fault.New(fault.Transient, "store", "broker", nil)
	}
	got, err := r.provider.Reader.Read(events.ProviderRaw{Agent: agent, Session: session, Body: raw}, r.view)
	if err != nil {
		r.refused = append(r.refused, err)
		return nil // stored all the same
	}
	for _, o := range got {
		r.seen = append(r.seen, o)
		if o.Call != "" {
			word := string(o.Call)
			if o.Reason != "" {
				word += "(" + o.Reason + ")"
			}
			if !o.Manual {
				word = "foreign:" + word
			}
			r.note(word)
			if o.Call != events.RecordingStarted {
				r.view.CallState = o.Call
			}
			r.view.Talked = r.view.Talked || o.Call == events.Talking ||
				o.Call == events.Answered && !r.provider.Can.Talking
		}
		if o.Presence == events.Ready || o.Presence == events.NotReady {
			r.note(strings.TrimSuffix(string(o.Presence)+":"+o.Reason, ":"))
		}
	}
	return nil
}

// Send is the rig as the adapter's desktop: the hub, without NATS in between.
func (r *rig) Send(ctx context.Context, a providers.AgentRef, message []byte, attempt string, notAfter time.Time) error {
	return r.hub.Send(ctx, a.Connection, a.Agent, a.Session, attempt, notAfter, message)
}

// until waits for the story to end with these words.
func (r *rig) until(words string) string {
	r.t.Helper()
	deadline := time.After(soon)
	for {
		r.mu.Lock()
		story, changed := strings.Join(r.story, " "), r.changed
		r.mu.Unlock()
		if strings.HasSuffix(story, words) {
			return story
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatalf("the story is %q, want it to end with %q", story, words)
		}
	}
}

// count waits for so many of a word.
func (r *rig) count(word string, n int) {
	r.t.Helper()
	deadline := time.After(soon)
	for {
		r.mu.Lock()
		have, changed := 0, r.changed
		for _, w := range r.story {
			if w == word {
				have++
			}
		}
		r.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatalf("%q %d times, want %d", word, have, n)
		}
	}
}

// dial places a call to the number and waits at most patience for the page.
func (r *rig) dial(number, attempt string, patience time.Duration) error {
	r.t.Helper()
	r.mu.Lock()
	session := r.session
	r.view.To, r.view.Dialed, r.view.CallState, r.view.Talked = number, true, events.Dialing, false
	r.story = nil
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	_, err := r.provider.Starter.Start(ctx, providers.Order{
		To: number, Attempt: attempt, NotAfter: time.Now().Add(time.Minute),
		Agent: providers.AgentRef{Tenant: "acme", Connection: "desk", Agent: "agent4", Session: session},
	})
	return err
}

func (r *rig) starts() []sim.Entry {
	var out []sim.Entry
	for _, e := range r.sim.Ledger().Entries() {
		if e.Kind == sim.Start {
			out = append(out, e)
		}
	}
	return out
}

func (r *rig) fault(f sim.Fault) {
	r.t.Helper()
	f.Provider = string(r.kind)
	if _, err := r.sim.Faults.Add(f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) observations() []providers.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]providers.Observation(nil), r.seen...)
}
