package log

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Codes of the broker that matter here. A race is answered with either of the
// two sequence codes, depending on replicas and on who noticed.
const (
	errCodeWrongSequence         = 10071
	errCodeWrongSequenceConstant = 10164
	errCodeStoreFailed           = 10077
	errCodeMessageTooLarge       = 10054
	errCodeHeaderTooLarge        = 10097
	errCodeStorageExceeded       = 10047
	errCodeResources             = 10023
	errCodeAccountExceeded       = 10002
)

// Options tune a JetStream log. The zero value is good for production.
type Options struct {
	AckWait  time.Duration // how long an append waits for its acknowledgement; default 5s
	ReadWait time.Duration // how long one read may take; default 5s, which is the most
	Guard    *Guard        // notices a store that went back in time; nil: nobody does
	// Lanes let appends that wait go together; of a stream without one each
	// goes by itself.
	Lanes Lanes
}

func (o Options) withDefaults() Options {
	if o.AckWait <= 0 {
		o.AckWait = 5 * time.Second
	}
	if o.ReadWait <= 0 {
		o.ReadWait = lookTime
	}
	return o
}

// publish sends one message compare-and-set over filter.
type publish func(ctx context.Context, m *nats.Msg, after uint64, filter string) (*jetstream.PubAck, error)

// JetStream is the Leader of the streams CALLS and AGENTS. It is safe for use by
// many goroutines.
type JetStream struct {
	js      jetstream.JetStream
	opts    Options
	publish publish
	batch   func(ctx context.Context, msgs []*nats.Msg) (*jetstreamext.BatchAck, error)
}

var _ Leader = (*JetStream)(nil)

// NewJetStream makes a leader over js. The streams must exist; New does not look.
func NewJetStream(js jetstream.JetStream, o Options) *JetStream {
	l := &JetStream{js: js, opts: o.withDefaults()}
	l.publish = func(ctx context.Context, m *nats.Msg, after uint64, filter string) (*jetstream.PubAck, error) {
		return js.PublishMsg(ctx, m, jetstream.WithExpectLastSequenceForSubject(after, filter))
	}
	l.batch = func(ctx context.Context, msgs []*nats.Msg) (*jetstreamext.BatchAck, error) {
		return jetstreamext.PublishMsgBatch(ctx, js, msgs, jetstreamext.BatchFlowControl{})
	}
	return l
}

// Append implements Leader.
func (l *JetStream) Append(ctx context.Context, d Draft) (Appended, error) {
	derived := d.ID == "" && !once(d)
	d = d.identified()
	ids := []string{d.ID}
	ack, err := l.send(ctx, d)
	if derived {
		second := d.reidentified()
		ids = append(ids, second.ID)
		if err == nil && ack.Duplicate && ack.Sequence <= d.After {
			// The caller had seen this id in the log and still drafts: it is
			// another saying with the same cause, and needs an id of its own.
			d = second
			ack, err = l.send(ctx, d)
		}
	}
	if err == nil && !ack.Duplicate {
		r := d.record()
		r.Seq, r.After = ack.Sequence, d.After
		return Appended{Record: r, Won: true}, nil
	}
	if verdict := refusal(err); verdict != nil {
		return Appended{}, verdict
	}
	return l.readBack(ctx, d, ids, err)
}

// send publishes once. Its errors are the broker's, or faults where nothing
// was sent at all.
func (l *JetStream) send(ctx context.Context, d Draft) (*jetstream.PubAck, error) {
	msg, err := message(d)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, transient("append", CodeUnavailable, err)
	}
	return l.inTurn(ctx, d, msg)
}

