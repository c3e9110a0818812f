package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
)

// maxLog bounds a read: no sane log is longer, and a walk must end.
const maxLog = 4096

// lookTime bounds one look at one message.
const lookTime = 5 * time.Second

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
}

// get asks the leader for one message. It speaks to the API itself rather than
// through jetstream.Stream, because that one needs the permission to see the
// stream's configuration and would follow it to a replica's stale answer if
// somebody switched direct access on.
//
// However much time the caller has, one look takes no longer than lookTime: the
// client is not told that an answer went down with its server, and would wait
// for it as long as its context lives.
func get(ctx context.Context, js jetstream.JetStream, stream string, q getRequest) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
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
// the broker, which keeps it with the event; 0 for the first of a log, and for
// one whose writer did not say.
func AfterOf(h events.Header) uint64 {
	if v := h[jetstream.ExpectedLastSubjSeqHeader]; len(v) > 0 {
		n, _ := strconv.ParseUint(v[0], 10, 64)
		return n
	}
	return 0
}

// compared says that the writer of an event said which one it follows.
func (m stored) compared() bool {
	h, err := m.header()
	return err == nil && len(h[jetstream.ExpectedLastSubjSeqHeader]) > 0
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

// Read implements Leader. It walks back from the last event: each says which
// one it follows, so that every step is one look at a place that is known. A
// search for what comes next on a call's subjects costs seconds where a
// million calls are kept.
//
// A call of which only the end is left is an error of code "log_cut"; of an
// agent's log the oldest events make room, and what is left is returned.
func (l *JetStream) Read(ctx context.Context, f events.Family, tenant, key string, _ uint64) ([]events.Record, error) {
	m, err := l.fetch(ctx, StreamOf(f), getRequest{Last: events.LogFilter(f, tenant, key)})
	if errors.Is(err, ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var log []events.Record // the last first
	for len(log) < maxLog {
		r, err := l.record(m)
		if err != nil {
			return nil, err
		}
		if r.Tenant != tenant || r.Key != key {
			return nil, permanent("read log", CodeCut, fmt.Errorf("sequence %d is of another log", r.Seq))
		}
		log = append(log, r)
		if r.After > 0 {
			m, err = l.fetch(ctx, StreamOf(f), getRequest{Seq: r.After})
		}
		switch {
		case r.After > 0 && err == nil:
			continue
		case err != nil && !errors.Is(err, ErrNone):
			return nil, err
		case f == events.CallFamily && (r.After > 0 || !m.compared()):
			return nil, permanent("read log", CodeCut, fmt.Errorf("what comes before sequence %d is gone", r.Seq))
		}
		slices.Reverse(log)
		return log, nil
	}
	return nil, permanent("read log", CodeLogFull, fmt.Errorf("more than %d events", maxLog))
}
