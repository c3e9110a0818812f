package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	quick "github.com/goccy/go-json"
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
	h, data, err := EncodePlain(s.Type(), SourceOf(r.Tenant, r.Role), r.Key, r.ID, r.Time, r.Body)
	if err != nil {
		return nil, nil, err
	}
	ext := [...]struct{ name, value string }{
		{ExtPartitionKey, r.Key}, {ExtCausation, r.Cause}, {ExtTraceParent, r.TraceParent}, {ExtCorrelation, ""}, {ExtSequence, ""},
	}
	if r.Family == CallFamily {
		ext[3].value = r.Key
	}
	if r.Place > 0 {
		ext[4].value = fmt.Sprintf("%06d", r.Place)
	}
	for _, x := range ext {
		if !plainText(x.value) {
			return nil, nil, codecFault(op, "bad_attribute", fmt.Errorf("%s is not plain ASCII", x.name))
		}
		if x.value != "" {
			h[headerPrefix+x.name] = []string{x.value}
		}
	}
	return h, data, nil
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
// CONTROL, PROVIDER) in binary mode, as Encode would. subject may be empty. It keeps
// the house rule for attributes: printable ASCII without space, quote or percent, so
// that SDKs which do not percent-encode agree with those that do.
func EncodePlain(typ, source, subject, id string, at time.Time, body any) (Header, []byte, error) {
	const op = "encode event"
	if !plainText(subject) {
		return nil, nil, codecFault(op, "bad_attribute", errors.New("subject is not plain ASCII"))
	}
	if at.IsZero() {
		return nil, nil, codecFault(op, "bad_attribute", errors.New("time is not set"))
	}
	h := Header{
		headerPrefix + attrVersion: {event.CloudEventsVersionV1}, headerPrefix + attrTime: {types.FormatTime(at)},
		headerPrefix + attrMediaType: {mediaJSON},
	}
	if _, err := url.Parse(source); err != nil {
		return nil, nil, codecFault(op, "bad_attribute", nil)
	}
	for _, a := range [...]struct{ name, value string }{{attrType, typ}, {attrSource, source}, {attrID, id}} {
		if a.value == "" || !plainText(a.value) {
			return nil, nil, codecFault(op, "bad_attribute", fmt.Errorf("%s is empty or not plain ASCII", a.name))
		}
		h[headerPrefix+a.name] = []string{a.value}
	}
	if subject != "" {
		h[headerPrefix+attrSubject] = []string{subject}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, nil, codecFault(op, "bad_body", fmt.Errorf("body %T does not marshal", body))
	}
	return h, data, nil
}

// AttributeSafe reports whether a text may stand in a CloudEvents attribute as
// we write them: printable ASCII without space, quote and percent.
func AttributeSafe(s string) bool { return s != "" && plainText(s) }

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
	r := Record{Family: f, Tenant: tenant, Key: key, Role: role, Name: name, Body: s.New()}
	if w, ok := readWritten(h); !ok || !w.into(&r, s.Type()) {
		var err error
		if data, err = decodeForeign(&r, s.Type(), h, data); err != nil {
			return Record{}, err
		}
	}
	if err := decodeJSON(data, r.Body); err != nil {
		return Record{}, err
	}
	return r, nil
}

// decodeForeign fills a record from a message of any form, and returns its data.
func decodeForeign(r *Record, typ string, h Header, data []byte) ([]byte, error) {
	e, err := Decode(h, data)
	if err != nil {
		return nil, err
	}
	if e.Type() != typ {
		return nil, codecFault("decode record", "unknown_event", ErrUnknownEvent)
	}
	ext := extensions(e.Extensions())
	r.ID, r.Time, r.Cause, r.TraceParent = e.ID(), e.Time(), ext.text(ExtCausation), ext.text(ExtTraceParent)
	if err := agrees(*r, e, ext); err != nil {
		return nil, err
	}
	if r.Place, err = placeOf(ext.text(ExtSequence)); err != nil {
		return nil, err
	}
	if r.Time.IsZero() {
		return nil, codecFault("decode record", "bad_attribute", errors.New("time is missing"))
	}
	return e.Data(), isJSON(e)
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

func placeOf(s string) (int, error) {
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

func isJSON(e event.Event) error {
	if media := e.DataContentType(); media != "" && media != mediaJSON {
		if base, _, err := mime.ParseMediaType(media); err != nil || !isJSONMedia(base) {
			return codecFault("decode event", "bad_datacontenttype", nil)
		}
	}
	return nil
}

// decodeJSON reads one value. encoding/json quotes the offending value in its
// errors, so its text stays here.
func decodeJSON(data []byte, into any) error {
	bad := func() error { return codecFault("decode event", "bad_body", nil) }
	if _, free := into.(*CallRequested); !free {
		// Every process reads every event, so it is read by a library of a third of
		// the price. It reaches around Go's types to be that, so what is to be kept
		// for years is written by the language's own.
		if quick.Unmarshal(data, into) != nil {
			return bad()
		}
		return nil
	}
	// Numbers inside a request's options stay as they were written: a
	// provider's id may be larger than a float can say.
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(into) != nil {
		return bad()
	}
	if _, err := dec.Token(); err != io.EOF { // more than one value
		return bad()
	}
	return nil
}

// DecodeBody reads an event outside the two logs: its body and its id. An event of
// another type than typ is an error that wraps ErrUnknownEvent; all errors are
// Permanent.
func DecodeBody[T any](h Header, data []byte, typ string) (body T, id string, err error) {
	if w, ok := readWritten(h); ok && w.typ == typ {
		if _, err := url.Parse(w.source); err == nil { // else it is refused as ever, below
			err = decodeJSON(data, &body)
			return body, w.id, err
		}
	}
	e, err := Decode(h, data)
	if err != nil {
		return body, "", err
	}
	if e.Type() != typ {
		return body, "", codecFault("decode event", "unknown_event", ErrUnknownEvent)
	}
	if err = isJSON(e); err == nil {
		err = decodeJSON(e.Data(), &body)
	}
	return body, e.ID(), err
}
