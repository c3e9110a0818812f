package desktop

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/pkg/events"
)

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
	if !door.Page(r, h.Origins) {
		return http.StatusForbidden
	}
	if h.Authorize == nil {
		if !door.ThisMachine(r) {
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
	if !h.Authorize(connection, agent, token) {
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
