package desktopsim_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
)

// A careless bridge, its clock an hour ahead, sends one request twice, and one
// after its time.
func carelessBridge(t *testing.T) (url string, answers chan string) {
	t.Helper()
	answers = make(chan string, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"outdial.v1"}})
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		now := time.Now().Add(time.Hour) // this bridge's clock is an hour ahead
		say := func(format string, args ...any) {
			_ = conn.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...))
		}
		const ask = `{"outdial":"request","attempt":%q,"notAfter":%d,"message":{"channel":"Five9","topic":"InboundCall","subtopic":"SetMakeCall","data":"6085550123"}}`
		say(`{"outdial":"hello","session":"s1","time":%d}`, now.UnixMilli())
		for _, attempt := range []string{"late", "a1", "a1"} {
			limit := now.Add(time.Minute)
			if attempt == "late" {
				limit = now.Add(-time.Second) // in the past by the bridge's clock, in the future by the desktop's
			}
			say(ask, attempt, limit.UnixMilli())
		}
		for {
			_, raw, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if text := string(raw); strings.Contains(text, `"attempt"`) {
				answers <- text
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, answers
}

func TestTheDesktopDropsRepeatsAndLateOnes(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url, answers := carelessBridge(t)
	d, err := desktopsim.New(s, desktopsim.Config{URL: url, Connection: "desk", Agent: "agent4", Kind: providers.Five9, Pace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	var got []string
	for range 3 {
		select {
		case a := <-answers:
			got = append(got, a)
		case <-time.After(soon):
			t.Fatalf("answers: %q", got)
		}
	}
	stop()
	<-done
	slices.Sort(got) // answers are given side by side
	want := []string{
		`{"attempt":"a1","outdial":"ack"}`,
		`{"attempt":"a1","outdial":"nak","reason":"repeat"}`,
		`{"attempt":"late","outdial":"nak","reason":"late"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("answers %q", got)
	}
	if n := s.Ledger().Count(sim.Start, "agent4"); n != 1 {
		t.Errorf("%d starts on the ledger", n)
	}
}

func TestRequestsAsTheDocumentsPrintThem(t *testing.T) { // WXC-01, F9-01, F9-04, F9-05, F9-06
	t.Parallel()
	read := func(dir, name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "..", "pkg", "providers", "acqueon", dir, "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	webex, five := read("webexcc", "001-webexcc-make-call.request.json"), read("five9", "004-five9-set-make-call.request.json")
	for name, tc := range map[string]struct {
		kind providers.Kind
		raw  []byte
		want string // "" is refused
	}{
		"Webex's":                       {providers.WebexCC, webex, "+917702779401"},
		"Five9's":                       {providers.Five9, five, "+16081234567"},
		"Five9's with a bare number":    {providers.Five9, read("five9", "004-five9-set-make-call-numeric.request.json"), "+16081234567"},
		"Five9's as printed":            {providers.Five9, read("five9", "004-five9-set-make-call.request.raw"), ""},
		"Webex's at Five9":              {providers.Five9, webex, ""},
		"Five9's at Webex":              {providers.WebexCC, five, ""},
		"on the outbound topic (F9-02)": {providers.Five9, bytes.Replace(five, []byte("InboundCall"), []byte("OutboundCall"), 1), ""},
		"with a plus (WXC-03)":          {providers.WebexCC, bytes.Replace(webex, []byte("9177"), []byte("+9177"), 1), ""},
		"as a number (WXC-04)":          {providers.WebexCC, bytes.Replace(webex, []byte(`"917702779401"`), []byte("917702779401"), 1), ""},
		"without a number":              {providers.Five9, []byte(`{"channel":"Five9","topic":"InboundCall","subtopic":"SetMakeCall"}`), ""},
	} {
		got, err := desktopsim.ParseRequest(tc.kind, tc.raw, "US")
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "77027") {
			t.Errorf("%s: the error repeats the number", name)
		}
	}
}
