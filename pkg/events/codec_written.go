package events

import (
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// A written is a message in the form in which this package writes it: in binary
// mode, its attributes in lower case, each of them once and none that is not
// written here, their values such as nobody encodes, its data JSON. Nearly all that
// a service reads is, and every process reads all of it; whatever differs in the
// least is Decode's, which says of these the same at three times the price.
type written struct {
	version, typ, source, subject, id, time, media     string
	correlation, causation, partition, sequence, trace string

	at time.Time
}

// readWritten reads a header, and says whether it is such a message's.
func readWritten(h Header) (w written, ok bool) {
	for key, values := range h {
		if key == "" || key[0]|0x20 != 'c' {
			continue // the broker's
		}
		field := w.field(key)
		if field == nil || len(values) != 1 || values[0] == "" || !plainText(values[0]) {
			return w, false
		}
		*field = values[0]
	}
	var err error
	w.at, err = types.ParseTime(w.time)
	return w, err == nil && w.version == event.CloudEventsVersionV1 && w.typ != "" && w.source != "" && w.id != "" && w.media == mediaJSON
}

func (w *written) field(key string) *string {
	switch key {
	case headerPrefix + attrVersion:
		return &w.version
	case headerPrefix + attrType:
		return &w.typ
	case headerPrefix + attrSource:
		return &w.source
	case headerPrefix + attrSubject:
		return &w.subject
	case headerPrefix + attrID:
		return &w.id
	case headerPrefix + attrTime:
		return &w.time
	case headerPrefix + attrMediaType:
		return &w.media
	case headerPrefix + ExtCorrelation:
		return &w.correlation
	case headerPrefix + ExtCausation:
		return &w.causation
	case headerPrefix + ExtPartitionKey:
		return &w.partition
	case headerPrefix + ExtSequence:
		return &w.sequence
	case headerPrefix + ExtTraceParent:
		return &w.trace
	}
	return nil
}

// into fills the record of a log's event, and says whether the message is that
// event and agrees with its subject. Why not, Decode finds out.
func (w *written) into(r *Record, typ string) bool {
	key := func(s string) bool { return s == "" || s == r.Key }
	if w.typ != typ || w.source != SourceOf(r.Tenant, r.Role) || w.subject != r.Key || !key(w.correlation) || !key(w.partition) {
		return false
	}
	var err error
	r.Place, err = placeOf(w.sequence)
	r.ID, r.Time, r.Cause, r.TraceParent = w.id, w.at, w.causation, w.trace
	return err == nil && !w.at.IsZero()
}
