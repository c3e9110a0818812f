package api_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/test/exams/natstest"
)

// A slowLine is a connection whose writes reach the other side late.
type slowLine struct{ net.Conn }

func (s slowLine) Write(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond) // the line's own delay; nothing is waited for
	return s.Conn.Write(p)
}

func (slowLine) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return slowLine{c}, err
}

func TestWhoWasToldThatItIsServedIsAnswered(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, func(c *embedded.Config) { c.Listen = "127.0.0.1:0" })
	nc, err := nats.Connect(r.Server.ClientURL(), nats.SetCustomDialer(slowLine{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	svc, err := api.Serve(nc, "slow", "0.0.1", "answers", slog.New(slog.DiscardHandler), []string{"acme"},
		[]api.Endpoint{{Group: "call", Verb: "get", Handle: func(context.Context, string, []byte) (any, error) { return "here", nil }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Stop() })
	if _, err := r.NC.Request("outdial.acme.call.get", []byte("{}"), 5*time.Second); err != nil {
		t.Errorf("asked as soon as it is served: %v", err)
	}
}
