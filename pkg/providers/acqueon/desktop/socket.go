package desktop

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A socket is one page's connection, from hello to goodbye: one session.
type socket struct {
	hub  *Hub
	conn *websocket.Conn
	at   seat
	id   string // the session's

	ctx  context.Context // ends with the socket
	stop context.CancelFunc
	done chan struct{} // closed when the sink knows that the session is over
	// greeted is closed when the page has had its hello; a request before it
	// would find a page that does not know the time.
	greeted chan struct{}

	mu      sync.Mutex
	why     string                // the first reason to end
	waiting map[string]chan error // by attempt
	sent    map[string]bool       // attempts ever written to this socket
}

func newSocket(h *Hub, conn *websocket.Conn, at seat) *socket {
	// Not the request's context: it would end before the sink is told.
	ctx, stop := context.WithCancel(context.Background())
	return &socket{
		hub: h, conn: conn, at: at, id: events.RandomID(), ctx: ctx, stop: stop, done: make(chan struct{}),
		greeted: make(chan struct{}), waiting: map[string]chan error{}, sent: map[string]bool{},
	}
}

// end stops the socket; the first reason stands.
func (s *socket) end(why string) {
	s.mu.Lock()
	if s.why == "" {
		s.why = why
	}
	s.mu.Unlock()
	s.stop()
}

func (s *socket) ended() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// run lives the socket's life and returns when the sink knows of its end.
func (s *socket) run() {
	defer s.stop()
	if s.ctx.Err() != nil { // replaced while it waited for its seat
		s.goodbye(s.ended())
		return
	}
	octx, cancel := context.WithTimeout(s.ctx, s.hub.Limits.StoreTimeout)
	err := s.hub.Sink.Opened(octx, s.at.connection, s.at.agent, s.id)
	cancel()
	if err != nil {
		// Not whose: the agent may be nobody's but the page's word.
		s.hub.Log.Warn("desktop session refused", "session", s.id, "class", fault.Of(err).String(), "code", fault.Code(err))
		code := websocket.StatusTryAgainLater
		if fault.Of(err) == fault.Permanent {
			code = StatusRefused
		}
		_ = s.conn.Close(code, "refused")
		return
	}
	closing := make(chan struct{})
	context.AfterFunc(s.ctx, func() { defer close(closing); s.hub.Sink.Closing(s.id) })
	s.converse()
	s.stop()
	s.fail()
	<-closing
	why := s.ended()
	s.goodbye(why)
	s.hub.Log.Info("desktop session ended", "connection", s.at.connection, "agent", s.at.agent, "session", s.id, "reason", why)
	cctx, cancel := context.WithTimeout(context.Background(), s.hub.Limits.StoreTimeout)
	defer cancel()
	s.hub.Sink.Closed(cctx, s.at.connection, s.at.agent, s.id, why)
}

// converse says hello and reads, stores and pings until the socket ends.
func (s *socket) converse() {
	if err := s.write(toPage{Outdial: "hello", Session: s.id, Time: s.hub.Now().UnixMilli()}); err != nil {
		s.end(EndLost)
		return
	}
	close(s.greeted)
	backlog := make(chan []byte, s.hub.Limits.Backlog)
	var tasks sync.WaitGroup
	tasks.Go(func() { s.store(backlog) })
	tasks.Go(s.ping)
	tasks.Go(func() {
		// The library's Read ends the connection when its context does, so
		// the reader is woken by closing, which also shakes hands.
		<-s.ctx.Done()
		s.goodbye(s.ended())
	})
	s.read(backlog)
	close(backlog)
	s.stop()
	tasks.Wait()
}

// read takes messages off the socket: answers to requests at once, everything
// else to be stored in order. A page that sends too fast waits.
func (s *socket) read(backlog chan<- []byte) {
	pace := rate.NewLimiter(rate.Limit(s.hub.Limits.PerSecond), s.hub.Limits.Burst)
	for {
		kind, raw, err := s.conn.Read(context.Background())
		if err != nil {
			s.end(readEnd(err))
			return
		}
		if kind != websocket.MessageText {
			s.end(EndProtocol)
			return
		}
		if s.answered(raw) {
			continue
		}
		if err := pace.Wait(s.ctx); err != nil {
			return
		}
		select {
		case backlog <- raw:
		case <-s.ctx.Done():
			return
		}
	}
}

func readEnd(err error) string {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return EndClosed
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return EndProtocol
	}
	return EndLost
}

// store hands messages to the sink, one at a time, and gives a receipt for
// each that it has.
func (s *socket) store(backlog <-chan []byte) {
	var seq uint64
	for raw := range backlog {
		seq++
		if s.ctx.Err() != nil && s.ended() == EndStore {
			continue // one was not stored: the page sends from there on again
		}
		// The socket may be gone: what was read is stored all the same.
		ctx, cancel := context.WithTimeout(context.Background(), s.hub.Limits.StoreTimeout)
		err := s.hub.Sink.Message(ctx, s.at.connection, s.at.agent, s.id, raw)
		cancel()
		receipt := toPage{Outdial: "stored", Seq: seq}
		switch {
		case err == nil:
		case fault.Of(err) == fault.Permanent:
			receipt = toPage{Outdial: "refused", Seq: seq, Reason: fault.Code(err)}
		default:
			s.end(EndStore)
			continue
		}
		if err := s.write(receipt); err != nil {
			s.end(EndLost)
		}
	}
}

func (s *socket) ping() {
	tick := time.NewTicker(s.hub.Limits.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.hub.Limits.PingTimeout)
		err := s.conn.Ping(ctx)
		cancel()
		if err != nil {
			s.end(EndLost)
			return
		}
	}
}

// write sends one message. Its time is its own: a cancelled request must not
// tear down the page's socket.
func (s *socket) write(m toPage) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.hub.Limits.WriteTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// goodbye closes the connection with the code for why.
func (s *socket) goodbye(why string) {
	switch why {
	case EndReplaced:
		_ = s.conn.Close(StatusReplaced, why)
	case EndShutdown:
		_ = s.conn.Close(websocket.StatusGoingAway, why)
	case EndStore:
		_ = s.conn.Close(websocket.StatusTryAgainLater, why)
	case EndProtocol:
		_ = s.conn.Close(websocket.StatusUnsupportedData, why)
	default:
		_ = s.conn.CloseNow()
	}
}
