package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// A load is the simulated world of one subject, and what is heard of its calls.
type load struct {
	s       *subject
	group   string
	sim     *sim.Simulator
	fleet   *desktopsim.Fleet
	company *http.Server
	url     string // of the company
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	sent      int
	acked     int // requests that the log has
	talked    map[string]bool
	requested map[string]time.Time // the calls that are open
	reached   map[string]reached   // the last step that they came to
	stepped   int                  // steps of all calls, from assigned on
	whole     int                  // those of the calls that have closed
	over      int                  // these calls
	waits     []time.Duration      // from requested to dialing
	ends      []time.Duration      // from requested to closed
	steps     map[string][]time.Duration
	outcomes  map[string]int
	lost      int // closed otherwise than completed, though they talked
	closed    chan string
}

// life is how long a simulated call takes.
type life struct{ ring, talk, wrap time.Duration }

// begin starts a subject with its world and waits until everybody is ready.
func begin(ctx context.Context, o Options, w world, lives life) (*load, error) {
	l := &load{}
	err := l.open(w, lives)
	if l.company != nil {
		w.company = l.url
	}
	if err == nil {
		l.s, err = newSubject(o, w)
	}
	if err == nil {
		err = l.work(ctx, w, lives)
	}
	if err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// open makes the simulated world.
func (l *load) open(w world, lives life) (err error) {
	if l.sim, err = sim.New(sim.Options{Seed: 1, Pace: lives.ring}); err != nil {
		return err
	}
	l.group, l.closed = "sales", make(chan string, 100_000)
	l.talked, l.outcomes = map[string]bool{}, map[string]int{}
	l.requested, l.reached, l.steps = map[string]time.Time{}, map[string]reached{}, map[string][]time.Duration{}
	if err := l.sim.Script.Set(sim.Part{Number: "*", Ring: sim.Duration(lives.ring), Talk: sim.Duration(lives.talk), Wrap: sim.Duration(lives.wrap)}); err != nil {
		return err
	}
	if w.tcn == 0 {
		return nil
	}
	agents := tcnsim.Agents(w.tcn)
	for i := range agents {
		agents[i].Token = "token-" + agents[i].AgentSid
	}
	tcn, err := tcnsim.New(l.sim, tcnsim.Options{Agents: agents, Pace: tcnsim.Pace{Prepare: tcnPrepares}})
	if err != nil {
		return err
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.group, l.company, l.url = "1045678", &http.Server{Handler: tcn, ReadHeaderTimeout: 10 * time.Second}, "http://"+door.Addr().String()
	l.running.Go(func() { _ = l.company.Serve(door) })
	return nil
}

// work starts the subject and lets its desktops in.
func (l *load) work(ctx context.Context, w world, lives life) error {
	if _, _, err := l.s.start(ctx, w); err != nil {
		return err
	}
	if _, err := l.s.nc.Subscribe("calls.acme.>", l.hear); err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	l.stop = stop
	l.fleet = desktopsim.NewFleet(l.sim, providers.WebexCC)
	for i := range w.desktops {
		at := "http://" + l.s.doors[i%len(l.s.doors)]
		if _, err := l.fleet.Add(desktopsim.Config{URL: at, Connection: "desk", Agent: deskName(i), Pace: lives.ring}); err != nil {
			return err
		}
	}
	l.running.Go(func() { _ = l.fleet.Run(inner) })
	return l.s.until(ctx, "everybody's readiness", func() error { return l.ready(w.desktops + w.tcn) })
}

// ready asks whether so many agents are.
func (l *load) ready(want int) error {
	m, err := l.s.nc.Request(events.ServiceSubject("acme", "agent", "list"), nil, 5*time.Second)
	if err != nil {
		return err
	}
	if n := strings.Count(string(m.Data), `"presence":"ready"`); n != want {
		return fmt.Errorf("%d of %d are ready: %.300s", n, want, m.Data)
	}
	return nil
}

// end takes everything down.
func (l *load) end() {
	l.close()
	if l.s != nil {
		l.s.remove()
	}
}

// close ends the simulated world.
func (l *load) close() {
	if l.stop != nil {
		l.stop()
	}
	if l.company != nil {
		_ = l.company.Close()
	}
	l.running.Wait()
	if l.sim != nil {
		_ = l.sim.Close()
	}
}

// send publishes the next request of the group.
func (l *load) send() error {
	l.mu.Lock()
	l.sent++
	n := l.sent
	l.mu.Unlock()
	q := events.DialRequest{To: fmt.Sprintf("+1435%03d%04d", 220+n/10_000, n%10_000), HuntGroup: l.group, PostalCode: "84770"}
	if l.company != nil {
		q.Metadata = []events.KeyValue{{Key: "Account", Value: "ABC1234"}, {Key: "Zip Code", Value: "84770"}}
	}
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	m := nats.NewMsg(events.RequestSubject("acme"))
	m.Data = body
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": strconv.Itoa(n), "ce-source": "/bench",
		"ce-type": events.TypeDialRequested, "ce-datacontenttype": "application/json"} {
		m.Header[k] = []string{v}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err = l.s.js.PublishMsg(ctx, m); err == nil {
		l.mu.Lock()
		l.acked++
		l.mu.Unlock()
	}
	return err
}

// closedIn counts the calls that close within a time, or until there are enough
// of them (0: never).
func (l *load) closedIn(ctx context.Context, d time.Duration, then func(), enough int) int {
	for n, over := 0, time.After(d); ; n++ {
		if enough > 0 && n == enough {
			return n
		}
		select {
		case <-l.closed:
			if then != nil {
				then()
			}
		case <-over:
			return n
		case <-ctx.Done():
			return n
		}
	}
}

// saturate keeps so many requests open for a while: each that closes is
// followed by the next.
func (l *load) saturate(ctx context.Context, inFlight int, warm, d time.Duration) (sample, error) {
	again := make(chan struct{}, 100_000)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var once sync.Once
	var err error
	for range 32 { // an upstream that waits for each acknowledgement
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-again:
					if e := l.send(); e != nil {
						once.Do(func() { err = e; stop() })
					}
				}
			}
		})
	}
	for range inFlight {
		again <- struct{}{}
	}
	s := l.turn(ctx, inFlight, warm, d, func() { again <- struct{}{} })
	stop()
	wg.Wait()
	l.drain()
	return s, err
}

