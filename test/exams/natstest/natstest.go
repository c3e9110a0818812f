// Package natstest gives every test a JetStream of its own: a real server
// inside the test's process, with its store in the test's directory.
package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
)

// Vacant is an address of loopback that nobody listens on, below the ports that
// the system gives away by itself. One of those that was let go can be anybody's
// before it is listened on, and that of a server which is down can become the
// source of a connection that looks for it. It is this test's until its end,
// whichever test process of the machine asks for one.
func Vacant(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if !reserve(t, port) {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Rig is a server and a connection to it.
type Rig struct {
	Server *embedded.Server
	NC     *nats.Conn
	JS     jetstream.JetStream
	Config embedded.Config
}

// New starts a server that lives as long as the test. Without a change it is
// in-process only and does not write through to disk, because a test that does
// not cut the power gains nothing by it; set UnsafeFsync to false to have it.
func New(t testing.TB, change ...func(*embedded.Config)) *Rig {
	t.Helper()
	c := embedded.Config{StoreDir: t.TempDir(), UnsafeFsync: true}
	for _, f := range change {
		f(&c)
	}
	r := &Rig{Config: c}
	r.Start(t)
	t.Cleanup(func() {
		r.NC.Close()
		r.Server.Stop()
	})
	return r
}

// Start starts the server again on the same store after Rig.Server.Stop, and
// connects to it anew. With a fixed Listen address other connections find it
// again by themselves.
func (r *Rig) Start(t testing.TB) {
	t.Helper()
	srv, err := embedded.Start(r.Config)
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	if r.NC != nil {
		r.NC.Close()
	}
	r.Server, r.NC = srv, Connect(t, srv)
	if r.JS, err = jetstream.New(r.NC); err != nil {
		t.Fatalf("JetStream: %v", err)
	}
}

// Connect makes another in-process connection; the caller or the end of the
// test closes it.
func Connect(t testing.TB, srv *embedded.Server, o ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := srv.Client(o...)
	if err != nil {
		t.Fatalf("connect to NATS: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream makes another in-process connection and returns its JetStream.
func JetStream(t testing.TB, srv *embedded.Server, o ...nats.Option) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(Connect(t, srv, o...))
	if err != nil {
		t.Fatalf("JetStream: %v", err)
	}
	return js
}
