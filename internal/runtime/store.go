package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Ops puts an entry on record in OPS.
func (h *Host) Ops(ctx context.Context, o events.Ops) error {
	o = o.Shown()
	_, _, err := log.Plain(ctx, h.JS, log.Note{
		To: events.OpsSubject(o.Tenant, o.Event), Type: events.TypeOps, Source: events.SourceOf(o.Tenant, h.role),
		About: o.Call, Time: o.At, Body: o,
	})
	return err
}

// Alarm puts an alarm on record in OPS; one with the same id is not noted again
// for two minutes, whichever process notes it.
func (h *Host) Alarm(ctx context.Context, id string, o events.Ops) error {
	return worker.NewRejecter(h.JS, h.role, h.key).Alarm(ctx, id, o)
}

// Fill asks how full streams are.
func (h *Host) Fill(ctx context.Context, names ...string) ([]worker.Filled, error) {
	return worker.Fill(ctx, h.JS, names...)
}

// Raw stores a provider's message as it came and returns its sequence.
func (h *Host) Raw(ctx context.Context, tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	seq, _, err := log.Plain(ctx, h.JS, log.Note{
		To: events.ProviderSubject(tenant, raw.Connection), Type: events.TypeProviderRaw,
		Source: events.SourceOf(tenant, h.role), About: raw.Agent, ID: id, Time: raw.ReceivedAt, Body: raw,
	})
	return seq, err
}

// Cursor is how far a connection's feed was read, "" from its beginning, and the
// place of that word.
func (h *Host) Cursor(ctx context.Context, tenant, connection string) (string, uint64, error) {
	c, seq, err := log.GetControl(ctx, h.JS, events.CursorSubject(tenant, connection))
	if errors.Is(err, log.ErrNone) {
		return "", 0, nil
	}
	return c.Cursor, seq, err
}

// Move says that a feed was read further, if the last word still has the place.
func (h *Host) Move(ctx context.Context, tenant, connection, cursor string, at uint64) error {
	_, err := log.PutControl(ctx, h.JS, events.CursorSubject(tenant, connection), events.SourceOf(tenant, h.role),
		events.Control{Name: connection, Cursor: cursor, At: h.Now()}, at)
	return err
}

// Fact returns the last fact of a kind about a number; sequence 0: none.
func (h *Host) Fact(ctx context.Context, tenant, kind, token string) (events.Fact, uint64, error) {
	f, seq, err := log.NewFacts(h.JS).Guarded(h.past.guard).Get(ctx, tenant, kind, token)
	if errors.Is(err, log.ErrNone) {
		return events.Fact{}, 0, nil
	}
	return f, seq, err
}

// PutFact stores a fact if the last one is still at sequence after.
func (h *Host) PutFact(ctx context.Context, tenant, kind, token string, f events.Fact, after uint64) error {
	_, err := log.NewFacts(h.JS).Guarded(h.past.guard).Put(ctx, tenant, kind, token, h.role, f, after)
	return err
}

// ErrIDReuse says that a request's source and id were used before with another
// body.
var ErrIDReuse = errors.New("source and id were used before with another body")

// Put publishes a dial request on its tenant's stream, as it came, and reports
// whether its call was on record before. call makes the same request sent
// twice one message for a while; the call's identity makes it one call for
// good. digest tells the same request from another one under the same identity.
func (h *Host) Put(ctx context.Context, tenant string, header events.Header, body []byte, call, digest string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	msg := &nats.Msg{Subject: events.RequestSubject(tenant), Header: nats.Header{}, Data: body}
	for k, v := range header {
		msg.Header[k] = v
	}
	c, err := log.Call(ctx, h.Log, tenant, call, 0)
	known := err == nil && c.Request != nil
	if known && c.Request.Digest != digest {
		return true, fault.New(fault.Permanent, "publish request", "id_reuse", ErrIDReuse)
	}
	ack, err := h.JS.PublishMsg(ctx, msg, jetstream.WithMsgID(tenant+"."+call+"."+digest))
	if refused := log.Refused(err); fault.Code(refused) == log.CodeNoRoom {
		return false, refused
	}
	if err != nil {
		return false, fault.New(fault.Transient, "publish request", "unavailable", err)
	}
	return known || ack.Duplicate, nil
}
