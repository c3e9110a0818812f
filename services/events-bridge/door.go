package bridge

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/outdial/outdial/pkg/directory"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// maxBody is the most a request over HTTP may hold, as on the bus.
const maxBody = 64 << 10

// maxBatch is how many events one batch may hold.
const maxBatch = 256

// Requests puts a dial request on the tenant's stream and says what became of
// it there.
type Requests interface {
	// call is the call's id and digest that of the request: another digest
	// under the same call is Permanent with code id_reuse.
	Put(ctx context.Context, tenant string, h events.Header, body []byte, call, digest string) (duplicate bool, err error)
}

// A Door is the HTTP side of the bridge: dial requests and webhooks.
type Door struct {
	S        *Service
	Requests Requests
	// Check reads a request as the orchestrator will, as far as that can be
	// done here, so that a caller hears every fault at once.
	Check func(tenant string, h events.Header, body []byte) (in events.Intake, faults []events.Fault, who events.Identity)
	// Token gives a tenant's bearer token; a tenant without one has no door.
	Token func(tenant string) (string, bool)
	// Hook gives a connection's webhook token; without one only this machine.
	Hook func(connection string) (string, bool)
}

// Routes registers the door's paths.
func (d *Door) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/dial-requests/{tenant}", d.dialRequests)
	mux.HandleFunc("POST /v1/providers/{connection}/events", d.webhook)
}

// An Accepted is the answer to one dial request.
type Accepted struct {
	Call      string         `json:"call,omitempty"`
	Duplicate bool           `json:"duplicate,omitempty"`
	Faults    []events.Fault `json:"faults,omitempty"`
	Source    string         `json:"requestSource,omitempty"`
	ID        string         `json:"requestId,omitempty"`
}

func (d *Door) dialRequests(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	token, ok := d.Token(tenant)
	if !ok {
		answer(w, http.StatusForbidden, Accepted{Faults: []events.Fault{{Code: "no_door", Message: "no token is configured for this tenant (ingress.tokens), so it has no door here"}}})
		return
	}
	if !bearer(r, token) {
		answer(w, http.StatusUnauthorized, Accepted{Faults: []events.Fault{{Code: "unauthorized", Message: "the tenant's bearer token is needed"}}})
		return
	}
	if _, ok := d.S.Directory.Tenant(tenant); !ok {
		answer(w, http.StatusNotFound, Accepted{Faults: []events.Fault{{Code: "unknown_tenant", Message: "no such tenant"}}})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16*maxBody))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, Accepted{Faults: []events.Fault{{Code: "too_large", Message: "the body is too large"}}})
		return
	}
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/cloudevents-batch") {
		d.batch(w, r, tenant, body)
		return
	}
	out, status := d.one(r.Context(), tenant, headerOf(r), body)
	answer(w, status, out)
}

// batch takes each event of a batch by itself: one bad one harms no other.
func (d *Door) batch(w http.ResponseWriter, r *http.Request, tenant string, body []byte) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || len(all) == 0 {
		answer(w, http.StatusBadRequest, Accepted{Faults: []events.Fault{{Code: "not_a_batch", Message: "a batch is a JSON array of CloudEvents"}}})
		return
	}
	if len(all) > maxBatch {
		answer(w, http.StatusRequestEntityTooLarge, Accepted{Faults: []events.Fault{{Code: "too_large", Message: "a batch holds at most 256 events"}}})
		return
	}
	out := make([]Accepted, 0, len(all))
	seen := map[int]bool{}
	for _, one := range all {
		a, status := d.one(r.Context(), tenant, events.Header{"Content-Type": {"application/cloudevents+json"}}, one)
		out = append(out, a)
		seen[status] = true
	}
	answer(w, together(seen), out)
}

// together is the status of a batch: what all of it has in common, 207 where
// some were taken and some were not, 503 where some are to be sent again.
func together(seen map[int]bool) int {
	switch {
	case seen[http.StatusServiceUnavailable]:
		return http.StatusServiceUnavailable
	case len(seen) > 1:
		return http.StatusMultiStatus
	case seen[http.StatusAccepted]:
		return http.StatusAccepted
	}
	return http.StatusBadRequest
}

func (d *Door) one(ctx context.Context, tenant string, h events.Header, body []byte) (Accepted, int) {
	in, faults, who := d.Check(tenant, h, body)
	if len(faults) > 0 && len(body) > maxBody {
		return Accepted{Faults: faults, Source: who.Source, ID: who.ID}, http.StatusRequestEntityTooLarge
	}
	if len(faults) > 0 {
		return Accepted{Faults: faults, Source: who.Source, ID: who.ID}, http.StatusBadRequest
	}
	dup, err := d.Requests.Put(ctx, tenant, h, body, in.Call, in.Digest)
	if fault.Code(err) == "id_reuse" {
		return Accepted{Faults: []events.Fault{{Pointer: "/ce-id", Code: "id_reuse",
			Message: "this source and id were used before with another body; use a new id for a new request"}}, Source: who.Source, ID: who.ID}, http.StatusBadRequest
	}
	if err != nil {
		d.S.Logger.WarnContext(ctx, "dial request not stored", "code", fault.Code(err))
		return Accepted{Faults: []events.Fault{{Code: "unavailable", Message: "not stored; send it again with the same id"}}}, http.StatusServiceUnavailable
	}
	return Accepted{Call: in.Call, Duplicate: dup}, http.StatusAccepted
}

// headerOf carries the CloudEvents attributes of an HTTP request, and nothing
// else, over to the bus.
func headerOf(r *http.Request) events.Header {
	h := events.Header{}
	for k, v := range r.Header {
		l := strings.ToLower(k)
		if strings.HasPrefix(l, "ce-") || l == "traceparent" {
			h[l] = v
		}
	}
	ct := r.Header.Get("Content-Type")
	if strings.HasPrefix(strings.ToLower(ct), "application/cloudevents") {
		h["Content-Type"] = []string{ct}
	} else if ct != "" {
		h["ce-datacontenttype"] = []string{ct}
	}
	return h
}

// webhook stores a provider's message as it came and answers only then.
func (d *Door) webhook(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("connection")
	token, ok := d.Hook(name)
	if !allowed(r, token, ok) {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	conn, found := connection(d.S.Directory, name)
	if !found || conn.Provider.Reader == nil {
		http.Error(w, "no such connection", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) || len(body) > maxBody/2 {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil || !json.Valid(body) {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	raw := events.ProviderRaw{Connection: name, Via: viaWebhook, ReceivedAt: d.S.Now(), Body: body}
	if _, err := d.S.Store.Raw(r.Context(), conn.Tenant, raw, ""); err != nil {
		http.Error(w, "not stored; send it again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func connection(d *directory.Directory, name string) (directory.Connection, bool) {
	for _, c := range d.Connections() {
		if c.Name == name {
			return c, true
		}
	}
	return directory.Connection{}, false
}

// allowed checks a bearer token; where none is configured, only this machine
// may come, and not by way of a proxy on it.
func allowed(r *http.Request, token string, configured bool) bool {
	if configured {
		return bearer(r, token)
	}
	for _, proxied := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(proxied) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// bearer compares in constant time. An empty secret is no secret.
func bearer(r *http.Request, token string) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
