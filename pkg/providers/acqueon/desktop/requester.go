package desktop

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// Headers of a request over NATS and of its answer.
const (
	HeaderAttempt  = "Outdial-Attempt"
	HeaderNotAfter = "Outdial-Not-After" // RFC 3339 with nanoseconds
	HeaderResult   = "Outdial-Result"    // acknowledged, permanent, transient, uncertain
	HeaderCode     = "Outdial-Code"      // of the failure
)

const acknowledged = "acknowledged"

// How long the two sides wait. The dialer waits longer than the bridge, so
// that it hears the bridge's word rather than its own clock.
const (
	DefaultReplyTimeout = 8 * time.Second
	DefaultAckTimeout   = 5 * time.Second
)

// A Requester reaches desktops over NATS, whichever bridge holds their
// sockets. It implements providers.Desktop. The request is a core message:
// never stored, never tried again.
type Requester struct {
	NC      *nats.Conn
	Timeout time.Duration    // for the whole exchange; default DefaultReplyTimeout
	Now     func() time.Time // default time.Now
}

var _ providers.Desktop = (*Requester)(nil)

// Send implements providers.Desktop. The agent's session decides: it is the
// one desktop the call was assigned to, and no other gets the request.
func (r *Requester) Send(ctx context.Context, a providers.AgentRef, message []byte, attempt string, notAfter time.Time) error {
	const op = "send to desktop"
	if a.Session == "" {
		return noDesktop()
	}
	for _, token := range []string{a.Tenant, a.Connection, a.Agent, a.Session, attempt} {
		if !events.IsToken(token) {
			return fault.New(fault.Permanent, op, "bad_address", nil)
		}
	}
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	if !now().Before(notAfter) {
		return fault.New(fault.Permanent, op, "late", nil)
	}
	// A connection that is down would keep the request and send it when it is
	// up again, long after we have given an answer.
	if !r.NC.IsConnected() {
		return fault.New(fault.Transient, op, "disconnected", nil)
	}
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Transient, op, "cancelled", err)
	}
	msg := nats.NewMsg(events.WorkspaceSubject(a.Tenant, a.Connection, a.Agent, a.Session))
	msg.Data = message
	msg.Header.Set(HeaderAttempt, attempt)
	msg.Header.Set(HeaderNotAfter, notAfter.UTC().Format(time.RFC3339Nano))
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, DefaultReplyTimeout))
	defer cancel()
	reply, err := r.NC.RequestMsgWithContext(ctx, msg)
	if err != nil {
		return sendFault(op, err)
	}
	return outcome(op, reply)
}

// sendFault says what may have happened when no answer came. Only what the
// client refuses before it writes is certain not to have been sent.
func sendFault(op string, err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fault.New(fault.Transient, op, "no_responders", providers.ErrNoResponders)
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrHeadersNotSupported):
		return fault.New(fault.Permanent, op, "bad_request", err)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		return fault.New(fault.Uncertain, op, "disconnected", err)
	}
	return fault.New(fault.Uncertain, op, "no_reply", err)
}

func outcome(op string, reply *nats.Msg) error {
	code := cmp.Or(reply.Header.Get(HeaderCode), "refused")
	result := reply.Header.Get(HeaderResult)
	if result == acknowledged {
		return nil
	}
	for _, class := range []fault.Class{fault.Permanent, fault.Transient, fault.Uncertain} {
		if result == class.String() {
			return fault.New(class, op, code, nil)
		}
	}
	return fault.New(fault.Uncertain, op, "odd_reply", nil)
}
