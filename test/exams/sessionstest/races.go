package sessionstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
)

// crowd is how many work at once in the races.
const crowd = 200

// together runs n goroutines that start at the same moment, and waits.
func together(n int, work func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			work(i)
		})
	}
	close(start)
	wg.Wait()
}

// hintRace has one winner, whom all the others name.
func hintRace(t *testing.T, s Subject) {
	ctx := context.Background()
	for round := range 5 {
		agent := fmt.Sprintf("ann-%d", round)
		var winners atomic.Int32
		holders := make([]string, crowd)
		together(crowd, func(i int) {
			mine, holder, err := s.Hint(ctx, "acme", agent, fmt.Sprintf("c%d", i), time.Hour)
			if err != nil {
				t.Errorf("Hint: %v", err)
			}
			if mine {
				winners.Add(1)
			}
			holders[i] = holder
		})
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d calls won the agent, want 1", n)
		}
		for i, h := range holders {
			if h != holders[0] {
				t.Fatalf("call %d hears that %s has the agent, call 0 that %s", i, h, holders[0])
			}
		}
	}
}

// applyRace delivers an agent's events all at once, each twice, with hints and
// questions between; the last event decides, whoever came last.
func applyRace(t *testing.T, s Subject) {
	ctx := context.Background()
	events := make([]sessions.Agent, crowd)
	for i := range events {
		events[i] = an("ann", uint64(i+1), being(i%2 == 0),
			in([][]string{{"sales"}, {"support"}, {"sales", "support"}}[i%3]...))
	}
	order := rand.Perm(2 * crowd)
	counts := make([]atomic.Int32, crowd)
	together(crowd, func(i int) {
		for _, at := range order[2*i : 2*i+2] {
			applied, err := s.Apply(ctx, events[at%crowd])
			if err != nil {
				t.Errorf("Apply: %v", err)
			}
			if applied {
				counts[at%crowd].Add(1)
			}
		}
		if _, _, err := s.Hint(ctx, "acme", "ann", fmt.Sprintf("c%d", i), time.Hour); err != nil {
			t.Errorf("Hint: %v", err)
		}
		if ids, err := s.Ready(ctx, "acme", "sales", 9); err != nil || len(ids) > 1 {
			t.Errorf("Ready = %v, %v", ids, err)
		}
	})
	for i := range counts {
		if n := counts[i].Load(); n > 1 {
			t.Errorf("event %d was applied %d times", i+1, n)
		}
	}
	if counts[crowd-1].Load() != 1 {
		t.Error("the last event was never applied")
	}
	wantReady(t, s, "sales") // on a call
	wantReady(t, s, "support")
}

// flushDuringWork loses everything while agents go on changing, and rebuilds
// while they still do. At the end nothing may differ from the log.
func flushDuringWork(t *testing.T, s Subject) {
	const agents, changes = 20, 30
	var (
		mu  sync.Mutex
		seq uint64
		log = map[string]sessions.Agent{} // every agent's last event
	)
	// write appends to the log, and only then can anybody apply it.
	write := func(agent string, n int) sessions.Agent {
		mu.Lock()
		defer mu.Unlock()
		seq++
		a := an(agent, seq, being(n%3 != 1),
			in([][]string{{"sales"}, {"support"}}[n%2]...))
		log[agent] = a
		return a
	}
	snapshot := func() (sessions.Mark, []sessions.Agent) {
		mu.Lock()
		defer mu.Unlock()
		return sessions.Mark{Incarnation: first, Seq: seq}, values(log)
	}
	half, flushed := make(chan struct{}, agents), make(chan struct{})
	var wg sync.WaitGroup
	for i := range agents {
		wg.Go(func() {
			for n := range changes {
				if n == changes/2 {
					half <- struct{}{}
					if i%2 == 0 { // some work on through the flush, some wait for it
						<-flushed
					}
				}
				a := write(fmt.Sprintf("agent-%d", i), n)
				for range 2 { // delivered twice
					if _, err := s.Apply(context.Background(), a); err != nil {
						t.Errorf("Apply: %v", err)
					}
				}
			}
		})
	}
	for range agents {
		<-half
	}
	flush(t, s)
	wantMissing(t, s, true)
	close(flushed)
	for range 3 { // three workers noticed
		wg.Go(func() { rebuildUntilDone(t, s, snapshot) })
	}
	wg.Wait()

	wantMissing(t, s, false)
	_, all := snapshot()
	wantQueues(t, s, all)
}

// wantQueues checks acme's two queues against the agents' states.
func wantQueues(t *testing.T, s sessions.Store, all []sessions.Agent) {
	t.Helper()
	m := &model{known: map[string]sessions.Agent{}}
	for _, a := range all {
		m.known[a.Agent] = a
	}
	wantReady(t, s, "sales", m.queue("sales")...)
	wantReady(t, s, "support", m.queue("support")...)
}
