package desktop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

func TestAMessageIsStoredBeforeItsReceipt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	if off := time.Since(time.UnixMilli(p.hello.Time)).Abs(); off > soon {
		t.Errorf("the hello's clock is off by %v", off)
	}
	for i, text := range []string{`{"channel":"Webexcc","n":1}`, "\u00a0not json at all", `{"outdial":"presence","status":"ready"}`} {
		p.write(text)
		if r := p.next(); r.Outdial != "stored" || r.Seq != uint64(i+1) {
			t.Fatalf("receipt %+v", r)
		}
		lines := h.diary.read()
		if lines[len(lines)-1] != "agent4: "+text {
			t.Errorf("stored %q, sent %q: it must be kept as it came", lines[len(lines)-1], text)
		}
	}
	_ = p.conn.Close(websocket.StatusNormalClosure, "bye")
	h.diary.wait(t, "closed agent4 "+EndClosed)
}

func TestWhatIsRefusedForGoodIsSaidSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.diary.refuse = func(raw string) error {
		if strings.Contains(raw, "bad") {
			return fault.New(fault.Permanent, "store", "too_big", nil)
		}
		return nil
	}
	p := h.page(t, "agent4")
	p.write("bad")
	if r := p.next(); r.Outdial != "refused" || r.Seq != 1 || r.Reason != "too_big" {
		t.Errorf("receipt %+v", r)
	}
	p.write("good")
	if r := p.next(); r.Outdial != "stored" || r.Seq != 2 {
		t.Errorf("receipt %+v", r)
	}
}

func TestWhatCannotBeStoredNowComesAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.diary.refuse = func(raw string) error {
		if raw == "one" {
			return fault.New(fault.Transient, "store", "broker", errDisk)
		}
		return nil
	}
	p := h.page(t, "agent4")
	p.write("one")
	p.write("two") // must not be stored before one
	if code := p.closed(); code != websocket.StatusTryAgainLater {
		t.Errorf("closed with %d", code)
	}
	lines := h.diary.wait(t, "closed agent4 "+EndStore)
	if count(lines, "agent4:") != 0 {
		t.Errorf("stored out of order: %q", lines)
	}
}

func TestTooMuchIsCutOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	p.write(strings.Repeat("x", MaxMessage))
	if r := p.next(); r.Outdial != "stored" {
		t.Fatalf("the largest message allowed: %+v", r)
	}
	go func() { // the write may fail: the hub hangs up in the middle of it
		_ = p.conn.Write(context.Background(), websocket.MessageText, []byte(strings.Repeat("x", MaxMessage+1)))
	}()
	if code := p.closed(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d", code)
	}
	h.diary.wait(t, "closed agent4 "+EndProtocol)
}

func TestBinaryIsNotSpoken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	if err := p.conn.Write(t.Context(), websocket.MessageBinary, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if code := p.closed(); code != websocket.StatusUnsupportedData {
		t.Errorf("closed with %d", code)
	}
}

func TestAFloodIsSlowedNotDropped(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Limits = Limits{PerSecond: 100, Burst: 5} })
	p := h.page(t, "agent4")
	began := time.Now()
	for i := range 15 {
		p.write(fmt.Sprintf("m%d", i))
	}
	for i := range 15 {
		if r := p.next(); r.Outdial != "stored" || r.Seq != uint64(i+1) {
			t.Fatalf("receipt %+v", r)
		}
	}
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("ten messages above the burst took %v at 100 a second", took)
	}
}

