package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
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

// HTTPAPI is the HTTP side of the bridge: dial requests and webhooks.
type HTTPAPI struct {
	S        *Service
	Requests Requests
	// Check reads a request as the orchestrator will, as far as that can be
	// done here, so that a caller hears every fault at once.
	Check func(tenant string, h events.Header, body []byte) (in events.Intake, faults []events.Fault, who events.Identity)
	// Token gives a tenant's bearer token; a tenant without one has no door.
	Token func(tenant string) (string, bool)
	// Hook gives the credential of a connection's webhooks; without one only
	// this machine may come.
	Hook func(connection string) (door.Credential, bool)
	// Origins are the pages that may post from a browser, as at the desktops'
	// door.
	Origins []string
}

// Routes registers the door's paths.
func (d *HTTPAPI) Routes(mux *http.ServeMux) {
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

func (d *HTTPAPI) dialRequests(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	if !door.Page(r, d.Origins) {
		d.refused(r, "dial-requests", http.StatusForbidden)
		answer(w, http.StatusForbidden, Accepted{Faults: []events.Fault{{Code: "foreign_page", Message: foreignPage}}})
		return
	}
	if !d.known(tenant, r.Header) {
		d.refused(r, "dial-requests", http.StatusUnauthorized)
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, Accepted{Faults: []events.Fault{{Code: "unauthorized", Message: "the tenant's bearer token (ingress.tokens) is needed"}}})
		return
	}
	body, status := read(w, r, 16*maxBody)
	if status == http.StatusRequestEntityTooLarge {
		answer(w, status, Accepted{Faults: []events.Fault{{Code: "too_large", Message: "the body is too large"}}})
		return
	}
	if status != 0 {
		answer(w, status, Accepted{Faults: []events.Fault{{Code: "incomplete", Message: "the body did not come whole, or not in time"}}})
		return
	}
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/cloudevents-batch") {
		d.batch(w, r, tenant, body)
		return
	}
	out, status := d.one(r.Context(), tenant, headerOf(r), body)
	answer(w, status, out)
}

// foreignPage is what a page hears that may not post here.
const foreignPage = "a browser's page may post here only from an origin listed under workspace.origins"

// known reports whether a request brings the tenant's token. A tenant that does
// not exist, or has no door, is refused as one whose token is not known.
func (d *HTTPAPI) known(tenant string, h http.Header) bool {
	token, _ := d.Token(tenant)
	right := door.Bearer(h, token)
	_, ok := d.S.Directory.Tenant(tenant)
	return right && ok
}

// refused says that somebody was sent away, and nothing that they sent: not
// even the path is anybody's word but theirs.
func (d *HTTPAPI) refused(r *http.Request, at string, status int) {
	d.S.Logger.WarnContext(r.Context(), "refused at a door", "door", at, "status", status)
}

// read reads a body that comes whole, in time and within a limit; any status
// but 0 refuses it. The server's deadline ends a slow one.
func read(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return nil, http.StatusRequestEntityTooLarge
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return body, 0
}

// batch takes each event of a batch by itself: one bad one harms no other.
func (d *HTTPAPI) batch(w http.ResponseWriter, r *http.Request, tenant string, body []byte) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
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
// some were taken and some were not, 503 or 429
// where some are to be sent again.
func together(seen map[int]bool) int {
	switch {
	case seen[http.StatusServiceUnavailable]:
		return http.StatusServiceUnavailable
	case seen[http.StatusTooManyRequests]:
		return http.StatusTooManyRequests
	case len(seen) > 1:
		return http.StatusMultiStatus
	case seen[http.StatusAccepted] || len(seen) == 0: // nothing was asked for, and all of it was taken
		return http.StatusAccepted
	}
	return http.StatusBadRequest
}

func (d *HTTPAPI) one(ctx context.Context, tenant string, h events.Header, body []byte) (Accepted, int) {
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
	if fault.Code(err) == log.CodeNoRoom {
		return Accepted{Faults: []events.Fault{{Code: "quota", Message: "not stored: the tenant's requests of the last days have all the room they may have; send it again later, with the same id"}}}, http.StatusTooManyRequests
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

// webhook stores a provider's message as it came and answers only then. The
// body is read first, because a signature is over it; whether the connection
// exists is told to nobody who may not post for it.
func (d *HTTPAPI) webhook(w http.ResponseWriter, r *http.Request) {
	if !door.Page(r, d.Origins) {
		d.refused(r, "webhook", http.StatusForbidden)
		http.Error(w, foreignPage, http.StatusForbidden)
		return
	}
	body, status := read(w, r, maxBody/2)
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	conn, id, ok := d.sender(r, body)
	if !ok {
		d.refused(r, "webhook", http.StatusUnauthorized)
		w.Header().Add("WWW-Authenticate", "Bearer")
		w.Header().Add("WWW-Authenticate", `Basic realm="outdial"`)
		http.Error(w, "unauthorized: there is no such connection, or its credential (connections.<name>.hook) is missing or wrong; without one only this machine may post", http.StatusUnauthorized)
		return
	}
	if why := noWebhooks(conn); why != "" {
		http.Error(w, why, http.StatusNotFound)
		return
	}
	if !json.Valid(body) {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	if !d.S.rawFits(r.Context(), conn.Tenant, conn.Name, body) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many messages of this connection; send it again", http.StatusTooManyRequests)
		return
	}
	items, err := split(conn, body)
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	for _, item := range items {
		raw := events.ProviderRaw{Connection: conn.Name, Via: viaWebhook, ReceivedAt: d.S.Now(), Body: item}
		own := id
		if len(items) > 1 && id != "" {
			own = events.EventID(id, events.TypeProviderRaw, string(item))
		}
		if _, err := d.S.Store.Raw(r.Context(), conn.Tenant, raw, own); err != nil {
			http.Error(w, "not stored whole; send it again", http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// noWebhooks is why nothing that is posted for a connection can be understood,
// "" if it may be.
func noWebhooks(conn tenants.Connection) string {
	switch p := conn.Provider; {
	case p.Reader == nil:
		return "the connection reads no webhooks"
	case !p.Can.Posts():
		return "the connection reads no webhooks: its kind is asked for each agent's status, and what is posted names no agent"
	}
	return ""
}

// split takes apart what a provider posted, where it posts more than one item at
// once.
func split(conn tenants.Connection, body []byte) ([][]byte, error) {
	if conn.Provider.Hook == nil {
		return [][]byte{body}, nil
	}
	return conn.Provider.Hook.Split(body)
}

// sender finds for whom a request may post. id is that of the message where its
// signature holds the time: the same one again is a repetition or a replay.
func (d *HTTPAPI) sender(r *http.Request, body []byte) (conn tenants.Connection, id string, ok bool) {
	conn, found := connection(d.S.Directory, r.PathValue("connection"))
	credential, configured := d.Hook(conn.Name)
	switch {
	case !found:
		return conn, "", false
	case !configured:
		return conn, "", door.ThisMachine(r)
	case !credential.Admits(r.Header, body, time.Now()):
		return conn, "", false
	}
	if stamp := credential.HMAC.Timestamp; stamp != "" {
		id = events.EventID(conn.Tenant+"\x00"+conn.Name+"\x00"+r.Header.Get(stamp), events.TypeProviderRaw, string(body))
	}
	return conn, id, true
}

func connection(d *tenants.Directory, name string) (tenants.Connection, bool) {
	for _, c := range d.Connections() {
		if c.Name == name {
			return c, true
		}
	}
	return tenants.Connection{}, false
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