// turn measures for a while what is done, once every line has had a call.
func (l *load) turn(ctx context.Context, lines int, warm, d time.Duration, then func()) sample {
	began := time.Now()
	n := l.closedIn(ctx, warm, then, 0)
	for n < lines && time.Since(began) < longestWarm && ctx.Err() == nil {
		n += l.closedIn(ctx, 50*time.Millisecond, then, 0)
	}
	began = time.Now()
	before, around, done := l.s.cpu(), aroundNow(), l.done()
	l.closedIn(ctx, d, then, 0)
	return sample{took: time.Since(began), calls: l.done() - done, cpu: l.s.cpu().less(before), around: aroundNow().less(around)}
}

// drain waits until no call is open, or none has closed for a while: the others
// wait for somebody.
func (l *load) drain() {
	for last := time.Now(); time.Since(last) < 1500*time.Millisecond; {
		select {
		case <-l.closed:
			last = time.Now()
			continue
		case <-time.After(20 * time.Millisecond):
		}
		l.mu.Lock()
		open := len(l.requested)
		l.mu.Unlock()
		if open == 0 && len(l.closed) == 0 {
			return
		}
	}
}

// steady sends so many requests a second for a while, and says how long each
// waited for its dial and for its end.
func (l *load) steady(ctx context.Context, perSecond float64, d time.Duration) (waits, ends []time.Duration, err error) {
	l.mu.Lock()
	l.waits, l.ends, l.steps = nil, nil, map[string][]time.Duration{}
	l.mu.Unlock()
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for n := 0; n < int(perSecond*d.Seconds()) && ctx.Err() == nil; n++ {
		<-tick.C
		if err := l.send(); err != nil {
			return nil, nil, err
		}
	}
	l.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.waits), slices.Clone(l.ends), ctx.Err()
}

// rest has every desktop on a break, and the calls under way end.
func (l *load) rest(ctx context.Context, desktops int) error {
	for i := range desktops {
		l.fleet.Desktop(deskName(i)).SetReady(false, "break")
	}
	l.drain()
	return l.s.until(ctx, "everybody's break", func() error { return l.ready(0) })
}

// wake has every desktop at work.
func (l *load) wake(desktops int) {
	for i := range desktops {
		l.fleet.Desktop(deskName(i)).SetReady(true, "")
	}
}

// flood has so many requests wait.
func (l *load) flood(ctx context.Context, n int) error {
	var wg sync.WaitGroup
	var once sync.Once
	var err error
	for i := range 32 {
		wg.Go(func() {
			for j := i; j < n && ctx.Err() == nil; j += 32 {
				if e := l.send(); e != nil {
					once.Do(func() { err = e })
					return
				}
			}
		})
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return l.s.until(ctx, "the waiting requests", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := len(l.requested); got < n {
			return fmt.Errorf("%d of %d are accepted", got, n)
		}
		return nil
	})
}