// fit says how far a draft's stream is known, if it can be sent now.
func (l *JetStream) fit(ctx context.Context, d Draft) (highest uint64, err error) {
	if l.js.Conn().Status() != nats.CONNECTED {
		// Sent now it would wait in a buffer and arrive when nobody expects
		// it any more.
		return 0, transient("append", CodeUnavailable, errors.New("not connected"))
	}
	highest, err = l.opts.Guard.before(ctx, StreamOf(d.Family))
	if err != nil {
		return 0, err
	}
	return highest, l.opts.Guard.stopped(d)
}

// single publishes one message by itself.
func (l *JetStream) single(ctx context.Context, d Draft, msg *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.AckWait)
	defer cancel()
	highest, err := l.fit(ctx, d)
	if err != nil {
		return nil, err
	}
	ack, err := l.publish(ctx, msg, d.After, d.filter())
	if err != nil {
		return nil, err
	}
	return l.stored(ctx, d, ack, highest)
}

// stored holds an acknowledgement against what was known before.
func (l *JetStream) stored(ctx context.Context, d Draft, ack *jetstream.PubAck, highest uint64) (*jetstream.PubAck, error) {
	if err := l.opts.Guard.after(ctx, StreamOf(d.Family), d.ID, ack, highest); err != nil {
		return nil, err
	}
	return ack, l.opts.Guard.stopped(d) // stored, and by that shown: not won
}

// message encodes a draft for the wire.
func message(d Draft) (*nats.Msg, error) {
	h, data, err := events.EncodeRecord(d.record())
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBody {
		return nil, permanent("append", CodeTooLarge, fmt.Errorf("%d bytes, at most %d", len(data), MaxBody))
	}
	msg := &nats.Msg{Subject: events.AppendPrefix + d.subject(), Header: nats.Header(h), Data: data}
	// Message ids are one name space per stream, so the id alone would let
	// one tenant's event swallow another's.
	msg.Header.Set(nats.MsgIdHdr, d.Tenant+"."+d.Key+"."+d.ID)
	return msg, nil
}

// refusal tells the errors after which the event is certainly not stored and
// reading back cannot help. nil means: read back.
func refusal(err error) error {
	const op = "append"
	if err == nil || isConflict(err) {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case errCodeMessageTooLarge, errCodeHeaderTooLarge:
			return permanent(op, CodeTooLarge, err)
		case errCodeStoreFailed:
			if strings.Contains(api.Description, "per subject") {
				return permanent(op, CodeLogFull, err)
			}
			return transient(op, CodeNoRoom, err)
		case errCodeStorageExceeded, errCodeResources, errCodeAccountExceeded:
			return transient(op, CodeNoRoom, err)
		}
		return transient(op, CodeRefused, err)
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return permanent(op, CodeTooLarge, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, nats.ErrReconnectBufExceeded):
		return transient(op, CodeUnavailable, err)
	}
	return nil
}

func isConflict(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == errCodeWrongSequence || api.ErrorCode == errCodeWrongSequenceConstant)
}

// readBack asks the log what became of a draft whose publish ended in a
// conflict, a duplicate or silence; ids are those it may bear. An event found
// so is appended but never won: another process may have put it there.
func (l *JetStream) readBack(ctx context.Context, d Draft, ids []string, cause error) (Appended, error) {
	// Who was cut short still wants to know, so the read has its own time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opts.ReadWait)
	defer cancel()
	m, err := get(ctx, l.js, StreamOf(d.Family), getRequest{Last: d.filter()})
	switch {
	case errors.Is(err, ErrNone):
		return Appended{}, transient("append", CodeConflict, ErrConflict)
	case err != nil && isConflict(cause):
		return Appended{}, transient("append", CodeUnavailable, err)
	case err != nil:
		return Appended{}, uncertain("append", CodeAppendUnknown, errors.Join(cause, err))
	}
	if r, err := m.record(); err == nil && slices.Contains(ids, r.ID) {
		return Appended{Record: r}, nil
	}
	// An unreadable last event is certainly not ours; whoever reads the log
	// next will say what is wrong with it.
	return Appended{}, transient("append", CodeConflict, ErrConflict)
}
