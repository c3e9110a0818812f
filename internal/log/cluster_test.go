package log_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

// cluster starts three servers and connects to each.
func cluster(t *testing.T) []jetstream.JetStream {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		at := netip.MustParseAddrPort(natstest.Vacant(t))
		ports = append(ports, int(at.Port()))
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: at.String()})
	}
	var servers []*server.Server
	for i, port := range ports {
		srv, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		servers = append(servers, srv)
	}
	var out []jetstream.JetStream
	for _, srv := range servers {
		if !srv.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server of the cluster is not ready")
		}
		nc, err := nats.Connect(srv.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, js)
	}
	layout, err := broker.Plan([]string{"acme"}, broker.Options{Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	// The cluster elects its leader in its own time.
	deadline := time.Now().Add(60 * time.Second)
	for {
		_, err = broker.Apply(t.Context(), out[0], layout)
		if err == nil {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A replicated log answers a lost race and a repeated append with other codes
// than a single server does; what they mean must be the same.
func TestAReplicatedLogKeepsTheSamePromises(t *testing.T) {
	t.Parallel()
	var logs []*log.JetStream
	for _, js := range cluster(t) {
		logs = append(logs, log.NewJetStream(js, log.Options{}))
	}
	for i := range 60 {
		call := fmt.Sprintf("call%d", i)
		a := must(t, logs[0], requested(call))
		if again := must(t, logs[1], requested(call)); again.Won || again.Record.Seq != a.Record.Seq {
			t.Fatalf("round %d: repeated: %+v", i, again)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		won := 0
		for j, d := range racers(call, a.Record.Seq) {
			wg.Go(func() {
				n, err := race(t.Context(), logs[j%len(logs)], []log.Draft{d})
				mu.Lock()
				defer mu.Unlock()
				won += n
				if err != nil {
					t.Errorf("round %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		log, err := logs[2].Read(t.Context(), events.CallFamily, "acme", call, 0)
		if won != 1 || err != nil || len(log) != 2 {
			t.Fatalf("round %d: %d winners, %d events, %v", i, won, len(log), err)
		}
		// A decision repeated after the log has moved on is a conflict, never
		// a second event.
		if _, err := logs[1].Append(t.Context(), requested(call)); err == nil {
			t.Fatalf("round %d: a stale repetition was let in", i)
		}
	}
}
