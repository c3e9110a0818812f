package desktop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/pkg/events/fault"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const soon = 5 * time.Second

// A diary is a sink that keeps what it is told, in order.
type diary struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{}
	refuse  func(raw string) error // of Message
	opened  func(agent string) error
	gate    chan struct{} // when set, Message waits for it
	closing func(session string)
}

func newDiary() *diary { return &diary{changed: make(chan struct{})} }

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *diary) Opened(_ context.Context, connection, agent, _ string) error {
	if d.opened != nil {
		if err := d.opened(agent); err != nil {
			return err
		}
	}
	d.write("opened " + connection + "/" + agent)
	return nil
}

func (d *diary) Message(ctx context.Context, _, agent, _ string, raw []byte) error {
	if d.gate != nil {
		select {
		case <-d.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.refuse != nil {
		if err := d.refuse(string(raw)); err != nil {
			return err
		}
	}
	d.write(agent + ": " + string(raw))
	return nil
}

func (d *diary) Closing(session string) {
	if d.closing != nil {
		d.closing(session)
	}
}

func (d *diary) Closed(_ context.Context, _, agent, _, reason string) {
	d.write("closed " + agent + " " + reason)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// wait blocks until the diary has a line, and returns all.
func (d *diary) wait(t *testing.T, line string) []string {
	t.Helper()
	deadline := time.After(soon)
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		lines := d.read()
		for _, l := range lines {
			if l == line {
				return lines
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %q in %q", line, lines)
		}
	}
}

type house struct {
	hub   *Hub
	url   string
	diary *diary
}

func newHouse(t *testing.T, change ...func(*Config)) *house {
	t.Helper()
	d := newDiary()
	cfg := Config{Sink: d}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(hub)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := hub.Close(ctx); err != nil {
			t.Errorf("the hub did not close: %v", err)
		}
		srv.Close()
	})
	return &house{hub: hub, url: srv.URL, diary: d}
}

// A page is a desktop's page, spoken by hand.
type page struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	hello   toPage
}

func (h *house) dial(t *testing.T, path string, protocols []string, origin string) (*websocket.Conn, int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	opts := &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: map[string][]string{}}
	if origin != "" {
		opts.HTTPHeader.Set("Origin", origin)
	}
	conn, res, err := websocket.Dial(ctx, h.url+path, opts)
	status := 0
	if res != nil {
		status = res.StatusCode
	}
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, status, err
}

// page opens a socket and waits for its hello.
func (h *house) page(t *testing.T, agent string) *page {
	t.Helper()
	conn, _, err := h.dial(t, BasePath+"webex-desk/"+agent, []string{Subprotocol}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, conn: conn}
	p.hello = p.next()
	if p.hello.Outdial != "hello" || p.hello.Session == "" {
		t.Fatalf("no hello: %+v", p.hello)
	}
	p.session = p.hello.Session
	return p
}

func (p *page) next() toPage {
	p.t.Helper()
	m, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func (p *page) read() (toPage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	_, raw, err := p.conn.Read(ctx)
	if err != nil {
		return toPage{}, err
	}
	var m toPage
	return m, json.Unmarshal(raw, &m)
}

func (p *page) write(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) ack(attempt string) { p.write(`{"outdial":"ack","attempt":"` + attempt + `"}`) }

// closed waits for the hub to close the socket and returns the code.
func (p *page) closed() websocket.StatusCode {
	p.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// ask sends a request in the background and returns what comes of it.
func (h *house) ask(ctx context.Context, p *page, agent, attempt string) <-chan error {
	out := make(chan error, 1)
	go func() {
		out <- h.hub.Send(ctx, "webex-desk", agent, p.session, attempt, time.Now().Add(time.Minute), []byte(`{"channel":"Webexcc"}`))
	}()
	return out
}

func verdict(t *testing.T, answers <-chan error) error {
	t.Helper()
	select {
	case err := <-answers:
		return err
	case <-time.After(soon):
		t.Fatal("no verdict")
		return nil
	}
}

func wantFault(t *testing.T, err error, class fault.Class, code string) {
	t.Helper()
	if err == nil || fault.Of(err) != class || fault.Code(err) != code {
		t.Errorf("got %v, want %s %s", err, class, code)
	}
}

var errDisk = errors.New("disk full")

func count(lines []string, prefix string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}
