package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/pkg/events"
)

// signed is the credential of the connection signed in these tests.
func signed() door.Credential {
	return door.Credential{HMAC: door.HMAC{Secret: "s3cret", Header: "X-Signature", Prefix: "sha256=", Algorithm: "sha256", Encoding: "hex",
		Timestamp: "X-Time", Window: 2 * time.Minute}}
}

// signature are the headers that a provider sends with a body.
func signature(at time.Time, body string) []string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte("s3cret"))
	m.Write([]byte(stamp + "." + body))
	return []string{"X-Time", stamp, "X-Signature", "sha256=" + hex.EncodeToString(m.Sum(nil)), "Content-Type", "application/json"}
}

func TestASignedWebhook(t *testing.T) {
	t.Parallel()
	r := run(t)
	const path, body = "/v1/providers/signed/events", `{"statusDesc":"READY"}`
	now := time.Now()
	for _, tc := range []struct {
		story, body string
		headers     []string
		status      int
		stored      uint64 // altogether, afterwards
	}{
		{"signed", body, signature(now, body), 204, 1},
		{"recorded and sent again", body, signature(now, body), 204, 1},
		{"the same news a second later", body, signature(now.Add(time.Second), body), 204, 2},
		{"another body under the signature", `{"statusDesc":"PEERED"}`, signature(now, body), 401, 2},
		{"an old signature", body, signature(now.Add(-time.Hour), body), 401, 2},
		{"not signed, from this machine", body, nil, 401, 2},
		{"another connection's token", body, []string{"Authorization", "Bearer hook"}, 401, 2},
		{"signed, through a proxy", body, append(signature(now.Add(2*time.Second), body), "X-Forwarded-For", "192.0.2.7", "Host", "bridge.example.com"), 204, 3},
		{"signed, but not JSON", `{`, signature(now, `{`), 400, 3},
	} {
		if status, answer := r.post(path, tc.body, tc.headers...); status != tc.status {
			t.Errorf("%s: %d %s", tc.story, status, answer)
		}
		if n := r.messages(events.StreamProvider); n != tc.stored {
			t.Errorf("%s: %d messages stored, want %d", tc.story, n, tc.stored)
		}
	}
}

// whole is everything that an answer says.
func (r *running) whole(path, body string, headers ...string) string {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	res.Header.Del("Date")
	var b strings.Builder
	b.WriteString(res.Status + "\n")
	if err := res.Header.Write(&b); err != nil {
		r.t.Fatal(err)
	}
	text := make([]byte, 4096)
	n, _ := res.Body.Read(text)
	return b.String() + string(text[:n])
}

// Who may not come in learns nothing of whom there is.
func TestAStrangerDoesNotLearnWhoIsConfigured(t *testing.T) {
	t.Parallel()
	r := run(t)
	bodies := map[string]string{"a good body": good, "no JSON": "{", "nothing": "", "a large one": strings.Repeat("x", maxBody)}
	for says, headers := range map[string][]string{
		"nothing": nil, "an empty token": {"Authorization", "Bearer "}, "a wrong token": {"Authorization", "Bearer nobody"},
		"a user": {"Authorization", "Basic Z2F0ZTpw"}, "a batch": {"Content-Type", "application/cloudevents-batch+json"},
	} {
		for kind, body := range bodies {
			want := r.whole("/v1/dial-requests/acme", body, headers...)
			if !strings.HasPrefix(want, "401") {
				t.Errorf("acme, %s, %s: %s", says, kind, want)
			}
			// globex has no door, nobody does not exist, hidden has a door alone.
			for _, tenant := range []string{"globex", "nobody", "hidden", "_", "2125550142"} {
				if got := r.whole("/v1/dial-requests/"+tenant, body, headers...); got != want {
					t.Errorf("tenant %s, %s, %s:\n%s\nwant\n%s", tenant, says, kind, got, want)
				}
			}
			// From another machine: by way of a proxy on this one.
			afar := append([]string{"X-Forwarded-For", "192.0.2.7"}, headers...)
			want = r.whole("/v1/providers/webex/events", body, afar...)
			if !strings.HasPrefix(want, "401") && kind != "a large one" {
				t.Errorf("webex, %s, %s: %s", says, kind, want)
			}
			for _, conn := range []string{"five9", "tcn", "signed", "mute", "none", "2125550142"} {
				if got := r.whole("/v1/providers/"+conn+"/events", body, afar...); got != want {
					t.Errorf("connection %s, %s, %s:\n%s\nwant\n%s", conn, says, kind, got, want)
				}
			}
		}
	}
}
