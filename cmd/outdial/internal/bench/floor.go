package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// A floor is bare JetStream at a recorded call's work.
type floor struct {
	rec     *recording
	by      map[string]jetstream.JetStream // a connection for each writer
	leaders map[string]log.Leader
	servers *subject // where they are processes of their own; else they are in this one
	slots   []*floorSlot
	keep    int          // of the recorded messages; 0: all
	stored  atomic.Int64 // messages
	stop    context.CancelFunc
	closer  []func()
}

// newFloor makes a floor on a server in this process, or with replicas on three
// servers of its own.
func newFloor(ctx context.Context, o Options, rec *recording, replicas int) (*floor, error) {
	f := &floor{rec: rec, by: map[string]jetstream.JetStream{}, leaders: map[string]log.Leader{}}
	ctx, f.stop = context.WithCancel(ctx)
	if err := f.open(ctx, o, replicas); err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

func (f *floor) open(ctx context.Context, o Options, replicas int) error {
	connect := func(string) (*nats.Conn, error) { return nats.Connect(f.servers.url()) }
	if replicas > 1 {
		var err error
		if f.servers, err = newSubject(o, world{copies: 1, replicas: replicas}); err != nil {
			return err
		}
		if err := f.servers.serve(ctx, world{copies: 1, replicas: replicas}); err != nil {
			return err
		}
	} else {
		dir, err := os.MkdirTemp("", "outdial-bench-")
		if err != nil {
			return err
		}
		f.closer = append(f.closer, func() { _ = os.RemoveAll(dir) })
		srv, err := embedded.Start(embedded.Config{StoreDir: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		f.closer = append(f.closer, srv.Stop)
		embedded.MoreThreads()
		connect = func(name string) (*nats.Conn, error) { // the services within the process and its threads, as the all-in-one has them
			if name == "upstream" {
				return nats.Connect(srv.ClientURL())
			}
			return srv.Client()
		}
	}
	var lanes log.Lanes // of all services, as in the all-in-one
	if replicas <= 1 {
		lanes = log.NewLanes(events.StreamCalls, events.StreamAgents)
	}
	for _, name := range []string{"upstream", "orchestrator", "compliance", "dialer", "bridge"} {
		nc, err := connect(name)
		if err != nil {
			return err
		}
		f.closer = append(f.closer, nc.Close)
		if f.by[name], err = jetstream.New(nc); err != nil {
			return err
		}
		f.leaders[name] = log.NewJetStream(f.by[name], log.Options{Lanes: lanes})
	}
	layout, err := broker.Plan([]string{tenant}, broker.Options{Replicas: replicas, Store: 8 << 30})
	if err != nil {
		return err
	}
	apply := func() error { _, err := broker.Apply(ctx, f.by["upstream"], layout); return err }
	if err := until(ctx, time.Minute, "the floor's streams", apply); err != nil {
		return err
	}
	return f.listen(ctx, layout)
}

// listen has every durable of the layout acknowledge what it hears, a follower
// of each log read and decode it, and somebody watch the calls.
func (f *floor) listen(ctx context.Context, layout broker.Layout) error {
	if _, err := f.by["upstream"].Conn().Subscribe("calls.>", func(*nats.Msg) {}); err != nil {
		return err
	}
	for _, c := range layout.Consumers {
		js := f.by[c.Config.Durable]
		if js == nil {
			js = f.by["orchestrator"]
		}
		durable, err := js.Consumer(ctx, c.Stream, c.Config.Durable)
		if err != nil {
			return err
		}
		heard, err := durable.Consume(func(m jetstream.Msg) { _ = m.Ack() })
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, heard.Stop)
	}
	for _, stream := range []string{events.StreamCalls, events.StreamAgents, events.StreamProvider} {
		ordered, err := f.by["bridge"].OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
		if err != nil {
			return err
		}
		heard, err := ordered.Consume(func(m jetstream.Msg) {
			_, _ = events.DecodeRecord(m.Subject(), events.Header(m.Headers()), m.Data())
		})
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, heard.Stop)
	}
	return nil
}

func (f *floor) remove() {
	f.stop()
	for i := len(f.closer) - 1; i >= 0; i-- {
		f.closer[i]()
	}
	if f.servers != nil {
		f.servers.remove()
	}
}

// cpu is what the floor has used: this process' share, and its servers'.
func (f *floor) cpu() usage {
	all := usage{"floor": ownCPU()}
	if f.servers != nil {
		for name, d := range f.servers.cpu() {
			all[name] += d
		}
	}
	return all
}

// saturate keeps so many calls under way for a while.
func (f *floor) saturate(ctx context.Context, inFlight int, appender bool, warm, d time.Duration) (sample, error) {
	for len(f.slots) < inFlight {
		f.slots = append(f.slots, &floorSlot{floor: f, agent: deskName(len(f.slots)), last: map[string]uint64{}})
	}
	var once sync.Once
	var err error
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, slot := range f.slots[:inFlight] {
		wg.Go(func() {
			for ctx.Err() == nil {
				if e := slot.call(ctx, appender); e != nil {
					once.Do(func() { err = e; stop() })
				}
			}
		})
	}
	pause(ctx, warm)
	began, n, before, around := time.Now(), f.stored.Load(), f.cpu(), aroundNow()
	pause(ctx, d)
	// Whole calls would come in waves, since all lines begin at once.
	s := sample{took: time.Since(began), calls: float64(f.stored.Load()-n) / float64(f.messages()), cpu: f.cpu().less(before), around: aroundNow().less(around)}
	s.around.own = 0 // is in its CPU
	stop()
	wg.Wait()
	return s, err
}

// messages is how many a call stores.
func (f *floor) messages() int {
	if f.keep > 0 {
		return f.keep
	}
	return len(f.rec.steps)
}

// spread says whether message i of n is one of so many that are kept, strewn
// over all of them.
func spread(i, n, keep int) bool { return i*keep/n != (i+1)*keep/n }

// fewer are the numbers of messages that the floor is tried with beside all.
func fewer() []int { return []int{0, -1, -5, -10} }

// fewerMessages measures what a call would gain that stored fewer messages, by
// the floor with some left out.
func fewerMessages(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "fewer messages", world{desktops: 10}, soon(), func(l *load) error {
		rec, err := l.record(ctx, t, "desktop")
		if err != nil {
			return err
		}
		f, err := newFloor(ctx, o, rec, 1)
		if err != nil {
			return err
		}
		defer f.remove()
		var all []*contender
		for _, less := range fewer() {
			keep := len(rec.steps) + less
			all = append(all, &contender{name: fmt.Sprintf("fewer.%d", keep), turn: func(ctx context.Context) (sample, error) {
				f.keep = keep
				return f.saturate(ctx, 100, true, o.warm(), o.Length)
			}})
		}
		if err := race(ctx, o, t, o.Rounds, all...); err != nil {
			return err
		}
		for i, c := range all {
			what := fmt.Sprintf("the floor's call with %d messages", len(rec.steps)+fewer()[i])
			c.report(t, c.name, what)
			if i > 0 {
				t.add(c.name+".rate_ratio", "calls/s, "+what+" / with all", "", beside(c.rates(), all[0].rates()))
			}
		}
		return nil
	})
}

