package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const (
	// retailWait is how long a stream that cannot be read now is left alone.
	retailWait = 500 * time.Millisecond
	// openEvery is how much of the log a start after a crash has to hear.
	openEvery = 10 * time.Second
)

// A Following hears the logs once for all services of a process, over the
// connection of the first of them, and holds what they know of calls, and of
// agents where a service needs them all: every event that is heard costs each
// process that hears it. That service is the last to be closed. The zero value
// follows nothing yet.
type Following struct {
	mu     sync.Mutex
	view   *log.Follower
	first  *Host // whose connection is used
	leader log.Leader
	lanes  log.Lanes                // of their appends; nil: nobody has asked for them
	books  []*Host                  // whose books note what was heard
	record *worker.Tailer           // of CONTROL; nil: not heard yet
	begun  map[events.Family]func() // begins to hear one, once
	stop   context.CancelFunc
	done   sync.WaitGroup
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
func (f *Following) add(h *Host, leader log.Leader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.books = append(f.books, h)
	h.past.control.Store(f.record)
	if f.first != nil {
		return
	}
	f.first, f.leader, f.view = h, leader, log.NewFollower()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.begun = map[events.Family]func(){}
	for _, family := range families() {
		f.begun[family] = sync.OnceFunc(func() { f.done.Go(func() { f.hear(ctx, h, family) }) })
	}
	f.begun[events.CallFamily]()
	f.done.Go(func() { f.hearControl(ctx, h) })
}

// share gives all services of the process, which are one user of the server,
// the same lanes for their appends.
func (f *Following) share(ctx context.Context, h *Host) (log.Lanes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lanes != nil {
		return f.lanes, nil
	}
	var streams []string
	for _, family := range families() {
		name := log.StreamOf(family)
		s, err := h.JS.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w; run `outdial provision` first", name, err)
		}
		if c := s.CachedInfo().Config; log.Batches(c) {
			streams = append(streams, name)
		} else if c.Replicas <= 1 {
			h.Logger.Warn("events go to the stream one by one, however many wait: it takes no atomic batches until `outdial provision` lets it", "stream", name)
		}
	}
	f.lanes = log.NewLanes(streams...)
	return f.lanes, nil
}

// hearControl has every service of the process read the store's record of its
// past when there is news in CONTROL, until ctx ends.
func (f *Following) hearControl(ctx context.Context, h *Host) {
	take := func(_ context.Context, d worker.Delivery, _ error) error {
		if strings.HasPrefix(d.Subject, events.ControlSubject(events.AnyTenant, "store", "")) {
			f.each(func(p *past) { p.poke() })
		}
		return nil
	}
	for ctx.Err() == nil {
		t, err := worker.TailLatest(ctx, h.JS, events.StreamControl, take)
		if err != nil {
			pause(ctx, retailWait) // meanwhile every service asks by itself
			continue
		}
		f.mu.Lock()
		f.record = t
		f.mu.Unlock()
		f.each(func(p *past) { p.control.Store(t) })
		<-t.Done()
	}
}

