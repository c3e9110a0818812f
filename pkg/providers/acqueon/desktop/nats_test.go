package desktop

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

func broker(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{ServerName: "w", DontListen: true, NoSigs: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(soon) {
		t.Fatal("nats-server did not start")
	}
	return s
}

func connect(t *testing.T, s *server.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func agent4(session string) providers.AgentRef {
	return providers.AgentRef{Tenant: "acme", Connection: "webex-desk", Agent: "agent4", Session: session}
}

// A phone is a sender that answers what it is told to and counts.
type phone struct {
	calls  atomic.Int32
	answer func(ctx context.Context) error
}

func (p *phone) Send(ctx context.Context, _, _, _, _ string, _ time.Time, _ []byte) error {
	p.calls.Add(1)
	return p.answer(ctx)
}

func TestFromDialerToPageOverNATS(t *testing.T) {
	t.Parallel()
	s, h := broker(t), newHouse(t)
	p := h.page(t, "agent4")
	resp := NewResponder(connect(t, s), h.hub, 0)
	if err := resp.Open(t.Context(), "acme", "webex-desk", "agent4", p.session); err != nil {
		t.Fatal(err)
	}
	req := &Requester{NC: connect(t, s)}
	notAfter := time.Now().Add(time.Minute)
	out := make(chan error, 1)
	go func() {
		out <- req.Send(t.Context(), agent4(p.session), []byte(`{"data":"1"}`), "a1", notAfter)
	}()
	r := p.next()
	if r.Attempt != "a1" || string(r.Message) != `{"data":"1"}` || r.NotAfter != notAfter.UnixMilli() {
		t.Errorf("request %+v", r)
	}
	p.ack("a1")
	if err := verdict(t, out); err != nil {
		t.Error(err)
	}
	wantFault(t, req.Send(t.Context(), agent4(p.session), []byte(`{}`), "a1", notAfter), fault.Uncertain, "repeat")
	if err := resp.Close(p.session); err != nil {
		t.Fatal(err)
	}
	if err := resp.Close(p.session); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	err := req.Send(t.Context(), agent4(p.session), []byte(`{}`), "a2", notAfter)
	wantFault(t, err, fault.Transient, "no_responders")
	if !errors.Is(err, providers.ErrNoResponders) {
		t.Errorf("%v does not say that nobody listened", err)
	}
}

// Only the broker can say that nobody listened: a bridge's answer, whatever it
// says, a timeout, and a connection that is gone are no proof of it.
func TestWhatDoesNotProveThatNobodyListened(t *testing.T) {
	t.Parallel()
	s := broker(t)
	nc := connect(t, s)
	hang := make(chan struct{})
	defer close(hang)
	for session, answer := range map[string]func(context.Context) error{
		"no_desktop": func(context.Context) error { return noDesktop() },
		"forged": func(context.Context) error {
			return fault.New(fault.Transient, "x", "no_responders", providers.ErrNoResponders)
		},
		"says_nothing":  func(context.Context) error { <-hang; return nil },
		"not_connected": nil,
		"":              nil, // no session
	} {
		req := &Requester{NC: connect(t, s), Timeout: 50 * time.Millisecond}
		if answer != nil {
			if err := NewResponder(nc, &phone{answer: answer}, 0).Open(t.Context(), "acme", "webex-desk", "agent4", session); err != nil {
				t.Fatal(err)
			}
		}
		if session == "not_connected" {
			req.NC.Close()
		}
		if err := req.Send(t.Context(), agent4(session), []byte(`{}`), "a1", time.Now().Add(time.Minute)); err == nil || errors.Is(err, providers.ErrNoResponders) {
			t.Errorf("%s: %v", session, err)
		}
	}
}

func TestEveryAnswerKeepsItsClass(t *testing.T) {
	t.Parallel()
	s := broker(t)
	for name, want := range map[string]error{
		"yes":       nil,
		"refused":   fault.New(fault.Permanent, "send", "not_ready", nil),
		"nobody":    fault.New(fault.Transient, "send", "no_desktop", nil),
		"uncertain": fault.New(fault.Uncertain, "send", "socket_lost", nil),
		"unclassed": errDisk,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ph := &phone{answer: func(context.Context) error { return want }}
			if err := NewResponder(connect(t, s), ph, 0).Open(t.Context(), "acme", "webex-desk", "agent4", name); err != nil {
				t.Fatal(err)
			}
			err := (&Requester{NC: connect(t, s)}).Send(t.Context(), agent4(name), []byte(`{}`), "a1", time.Now().Add(time.Minute))
			if want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.Of(want), fault.Code(want))
		})
	}
}

