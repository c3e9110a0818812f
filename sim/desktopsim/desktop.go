package desktopsim

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
	"github.com/outdial/outdial/sim"
)

// A Desktop is one agent's page.
type Desktop struct {
	sim *sim.Simulator
	cfg Config
	url string

	mu       sync.Mutex
	conn     *websocket.Conn // nil while it is away or has had no hello
	session  string
	offset   time.Duration // of the bridge's clock from ours
	stopped  string        // why it does not come back
	presence string        // the agent's own word: ready, not_ready
	reason   string
	call     string   // the provider's id of the call under way, "" when free
	untold   bool     // presence is not sent on this socket
	onCall   bool     // this socket is to be told that a call is under way
	queue    [][]byte // not sent
	onSocket []sent   // sent, not stored
	attempts []string // ever seen
	calls    int
	plays    sync.WaitGroup
	kick     chan struct{}
}

type sent struct {
	text  []byte
	event bool
}

// New makes a desktop of a simulator's world; Run connects it.
func New(s *sim.Simulator, cfg Config) (*Desktop, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	u, err := cfg.socketURL()
	if err != nil {
		return nil, err
	}
	d := &Desktop{sim: s, cfg: cfg, url: u, presence: "ready", kick: make(chan struct{}, 1)}
	if cfg.NotReady {
		d.presence = "not_ready"
	}
	return d, nil
}

// Run keeps the desktop connected until ctx ends or the bridge wants it no
// more. Calls under way stop with it.
func (d *Desktop) Run(ctx context.Context) error {
	defer d.plays.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wait := 20 * time.Millisecond
	for {
		greeted, err := d.visit(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped as asked; the socket's error is that
		}
		if why := d.Status().Stopped; why != "" {
			return errors.New("the bridge does not want this desktop: " + why)
		}
		if greeted {
			wait = 20 * time.Millisecond
		}
		d.cfg.Log.Debug("desktop away", "agent", d.cfg.Agent, "error", err)
		if !pause(ctx, wait) {
			return nil
		}
		wait = min(wait*2, 2*time.Second)
	}
}

// visit is one socket from handshake to end.
func (d *Desktop) visit(ctx context.Context) (greeted bool, err error) {
	protocols := []string{desktop.Subprotocol}
	if d.cfg.Token != "" {
		protocols = append(protocols, "bearer."+d.cfg.Token)
	}
	conn, res, err := websocket.Dial(ctx, d.url, &websocket.DialOptions{Subprotocols: protocols})
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	if err != nil {
		return false, err
	}
	conn.SetReadLimit(2 * desktop.MaxMessage)
	defer func() { _ = conn.CloseNow() }()
	sctx, stop := context.WithCancel(ctx)
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() { d.flush(sctx, conn) })
	defer writer.Wait()
	defer stop()
	defer d.away()
	for {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			d.noteClose(websocket.CloseStatus(err))
			return greeted, err
		}
		var m fromHub
		if json.Unmarshal(raw, &m) != nil {
			continue
		}
		switch m.Outdial {
		case "hello":
			greeted = true
			d.greet(conn, m)
		case "stored", "refused":
			d.settle()
		case "request":
			d.request(ctx, conn, m)
		case "tell":
			d.tell()
		}
	}
}

// fromHub is what the bridge writes.
type fromHub struct {
	Outdial, Session, Attempt string
	Time, NotAfter            int64
	Message                   json.RawMessage
}

func (d *Desktop) greet(conn *websocket.Conn, m fromHub) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.session, d.untold, d.onCall = conn, m.Session, true, d.call != ""
	d.offset = time.UnixMilli(m.Time).Sub(d.cfg.Now())
	d.wake()
}

// tell says again whether the agent is ready.
func (d *Desktop) tell() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.untold, d.onCall = true, d.call != ""
	d.wake()
}

func (d *Desktop) noteClose(code websocket.StatusCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch code {
	case desktop.StatusReplaced:
		d.stopped = "replaced"
	case desktop.StatusRefused:
		d.stopped = "refused"
	}
}

// away takes back what the bridge has not stored.
func (d *Desktop) away() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.session = nil, ""
	var again [][]byte
	for _, s := range d.onSocket {
		if s.event {
			again = append(again, s.text)
		}
	}
	d.onSocket = nil
	d.queue = append(again, d.queue...)
}

func (d *Desktop) settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.onSocket) > 0 {
		d.onSocket = d.onSocket[1:]
	}
}

// say queues an event.
func (d *Desktop) say(text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, text)
	d.wake()
}

// wake tells the writer; the caller holds the lock.
func (d *Desktop) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// flush writes what is queued, and presence after it, until the socket ends.
func (d *Desktop) flush(ctx context.Context, conn *websocket.Conn) {
	for {
		text := d.next(conn)
		if text == nil {
			select {
			case <-ctx.Done():
				return
			case <-d.kick:
			}
			continue
		}
		if conn.Write(ctx, websocket.MessageText, text) != nil {
			return
		}
	}
}

func (d *Desktop) next(conn *websocket.Conn) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.conn != conn:
		return nil
	case len(d.queue) > 0:
		text := d.queue[0]
		d.queue = d.queue[1:]
		d.onSocket = append(d.onSocket, sent{text, true})
		return text
	case d.untold && (d.call == "" || d.onCall):
		text := d.presenceText()
		if d.call == "" {
			d.untold = false
		}
		d.onCall = false
		d.onSocket = append(d.onSocket, sent{text, false})
		return text
	}
	return nil
}

// presenceText is the agent's own word, or, on a socket that opens amid a
// call, that there is one.
func (d *Desktop) presenceText() []byte {
	status, reason := d.presence, d.reason
	if d.call != "" {
		status, reason = "not_ready", "on_call"
	}
	text, _ := json.Marshal(map[string]string{ // a map of strings always marshals
		"outdial": "presence", "status": status, "reason": reason, "version": d.cfg.Version,
	})
	return text
}

// SetReady is the agent becoming ready, or not ready for a reason. On a call
// it takes effect when the call is over.
func (d *Desktop) SetReady(ready bool, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.presence, d.reason, d.untold = "ready", "", true
	if !ready {
		d.presence, d.reason = "not_ready", reason
	}
	d.wake()
}

// Disconnect cuts the socket; the desktop comes back by itself.
func (d *Desktop) Disconnect() {
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	if conn != nil {
		_ = conn.CloseNow()
	}
}

// A Status is how a desktop stands.
type Status struct {
	Connected bool
	Session   string // the bridge's
	Presence  string // ready, not_ready, on_call
	Call      string // the provider's id of the call under way
	Calls     int    // begun so far
	Unstored  int    // messages without a receipt
	Stopped   string // why it does not come back: replaced, refused
}

// Status tells how the desktop stands.
func (d *Desktop) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{
		Connected: d.conn != nil, Session: d.session, Presence: d.presence, Call: d.call,
		Calls: d.calls, Unstored: len(d.queue) + len(d.onSocket), Stopped: d.stopped,
	}
	if d.call != "" {
		s.Presence = "on_call"
	}
	return s
}

// ledger writes an entry of this desktop.
func (d *Desktop) ledger(e sim.Entry) error {
	e.Provider, e.Agent = string(d.cfg.Kind), d.cfg.Agent
	return d.sim.Record(e)
}

// seen reports whether the attempt came before, and remembers it.
func (d *Desktop) seen(attempt string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.attempts, attempt) {
		return true
	}
	d.attempts = append(d.attempts, attempt)
	return false
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
