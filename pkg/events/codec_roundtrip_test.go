package events

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever an event says, both modes carry it, and carry the same.
func TestRoundTripInBothModes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t)
		for mode, encode := range map[string]func(event.Event) (Header, []byte, error){"binary": Encode, "structured": EncodeStructured} {
			h, data, err := encode(e)
			if err != nil {
				t.Fatal(mode, err)
			}
			for k, vs := range h {
				if len(vs) != 1 || strings.ContainsFunc(vs[0], func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
					t.Fatalf("%s: header %q = %q", mode, k, vs)
				}
			}
			back, err := Decode(h, data)
			if err != nil {
				t.Fatal(mode, err)
			}
			if d := cmp.Diff(flat(e), flat(back)); d != "" {
				t.Fatal(mode, d)
			}
		}
	})
}

// The SDK as second opinion: what it writes for HTTP, copied to NATS headers
// one to one, is read as the SDK reads it; and the SDK reads what we write.
// Values are plain here, because the SDK does not percent-decode.
func TestTheSDKAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t)
		e.SetSubject(rapid.StringMatching(`[A-Za-z0-9/.:_-]{1,20}`).Draw(t, "plain subject"))
		e.SetID(rapid.StringMatching(`[A-Za-z0-9/.:_-]{1,20}`).Draw(t, "plain id"))
		e.SetSource(rapid.StringMatching(`/[a-z0-9/.]{0,9}[a-z]`).Draw(t, "plain source"))
		for name, encode := range map[string]func(event.Event) (Header, []byte, error){"binary": Encode, "structured": EncodeStructured} {
			h, data, err := encode(e)
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(data))
			for k, vs := range h {
				if k == "ce-datacontenttype" {
					k = "Content-Type" // where HTTP has it
				}
				req.Header.Set(k, vs[0])
			}
			theirs, err := cehttp.NewEventFromHTTPRequest(req)
			if err != nil {
				t.Fatal(name, err)
			}
			ours, err := Decode(Header(req.Header), data)
			if err != nil {
				t.Fatal(name, err)
			}
			if d := cmp.Diff(flat(*theirs), flat(ours)); d != "" {
				t.Fatal(name, d)
			}
		}
	})
}

func anyEvent(t *rapid.T) event.Event {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ0 %\"é€漢+.~\x01\n")), 1, 12, -1).
		Filter(func(s string) bool { return strings.TrimSpace(s) == s && s != "" })
	e := event.New()
	e.SetID(text.Draw(t, "id"))
	e.SetSource(rapid.StringMatching(`(https://x\.example)?/[a-z0-9/%.]{0,3}[a-z]{0,8}`).
		Filter(func(s string) bool { c := event.New(); c.SetSource(s); return c.Source() != "" }).Draw(t, "source"))
	e.SetType(rapid.StringMatching(`[a-z.]{0,10}v1`).Draw(t, "type"))
	if rapid.Bool().Draw(t, "has subject") {
		e.SetSubject(text.Draw(t, "subject"))
	}
	if rapid.Bool().Draw(t, "has time") {
		e.SetTime(time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC())
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.StringMatching(`x[a-z0-9]{1,8}`), 0, 3, rapid.ID).Draw(t, "names") {
		e.SetExtension(n, rapid.StringMatching(`[A-Za-z0-9-]{1,9}`).Draw(t, "value"))
	}
	if rapid.Bool().Draw(t, "has data") {
		e.SetDataContentType("application/json")
		e.DataEncoded = []byte(`{"a":[1,"é"]}`)
	}
	return e
}

// flat is what counts about an event, comparable.
func flat(e event.Event) map[string]any {
	m := map[string]any{
		"id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(),
		"time": e.Time().UTC(), "datacontenttype": e.DataContentType(), "data": string(e.Data()), "v": e.SpecVersion(),
	}
	for k, v := range e.Extensions() {
		m["ext "+k] = v
	}
	return m
}
