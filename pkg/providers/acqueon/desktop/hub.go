package desktop

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// Config makes a hub.
type Config struct {
	Sink providers.DesktopSink
	// Authorize checks the token a page came with, "" when it brought none; it
	// compares in constant time. Nil: no tokens, and only this machine may come.
	Authorize func(connection, agent, token string) bool
	// Origins are the pages that may connect from a browser, each as
	// scheme://host[:port].
	Origins []string
	Limits  Limits
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
}

// A Hub holds the sockets of agents' desktops, one an agent. It serves
// BasePath. Close it before the server that serves it: an http.Server does not
// know its hijacked connections.
type Hub struct {
	Config

	mu      sync.Mutex
	closed  bool
	sockets map[seat]*socket
	running sync.WaitGroup
}

// A seat is one agent's place on one connection.
type seat struct{ connection, agent string }

// NewHub makes a hub.
func NewHub(cfg Config) (*Hub, error) {
	if cfg.Sink == nil {
		return nil, errors.New("a hub needs a sink to store what desktops say")
	}
	cfg.Limits, cfg.Log = cfg.Limits.withDefaults(), cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Hub{Config: cfg, sockets: map[seat]*socket{}}, nil
}

// ServeHTTP serves the script and the sockets.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == ScriptPath {
		serveScript(w, r)
		return
	}
	connection, agent, ok := who(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if status := h.admit(r, connection, agent); status != 0 {
		// Not whom for: the path is the word of somebody who was not let in.
		h.Log.Warn("refused at a door", "door", "workspace", "status", status)
		http.Error(w, http.StatusText(status), status)
		return
	}
	// The origin was checked above, exactly rather than by pattern.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol}, InsecureSkipVerify: true,
	})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(MaxMessage)
	h.host(conn, seat{connection, agent})
}

// host gives a socket its seat, after the one who sat there has left, and
// stays with it until it ends.
func (h *Hub) host(conn *websocket.Conn, at seat) {
	s := newSocket(h, conn, at)
	old, ok := h.take(at, s)
	if !ok {
		_ = conn.Close(websocket.StatusGoingAway, "shutting down")
		return
	}
	defer h.running.Done()
	defer h.leave(at, s)
	if old != nil {
		old.end(EndReplaced)
		<-old.done // its session is closed before the next one opens
	}
	s.run()
}

func (h *Hub) take(at seat, s *socket) (old *socket, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	h.running.Add(1)
	old = h.sockets[at]
	h.sockets[at] = s
	return old, true
}

func (h *Hub) leave(at seat, s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[at] == s {
		delete(h.sockets, at)
	}
	close(s.done)
}

// Send gives a request to the page of exactly this session and waits for its
// word until ctx ends. The answer is one of
//
//	nil                       the page has posted the request
//	Transient no_desktop      no such session: nothing was sent
//	Permanent late            notAfter has passed: nothing was sent
//	Permanent <reason>        the page refused and posted nothing
//	Uncertain repeat          this attempt was sent before; it is not sent again
//	Uncertain no_reply, socket_lost   it may have been posted
//
// An attempt is written to a socket at most once, and never to another.
func (h *Hub) Send(ctx context.Context, connection, agent, session, attempt string, notAfter time.Time, message []byte) error {
	if !events.IsToken(attempt) || len(message) == 0 || len(message) > MaxMessage {
		return fault.New(fault.Permanent, "send to desktop", "bad_request", nil)
	}
	s := h.at(connection, agent)
	if s == nil || s.id != session {
		return noDesktop()
	}
	return s.send(ctx, attempt, notAfter, message)
}

func (h *Hub) at(connection, agent string) *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sockets[seat{connection, agent}]
}

// Tell asks an agent's page to say once more whether the agent is ready. The
// answer comes as any presence does; a page amid a call does not say ready. It
// reports whether there is a page to ask.
func (h *Hub) Tell(connection, agent string) bool {
	s := h.at(connection, agent)
	if s == nil {
		return false
	}
	select {
	case <-s.greeted:
		return s.write(toPage{Outdial: "tell"}) == nil
	default:
		return false // it tells by itself when it is greeted
	}
}

// Replace ends the socket of exactly this session: the agent has come in by
// another page, at another bridge. The page is told and does not come back.
func (h *Hub) Replace(connection, agent, session string) {
	if s := h.at(connection, agent); s != nil && s.id == session {
		s.end(EndReplaced)
	}
}

// Sessions counts the open sockets.
func (h *Hub) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets)
}

// Close ends every session and waits, until ctx ends, for the sink to have
// heard of it. No socket is taken any more.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.sockets {
		s.end(EndShutdown)
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func noDesktop() error { return fault.New(fault.Transient, "send to desktop", "no_desktop", nil) }
