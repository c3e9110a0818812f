package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// SeedVariable names the environment variable that repeats a run's kills.
const SeedVariable = "OUTDIAL_CHAOS_SEED"

const timing = `
  orchestrator: {undo: 10s, answer: 10s, unknown: 12s, ring: 15s, talk: 20s, ended: 3s, wrapUp: 15s, retry: 200ms, claimAge: 3s}
  compliance: {prepare: 3s}
  dialer: {send: 2s, answer: 1500ms, event: 2s, settle: 300ms}
  bridge: {pollEvery: 200ms}
`

const (
	tcnAgents = 6
	heals     = 100 * time.Second // the broker offers a killed worker's messages again after 30 s
)

func desks() []rig.Desk {
	return []rig.Desk{{Agent: "desk-five9", Kind: providers.Five9}, {Agent: "desk-webex", Kind: providers.WebexCC}}
}

// A storm is calls that flow all the time over a rig.
type storm struct {
	r    *rig.Rig
	rng  *rand.Rand
	stop chan struct{}
	wait sync.WaitGroup
	sent int
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv(SeedVariable); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", SeedVariable, err)
		}
		s = n
	}
	t.Logf("%s=%d", SeedVariable, s)
	return s
}

// brew puts up the rig and lets calls flow: never more open ones than open.
func brew(t *testing.T, o rig.Options, rng *rand.Rand, open int) *storm {
	t.Helper()
	o.Agents, o.Desks, o.Processes, o.Heedless = tcnAgents, desks(), true, true
	o.Timing, o.Pace, o.Closing = timing, 30*time.Millisecond, heals
	talk := rig.Talks("*")
	talk.Talk = sim.Duration(400 * time.Millisecond)
	o.Script = []sim.Part{talk}
	s := &storm{r: rig.Start(t, o), rng: rng, stop: make(chan struct{})}
	s.r.AwaitReadyAgents(tcnAgents + len(desks()))
	s.wait.Go(func() {
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(30 * time.Millisecond):
			}
			if calls, closed := s.r.Progress(); calls >= s.sent && calls-closed < open {
				s.dial()
			}
		}
	})
	t.Cleanup(s.end)
	return s
}

// dial publishes the next call; some numbers bring a fault of their own.
func (s *storm) dial() {
	n := s.sent
	number := rig.Number(n)
	q := rig.ToGroup(number)
	start := sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpStart, Number: number}
	if n%4 == 3 {
		q.HuntGroup = rig.Sales
		start.Provider, start.Operation = "", desktopsim.OpRequest
	}
	switch n % 10 {
	case 2, 3:
		start.Mode = sim.AcceptThenSilent
	case 6:
		start.Mode = sim.AcceptThen500
	case 9:
		start.Mode = sim.AcceptThenReset
	}
	if start.Mode != "" {
		s.r.Fault(start)
	}
	s.r.Dial(fmt.Sprint("storm-", n), q)
	s.sent++
}

// end lets no more calls come.
func (s *storm) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.wait.Wait()
}

// kill waits for an event of the log and a random moment more, kills a random
// service as kill -9 does, and brings it back.
func (s *storm) kill(t *testing.T, copies int) {
	t.Helper()
	select {
	case <-s.r.Changed():
	case <-time.After(2 * time.Second): // nothing moves: a kill all the same
	}
	time.Sleep(time.Duration(s.rng.IntN(300)) * time.Millisecond) // the random moment
	name := rig.Services()[s.rng.IntN(4)]
	copy := s.rng.IntN(copies)
	s.r.Kill(name, copy)
	time.Sleep(time.Duration(s.rng.IntN(200)) * time.Millisecond) // the time it is away
	s.r.StartService(name, copy)
	s.r.AwaitReady(name, copy)
}

// healed wants every call closed and the invariants proved.
func (s *storm) healed(t *testing.T) {
	t.Helper()
	s.end()
	s.r.Until(fmt.Sprintf("all %d calls are closed", s.sent), heals, func() bool {
		calls, closed := s.r.Progress()
		return calls == s.sent && closed == calls
	})
	report := s.r.Proved(heals)
	t.Logf("%d calls %v, %d intents, %d dials in the ledger, %d agents in quarantine, %d findings",
		report.Calls, report.Closed, report.Intents, report.Dialed, report.Quarantined, len(report.Findings))
	if report.Closed[events.OutcomeCompleted] == 0 {
		t.Error("no call was completed: the storm proves nothing")
	}
}

func TestFiftyKills(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 50))
	s := brew(t, rig.Options{}, rng, 30)
	for range 50 {
		s.kill(t, 1)
	}
	s.healed(t)
}

func TestKillsWithTwoOfEachService(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 10))
	s := brew(t, rig.Options{Copies: 2}, rng, 16)
	for range 10 {
		s.kill(t, 2)
	}
	s.healed(t)
}

func TestTheLogsServerRestartsAmidCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 1))
	s := brew(t, rig.Options{}, rng, 8)
	s.r.Until("calls are under way", time.Minute, func() bool {
		_, closed := s.r.Progress()
		return closed >= 3
	})
	s.r.RestartNATS(500 * time.Millisecond)
	before, _ := s.r.Progress()
	s.r.Until("new calls go on", time.Minute, func() bool {
		calls, _ := s.r.Progress()
		return calls >= before+8
	})
	s.healed(t)
}
