package workspace

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

// SameToken compares two tokens without telling by its duration how much of
// them agrees. An empty token agrees with nothing.
func SameToken(got, want string) bool {
	if got == "" || want == "" {
		return false
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// who takes connection and agent from a socket's path.
func who(r *http.Request) (connection, agent string, ok bool) {
	tail, ok := strings.CutPrefix(r.URL.EscapedPath(), BasePath)
	if !ok {
		return "", "", false
	}
	c, a, ok := strings.Cut(tail, "/")
	if !ok || a == "" || strings.Contains(a, "/") || !events.IsToken(c) {
		return "", "", false
	}
	name, err := url.PathUnescape(a)
	if err != nil || name == "" {
		return "", "", false
	}
	return c, events.AgentToken(name), true
}

// admit decides about a handshake: 0 lets it in, anything else is the status
// of the refusal.
func (h *Hub) admit(r *http.Request, connection, agent string) int {
	offered := offers(r)
	if !slices.Contains(offered, Subprotocol) {
		return http.StatusBadRequest
	}
	if !h.originAllowed(r) {
		return http.StatusForbidden
	}
	if h.authorize == nil {
		if !fromLoopback(r) {
			return http.StatusForbidden
		}
		return 0
	}
	token := ""
	for _, o := range offered {
		if t, ok := strings.CutPrefix(o, bearerPrefix); ok {
			token = t
		}
	}
	if !h.authorize(connection, agent, token) {
		return http.StatusUnauthorized
	}
	return 0
}

func offers(r *http.Request) []string {
	var out []string
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if p = strings.TrimSpace(p); p != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

// originAllowed holds a browser's page to the list; a page of our own host is
// on it. What sends no Origin is no browser, and the token is its only key.
func (h *Hub) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, allowed := range h.origins {
		if strings.EqualFold(origin, strings.TrimSuffix(allowed, "/")) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// fromLoopback reports whether the request comes from this very machine: by
// its address, not through a proxy, and under a loopback name, so that a page
// elsewhere whose name was pointed here stays out.
func fromLoopback(r *http.Request) bool {
	for _, k := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(k) != "" {
			return false
		}
	}
	return loopbackHost(r.RemoteAddr) && loopbackHost(r.Host)
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
