package bridge

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// News that names no agent of ours: of a call in a provider's queue, or of any
// call where the provider tells what becomes of it by a feed or by what it
// posts. The call is found by its names, and what is said of it is judged and
// written as every other news is.

// namelessFor is how long an item by an id that nobody knows may be about a call
// whose id is still to come: the provider may speak before its answer to the
// start is on record.
const namelessFor = time.Minute

// FollowCall hears of every event of CALLS, in order.
func (s *Service) FollowCall(r events.Record) {
	c := s.Log.Held(log.RefOf(r))
	conn := ""
	if c != nil && c.Assigned != nil && s.tells(c.Tenant, c.Assigned.Connection) {
		conn = c.Assigned.Connection
	}
	if conn != "" || r.Name == events.Closed {
		s.calls.take(r, conn, c)
	}
}

// tells says whether a connection tells what becomes of its calls without an
// agent's desktop or status.
func (s *Service) tells(tenant, connection string) bool {
	conn, ok := s.Directory.Connection(tenant, connection)
	return ok && conn.Provider.Can.Progress.OfCalls()
}

// hearsOfCalls says whether any connection does.
func (s *Service) hearsOfCalls() bool {
	return slices.ContainsFunc(s.Directory.Connections(), func(c tenants.Connection) bool { return c.Provider.Can.Progress.OfCalls() })
}

// callLane is under which name a message is heard that names no agent.
func (s *Service) callLane(m *message, seen []providers.Observation) string {
	names := saidNames(m.conn.Name, seen[0])
	if !m.conn.Provider.Can.Progress.OfCalls() || len(names) == 0 {
		return ""
	}
	s.calls.note(names)
	return names[0]
}

// onCallNews carries out an item about a call that is known by its names alone,
// and before it what came of the same call earlier.
func (s *Service) onCallNews(ctx context.Context, d worker.Delivery, m *message) error {
	seen, err := understand(m.conn.Provider.Reader, m.raw, providers.View{Now: m.at, HomeRegion: m.home})
	if err != nil || len(seen) == 0 {
		return err
	}
	names := saidNames(m.conn.Name, s.calls.meant(m.conn.Name, seen[0]))
	refs, err := s.findCalls(ctx, m, names)
	if err != nil || len(refs) == 0 {
		return err
	}
	key := "call/" + refs[0].Tenant + "/" + refs[0].ID
	for _, ref := range refs {
		names = append(names, s.calls.known(ref)...)
	}
	leave, err := s.Turn(ctx, key)
	if err != nil {
		return err
	}
	defer leave()
	return s.lanes.Through(d.Seq, m, func(_ uint64, m *message, earlier bool) error {
		own := *m // several may carry it out, each with thoughts of its own
		own.thoughts = thoughts{meant: s.calls.meant}
		if earlier {
			return before(func() error { return s.applyToCalls(ctx, &own) })
		}
		return s.applyToCalls(ctx, &own)
	}, s.calls.lanes(names)...)
}

// before carries out a message on the way to a later one. That it cannot be read,
// or is stumbled over, is no fault of the one that waits for it: its own delivery
// parks it, and says where.
func before(do func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			err = nil
		default:
			panic(p)
		}
	}()
	if err = do(); err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Class == fault.Permanent {
		return nil
	}
	return fault.New(fault.Transient, "carry out what came before", log.CodeUnavailable, err)
}

// findCalls lists the calls of ours that an item may be about. What was dialed a
// moment ago may not have been heard here, so before it is anybody else's
// everything is heard that was stored when it came.
func (s *Service) findCalls(ctx context.Context, m *message, names []string) ([]log.Ref, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if s.calls.isRecalling() {
		return nil, worker.Snooze(time.Second, "the names of calls that are over")
	}
	if refs := s.calls.find(names); len(refs) > 0 {
		return refs, nil
	}
	if err := s.heardCalls(ctx); err != nil {
		return nil, err
	}
	refs := s.calls.find(names)
	if len(refs) == 0 && s.calls.waits(m.conn.Name) && s.Now().Sub(m.at) < namelessFor {
		return nil, worker.Snooze(time.Second, "the id of a call that was dialed")
	}
	return refs, nil
}

// heardCalls waits until everything was heard that is in CALLS now.
func (s *Service) heardCalls(ctx context.Context) error {
	if s.LastCall == nil {
		return nil
	}
	last, err := s.LastCall(ctx)
	if errors.Is(err, log.ErrNone) {
		return nil
	}
	if err == nil {
		err = s.Log.Reach(ctx, events.CallFamily, last)
	}
	if err != nil {
		return fault.New(fault.Transient, "look where the calls end", log.CodeUnavailable, err)
	}
	return nil
}

// applyToCalls writes into the logs of the calls what an item says of them and
// they do not hold. Doing it again does no harm.
func (s *Service) applyToCalls(ctx context.Context, m *message) error {
	k := record{agent: &lifecycle.Agent{Tenant: m.conn.Tenant}}
	seen, err := m.ask(m.view(k.agent, nil))
	if err != nil || len(seen) == 0 {
		return err
	}
	refs, err := s.findCalls(ctx, m, saidNames(m.conn.Name, seen[0]))
	if err != nil {
		return err
	}
	for _, ref := range refs {
		c, err := s.Log.Call(ctx, ref)
		if err != nil && fault.Of(err) != fault.Permanent {
			return err
		}
		if err == nil && c.Request != nil && onConnection(c, m.conn) {
			k.calls = append(k.calls, c)
		}
	}
	slices.SortStableFunc(k.calls, func(a, b *lifecycle.Call) int { return int(b.Refs.Requested) - int(a.Refs.Requested) })
	all, err := m.read(k)
	if err != nil {
		return err
	}
	_, err = s.sayOfCalls(ctx, m, &k, all)
	return err
}

func onConnection(c *lifecycle.Call, conn tenants.Connection) bool {
	return c.Tenant == conn.Tenant && c.Assigned != nil && c.Assigned.Connection == conn.Name
}

// sayOfCalls appends what a message owes the calls that it is about. Each event is
// judged by the log as it is when it is appended.
func (s *Service) sayOfCalls(ctx context.Context, m *message, k *record, all []news) (said bool, err error) {
	for _, n := range all {
		for i := 0; n.about != nil && i < maxSaid; i++ {
			done, err := s.Log.Update(ctx, log.Ref{Tenant: n.about.Tenant, ID: n.about.ID}, func(c *lifecycle.Call) (*log.Draft, error) {
				*k = k.with(c)
				return m.progress(*k, c, s.Now())
			})
			if err != nil {
				return said, err
			}
			if done.Record.Seq == 0 {
				break
			}
			said = true
		}
	}
	return said, nil
}
