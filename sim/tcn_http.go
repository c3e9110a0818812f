package sim

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Operations of the dialect, as faults and history name them.
const (
	TCNAgentOp     = "agent"
	TCNSettingsOp  = "settings"
	TCNSessionOp   = "session"
	TCNCountriesOp = "countries"
	TCNStatusOp    = "status"
	TCNPrepareOp   = "prepare"
	TCNScrubOp     = "scrub"
	TCNCancelOp    = "cancel"
	TCNStartOp     = "start"
)

// tcnPaths is the simulator's own convention, the same as the client's
// defaults: the document lost every URL.
func tcnPaths() map[string]string {
	return map[string]string{
		TCNAgentOp:     "/api/v0alpha/p3api/getcurrentagent",
		TCNSettingsOp:  "/api/v0alpha/p3api/gethuntgroupagentsettings",
		TCNSessionOp:   "/api/v1alpha1/asm/asmapi/getcurrentsession",
		TCNCountriesOp: "/api/v0alpha/org/countries/list/get",
		TCNStatusOp:    "/api/v0alpha/acd/agentgetstatus",
		TCNPrepareOp:   "/api/v0alpha/acd/dialmanualprepare",
		TCNScrubOp:     "/api/v0alpha/callqueue/processmanualdialcall",
		TCNCancelOp:    "/api/v0alpha/acd/dialmanualcancel",
		TCNStartOp:     "/api/v0alpha/p3api/manualdialstart",
	}
}

const tcnBodyLimit = 64 << 10

// ServeHTTP implements http.Handler.
func (t *TCN) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, ok := t.paths[r.URL.Path]
	if !ok {
		say(w, refuse(http.StatusNotFound, "no such operation"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, tcnBodyLimit))
	if err != nil {
		say(w, refuse(http.StatusRequestEntityTooLarge, "body too large"))
		return
	}
	x := Exchange{Provider: TCNName, Operation: op, Body: string(body)}
	a := t.authorized(r)
	if a == nil || r.Method != http.MethodPost {
		reply := refuse(http.StatusUnauthorized, "not authenticated")
		if a != nil {
			reply = refuse(http.StatusMethodNotAllowed, "only POST")
		}
		x.Status = reply.Status
		t.sim.Saw(x)
		say(w, reply)
		return
	}
	x.Agent = a.AgentSid
	fields, bad := t.parse(body)
	number := numberIn(fields)
	if number == "" {
		number = t.numberOf(a)
	}
	f, _ := t.sim.Faults.Take(TCNName, op, a.AgentSid, number)
	turn := 0
	t.sim.Play(w, r, x, f, func() Reply {
		turn++
		if bad != nil {
			return *bad
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if turn > 1 && op == TCNStartOp {
			return t.startAgain(a)
		}
		return t.do(op, a, fields)
	})
}

// authorized finds the agent of the bearer token.
func (t *TCN) authorized(r *http.Request) *tcnAgent {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(func(a *tcnAgent) bool {
		return subtle.ConstantTimeCompare([]byte(a.Token), []byte(token)) == 1
	})
}

// parse reads a body as an object; in the JSONC mode comments and trailing
// commas are taken out first.
func (t *TCN) parse(body []byte) (map[string]json.RawMessage, *Reply) {
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

func (t *TCN) numberOf(a *tcnAgent) string {
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

func (t *TCN) do(op string, a *tcnAgent, fields map[string]json.RawMessage) Reply {
	switch op {
	case TCNAgentOp:
		return t.currentAgent(a)
	case TCNSettingsOp:
		return t.groupSettings(fields)
	case TCNSessionOp:
		return t.session(a)
	case TCNCountriesOp:
		return Reply{Status: http.StatusOK, Body: tcnCountriesSample}
	case TCNStatusOp:
		return t.status(a, asText(fields["sessionSid"]))
	case TCNPrepareOp:
		return t.prepare(a, asText(fields["sessionSid"]))
	case TCNScrubOp:
		return t.scrub(a, fields)
	case TCNCancelOp:
		return t.cancel(a, asText(fields["sessionSid"]))
	default:
		return t.start(a, fields)
	}
}

// refuse is an error answer. Its form is the simulator's own: the document
// shows none.
func refuse(status int, message string) Reply {
	return jsonReply(status, map[string]any{"code": status, "message": message, "details": []any{}})
}

func jsonReply(status int, v any) Reply {
	b, err := json.Marshal(v)
	if err != nil {
		return Reply{Status: http.StatusInternalServerError, Body: []byte(`{}`)}
	}
	return Reply{Status: status, Body: b}
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
