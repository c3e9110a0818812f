package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
)

// maxLog bounds a read: no sane log is longer, and a walk must end.
const maxLog = 4096

// JetStream's code for "no message found".
const errCodeNoMessage = 10037

// stored is a message as the stream's leader gives it.
type stored struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs,omitempty"`
	Data     []byte    `json:"data,omitempty"`
	Time     time.Time `json:"time"`
}

type getRequest struct {
	Seq  uint64 `json:"seq,omitempty"`
	Last string `json:"last_by_subj,omitempty"`
	Next string `json:"next_by_subj,omitempty"`
}

// get asks the leader for one message. It speaks to the API itself rather than
// through jetstream.Stream, because that one needs the permission to see the
// stream's configuration and would follow it to a replica's stale answer if
// somebody switched direct access on.
func get(ctx context.Context, js jetstream.JetStream, stream string, q getRequest) (stored, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
	}
	body, err := json.Marshal(q)
	if err != nil {
		return stored{}, fmt.Errorf("marshal a read: %w", err)
	}
	msg, err := js.Conn().RequestWithContext(ctx, apiPrefix(js)+"STREAM.MSG.GET."+stream, body)
	if err != nil {
		return stored{}, fmt.Errorf("read from %s: %w", stream, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *stored             `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return stored{}, fmt.Errorf("read from %s: the answer is not JSON", stream)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == errCodeNoMessage:
		return stored{}, ErrNone
	case answer.Error != nil:
		return stored{}, fmt.Errorf("read from %s: %w", stream, answer.Error)
	case answer.Message == nil:
		return stored{}, fmt.Errorf("read from %s: the answer holds no message", stream)
	}
	return *answer.Message, nil
}

func apiPrefix(js jetstream.JetStream) string {
	o := js.Options()
	switch {
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	}
	return jetstream.DefaultAPIPrefix
}

// LastSequence is the sequence of the last message of a stream that matches
// filter, as its leader knows it, or ErrNone.
func LastSequence(ctx context.Context, js jetstream.JetStream, stream, filter string) (uint64, error) {
	m, err := get(ctx, js, stream, getRequest{Last: filter})
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}

// AfterOf is the sequence that an event was appended after, as its writer told
// the broker, which keeps it with the event; 0 for the first, or none.
func AfterOf(h events.Header) uint64 {
	if v := h[jetstream.ExpectedLastSubjSeqHeader]; len(v) > 0 {
		n, _ := strconv.ParseUint(v[0], 10, 64)
		return n
	}
	return 0
}

func (m stored) header() (events.Header, error) {
	if len(m.Header) == 0 {
		return nil, nil
	}
	h, err := nats.DecodeHeadersMsg(m.Header)
	return events.Header(h), err
}

// record decodes an event. What it cannot read is a Permanent fault, so that
// the log it belongs to is held rather than misread.
func (m stored) record() (events.Record, error) {
	const op = "read log"
	h, err := m.header()
	if err != nil {
		return events.Record{}, permanent(op, CodeUndecodable, fmt.Errorf("sequence %d: bad headers", m.Sequence))
	}
	r, err := events.DecodeRecord(m.Subject, h, m.Data)
	if errors.Is(err, events.ErrUnknownEvent) {
		return events.Record{}, permanent(op, CodeUnknownEvent, fmt.Errorf("sequence %d: %w", m.Sequence, err))
	}
	if err != nil {
		return events.Record{}, permanent(op, CodeUndecodable, fmt.Errorf("sequence %d: %w", m.Sequence, err))
	}
	r.Seq, r.Stored, r.After = m.Sequence, m.Time, AfterOf(h)
	return r, nil
}

// fetch is get with a deadline of its own and the classes of this package.
func (l *JetStream) fetch(ctx context.Context, stream string, q getRequest) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.ReadWait)
	defer cancel()
	m, err := get(ctx, l.js, stream, q)
	if err != nil && !errors.Is(err, ErrNone) {
		return m, transient("read log", CodeUnavailable, err)
	}
	return m, err
}

// Last implements Leader.
func (l *JetStream) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	m, err := l.fetch(ctx, StreamOf(f), getRequest{Last: events.LogFilter(f, tenant, key)})
	if err != nil {
		return events.Record{}, err
	}
	return l.record(m)
}

// record decodes an event that was read, and notes its place.
func (l *JetStream) record(m stored) (events.Record, error) {
	r, err := m.record()
	if err == nil {
		l.opts.Guard.seen(StreamOf(r.Family), r.Seq, r.ID)
	}
	return r, err
}

// At implements Leader.
func (l *JetStream) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	if seq == 0 {
		return events.Record{}, ErrNone
	}
	m, err := l.fetch(ctx, StreamOf(f), getRequest{Seq: seq})
	if err != nil {
		return events.Record{}, err
	}
	return l.record(m)
}

// Read implements Leader. A read from a known first sequence is many times
// cheaper, so for a call whose first is not known its last event is asked: every
// event of a call says where the call's log begins.
func (l *JetStream) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	filter := events.LogFilter(f, tenant, key)
	if first == 0 && f == events.CallFamily {
		m, err := l.fetch(ctx, StreamOf(f), getRequest{Last: filter})
		if errors.Is(err, ErrNone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		first = firstOf(m)
	}
	var log []events.Record
	for from := max(first, 1); len(log) < maxLog; {
		m, err := l.fetch(ctx, StreamOf(f), getRequest{Seq: from, Next: filter})
		if errors.Is(err, ErrNone) {
			return log, nil
		}
		if err != nil {
			return nil, err
		}
		r, err := l.record(m)
		if err != nil {
			return nil, err
		}
		log = append(log, r)
		from = m.Sequence + 1
	}
	return nil, permanent("read log", CodeLogFull, fmt.Errorf("more than %d events", maxLog))
}

// firstOf is where the call's log begins, by its last event; 0 = not said.
func firstOf(m stored) uint64 {
	if strings.HasSuffix(m.Subject, "."+string(events.Orchestrator)+"."+string(events.Requested)) {
		return m.Sequence
	}
	var body struct {
		Refs events.Refs `json:"refs"`
	}
	if json.Unmarshal(m.Data, &body) != nil {
		return 0
	}
	return body.Refs.Requested
}
