package bridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// A pageStory is what some program sends besides a good body.
type pageStory struct {
	says    string
	headers []string
	refused bool
}

// pages are the ways in which a page elsewhere makes a browser post here, and
// what must not be taken for one.
func pages(own string) []pageStory {
	return []pageStory{
		{"a script of a page elsewhere", []string{"Origin", "https://evil.example.com", "Content-Type", "application/json"}, true},
		{"its plain text, which no browser asks about", []string{"Origin", "https://evil.example.com", "Content-Type", "text/plain"}, true},
		{"its form", []string{"Origin", "https://evil.example.com", "Content-Type", "application/x-www-form-urlencoded"}, true},
		{"its form with a file", []string{"Origin", "https://evil.example.com", "Content-Type", "multipart/form-data; boundary=x"}, true},
		{"a sandboxed frame", []string{"Origin", "null"}, true},
		{"a page opened from a file", []string{"Origin", "file://"}, true},
		{"an extension", []string{"Origin", "chrome-extension://abcdefgh"}, true},
		{"another program's page on this machine", []string{"Origin", "http://localhost:3000"}, true},
		{"our host by another name", []string{"Origin", "http://" + own + ".evil.example.com"}, true},
		{"an empty origin", []string{"Origin", ""}, true},
		{"two origins", []string{"Origin", "http://" + own, "Origin", "https://evil.example.com"}, true},
		{"a listed page's name as a prefix", []string{"Origin", "https://desk.example.com.evil.example.com"}, true},
		{"a listed page on another scheme", []string{"Origin", "http://desk.example.com"}, true},
		{"a browser that hides the origin", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"a sister page", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"our own origin, but the browser says otherwise", []string{"Origin", "http://" + own, "Sec-Fetch-Site", "cross-site"}, true},
		{"a page whose name was pointed here", []string{"Host", "evil.example.com:8080", "Origin", "http://evil.example.com:8080", "Sec-Fetch-Site", "same-origin"}, true},
		{"the same without an origin", []string{"Host", "evil.example.com:8080"}, true},
		{"a name that only begins like ours", []string{"Host", "localhost.evil.example.com"}, true},
		{"another machine's address as the host", []string{"Host", "192.0.2.7:8080"}, true},

		{"a program", nil, false},
		{"a program that posts plain text", []string{"Content-Type", "text/plain"}, false},
		{"curl without a content type of its own", []string{"Content-Type", "application/x-www-form-urlencoded"}, false},
		{"a program that asks for localhost", []string{"Host", "localhost:8080"}, false},
		{"a program that asks for ::1", []string{"Host", "[::1]:8080"}, false},
		{"a page of our own", []string{"Origin", "http://" + own, "Sec-Fetch-Site", "same-origin"}, false},
		{"a page on the list", []string{"Origin", "https://desk.example.com", "Sec-Fetch-Site", "cross-site"}, false},
	}
}

// Without a credential the webhook door is open to this machine, and every page
// that a browser on it shows runs on this machine.
func TestNoPageElsewherePostsAProvidersEvent(t *testing.T) {
	t.Parallel()
	r := run(t)
	taken := uint64(0)
	for _, tc := range pages(strings.TrimPrefix(r.url, "http://")) {
		status, body := r.post("/v1/providers/five9/events", `{"x":1}`, tc.headers...)
		if refused := status == 401 || status == 403; refused != tc.refused || !refused && status != 204 {
			t.Errorf("%s: %d %s", tc.says, status, body)
		}
		if !tc.refused {
			taken++
		}
	}
	if n := r.messages(events.StreamProvider); n != taken {
		t.Errorf("%d messages stored, want %d", n, taken)
	}
}

// A credential does not open a door to pages: a browser adds what it remembers
// of a user to whatever any page sends.
func TestNoPageElsewherePostsWithACredential(t *testing.T) {
	t.Parallel()
	r := run(t)
	for _, tc := range pages(strings.TrimPrefix(r.url, "http://")) {
		if slices.Contains(tc.headers, "Host") {
			continue // with a credential the name is a proxy's business
		}
		headers := append([]string{"Authorization", "Bearer hook"}, tc.headers...)
		if status, body := r.post("/v1/providers/webex/events", `{"x":1}`, headers...); (status == 403) != tc.refused {
			t.Errorf("webhook, %s: %d %s", tc.says, status, body)
		}
		headers = append([]string{"Authorization", "Bearer s3cret", "Content-Type", "application/cloudevents+json"}, tc.headers...)
		if i := slices.Index(headers[4:], "Content-Type"); i >= 0 {
			continue // a dial request says what it is
		}
		if status, body := r.post("/v1/dial-requests/acme", structured("1", newYork), headers...); (status == 403) != tc.refused {
			t.Errorf("dial request, %s: %d %s", tc.says, status, body)
		}
	}
}
