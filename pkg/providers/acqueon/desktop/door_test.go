package desktop

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/pkg/events/fault"
)

func tokens(c *Config) {
	c.Authorize = func(connection, agent, token string) bool {
		return connection == "webex-desk" && agent == "agent4" && door.Same(token, "s3cret")
	}
	c.Origins = []string{"https://desk.example.com"}
}

func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tokens)
	const mine = BasePath + "webex-desk/agent4"
	for name, tc := range map[string]struct {
		path      string
		protocols []string
		origin    string
		want      int
	}{
		"with the token":                        {mine, []string{Subprotocol, "bearer.s3cret"}, "", 101},
		"from a page on the list":               {mine, []string{Subprotocol, "bearer.s3cret"}, "https://desk.example.com", 101},
		"from a page elsewhere":                 {mine, []string{Subprotocol, "bearer.s3cret"}, "https://evil.example.com", 403},
		"from the right host on another scheme": {mine, []string{Subprotocol, "bearer.s3cret"}, "http://desk.example.com", 403},
		"from a sandboxed frame":                {mine, []string{Subprotocol, "bearer.s3cret"}, "null", 403},
		"without a token":                       {mine, []string{Subprotocol}, "", 401},
		"with an empty token":                   {mine, []string{Subprotocol, "bearer."}, "", 401},
		"with a wrong token":                    {mine, []string{Subprotocol, "bearer.s3cre"}, "", 401},
		"another agent's seat":                  {BasePath + "webex-desk/agent5", []string{Subprotocol, "bearer.s3cret"}, "", 401},
		"another connection's":                  {BasePath + "five9-desk/agent4", []string{Subprotocol, "bearer.s3cret"}, "", 401},
		"without our protocol":                  {mine, []string{"bearer.s3cret"}, "", 400},
		"no agent named":                        {BasePath + "webex-desk/", []string{Subprotocol, "bearer.s3cret"}, "", 404},
		"too long a path":                       {mine + "/more", []string{Subprotocol, "bearer.s3cret"}, "", 404},
		"a connection that is no token":         {BasePath + "a.b/agent4", []string{Subprotocol, "bearer.s3cret"}, "", 404},
	} {
		conn, status, err := h.dial(t, tc.path, tc.protocols, tc.origin)
		if status != tc.want {
			t.Errorf("%s: status %d, want %d (%v)", name, status, tc.want, err)
		}
		if err == nil {
			if conn.Subprotocol() != Subprotocol {
				t.Errorf("%s: protocol %q: the token must not be chosen", name, conn.Subprotocol())
			}
			_ = conn.CloseNow()
		}
	}
}

func TestWithoutTokensOnlyThisMachine(t *testing.T) {
	t.Parallel()
	hub, err := NewHub(Config{Sink: newDiary()})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		remote, host string
		header       string
		want         int
	}{
		"this machine":                     {"127.0.0.1:4711", "127.0.0.1:8080", "", 0},
		"this machine, version six":        {"[::1]:4711", "localhost:8080", "", 0},
		"the neighbor":                     {"192.0.2.7:4711", "127.0.0.1:8080", "", 403},
		"through a proxy on this machine":  {"127.0.0.1:4711", "127.0.0.1:8080", "X-Forwarded-For", 403},
		"a name elsewhere that leads here": {"127.0.0.1:4711", "evil.example.com:8080", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://x"+BasePath+"webex-desk/agent4", nil)
		r.RemoteAddr, r.Host = tc.remote, tc.host
		r.Header.Set("Sec-WebSocket-Protocol", Subprotocol)
		if tc.header != "" {
			r.Header.Set(tc.header, "192.0.2.7")
		}
		if got := hub.admit(r, "webex-desk", "agent4"); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestTheScriptIsServed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tokens)
	res, err := http.Get(h.url + ScriptPath)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 200 || !bytes.Equal(body, script) || len(body) == 0 {
		t.Errorf("status %d, %d bytes, %v", res.StatusCode, len(body), err)
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/javascript") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("content type %q", ct)
	}
	res, err = http.Post(h.url+ScriptPath, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAnUnknownAgentIsSentAwayForGood(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.diary.opened = func(agent string) error {
		if agent == "agent4" {
			return nil
		}
		if agent == "later" {
			return fault.New(fault.Transient, "open", "broker", nil)
		}
		return fault.New(fault.Permanent, "open", "unknown_agent", nil)
	}
	for agent, want := range map[string]int{"stranger": int(StatusRefused), "later": 1013} {
		conn, _, err := h.dial(t, BasePath+"webex-desk/"+agent, []string{Subprotocol}, "")
		if err != nil {
			t.Fatal(err)
		}
		p := &page{t: t, conn: conn}
		if code := p.closed(); int(code) != want {
			t.Errorf("%s: closed with %d, want %d", agent, code, want)
		}
	}
	if lines := h.diary.read(); len(lines) != 0 {
		t.Errorf("a session that was refused is on record: %q", lines)
	}
	h.page(t, "agent4")
}
