package events

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	cespec "github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/outdial/outdial/pkg/events/fault"
)

// The codec between CloudEvents and NATS messages is written here although the
// CloudEvents SDK has one (protocol/nats/v2, protocol/nats_jetstream/v2,
// v2.16.2). That one neither percent-encodes header values nor decodes them,
// writes structured messages without a Content-Type, knows binary messages by
// the lower-case ce-specversion only (sdk-go issues #1334, #1331, #814), and
// publishes without letting the caller set a message id or an expected
// sequence. What fits is used: event, binding, binding/format, binding/spec
// and types. Structured messages are read without the SDK's JSON reader,
// because on foreign bytes it stops in silence at an empty key and panics on
// specversion 0.3 with an empty datacontentencoding.

// A Header is a NATS message's header; nats.Header converts to and from it
// without a copy.
type Header = map[string][]string

const (
	headerPrefix  = "ce-"
	contentType   = "content-type"
	mediaJSON     = "application/json"
	attrType      = "type"
	attrVersion   = "specversion"
	attrMediaType = "datacontenttype"
	attrSource    = "source"
	attrSubject   = "subject"
	attrID        = "id"
	attrTime      = "time"
)

// Encode writes e in binary mode: every attribute is a header ce-<name> with a
// percent-encoded value, the data is the payload. datacontenttype is an
// attribute like any other; there is no bare Content-Type. The keys are lower
// case and the values are what the NATS protocol binding 1.0 asks for. The
// error is Permanent and comes from an event that is not valid. The payload is
// the event's own data, not a copy.
func Encode(e event.Event) (Header, []byte, error) {
	if err := encodable(e); err != nil {
		return nil, nil, err
	}
	h := Header{}
	for _, a := range cespec.V1.Attributes() {
		if v := a.Get(e.Context); v != nil {
			if err := set(h, a.Name(), v); err != nil {
				return nil, nil, err
			}
		}
	}
	for name, v := range e.Extensions() {
		if err := set(h, name, v); err != nil {
			return nil, nil, err
		}
	}
	return h, e.Data(), nil
}

func set(h Header, name string, value any) error {
	s, err := types.Format(value)
	if err != nil {
		return codecFault("encode event", "bad_event", nil)
	}
	h[headerPrefix+name] = []string{percentEncode(s)}
	return nil
}

// EncodeStructured writes e in structured mode: the payload is the whole event
// as JSON, announced by Content-Type: application/cloudevents+json. Data that
// is neither JSON nor text travels as data_base64.
func EncodeStructured(e event.Event) (Header, []byte, error) {
	if err := encodable(e); err != nil {
		return nil, nil, err
	}
	media, _ := e.Context.GetDataMediaType()
	switch {
	case e.DataBase64 || len(e.DataEncoded) == 0:
	case isJSONMedia(media):
		// The SDK copies JSON data as it stands, so broken data would break
		// the envelope.
		if !json.Valid(e.DataEncoded) {
			return nil, nil, codecFault("encode event", "bad_data", nil)
		}
	default:
		e.DataBase64 = !utf8.Valid(e.DataEncoded)
	}
	w := structuredWriter{header: Header{}}
	ctx := binding.WithForceStructured(context.Background())
	if _, err := binding.Write(ctx, binding.ToMessage(&e), &w, nil); err != nil {
		return nil, nil, codecFault("encode event", "bad_event", nil)
	}
	return w.header, w.data, nil
}

// Decode reads an event in either mode. Header keys may have any case; values
// are percent-decoded once. A message without Content-Type and without
// ce-specversion whose payload is a JSON object with a specversion is read as
// structured, so that `nats pub` needs no headers. Only specversion 1.0 is
// known. Errors are Permanent and never quote the message.
func Decode(h Header, data []byte) (event.Event, error) {
	m := open(h, data)
	if len(m.problems) > 0 {
		return event.Event{}, codecFault("decode event", m.problems[0].code, nil)
	}
	return m.event()
}

func (m *message) event() (event.Event, error) {
	if v, _ := m.attrs[attrVersion].(string); v != event.CloudEventsVersionV1 {
		return event.Event{}, codecFault("decode event", "bad_specversion", nil)
	}
	e := event.New()
	for name, value := range m.attrs {
		if name != attrVersion && setAttribute(e.Context, name, value) != nil {
			return event.Event{}, codecFault("decode event", "bad_attribute", nil)
		}
	}
	if len(m.data) > 0 {
		e.DataEncoded = bytes.Clone(m.data)
	}
	e.DataBase64 = m.base64
	if e.Validate() != nil {
		return event.Event{}, codecFault("decode event", "bad_attribute", nil)
	}
	return e, nil
}

func setAttribute(c event.EventContext, name string, value any) error {
	if a := cespec.V1.Attribute(name); a != nil {
		return a.Set(c, value)
	}
	value, err := types.Validate(value)
	if err != nil {
		return err
	}
	return c.SetExtension(name, value)
}

func encodable(e event.Event) error {
	if e.Context == nil || e.SpecVersion() != event.CloudEventsVersionV1 {
		return codecFault("encode event", "bad_specversion", nil)
	}
	if e.Validate() != nil {
		// The SDK's text prints a map, in another order each time, and may
		// quote values; the code says enough.
		return codecFault("encode event", "bad_attribute", nil)
	}
	return nil
}

func codecFault(op, code string, err error) error {
	return fault.New(fault.Permanent, op, code, err)
}

type structuredWriter struct {
	header Header
	data   []byte
}

func (w *structuredWriter) SetStructuredEvent(_ context.Context, f format.Format, r io.Reader) (err error) {
	w.header["Content-Type"] = []string{f.MediaType()}
	w.data, err = io.ReadAll(r)
	return err
}

// message is an event as it came from NATS, in either mode: attributes by
// name without prefix, values decoded.
type message struct {
	attrs    map[string]any // string; int32 or bool for structured extensions
	data     []byte
	hasData  bool
	base64   bool
	problems []problem
}

// percentEncode encodes what the NATS binding says must be: space, double
// quote, percent, and everything outside printable ASCII.
func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }

// percentDecode decodes once. A percent sign that starts no escape stands for
// itself: some SDKs do not encode.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				b.WriteByte(hi<<4 | lo)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
