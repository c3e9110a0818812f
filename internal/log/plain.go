package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A Note is an event outside the two logs: for OPS, REJECTED, PROVIDER, FACTS
// or CONTROL.
type Note struct {
	To     string // the NATS subject, e.g. events.OpsSubject(...)
	Type   string // CloudEvents type, e.g. events.TypeOps
	Source string // events.SourceOf(tenant, role)
	About  string // CloudEvents subject; may be empty
	// ID is the event's id; the broker drops a second note of the same id on
	// the same subject for two minutes. Empty = random.
	ID   string
	Time time.Time
	Body any
}

// Plain publishes a note and returns its sequence in its stream. dup says that
// the same note was there already. Errors are faults: Transient when certainly
// nothing was stored or a repetition with the same ID is harmless.
func Plain(ctx context.Context, js jetstream.JetStream, n Note) (seq uint64, dup bool, err error) {
	return note(ctx, js, n)
}

func note(ctx context.Context, js jetstream.JetStream, n Note, opts ...jetstream.PublishOpt) (uint64, bool, error) {
	if n.ID == "" {
		n.ID = events.RandomID()
	}
	h, data, err := events.EncodePlain(n.Type, n.Source, n.About, n.ID, n.Time, n.Body)
	if err != nil {
		return 0, false, err
	}
	msg := &nats.Msg{Subject: n.To, Header: nats.Header(h), Data: data}
	msg.Header.Set(nats.MsgIdHdr, n.To+"."+n.ID)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ack, err := js.PublishMsg(ctx, msg, opts...)
	if err == nil {
		return ack.Sequence, ack.Duplicate, nil
	}
	if isConflict(err) {
		return 0, false, transient("publish", CodeConflict, errors.Join(ErrConflict, err))
	}
	if verdict := refusal(err); verdict != nil {
		return 0, false, verdict
	}
	return 0, false, transient("publish", CodeAppendUnknown, err)
}

// Refused says what the broker's refusal of a publish means, as a fault; nil
// when it may have been stored all the same.
func Refused(err error) error { return refusal(err) }

// Facts reads and writes what the company knows about numbers.
type Facts struct {
	js    jetstream.JetStream
	guard *Guard
}

// NewFacts makes a reader and writer of the stream FACTS.
func NewFacts(js jetstream.JetStream) *Facts { return &Facts{js: js} }

// Guarded has a guard notice a stream that went back in time.
func (f *Facts) Guarded(g *Guard) *Facts { return &Facts{f.js, g} }

// Get returns the last fact of a kind about a number's token and its sequence,
// or ErrNone. It asks the stream's leader.
func (f *Facts) Get(ctx context.Context, tenant, kind, token string) (events.Fact, uint64, error) {
	fact, seq, id, err := lastBody[events.Fact](ctx, f.js, events.StreamFacts, events.FactSubject(tenant, kind, token), events.TypeFact)
	if err == nil {
		f.guard.seen(events.StreamFacts, seq, id)
	}
	return fact, seq, err
}

// Put stores a fact if the last one about the token still has the sequence
// after (0 = there is none) and returns the new sequence. A conflict is
// Transient with ErrConflict; the same fact put twice is stored once.
func (f *Facts) Put(ctx context.Context, tenant, kind, token string, r events.Role, fact events.Fact, after uint64) (uint64, error) {
	subject := events.FactSubject(tenant, kind, token)
	return putBody(ctx, f.js, f.guard, Note{
		To: subject, Type: events.TypeFact, Source: events.SourceOf(tenant, r), About: token,
		Time: fact.At, Body: fact,
	}, events.StreamFacts, after)
}

// GetControl returns the entry of a control subject and its sequence, or
// ErrNone.
func GetControl(ctx context.Context, js jetstream.JetStream, subject string) (events.Control, uint64, error) {
	c, seq, _, err := lastBody[events.Control](ctx, js, events.StreamControl, subject, events.TypeControl)
	return c, seq, err
}

// PutControl stores an entry of CONTROL if the last one still has the sequence
// after (0 = there is none) and returns the new sequence.
func PutControl(ctx context.Context, js jetstream.JetStream, subject, source string, c events.Control, after uint64) (uint64, error) {
	return putBody(ctx, js, nil, Note{
		To: subject, Type: events.TypeControl, Source: source, About: c.Name, Time: c.At, Body: c,
	}, events.StreamControl, after)
}

// putBody stores a note compare-and-set over its own subject. Its id says what
// it says and after what, so a repetition is recognised.
func putBody(ctx context.Context, js jetstream.JetStream, guard *Guard, n Note, stream string, after uint64) (uint64, error) {
	data, err := json.Marshal(n.Body)
	if err != nil {
		return 0, fmt.Errorf("marshal %T: %w", n.Body, err)
	}
	n.ID = events.EventID(string(data), n.Type, n.To+"@"+strconv.FormatUint(after, 10))
	highest, err := guard.before(ctx, stream)
	if err != nil {
		return 0, err
	}
	seq, dup, err := note(ctx, js, n, jetstream.WithExpectLastSequencePerSubject(after))
	if err == nil {
		return seq, guard.after(ctx, stream, n.ID, &jetstream.PubAck{Sequence: seq, Duplicate: dup}, highest)
	}
	code := fault.Code(err)
	if code != CodeConflict && code != CodeAppendUnknown {
		return 0, err
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, seq, id, rerr := lastBody[json.RawMessage](back, js, stream, n.To, n.Type)
	if rerr == nil && id == n.ID {
		return seq, nil
	}
	return 0, err
}

func lastBody[T any](ctx context.Context, js jetstream.JetStream, stream, subject, typ string) (T, uint64, string, error) {
	const op = "read subject"
	var none T
	m, err := get(ctx, js, stream, getRequest{Last: subject})
	if errors.Is(err, ErrNone) {
		return none, 0, "", err
	}
	if err != nil {
		return none, 0, "", transient(op, CodeUnavailable, err)
	}
	h, err := m.header()
	if err != nil {
		return none, 0, "", permanent(op, CodeUndecodable, errors.New("bad headers"))
	}
	body, id, err := events.DecodeBody[T](h, m.Data, typ)
	if err != nil {
		return none, 0, "", err
	}
	return body, m.Sequence, id, nil
}