// each shows what every service of the process knows of the store.
func (f *Following) each(show func(*past)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.books {
		show(h.past)
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

// hear feeds the view with one stream until ctx ends, and begins again whenever
// the store is found to be another one than it was.
func (f *Following) hear(ctx context.Context, h *Host, family events.Family) {
	for ctx.Err() == nil {
		changed := h.past.change()
		one, stop := context.WithCancel(ctx)
		t, err := f.tail(one, h, family)
		if err != nil {
			stop()
			h.Logger.Warn("a log cannot be heard now", "stream", log.StreamOf(family), "code", fault.Code(err))
			pause(ctx, retailWait)
			f.view.Reset(family)
			continue
		}
		f.attend(one, h, family, t, changed)
		stop()
		<-t.Done()
		if ctx.Err() == nil {
			f.view.Reset(family)
		}
	}
}

// attend waits for the end of a tail's time, and keeps meanwhile which calls
// are open.
func (f *Following) attend(ctx context.Context, h *Host, family events.Family, t *worker.Tailer, changed <-chan struct{}) {
	caught := t.CaughtUp()
	tick := time.NewTicker(openEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.keep(h, family)
			return
		case <-changed:
			return
		case <-caught:
			f.view.CaughtUp(family)
			caught = nil
		case <-tick.C:
			f.keep(h, family)
		}
	}
}

func (f *Following) tail(ctx context.Context, h *Host, family events.Family) (*worker.Tailer, error) {
	stream := log.StreamOf(family)
	take := func(_ context.Context, d worker.Delivery, problem error) error {
		if problem != nil {
			_, tenant, key, _, _, _ := events.ParseLogSubject(d.Subject)
			ref := log.Ref{Tenant: tenant, ID: key}
			f.view.Unreadable(family, ref, d.Seq, log.AfterOf(d.Header) == 0)
			unreadable(ctx, h, family, ref, d.Seq, fault.Code(problem))
			return nil // the call itself is held by whoever handles it
		}
		f.seen(stream, d.Seq, d.Record.ID)
		f.view.Take(*d.Record)
		return nil
	}
	if family == events.AgentFamily {
		return worker.TailLatest(ctx, h.JS, stream, take)
	}
	seq, err := f.load(ctx, h)
	if err != nil {
		return nil, err
	}
	return worker.Tail(ctx, h.JS, stream, nil, seq+1, take)
}

// load has the view begin with the open calls, and those whose customer was
// handed on, and says up to which event they stand.
func (f *Following) load(ctx context.Context, h *Host) (uint64, error) {
	began := time.Now()
	s, from, err := f.begin(ctx, h)
	if err != nil {
		return 0, err
	}
	logs, unread, err := log.ReadAll(ctx, f.leader, s.Open)
	if err != nil {
		return 0, err
	}
	closed := slices.DeleteFunc(s.Handed, func(ref log.Ref) bool { return slices.Contains(s.Open, ref) })
	handed, _, err := log.ReadAll(ctx, f.leader, closed) // nobody is told of one that is over and cannot be read
	if err != nil {
		return 0, err
	}
	f.view.Load(append(logs, handed...), unread, s.Seq, s.ID)
	for _, ref := range unread {
		_, err := f.leader.Read(ctx, events.CallFamily, ref.Tenant, ref.ID, 0)
		unreadable(ctx, h, events.CallFamily, ref, s.Seq, fault.Code(err))
	}
	if s.Seq > 0 {
		h.Logger.Info("the open calls are known", "by", from, "calls", len(s.Open), "handedOn", len(handed), "through", s.Seq,
			"took", time.Since(began).Round(time.Millisecond).String())
	}
	return s.Seq, nil
}

// begin lists the calls to begin with: from what was kept on, or else by a walk
// through the whole stream. Nothing is dialed before it has ended: who was
// handed on is not called meanwhile.
func (f *Following) begin(ctx context.Context, h *Host) (s log.Snapshot, from string, err error) {
	kept, why, err := h.past.opened(ctx)
	if err != nil {
		return s, "", err
	}
	if why != "" {
		h.Logger.Warn("which calls are open was kept and is thrown away; the whole log is looked through", "why", why)
	}
	from = "a walk through the log"
	if kept != nil {
		from = "what was kept"
		s = log.Snapshot{Open: refs(kept.Calls), Handed: refs(kept.Handed), Seq: kept.Seq, ID: kept.ID}
	}
	s, err = s.Forward(ctx, h.JS)
	if err != nil || s.Seq == 0 || kept != nil && kept.Handed != nil {
		return s, from, err
	}
	h.Logger.Info("who was handed on was not kept; what ended lately is looked through", "for", h.talk.String())
	s.Handed, err = log.HandedOn(ctx, h.JS, h.Now().Add(-h.Clock.Offset()-h.talk))
	return s, from, err
}

func refs(pairs [][2]string) (refs []log.Ref) {
	for _, p := range pairs {
		refs = append(refs, log.Ref{Tenant: p[0], ID: p[1]})
	}
	return refs
}

func pairs(refs []log.Ref) [][2]string {
	pairs := make([][2]string, len(refs))
	for i, ref := range refs {
		pairs[i] = [2]string{ref.Tenant, ref.ID}
	}
	return pairs
}

// keep writes down which calls are open, and whose customer was handed on.
func (f *Following) keep(h *Host, family events.Family) {
	if family != events.CallFamily || !f.view.Live(family) || h.Held() {
		return
	}
	f.view.Forget(h.Now().Add(-h.talk))
	s := f.view.Snapshot()
	o := marks.Open{Created: h.past.book.Marks()[events.StreamCalls].Created, Epoch: h.past.epoch(), Seq: s.Seq, ID: s.ID,
		Calls: pairs(s.Open), Handed: pairs(s.Handed)}
	if err := h.past.keepOpen(o); err != nil {
		h.Logger.Warn("which calls are open cannot be kept; the next start looks through the whole log", "error", err.Error())
	}
}

// unreadable tells people of a log that holds an event which this version does
// not know, or cannot read: durables deliver what is known, so nobody else may
// come across it. The alarm is one for all processes, by its id.
func unreadable(ctx context.Context, h *Host, family events.Family, ref log.Ref, seq uint64, code string) {
	stream := log.StreamOf(family)
	h.Logger.Error("an event of the log cannot be read", "stream", stream, "seq", seq, "code", code)
	o := events.Ops{Event: "alarm", Service: h.Service, Tenant: ref.Tenant, What: code, At: h.Now(),
		Reason:  "a log holds an event this version cannot read; deploy the version that can",
		Details: map[string]string{"stream": stream, "sequence": strconv.FormatUint(seq, 10)}}
	if family == events.CallFamily {
		o.Call = ref.ID
	}
	ours := func(string) (events.Key, bool) { return nil, true } // only services write to the logs
	id := events.EventID(stream, events.TypeOps, "unreadable."+ref.Tenant+"."+ref.ID+"."+code)
	if err := worker.NewRejecter(h.JS, h.role, ours).Alarm(ctx, id, o); err != nil {
		h.Logger.Error("alarm not recorded", "stream", stream, "seq", seq, "code", fault.Code(err))
	}
}

// seen has every service of the process note what was heard: one that knew
// another event at its place stops believing the store.
func (f *Following) seen(stream string, seq uint64, id string) {
	f.each(func(p *past) { p.book.Seen(stream, seq, id) })
}

// follow is Host.Follow.
func (f *Following) follow(ctx context.Context, stream string, take func(events.Record), reset func()) error {
	family := familyOf(stream)
	f.begun[family]()
	leave := f.view.Hear(family, take, reset)
	context.AfterFunc(ctx, leave)
	for !f.view.Live(family) {
		if pause(ctx, 5*time.Millisecond); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	// The others of this process may have heard their start long ago.
	last, err := log.LastSequence(ctx, f.first.JS, stream, ">")
	if err != nil && !errors.Is(err, log.ErrNone) {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second) // a store that goes back now is not waited for
	defer stop()
	return f.view.Reach(ctx, family, last)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
