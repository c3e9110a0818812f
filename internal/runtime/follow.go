package runtime

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// retailWait is how long a stream that cannot be read now is left alone.
const retailWait = 500 * time.Millisecond

// A Following hears the logs once for all services of a process, over the
// connection of the first of them, and holds what they know of calls and
// agents. That service is the last to be closed. The zero value follows
// nothing yet.
type Following struct {
	mu    sync.Mutex
	view  *log.Follower
	first *Host   // whose connection is used
	books []*Host // whose books note what was heard
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// families are followed, each in its stream.
func families() []events.Family { return []events.Family{events.CallFamily, events.AgentFamily} }

func familyOf(stream string) events.Family {
	if stream == events.StreamAgents {
		return events.AgentFamily
	}
	return events.CallFamily
}

// add lets a service hear; the first one's connection is heard with.
func (f *Following) add(h *Host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.books = append(f.books, h)
	if f.first != nil {
		return
	}
	f.first, f.view = h, log.NewFollower()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	for _, family := range families() {
		f.done.Go(func() { f.hear(ctx, h, family) })
	}
}

// leave ends the following with the service whose connection it uses.
func (f *Following) leave(h *Host) {
	f.mu.Lock()
	f.books = slices.DeleteFunc(f.books, func(x *Host) bool { return x == h })
	f.mu.Unlock()
	if f.first == h {
		f.stop()
		f.done.Wait()
	}
}

// hear feeds the view with one stream until ctx ends, from its beginning again
// whenever the store is found to be another one than it was.
func (f *Following) hear(ctx context.Context, h *Host, family events.Family) {
	for ctx.Err() == nil {
		changed := h.past.change()
		one, stop := context.WithCancel(ctx)
		t, err := f.tail(one, h, family)
		if err != nil {
			stop()
			pause(ctx, retailWait)
			continue
		}
		go func() {
			select {
			case <-t.CaughtUp():
				f.view.CaughtUp(family)
			case <-one.Done():
			}
		}()
		select {
		case <-ctx.Done():
		case <-changed:
		}
		stop()
		<-t.Done()
		if ctx.Err() == nil {
			f.view.Reset(family)
		}
	}
}

func (f *Following) tail(ctx context.Context, h *Host, family events.Family) (*worker.Tailer, error) {
	stream := log.StreamOf(family)
	return worker.Tail(ctx, h.JS, stream, nil, 0, func(_ context.Context, d worker.Delivery, problem error) error {
		if problem != nil {
			h.Logger.Error("an event of the log cannot be read", "stream", stream, "seq", d.Seq)
			_, tenant, key, _, _, _ := events.ParseLogSubject(d.Subject)
			f.view.Unreadable(family, log.Ref{Tenant: tenant, ID: key}, d.Seq)
			return nil // the call itself is held by whoever handles it
		}
		f.seen(stream, d.Seq, d.Record.ID)
		f.view.Take(*d.Record)
		return nil
	})
}

// seen has every service of the process note what was heard: one that knew
// another event at its place stops believing the store.
func (f *Following) seen(stream string, seq uint64, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.books {
		h.past.book.Seen(stream, seq, id)
	}
}

// errAnew says that the logs are heard from their beginning again.
var errAnew = errors.New("the log is heard anew")

// follow is Host.Follow: who comes later than the others hears by itself what
// they have heard already, and joins them then.
func (f *Following) follow(ctx context.Context, stream string, take func(events.Record), reset func()) error {
	family := familyOf(stream)
	for {
		leave, err := f.replay(ctx, family, take, reset)
		if err == nil {
			context.AfterFunc(ctx, leave)
			return nil
		}
		if !errors.Is(err, errAnew) {
			return err
		}
		reset()
	}
}

func (f *Following) replay(ctx context.Context, family events.Family, take func(events.Record), reset func()) (leave func(), err error) {
	alone, stop := context.WithCancel(ctx)
	defer stop()
	past := f.view.Past(family)
	var mu sync.Mutex
	var heard uint64
	join := func() {
		if l, ok := f.view.Join(family, past, heard, take, reset); ok {
			leave = l
			stop()
		}
	}
	t, err := worker.Tail(alone, f.first.JS, log.StreamOf(family), nil, 0, func(_ context.Context, d worker.Delivery, problem error) error {
		mu.Lock()
		defer mu.Unlock()
		if leave != nil {
			return nil
		}
		if heard = d.Seq; problem == nil {
			take(*d.Record)
		}
		join()
		return nil
	})
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		mu.Lock()
		if leave == nil {
			join() // there may be no event to come
		}
		joined := leave != nil
		mu.Unlock()
		switch {
		case joined && f.view.Live(family):
			return leave, nil
		case !joined && f.view.Past(family) != past:
			stop()
			<-t.Done()
			return nil, errAnew
		}
		<-tick.C
	}
	<-t.Done()
	if leave != nil {
		leave()
	}
	return nil, ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