func TestNoAnswerIsUncertainAndNotTriedAgain(t *testing.T) {
	t.Parallel()
	s := broker(t)
	release := make(chan struct{})
	ph := &phone{answer: func(context.Context) error { <-release; return nil }}
	defer close(release)
	if err := NewResponder(connect(t, s), ph, 0).Open(t.Context(), "acme", "webex-desk", "agent4", "s1"); err != nil {
		t.Fatal(err)
	}
	req := &Requester{NC: connect(t, s), Timeout: 50 * time.Millisecond}
	err := req.Send(t.Context(), agent4("s1"), []byte(`{}`), "a1", time.Now().Add(time.Minute))
	wantFault(t, err, fault.Uncertain, "no_reply")
	if n := ph.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheBridgeGivesUpBeforeTheDialer(t *testing.T) {
	t.Parallel()
	s := broker(t)
	ph := &phone{answer: func(ctx context.Context) error {
		<-ctx.Done()
		return fault.New(fault.Uncertain, "send", "no_reply", ctx.Err())
	}}
	if err := NewResponder(connect(t, s), ph, 20*time.Millisecond).Open(t.Context(), "acme", "webex-desk", "agent4", "s1"); err != nil {
		t.Fatal(err)
	}
	err := (&Requester{NC: connect(t, s)}).Send(t.Context(), agent4("s1"), []byte(`{}`), "a1", time.Now().Add(time.Minute))
	wantFault(t, err, fault.Uncertain, "no_reply")
	if DefaultAckTimeout >= DefaultReplyTimeout {
		t.Error("the dialer would not hear the bridge's word")
	}
}

func TestWhatMustNotBeSentIsNot(t *testing.T) {
	t.Parallel()
	s := broker(t)
	nc := connect(t, s)
	req := &Requester{NC: nc}
	later := time.Now().Add(time.Minute)
	wantFault(t, req.Send(t.Context(), agent4(""), []byte(`{}`), "a1", later), fault.Transient, "no_desktop")
	wantFault(t, req.Send(t.Context(), agent4("*"), []byte(`{}`), "a1", later), fault.Permanent, "bad_address")
	wantFault(t, req.Send(t.Context(), agent4("s1"), []byte(`{}`), "a b", later), fault.Permanent, "bad_address")
	wantFault(t, req.Send(t.Context(), agent4("s1"), []byte(`{}`), "a1", time.Now().Add(-time.Second)), fault.Permanent, "late")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	wantFault(t, req.Send(gone, agent4("s1"), []byte(`{}`), "a1", later), fault.Transient, "cancelled")
	nc.Close()
	wantFault(t, req.Send(t.Context(), agent4("s1"), []byte(`{}`), "a1", later), fault.Transient, "disconnected")
}

func TestStrangeRequestsAndStrangeAnswers(t *testing.T) {
	t.Parallel()
	s := broker(t)
	ph := &phone{answer: func(context.Context) error { return nil }}
	resp := NewResponder(connect(t, s), ph, 0)
	if err := resp.Open(t.Context(), "acme", "webex-desk", "agent4", "s1"); err != nil {
		t.Fatal(err)
	}
	if err := resp.Open(t.Context(), "acme", "webex-desk", "agent4", "s1"); fault.Of(err) != fault.Permanent || err == nil {
		t.Errorf("opening twice: %v", err)
	}
	if err := resp.Open(t.Context(), "acme", "webex-desk", "a.b", "s2"); fault.Of(err) != fault.Permanent || err == nil {
		t.Errorf("an agent that is no token: %v", err)
	}
	nc := connect(t, s)
	bare := nats.NewMsg(events.WorkspaceSubject("acme", "webex-desk", "agent4", "s1"))
	reply, err := nc.RequestMsg(bare, soon)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Header.Get(HeaderResult) != "permanent" || ph.calls.Load() != 0 {
		t.Errorf("a request without attempt and deadline: %v after %d calls", reply.Header, ph.calls.Load())
	}
	sub, err := nc.Subscribe(events.WorkspaceSubject("acme", "webex-desk", "agent4", "odd"), func(m *nats.Msg) { _ = m.Respond([]byte("ok")) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	err = (&Requester{NC: nc}).Send(t.Context(), agent4("odd"), []byte(`{}`), "a1", time.Now().Add(time.Minute))
	wantFault(t, err, fault.Uncertain, "odd_reply")
}
