package worker

import (
	"context"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// Rejecter keeps what the runtime has to tell people.
type Rejecter interface {
	// Reject notes a parked message in REJECTED. payload is only digested,
	// never kept; the note's Digest is filled from it.
	Reject(ctx context.Context, note events.Rejected, payload []byte) error
	// Alarm notes in OPS that somebody has to look.
	Alarm(ctx context.Context, id string, o events.Ops) error
}

// notes is the Rejecter over JetStream.
type notes struct {
	js   jetstream.JetStream
	role events.Role
	key  func(tenant string) (events.Key, bool)
}

// NewRejecter writes to REJECTED and OPS as role. key gives a tenant's key for
// the digest; a tenant without one gets none, since a digest without a key
// could be guessed.
func NewRejecter(js jetstream.JetStream, role events.Role, key func(tenant string) (events.Key, bool)) Rejecter {
	return notes{js, role, key}
}

// Reject implements Rejecter.
func (n notes) Reject(ctx context.Context, note events.Rejected, payload []byte) error {
	k, ok := n.key(note.Tenant)
	if ok {
		note.Digest = k.Digest(payload)
	} else {
		// A subject that names nobody's tenant may name anything.
		note.Tenant = events.AnyTenant
	}
	id := ""
	note = note.Shown()
	if note.Stream != "" {
		id = events.EventID(note.Stream, events.TypeRejected, note.Stage+"."+strconv.FormatUint(note.Sequence, 10))
	}
	_, _, err := log.Plain(ctx, n.js, log.Note{
		To: events.RejectedSubject(note.Tenant, note.Stage), Type: events.TypeRejected,
		Source: events.SourceOf(note.Tenant, n.role), About: note.Call, ID: id, Time: note.At, Body: note,
	})
	return err
}

// Alarm implements Rejecter.
func (n notes) Alarm(ctx context.Context, id string, o events.Ops) error {
	if _, ok := n.key(o.Tenant); !ok {
		o.Tenant = events.AnyTenant
	}
	o = o.Shown()
	_, _, err := log.Plain(ctx, n.js, log.Note{
		To: events.OpsSubject(o.Tenant, o.Event), Type: events.TypeOps,
		Source: events.SourceOf(o.Tenant, n.role), About: o.Call, ID: id, Time: o.At, Body: o,
	})
	return err
}

// tenantOf reads the tenant from the subject of any of our streams, or says
// that it is not known.
func tenantOf(subject string) string {
	p := strings.Split(subject, ".")
	at := 1
	if p[0] == "dial" {
		at = 2
	}
	if len(p) > at && events.IsToken(p[at]) {
		return p[at]
	}
	return events.AnyTenant
}