// floorSlot is one agent's line, with one call after the other on it.
type floorSlot struct {
	*floor
	agent string
	calls int
	last  map[string]uint64 // by log
}

// call writes what the recorded call wrote, each message when the one before it
// is acknowledged, until the turn is over.
func (f *floorSlot) call(turn context.Context, appender bool) error {
	f.calls++
	id := events.EventID(f.agent, "bench", strconv.Itoa(f.calls))[:len(f.rec.call)]
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i, step := range f.rec.steps {
		if turn.Err() != nil {
			break
		}
		if f.keep > 0 && !spread(i, len(f.rec.steps), f.keep) {
			continue
		}
		if err := f.write(ctx, step, id, i, appender); err != nil {
			return errors.Join(fmt.Errorf("the floor's message %d, %s %s", i+1, step.stream, step.event.Name), err)
		}
		f.stored.Add(1)
	}
	delete(f.last, id)
	return nil
}

func (f *floorSlot) write(ctx context.Context, step recorded, id string, i int, appender bool) error {
	key := f.agent
	if step.event.Family == events.CallFamily {
		key = id
	}
	eventID := events.EventID(id, events.TypeOf(step.event.Family, step.event.Name), strconv.Itoa(i))
	if appender && step.log {
		r := step.event
		a, err := f.leaders[step.writer()].Append(ctx, log.Draft{Family: r.Family, Tenant: r.Tenant, Key: key, Role: r.Role, Name: r.Name,
			ID: eventID, Cause: r.Cause, Place: r.Place, Time: r.Time, TraceParent: r.TraceParent, Body: r.Body, After: f.last[key]})
		if err == nil && !a.Won {
			err = errors.New("somebody else wrote it")
		}
		f.last[key] = a.Record.Seq
		return err
	}
	m := &nats.Msg{Subject: step.msg.Subject, Data: step.msg.Data, Header: nats.Header{}}
	for h, v := range step.msg.Header {
		if !strings.HasPrefix(h, "Nats-") {
			m.Header[h] = v
		}
	}
	if !step.log {
		_, err := f.by[step.writer()].PublishMsg(ctx, m)
		return err
	}
	r := step.event
	m.Subject = events.AppendPrefix + events.LogSubject(r.Family, r.Tenant, key, r.Role, r.Name)
	m.Header.Set("ce-id", eventID)
	m.Header.Set("ce-subject", key)
	m.Header.Set("ce-"+events.ExtPartitionKey, key)
	if r.Family == events.CallFamily {
		m.Header.Set("ce-"+events.ExtCorrelation, key)
	}
	ack, err := f.by[step.writer()].PublishMsg(ctx, m, jetstream.WithMsgID(r.Tenant+"."+key+"."+eventID),
		jetstream.WithExpectLastSequenceForSubject(f.last[key], events.LogFilter(r.Family, r.Tenant, key)))
	if err == nil {
		f.last[key] = ack.Sequence
	}
	return err
}
