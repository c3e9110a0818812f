package desktopsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
)

// A Fleet is the desktops of one kind. It is a dialect of the simulator, so
// the simulator's management shows and changes them.
type Fleet struct {
	sim  *sim.Simulator
	kind providers.Kind

	mu       sync.Mutex
	ctx      context.Context // of Run, nil before
	desktops []*Desktop
	running  sync.WaitGroup
}

var _ sim.Dialect = (*Fleet)(nil)

// NewFleet makes an empty fleet and registers it with the simulator.
func NewFleet(s *sim.Simulator, kind providers.Kind) *Fleet {
	f := &Fleet{sim: s, kind: kind}
	s.Register(f)
	return f
}

// Add puts a desktop into the fleet; it connects when the fleet runs. Agents
// have different names, whatever their connection.
func (f *Fleet) Add(cfg Config) (*Desktop, error) {
	cfg.Kind = f.kind
	d, err := New(f.sim, cfg)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.desktops {
		if other.cfg.Agent == cfg.Agent {
			return nil, errors.New("the fleet has a desktop of that agent")
		}
	}
	f.desktops = append(f.desktops, d)
	if f.ctx != nil {
		f.start(d)
	}
	return d, nil
}

// start runs a desktop; the caller holds the lock.
func (f *Fleet) start(d *Desktop) {
	ctx := f.ctx
	f.running.Go(func() {
		if err := d.Run(ctx); err != nil {
			d.cfg.Log.Warn("desktop stopped", "agent", d.cfg.Agent, "error", err)
		}
	})
}

// Run connects all desktops until ctx ends. It runs once.
func (f *Fleet) Run(ctx context.Context) error {
	f.mu.Lock()
	if f.ctx != nil {
		f.mu.Unlock()
		return errors.New("the fleet runs already")
	}
	f.ctx = ctx
	for _, d := range f.desktops {
		f.start(d)
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.running.Wait()
	return nil
}

// Desktop finds an agent's desktop, nil when there is none.
func (f *Fleet) Desktop(agent string) *Desktop {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.desktops {
		if d.cfg.Agent == agent {
			return d
		}
	}
	return nil
}

// Name implements sim.Dialect.
func (f *Fleet) Name() string { return string(f.kind) }

// Agents implements sim.Dialect. The state is ready, not_ready or on_call, or
// offline while there is no socket.
func (f *Fleet) Agents() []sim.AgentView {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]sim.AgentView, 0, len(f.desktops))
	for _, d := range f.desktops {
		s := d.Status()
		v := sim.AgentView{Provider: f.Name(), Agent: d.cfg.Agent, Session: s.Session, State: s.Presence, Call: s.Call}
		if !s.Connected {
			v.State = "offline"
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b sim.AgentView) int { return cmp.Compare(a.Agent, b.Agent) })
	return out
}

// Set implements sim.Dialect. It knows
//
//	status      "ready" or "not_ready", with reason, a word for it
//	disconnect  true cuts the socket; the desktop comes back
//	call        an E.164 number: a call that outdial has not asked for
func (f *Fleet) Set(agent string, change map[string]any) error {
	d := f.Desktop(agent)
	f.mu.Lock()
	ctx := f.ctx
	f.mu.Unlock()
	if d == nil || ctx == nil {
		return errors.New("no such desktop, or the fleet does not run")
	}
	reason, _ := change["reason"].(string)
	for key, value := range change {
		word, _ := value.(string)
		switch {
		case key == "reason":
		case key == "status" && (word == "ready" || word == "not_ready"):
			d.SetReady(word == "ready", reason)
		case key == "disconnect" && value == true:
			d.Disconnect()
		case key == "call" && events.IsE164(word):
			if err := d.Foreign(ctx, word); err != nil {
				return err
			}
		default:
			return fmt.Errorf("a desktop does not know %q, or not this value of it", key)
		}
	}
	return nil
}
