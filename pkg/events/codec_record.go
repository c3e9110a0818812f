package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// ErrUnknownEvent says that a log holds an event this program does not know:
// another role, name, type or version. Such a log is held, not skipped.
var ErrUnknownEvent = errors.New("the log holds an event of an unknown type")

// ErrContradiction says that an event's attributes and the subject it is
// stored under disagree, so that one of them lies.
var ErrContradiction = errors.New("the event contradicts its subject")

// Extension attributes on the events of a log.
const (
	ExtCorrelation  = "correlationid" // the call's id
	ExtCausation    = "causationid"   // id of the causing event
	ExtPartitionKey = "partitionkey"  // the call's id or the agent's token
	ExtSequence     = "callsequence"  // place in the log, six digits
	ExtTraceParent  = "traceparent"   // W3C trace context of the start
	ExtExpiryTime   = "expirytime"    // of requests: do not act on it later
)

const maxPlace = 999999

// SourceOf is the CloudEvents source of what a role writes for a tenant.
func SourceOf(tenant string, r Role) string { return "/outdial/" + tenant + "/" + string(r) }

// EncodeRecord writes an event of a call's or an agent's log in binary mode.
// Place 0 means that the place is not known and writes no callsequence. Errors
// are Permanent: the record is not of the vocabulary, or an attribute has
// bytes that not every SDK would carry.
func EncodeRecord(r Record) (Header, []byte, error) {
	const op = "encode record"
	s, ok := Lookup(r.Family, r.Role, r.Name)
	if !ok {
		return nil, nil, codecFault(op, "unknown_event", ErrUnknownEvent)
	}
	if !IsToken(r.Tenant) || !IsToken(r.Key) {
		return nil, nil, codecFault(op, "bad_token", errors.New("tenant or key is not a token"))
	}
	if got := bodyType(r.Body); got != reflect.TypeOf(s.New()) {
		return nil, nil, codecFault(op, "bad_body", fmt.Errorf("body is %v, %s needs %T", got, s.Type(), s.New()))
	}
	if r.Place < 0 || r.Place > maxPlace {
		return nil, nil, codecFault(op, "bad_place", nil)
	}
	e, err := newEvent(s.Type(), SourceOf(r.Tenant, r.Role), r.Key, r.ID, r.Time, r.Body)
	if err != nil {
		return nil, nil, err
	}
	ext := map[string]string{ExtPartitionKey: r.Key, ExtCausation: r.Cause, ExtTraceParent: r.TraceParent}
	if r.Family == CallFamily {
		ext[ExtCorrelation] = r.Key
	}
	if r.Place > 0 {
		ext[ExtSequence] = fmt.Sprintf("%06d", r.Place)
	}
	for name, value := range ext {
		if value == "" {
			continue
		}
		if !plainText(value) {
			return nil, nil, codecFault(op, "bad_attribute", fmt.Errorf("%s is not plain ASCII", name))
		}
		e.SetExtension(name, value)
	}
	return Encode(e)
}

func bodyType(body any) reflect.Type {
	t := reflect.TypeOf(body)
	if t != nil && t.Kind() == reflect.Pointer && reflect.ValueOf(body).IsNil() {
		return nil
	}
	if t != nil && t.Kind() == reflect.Struct {
		return reflect.PointerTo(t)
	}
	return t
}

// EncodePlain writes an event outside the two logs (OPS, REJECTED, FACTS,
// CONTROL, PROVIDER) in binary mode. subject may be empty.
func EncodePlain(typ, source, subject, id string, at time.Time, body any) (Header, []byte, error) {
	e, err := newEvent(typ, source, subject, id, at, body)
	if err != nil {
		return nil, nil, err
	}
	return Encode(e)
}

// AttributeSafe reports whether a text may stand in a CloudEvents attribute as
// we write them: printable ASCII without space, quote and percent.
func AttributeSafe(s string) bool { return s != "" && plainText(s) }

// newEvent is where the house rule for attributes is kept: printable ASCII
// without space, quote or percent, so that SDKs which do not percent-encode
// agree with those that do.
func newEvent(typ, source, subject, id string, at time.Time, body any) (event.Event, error) {
	const op = "encode event"
	for _, a := range []struct{ name, value string }{{attrType, typ}, {"source", source}, {"id", id}} {
		if a.value == "" || !plainText(a.value) {
			return event.Event{}, codecFault(op, "bad_attribute", fmt.Errorf("%s is empty or not plain ASCII", a.name))
		}
	}
	if !plainText(subject) {
		return event.Event{}, codecFault(op, "bad_attribute", errors.New("subject is not plain ASCII"))
	}
	if at.IsZero() {
		return event.Event{}, codecFault(op, "bad_attribute", errors.New("time is not set"))
	}
	data, err := json.Marshal(body)
	if err != nil {
		return event.Event{}, codecFault(op, "bad_body", fmt.Errorf("body %T does not marshal", body))
	}
	e := event.New(event.CloudEventsVersionV1)
	e.SetType(typ)
	e.SetSource(source)
	e.SetSubject(subject)
	e.SetID(id)
	e.SetTime(at.UTC())
	e.SetDataContentType(mediaJSON)
	e.DataEncoded = data
	if len(e.FieldErrors) > 0 {
		return event.Event{}, codecFault(op, "bad_attribute", nil)
	}
	return e, nil
}

