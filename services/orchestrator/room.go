package orchestrator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// When a stream's filling is said, when it may be said again, and when no new
// call is begun any more: what CALLS has left then is for those that are open.
const (
	alarmAt  = 0.80
	calmAt   = 0.75
	acceptTo = 0.95
)

// roomEvery is how often the streams are asked how full they are.
const roomEvery = 15 * time.Second

// Streams says how full the streams are, and takes alarms about them.
type Streams interface {
	Fill(ctx context.Context, names ...string) ([]worker.Filled, error)
	// Alarm notes an alarm, once however many processes note it.
	Alarm(ctx context.Context, id string, o events.Ops) error
}

// room is what this process knows of the streams' room.
type room struct {
	mu   sync.Mutex
	last []worker.Filled
	said map[string]bool // the streams whose filling was said
}

// take remembers how full the streams are, and returns those that have just
// become nearly full.
func (r *room) take(now []worker.Filled) (crossed []worker.Filled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil {
		r.said = map[string]bool{}
	}
	r.last = now
	for _, f := range now {
		switch {
		case f.Part < calmAt:
			delete(r.said, f.Stream)
		case f.Part >= alarmAt && !r.said[f.Stream]:
			r.said[f.Stream] = true
			crossed = append(crossed, f)
		}
	}
	return crossed
}

// unsaid forgets that a stream's filling was said: it could not be.
func (r *room) unsaid(stream string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.said, stream)
}

// filled is how full the streams were when they were asked last.
func (r *room) filled() []worker.Filled {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// forNewCalls says whether CALLS has room for calls that are not begun.
func (r *room) forNewCalls() bool {
	for _, f := range r.filled() {
		if f.Stream == events.StreamCalls && f.Part >= acceptTo {
			return false
		}
	}
	return true
}

// streams are all that outdial writes to, each with whose it is.
func (s *Service) streams() map[string]string {
	out := map[string]string{}
	for _, name := range []string{events.StreamCalls, events.StreamAgents, events.StreamProvider, events.StreamFacts,
		events.StreamControl, events.StreamOps, events.StreamRejected} {
		out[name] = events.AnyTenant
	}
	for _, t := range s.Directory.Tenants() {
		out[events.RequestStream(t.Name)] = t.Name
	}
	return out
}

// lookAtRoom asks how full the streams are, and raises the alarm when one
// becomes nearly full.
func (s *Service) lookAtRoom(ctx context.Context, from Streams) {
	ctx, cancel := context.WithTimeout(ctx, roomEvery)
	defer cancel()
	owners := s.streams()
	names := make([]string, 0, len(owners))
	for name := range owners {
		names = append(names, name)
	}
	now, err := from.Fill(ctx, names...)
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "how full the streams are is not known of all", "known", len(now), "of", len(names))
	}
	for _, f := range s.room.take(now) {
		o := fullAlarm(f, owners[f.Stream], s.Now())
		s.Logger.ErrorContext(ctx, o.What, "stream", f.Stream, "filled", o.Details["filled"])
		if err := from.Alarm(ctx, events.EventID(f.Stream, events.TypeOps, "nearly_full"), o); err != nil {
			s.room.unsaid(f.Stream)
		}
	}
}

func fullAlarm(f worker.Filled, tenant string, at time.Time) events.Ops {
	then := "full, it refuses what is written to it"
	switch {
	case f.Forgets:
		then = "full, it forgets its oldest"
	case f.Stream == events.StreamCalls:
		then = "from 95 % on no new request is accepted, and full, no call can go on"
	}
	return events.Ops{
		Event: "alarm", Service: "orchestrator", Tenant: tenant, What: "a stream is nearly full",
		Reason:  then + "; give outdial more room (nats.maxStore), or find out who writes so much",
		Details: map[string]string{"stream": f.Stream, "filled": fmt.Sprintf("%.0f%%", 100*f.Part)}, At: at,
	}
}
