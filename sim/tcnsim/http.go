package tcnsim

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/outdial/outdial/sim"
)

// Operations of the dialect, as faults and history name them.
const (
	OpAgent     = "agent"
	OpSettings  = "settings"
	OpSession   = "session"
	OpCountries = "countries"
	OpStatus    = "status"
	OpPrepare   = "prepare"
	OpScrub     = "scrub"
	OpCancel    = "cancel"
	OpStart     = "start"
)

// defaultPaths is the simulator's own convention, the same as the client's
// defaults: the document lost every URL.
func defaultPaths() map[string]string {
	return map[string]string{
		OpAgent:     "/api/v0alpha/p3api/getcurrentagent",
		OpSettings:  "/api/v0alpha/p3api/gethuntgroupagentsettings",
		OpSession:   "/api/v1alpha1/asm/asmapi/getcurrentsession",
		OpCountries: "/api/v0alpha/org/countries/list/get",
		OpStatus:    "/api/v0alpha/acd/agentgetstatus",
		OpPrepare:   "/api/v0alpha/acd/dialmanualprepare",
		OpScrub:     "/api/v0alpha/callqueue/processmanualdialcall",
		OpCancel:    "/api/v0alpha/acd/dialmanualcancel",
		OpStart:     "/api/v0alpha/p3api/manualdialstart",
	}
}

const bodyLimit = 64 << 10

// ServeHTTP implements http.Handler.
func (t *Company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, ok := t.paths[r.URL.Path]
	if !ok {
		refuse(http.StatusNotFound, "no such operation").Say(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		refuse(http.StatusRequestEntityTooLarge, "body too large").Say(w)
		return
	}
	x := sim.Exchange{Provider: Name, Operation: op, Body: string(body)}
	a := t.authorized(r)
	if a == nil || r.Method != http.MethodPost {
		reply := refuse(http.StatusUnauthorized, "not authenticated")
		if a != nil {
			reply = refuse(http.StatusMethodNotAllowed, "only POST")
		}
		x.Status = reply.Status
		t.sim.Saw(x)
		reply.Say(w)
		return
	}
	x.Agent = a.AgentSid
	fields, bad := t.parse(body)
	number := numberIn(fields)
	if number == "" {
		number = t.numberOf(a)
	}
	f, _ := t.sim.Faults.Take(Name, op, a.AgentSid, number)
	turn := 0
	t.sim.Play(w, r, x, f, func() sim.Reply {
		turn++
		if bad != nil {
			return *bad
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if turn > 1 && op == OpStart {
			return t.startAgain(a)
		}
		return t.do(op, a, fields)
	})
}

// authorized finds the agent of the bearer token.
func (t *Company) authorized(r *http.Request) *seat {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(func(a *seat) bool {
		return subtle.ConstantTimeCompare([]byte(a.Token), []byte(token)) == 1
	})
}

// parse reads a body as an object; in the JSONC mode comments and trailing
// commas are taken out first.
func (t *Company) parse(body []byte) (map[string]json.RawMessage, *sim.Reply) {
	if t.opts.JSONC {
		body = plainJSON(body)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		bad := refuse(http.StatusBadRequest, "body is not a JSON object")
		return nil, &bad
	}
	return fields, nil
}

func (t *Company) numberOf(a *seat) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case a.call != nil:
		return a.call.number
	case a.scrubbed != nil:
		return e164In(a.scrubbed.said)
	}
	return ""
}

func (t *Company) do(op string, a *seat, fields map[string]json.RawMessage) sim.Reply {
	switch op {
	case OpAgent:
		return t.currentAgent(a)
	case OpSettings:
		return t.groupSettings(fields)
	case OpSession:
		return t.session(a)
	case OpCountries:
		return sim.Reply{Status: http.StatusOK, Body: countriesSample}
	case OpStatus:
		return t.status(a, asText(fields["sessionSid"]))
	case OpPrepare:
		return t.prepare(a, asText(fields["sessionSid"]))
	case OpScrub:
		return t.scrub(a, fields)
	case OpCancel:
		return t.cancel(a, asText(fields["sessionSid"]))
	default:
		return t.start(a, fields)
	}
}

// refuse is an error answer. Its form is the simulator's own: the document
// shows none.
func refuse(status int, message string) sim.Reply {
	return jsonReply(status, map[string]any{"code": status, "message": message, "details": []any{}})
}

func jsonReply(status int, v any) sim.Reply {
	b, err := json.Marshal(v)
	if err != nil {
		return sim.Reply{Status: http.StatusInternalServerError, Body: []byte(`{}`)}
	}
	return sim.Reply{Status: status, Body: b}
}

// asText reads a string, or a number digit by digit.
func asText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return strings.TrimSpace(string(raw))
}

// plainJSON takes // comments and trailing commas out of what is otherwise
// JSON, as the document prints its start request.
func plainJSON(b []byte) []byte {
	var out []byte
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\' && i+1 < len(b):
			out = append(out, c, b[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && c == '/' && i+1 < len(b) && b[i+1] == '/':
			for i < len(b) && b[i] != '\n' {
				i++
			}
			continue
		case !quoted && (c == '}' || c == ']'):
			end := len(out)
			for end > 0 && strings.ContainsRune(" \t\r\n", rune(out[end-1])) {
				end--
			}
			if end > 0 && out[end-1] == ',' {
				out = out[:end-1]
			}
		}
		out = append(out, b[i])
	}
	return out
}