func plainText(s string) bool {
	for i := range len(s) {
		if !plain(s[i]) {
			return false
		}
	}
	return true
}

// DecodeRecord reads an event of a log. subject is the one it is stored under,
// with or without AppendPrefix; Seq and Stored are left to the caller, who has
// them from the stream. Unknown fields in the body are tolerated, because a
// newer writer may run beside an older reader; an unknown role, name or type
// is an error that wraps ErrUnknownEvent, and attributes that disagree with the
// subject one that wraps ErrContradiction. All errors are Permanent.
func DecodeRecord(subject string, h Header, data []byte) (Record, error) {
	const op = "decode record"
	f, tenant, key, role, name, ok := ParseLogSubject(subject)
	if !ok || !IsToken(tenant) || !IsToken(key) {
		return Record{}, codecFault(op, "bad_subject", errors.New("not the subject of a log"))
	}
	s, ok := Lookup(f, role, name)
	if !ok {
		return Record{}, codecFault(op, "unknown_event", ErrUnknownEvent)
	}
	e, err := Decode(h, data)
	if err != nil {
		return Record{}, err
	}
	if e.Type() != s.Type() {
		return Record{}, codecFault(op, "unknown_event", ErrUnknownEvent)
	}
	ext := extensions(e.Extensions())
	r := Record{
		Family: f, Tenant: tenant, Key: key, Role: role, Name: name,
		ID: e.ID(), Time: e.Time(), Body: s.New(),
		Cause: ext.text(ExtCausation), TraceParent: ext.text(ExtTraceParent),
	}
	if err := agrees(r, e, ext); err != nil {
		return Record{}, err
	}
	if r.Place, err = placeOf(ext); err != nil {
		return Record{}, err
	}
	if r.Time.IsZero() {
		return Record{}, codecFault(op, "bad_attribute", errors.New("time is missing"))
	}
	if err := decodeData(e, r.Body); err != nil {
		return Record{}, err
	}
	return r, nil
}

func agrees(r Record, e event.Event, ext extensions) error {
	for _, a := range []struct {
		name, got, want string
		must            bool
	}{
		{"source", e.Source(), SourceOf(r.Tenant, r.Role), true},
		{"subject", e.Subject(), r.Key, true},
		{ExtPartitionKey, ext.text(ExtPartitionKey), r.Key, false},
		{ExtCorrelation, ext.text(ExtCorrelation), r.Key, false},
	} {
		if a.got != a.want && (a.must || a.got != "") {
			return codecFault("decode record", "contradiction", fmt.Errorf("%w: %s", ErrContradiction, a.name))
		}
	}
	return nil
}

func placeOf(ext extensions) (int, error) {
	s := ext.text(ExtSequence)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 || n > maxPlace {
		return 0, codecFault("decode record", "bad_attribute", errors.New("callsequence is not a place"))
	}
	return int(n), nil
}

// extensions are an event's, copied out of it once.
type extensions map[string]any

// text reads an extension as text, whatever type its mode gave it.
func (x extensions) text(name string) string {
	switch v := x[name].(type) {
	case string:
		return v
	case int32:
		return strconv.Itoa(int(v))
	}
	return ""
}

func decodeData(e event.Event, into any) error {
	if media := e.DataContentType(); media != "" && media != mediaJSON {
		if base, _, err := mime.ParseMediaType(media); err != nil || !isJSONMedia(base) {
			return codecFault("decode event", "bad_datacontenttype", nil)
		}
	}
	// Numbers inside a request's options stay as they were written: a
	// provider's id may be larger than a float can say. encoding/json quotes
	// the offending value in its errors, so its text stays here.
	dec := json.NewDecoder(bytes.NewReader(e.Data()))
	dec.UseNumber()
	if dec.Decode(into) != nil {
		return codecFault("decode event", "bad_body", nil)
	}
	if _, err := dec.Token(); err != io.EOF { // more than one value
		return codecFault("decode event", "bad_body", nil)
	}
	return nil
}

// DecodeBody reads an event outside the two logs: its body, and the event for
// its attributes. An event of another type than typ is an error that wraps
// ErrUnknownEvent; all errors are Permanent.
func DecodeBody[T any](h Header, data []byte, typ string) (T, event.Event, error) {
	var body T
	e, err := Decode(h, data)
	if err != nil {
		return body, e, err
	}
	if e.Type() != typ {
		return body, e, codecFault("decode event", "unknown_event", ErrUnknownEvent)
	}
	err = decodeData(e, &body)
	return body, e, err
}
