package chaos_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const storeVariable, listenVariable = "OUTDIAL_CHAOS_STORE", "OUTDIAL_CHAOS_LISTEN"

// serveStore makes a process of the test binary a NATS server, if it is told
// its store and address.
func serveStore() {
	if dir := os.Getenv(storeVariable); dir != "" {
		if _, err := embedded.Start(embedded.Config{StoreDir: dir, Listen: os.Getenv(listenVariable)}); err != nil {
			panic(err)
		}
		select {} // until it is killed
	}
}

// server is a NATS server in a process of its own.
func server(t *testing.T, dir, listen string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), storeVariable+"="+dir, listenVariable+"="+listen)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// The server is killed amid batches, again and again: what somebody won is in
// the log, at its place and once; of every call there is one intent, and no
// second one was ever won.
func TestTheLogsServerIsKilledAmidBatches(t *testing.T) {
	const calls, kills = 120, 6
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, listen := t.TempDir(), ln.Addr().String()
	_ = ln.Close()
	srv := server(t, dir, listen)
	defer func() { _ = srv.Process.Kill(); _ = srv.Wait() }()
	nc, err := nats.Connect("nats://"+listen, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := broker.Plan([]string{"acme"}, broker.Options{})
	for until := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if _, e := broker.Apply(t.Context(), js, layout); e == nil {
			break
		}
	}
	l := log.NewJetStream(js, log.Options{AckWait: time.Second, Lanes: log.NewLanes(events.StreamCalls)})
	var mu sync.Mutex
	won := map[uint64]string{} // by sequence, the event
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range calls {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				chain(t, l, fmt.Sprintf("c%d-%d", c, n), stop, func(r events.Record) {
					mu.Lock()
					defer mu.Unlock()
					if was := won[r.Seq]; was != "" {
						t.Errorf("%d was won twice", r.Seq)
					}
					won[r.Seq] = r.ID
				})
			}
		})
	}
	for range kills {
		time.Sleep(400 * time.Millisecond) // of work, not a wait for something
		_ = srv.Process.Kill()
		_ = srv.Wait()
		srv = server(t, dir, listen)
	}
	time.Sleep(time.Second) // of work on the last one
	close(stop)
	wg.Wait()
	proveWon(t, l, js, won)
}

// chain appends a call's intent and what follows, as often as it takes.
func chain(t *testing.T, l *log.JetStream, call string, stop <-chan struct{}, won func(events.Record)) {
	for _, d := range []log.Draft{
		{Role: events.Orchestrator, Name: events.Requested, Body: &events.CallRequested{}},
		{Role: events.Dialer, Name: events.Dialing, Body: &events.CallDialing{}},
		{Role: events.Bridge, Name: events.Ringing, Body: &events.CallProgress{}},
	} {
		d.Family, d.Tenant, d.Key, d.Cause, d.Time = events.CallFamily, "acme", call, "cause", time.Now()
		for done := false; !done; {
			select {
			case <-stop:
				return
			default:
			}
			last, err := l.Last(t.Context(), events.CallFamily, "acme", call)
			switch {
			case err == nil && last.Name == d.Name:
				done = true
				continue
			case err == nil:
				d.After = last.Seq
			case fault.Code(err) == log.CodeUnavailable:
				time.Sleep(5 * time.Millisecond) // there is no server
				continue
			}
			if a, err := l.Append(t.Context(), d); err == nil {
				done = true
				if a.Won {
					won(a.Record)
				}
			}
		}
	}
}

// proveWon holds what was won against the log.
func proveWon(t *testing.T, l *log.JetStream, js jetstream.JetStream, won map[uint64]string) {
	t.Helper()
	s, err := js.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	intents, batched := map[string]int{}, 0
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("%d: %v", seq, err)
		}
		if m.Header.Get("Nats-Batch-Id") != "" {
			batched++
		}
		r, err := l.At(t.Context(), events.CallFamily, seq)
		if err != nil {
			t.Fatalf("%d: %v", seq, err)
		}
		if id := won[seq]; id != "" && id != r.ID {
			t.Errorf("at %d is another event than was won", seq)
		}
		delete(won, seq)
		if r.Name == events.Dialing {
			if intents[r.Key]++; intents[r.Key] > 1 {
				t.Errorf("%s has %d intents", r.Key, intents[r.Key])
			}
		}
	}
	t.Logf("%d events, %d of them in batches, %d intents", s.CachedInfo().State.LastSeq, batched, len(intents))
	if len(won) > 0 || batched == 0 || len(intents) == 0 {
		t.Errorf("%d events that were won are not in the log", len(won))
	}
}
