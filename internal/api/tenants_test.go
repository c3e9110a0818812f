package api_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/test/exams/natstest"
)

// serve serves one command, call.get, to acme and globex.
func serve(t *testing.T, r *natstest.Rig, handle func(context.Context, string, []byte) (any, error)) micro.Service {
	t.Helper()
	svc, err := api.Serve(r.NC, "outdial-test", "1.2.3", "a test", slog.New(slog.DiscardHandler), []string{"acme", "globex"},
		[]api.Endpoint{{Group: "call", Verb: "get", Does: "gets", Handle: handle}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Stop() })
	return svc
}

func TestATenantsSlowCommandKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	begun, over := make(chan struct{}), make(chan struct{})
	serve(t, r, func(_ context.Context, tenant string, _ []byte) (any, error) {
		if tenant == "acme" {
			close(begun)
			<-over
		}
		return tenant, nil
	})
	slow := make(chan error, 1)
	go func() {
		_, err := r.NC.Request("outdial.acme.call.get", nil, 30*time.Second)
		slow <- err
	}()
	<-begun
	m, err := r.NC.Request("outdial.globex.call.get", nil, 3*time.Second)
	if err != nil || string(m.Data) != `"globex"` {
		t.Errorf("globex waits for acme: %v, %v", m, err)
	}
	select {
	case err := <-slow:
		t.Errorf("acme was answered before its command was over: %v", err)
	default:
	}
	close(over)
	if err := <-slow; err != nil {
		t.Errorf("acme: %v", err)
	}
}

// What `nats micro stats` shows is what the commands did: a handler that ran
// beside its subscription would seem to take no time and never to fail.
func TestStatisticsTellErrorsAndTimes(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	var took atomic.Int64
	svc := serve(t, r, func(context.Context, string, []byte) (any, error) {
		start := time.Now()
		for time.Since(start) < 20*time.Millisecond {
			<-time.After(time.Millisecond)
		}
		took.Add(int64(time.Since(start)))
		return nil, api.NotFound("no such call")
	})
	for range 2 {
		if m, err := r.NC.Request("outdial.acme.call.get", nil, 10*time.Second); err != nil || m.Header.Get(micro.ErrorCodeHeader) != "404" {
			t.Fatalf("%v, %v", m, err)
		}
	}
	find := func(subject string) micro.EndpointStats {
		for _, e := range svc.Stats().Endpoints {
			if e.Subject == subject {
				return *e
			}
		}
		t.Fatalf("no statistics of %s", subject)
		return micro.EndpointStats{}
	}
	acme := find("outdial.acme.call.get")
	for end := time.Now().Add(5 * time.Second); acme.NumErrors < 2 && time.Now().Before(end); acme = find("outdial.acme.call.get") {
		time.Sleep(time.Millisecond) // counted right after the answer has left
	}
	if acme.NumRequests != 2 || acme.NumErrors != 2 || !strings.Contains(acme.LastError, "404") || int64(acme.ProcessingTime) < took.Load() {
		t.Errorf("%+v, and the handler took %v", acme, time.Duration(took.Load()))
	}
	if globex := find("outdial.globex.call.get"); globex.NumRequests != 0 {
		t.Errorf("globex asked nothing: %+v", globex)
	}
}
