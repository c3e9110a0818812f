package log_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func rig(t *testing.T, change ...func(*embedded.Config)) *natstest.Rig {
	t.Helper()
	r := natstest.New(t, change...)
	provisioned(t, r)
	return r
}

func provisioned(t testing.TB, r *natstest.Rig) {
	t.Helper()
	l, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
}

// draft is any event of a call; cause tells one from another.
func draft(call string, r events.Role, n events.Name, cause string, after uint64, body any) log.Draft {
	return log.Draft{
		Family: events.CallFamily, Tenant: "acme", Key: call, Role: r, Name: n,
		Cause: cause, Time: noon, Body: body, After: after,
	}
}

func requested(call string) log.Draft {
	return draft(call, events.Orchestrator, events.Requested, "request", 0, &events.CallRequested{})
}

// handOn has a call talk, and its customer handed on to somebody else.
func handOn(t testing.TB, l log.Leader, call string) log.Appended {
	t.Helper()
	a := must(t, l, requested(call))
	for _, e := range []struct {
		role events.Role
		name events.Name
		body any
	}{
		{events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "a1"}}, {events.Compliance, events.Passed, &events.CallPassed{}},
		{events.Dialer, events.Dialing, &events.CallDialing{Attempt: "x"}}, {events.Dialer, events.Started, &events.CallStarted{}},
		{events.Bridge, events.Talking, &events.CallProgress{}}, {events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndTransferred}},
	} {
		a = must(t, l, draft(call, e.role, e.name, "h", a.Record.Seq, e.body))
	}
	return a
}

func must(t testing.TB, l log.Leader, d log.Draft) log.Appended {
	t.Helper()
	a, err := l.Append(t.Context(), d)
	if err != nil {
		t.Fatalf("append %s: %v", d.Name, err)
	}
	return a
}

// proxy forwards TCP and can swallow what the server answers.
type proxy struct {
	ln      net.Listener
	to      string
	mute    atomic.Bool
	dropped chan struct{} // closed with the first acknowledgement swallowed
	once    sync.Once
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, to: to, dropped: make(chan struct{})}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		pump(server, client, func([]byte) bool { return true })
	}()
	pump(client, server, func(b []byte) bool {
		if !p.mute.Load() {
			return true
		}
		if bytes.Contains(b, []byte(`"stream":"CALLS"`)) { // other chatter gets lost as well
			p.once.Do(func() { close(p.dropped) })
		}
		return false
	})
}

// pump copies while both ends live, and only what pass lets through.
func pump(to, from net.Conn, pass func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !pass(buf[:n]) {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) url() string { return "nats://" + p.ln.Addr().String() }
