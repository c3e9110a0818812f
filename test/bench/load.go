package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
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
	company *httptest.Server
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	sent      int
	talked    map[string]bool
	requested map[string]time.Time // the calls that are open
	reached   map[string]time.Time // when they came to the last step
	waits     []time.Duration      // from requested to dialing
	steps     map[string][]time.Duration
	outcomes  map[string]int
	lost      int // closed otherwise than completed, though they talked
	closed    chan string
}

// life is how long a simulated call takes.
type life struct{ ring, talk, wrap time.Duration }

// begin starts a subject with its world and waits until everybody is ready.
func begin(ctx context.Context, o options, w world, lives life) (*load, error) {
	l := &load{}
	err := l.open(w, lives)
	if l.company != nil {
		w.company = l.company.URL
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
	l.requested, l.reached = map[string]time.Time{}, map[string]time.Time{}
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
	l.group, l.company = "1045678", httptest.NewServer(tcn)
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
		at := "http://" + l.s.http[i%max(w.bridges, 1)]
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
		l.running.Wait()
	}
	if l.sim != nil {
		_ = l.sim.Close()
	}
	if l.company != nil {
		l.company.CloseClientConnections()
		l.company.Close()
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
	_, err = l.s.js.PublishMsg(ctx, m)
	return err
}

// steps are what a good call comes by, in this order.
func steps() []string {
	return []string{"requested", "assigned", "preparing", "passed", "dialing", "started", "talking", "ended", "wrap_up", "wrapped_up", "closed"}
}

// where says how long each step of the last steady calls took, after the one
// before it, by the times at which they were stored.
func (l *load) where() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at []string
	for _, name := range steps() {
		if took := l.steps[name]; len(took) > 0 {
			at = append(at, fmt.Sprintf("%s %.1f / %.1f", name, quantile(took, 0.5), quantile(took, 0.99)))
		}
	}
	return strings.Join(at, ", ")
}

// hear keeps what the measurements need of a call's event, by the server's own
// time of storing it.
func (l *load) hear(m *nats.Msg) {
	part := strings.Split(m.Subject, ".")
	if len(part) != 5 {
		return
	}
	call := part[2]
	stored, _ := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(steps(), part[4]) {
		if from, ok := l.reached[call]; ok && l.steps != nil {
			l.steps[part[4]] = append(l.steps[part[4]], stored.Sub(from))
		}
		l.reached[call] = stored
	}
	switch part[4] {
	case "requested":
		l.requested[call] = stored
	case "dialing":
		l.waits = append(l.waits, stored.Sub(l.requested[call]))
	case "talking", "answered":
		l.talked[call] = true
	case "closed":
		var c events.CallClosed
		_ = json.Unmarshal(m.Data, &c)
		l.outcomes[c.Outcome+" ("+c.Reason+")"]++
		if l.talked[call] && c.Outcome != "completed" {
			l.lost++
		}
		delete(l.talked, call)
		delete(l.requested, call)
		delete(l.reached, call)
		l.closed <- call
	}
}

// closedIn counts the calls that close within a time.
func (l *load) closedIn(d time.Duration, then func()) int {
	for n, over := 0, time.After(d); ; n++ {
		select {
		case <-l.closed:
			if then != nil {
				then()
			}
		case <-over:
			return n
		}
	}
}

// inFlight keeps n requests open for a while, and says how many were closed.
func (l *load) inFlight(n int, d time.Duration) (calls int, err error) {
	again := make(chan struct{}, 100_000)
	ctx, stop := context.WithTimeout(context.Background(), d)
	defer stop()
	var wg sync.WaitGroup
	for range 32 { // an upstream that waits for each acknowledgement
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-again:
					if e := l.send(); e != nil {
						err = e
						return
					}
				}
			}
		})
	}
	for range n {
		again <- struct{}{}
	}
	calls = l.closedIn(d, func() { again <- struct{}{} })
	wg.Wait()
	return calls, err
}

// drain waits until no call has closed for a while.
func (l *load) drain(quiet time.Duration) {
	for l.closedIn(quiet, nil) > 0 {
	}
}

// steady sends so many requests a second for a while and returns how long each
// waited for its dial.
func (l *load) steady(perSecond int, d time.Duration) ([]time.Duration, error) {
	l.mu.Lock()
	l.waits, l.steps = nil, map[string][]time.Duration{}
	l.mu.Unlock()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; n < perSecond*int(d/time.Second); n++ {
		<-tick.C
		if err := l.send(); err != nil {
			return nil, err
		}
	}
	l.drain(3 * time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits, nil
}