func TestANewerPageTakesTheSeat(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	older := h.page(t, "agent4")
	pending := h.ask(t.Context(), older, "agent4", "a1")
	if r := older.next(); r.Attempt != "a1" {
		t.Fatalf("request %+v", r)
	}
	// The older page must read for its close handshake, as a browser does.
	code := make(chan websocket.StatusCode, 1)
	go func() { code <- older.closed() }()
	newer := h.page(t, "agent4")
	if got := <-code; got != StatusReplaced {
		t.Errorf("the older page was closed with %d", got)
	}
	wantFault(t, verdict(t, pending), fault.Uncertain, "socket_lost")
	lines := h.diary.read()
	want := []string{"opened webex-desk/agent4", "closed agent4 " + EndReplaced, "opened webex-desk/agent4"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("sessions overlap: %q", lines)
	}
	if newer.session == older.session || h.hub.Sessions() != 1 {
		t.Errorf("sessions %q and %q, %d open", older.session, newer.session, h.hub.Sessions())
	}
	// A resumed socket never re-sends: the request of the old session is over.
	err := h.hub.Send(t.Context(), "webex-desk", "agent4", older.session, "a2", time.Now().Add(time.Minute), []byte(`{}`))
	wantFault(t, err, fault.Transient, "no_desktop")
	newer.write("first")
	if r := newer.next(); r.Outdial != "stored" {
		t.Errorf("the newer page was sent something before its receipt: %+v", r)
	}
}

func TestARequestAndItsAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	answers := h.ask(t.Context(), p, "agent4", "a1")
	r := p.next()
	if r.Outdial != "request" || r.Attempt != "a1" || string(r.Message) != `{"channel":"Webexcc"}` || r.NotAfter == 0 {
		t.Fatalf("request %+v", r)
	}
	p.ack("somebody-elses")
	p.ack("a1")
	if err := verdict(t, answers); err != nil {
		t.Errorf("acknowledged: %v", err)
	}
	p.ack("a1") // once more is no news

	wantFault(t, verdict(t, h.ask(t.Context(), p, "agent4", "a1")), fault.Uncertain, "repeat")

	for reason, want := range map[string]struct {
		class fault.Class
		code  string
	}{
		"late": {fault.Permanent, "late"}, "not_ready": {fault.Permanent, "not_ready"},
		"unsupported_version": {fault.Permanent, "unsupported_version"},
		"repeat":              {fault.Uncertain, "repeat"}, // the first copy may have been posted
		"Call +1 608":         {fault.Permanent, "refused"}, "jane_canary": {fault.Permanent, "refused"}, "x2125550142": {fault.Permanent, "refused"}, "": {fault.Permanent, "refused"},
	} {
		attempt := events.RandomID()
		answers := h.ask(t.Context(), p, "agent4", attempt)
		if r := p.next(); r.Attempt != attempt {
			t.Fatalf("%s: the page was sent %+v", reason, r)
		}
		p.write(`{"outdial":"nak","attempt":"` + attempt + `","reason":"` + reason + `"}`)
		wantFault(t, verdict(t, answers), want.class, want.code)
	}
}

func TestSilenceIsUncertain(t *testing.T) { // WXC-33, F9-30
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	ctx, cancel := context.WithCancel(t.Context())
	answers := h.ask(ctx, p, "agent4", "a1")
	p.next()
	cancel()
	wantFault(t, verdict(t, answers), fault.Uncertain, "no_reply")
	p.ack("a1") // too late; and the socket still lives
	p.write("event")
	if r := p.next(); r.Outdial != "stored" {
		t.Errorf("a request given up tore the socket down: %+v", r)
	}
	answers = h.ask(t.Context(), p, "agent4", "a2")
	p.next()
	_ = p.conn.CloseNow()
	wantFault(t, verdict(t, answers), fault.Uncertain, "socket_lost")
	h.diary.wait(t, "closed agent4 "+EndLost)
}

func TestNothingIsSentInVain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	later := time.Now().Add(time.Minute)
	send := func(agent, session, attempt string, notAfter time.Time, message string) error {
		return h.hub.Send(t.Context(), "webex-desk", agent, session, attempt, notAfter, []byte(message))
	}
	wantFault(t, send("agent5", p.session, "a1", later, `{}`), fault.Transient, "no_desktop")
	wantFault(t, send("agent4", "another", "a1", later, `{}`), fault.Transient, "no_desktop")
	wantFault(t, send("agent4", p.session, "a1", time.Now().Add(-time.Millisecond), `{}`), fault.Permanent, "late")
	wantFault(t, send("agent4", p.session, "a.1", later, `{}`), fault.Permanent, "bad_request")
	wantFault(t, send("agent4", p.session, "a1", later, `{`), fault.Permanent, "bad_request")
	wantFault(t, send("agent4", p.session, "a1", later, strings.Repeat("1", MaxMessage+1)), fault.Permanent, "bad_request")
	p.write("event")
	if r := p.next(); r.Outdial != "stored" {
		t.Errorf("the page was sent %+v", r)
	}
}

func TestAnswersDoNotWaitForTheStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.diary.gate = make(chan struct{})
	p := h.page(t, "agent4")
	p.write("event") // stuck in the store
	answers := h.ask(t.Context(), p, "agent4", "a1")
	p.next()
	p.ack("a1")
	if err := verdict(t, answers); err != nil {
		t.Errorf("acknowledged behind a slow store: %v", err)
	}
	close(h.diary.gate)
	if r := p.next(); r.Outdial != "stored" {
		t.Errorf("receipt %+v", r)
	}
}

func TestASilentSocketIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) {
		c.Limits = Limits{PingEvery: 20 * time.Millisecond, PingTimeout: 50 * time.Millisecond}
	})
	h.page(t, "agent4") // never reads again, so it never answers a ping
	h.diary.wait(t, "closed agent4 "+EndLost)
}

func TestClosingTheHubEndsEverySession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	codes := make(chan websocket.StatusCode, 3)
	for _, agent := range []string{"a", "b", "c"} {
		p := h.page(t, agent)
		go func() { codes <- p.closed() }()
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := h.hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if code := <-codes; code != websocket.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
	}
	if n := count(h.diary.read(), "closed"); n != 3 || h.hub.Sessions() != 0 {
		t.Errorf("%d sessions closed on record, %d left", n, h.hub.Sessions())
	}
	conn, _, err := h.dial(t, BasePath+"webex-desk/late", []string{Subprotocol}, "")
	if err == nil {
		if code := (&page{t: t, conn: conn}).closed(); code != websocket.StatusGoingAway {
			t.Errorf("a page that came after closing time was closed with %d", code)
		}
	}
}

// A page whose agent has come in at another bridge is told as one that was
// replaced here.
func TestASessionIsReplacedFromElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	h.hub.Replace("webex-desk", "agent4", "another")
	h.hub.Replace("webex-desk", "agent5", p.session)
	p.write("event")
	if r := p.next(); r.Outdial != "stored" || h.hub.Sessions() != 1 {
		t.Fatalf("another session's replacement ended this one: %+v", r)
	}
	h.hub.Replace("webex-desk", "agent4", p.session)
	if code := p.closed(); code != StatusReplaced {
		t.Errorf("closed with %d", code)
	}
	h.diary.wait(t, "closed agent4 "+EndReplaced)
}

// A session takes no more requests from the moment it ends, whoever ends it,
// though its last messages are not stored yet.
func TestClosingIsSaidAtOnceAndBeforeClosed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.diary.gate = make(chan struct{})
	said := make(chan string, 1)
	h.diary.closing = func(session string) { said <- session }
	p := h.page(t, "agent4")
	p.write("event") // stuck in the store
	_ = p.conn.Close(websocket.StatusNormalClosure, "bye")
	if got := <-said; got != p.session {
		t.Errorf("closing %s, want %s", got, p.session)
	}
	if n := count(h.diary.read(), "closed"); n != 0 {
		t.Error("closed came first")
	}
	close(h.diary.gate)
	h.diary.wait(t, "closed agent4 "+EndClosed)
}

func TestAPageIsAskedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.page(t, "agent4")
	if h.hub.Tell("webex-desk", "agent5") {
		t.Error("asked a page that is not there")
	}
	// The page has its greeting before the hub knows that it was sent.
	for deadline := time.Now().Add(soon); !h.hub.Tell("webex-desk", "agent4"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the page that is there is not asked")
		}
	}
	if m := p.next(); m.Outdial != "tell" {
		t.Errorf("the page was sent %+v", m)
	}
}
