// Package log appends to and reads from the two logs that hold the truth:
// the log of one call and the log of one agent.
//
// Every append is compare-and-set over the whole call or agent: the writer says
// which sequence it believes to be the last one, and the broker refuses the
// append when it is not. All writers must use the same filter; one writer with
// another filter, or without any, breaks the promise for everybody.
//
//	Read ─▶ decide ─▶ Append(After: last) ─┬─▶ acknowledged: won
//	  ▲                                    ├─▶ found on read-back: appended, not won
//	  └────────── conflict ◀───────────────┘
//
// Reads go to the stream's leader, never to a replica that may lag.
package log

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Codes of the faults this package makes, for those who settle and count.
const (
	CodeConflict      = "conflict"        // Transient: the log has moved on
	CodeUnavailable   = "log_unavailable" // Transient: certainly nothing stored
	CodeAppendUnknown = "append_unknown"  // Uncertain: maybe stored, could not be read back
	CodeUnknownEvent  = "unknown_event"   // Permanent: the log holds a type nobody here knows
	CodeUndecodable   = "undecodable"     // Permanent: the log holds an event that cannot be read
	CodeCut           = "log_cut"         // Permanent: the beginning of a call's log has aged out
	CodeTooLarge      = "too_large"       // Permanent: above MaxBody or the server's limit
	CodeLogFull       = "log_full"        // Permanent: too many events of one kind on one call
	CodeNoRoom        = "no_room"         // Transient: the stream, or the server's disk, is full
	CodeRefused       = "append_refused"  // Transient: the broker refused for a reason of its own
	CodeWentBack      = "store_went_back" // Transient: the store went back in time; nobody has accepted it yet
)

// MaxBody is the most an event's data may hold, in bytes.
const MaxBody = 64 << 10

// ErrNone says that a log, or a subject, is empty.
var ErrNone = errors.New("nothing stored")

// ErrConflict says that the log has moved on since it was read. It comes
// wrapped in a Transient fault of code "conflict".
var ErrConflict = errors.New("the log has moved on")

// A Draft is an event that somebody wants appended.
type Draft struct {
	Family events.Family
	Tenant string
	Key    string // call id or agent token
	Role   events.Role
	Name   events.Name

	// ID is the event's id. Empty means derived from Cause, type and Key, so
	// that a second run of the same decision says the same thing; dialing and
	// preparing get a random one, because a second run must not be mistaken
	// for the first.
	ID    string
	Cause string // id of the causing event
	Place int    // place in the log, from 1; 0 = not known
	Time  time.Time
	// TraceParent is the W3C trace context; Run fills it when empty.
	TraceParent string
	Body        any // the typed body, or a pointer to it

	// After is the expected last sequence over the whole call or agent; 0
	// means that its log must be empty.
	After uint64
}

// identified returns the draft with an id.
func (d Draft) identified() Draft {
	switch {
	case d.ID != "":
	case once(d):
		d.ID = events.RandomID()
	default:
		d.ID = events.EventID(d.Cause, events.TypeOf(d.Family, d.Name), d.Key)
	}
	return d
}

// once says that the event stands for an act that must not happen twice.
func once(d Draft) bool {
	return d.Family == events.CallFamily && (d.Name == events.Dialing || d.Name == events.Preparing)
}

// Trusts says that the event takes the store at its word, and so waits while
// that is in question: an act that must not happen twice, or an agent set free
// for the end of a call that the store may not know any more.
func (d Draft) Trusts() bool {
	return once(d) || d.Family == events.AgentFamily && d.Name == events.Released
}

// reidentified gives a derived id a second form. One cause may rightly lead to
// the same type of event twice (waiting for an agent, then for a window), and
// the broker's duplicate window would swallow the second; the sequence it
// follows tells the two apart, and is the same on every repetition.
func (d Draft) reidentified() Draft {
	typ := events.TypeOf(d.Family, d.Name)
	d.ID = events.EventID(d.Cause, typ, d.Key+"@"+strconv.FormatUint(d.After, 10))
	return d
}

func (d Draft) filter() string  { return events.LogFilter(d.Family, d.Tenant, d.Key) }
func (d Draft) subject() string { return events.LogSubject(d.Family, d.Tenant, d.Key, d.Role, d.Name) }

func (d Draft) record() events.Record {
	return events.Record{
		Family: d.Family, Tenant: d.Tenant, Key: d.Key, Role: d.Role, Name: d.Name,
		ID: d.ID, Time: d.Time, Cause: d.Cause, Place: d.Place, TraceParent: d.TraceParent,
		Body: pointer(d.Body),
	}
}

// pointer makes a body what a decoded record holds, a pointer.
func pointer(body any) any {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Struct {
		return body
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

// Appended says how an append ended.
type Appended struct {
	// Record is the event as stored; Stored is only known after a read-back.
	Record events.Record
	// Won is true only for a non-duplicate acknowledgement of this very
	// publish. An event found on read-back is in the log, but who put it
	// there is not known: whoever must act once acts only when Won.
	Won bool
}

// A Leader answers for the streams themselves, never for a copy that lags. It is
// narrow so that batching appenders and tests can stand in.
type Leader interface {
	// Append stores the draft if the log still ends at d.After. Its errors
	// are faults with the codes of this package.
	Append(ctx context.Context, d Draft) (Appended, error)
	// Read returns the whole log in order. An empty log is not an error; a
	// call's log of which only the end is left is one. first is not needed
	// any more.
	Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error)
	// Last returns the last event, or ErrNone.
	Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error)
	// At returns the event at a sequence of the family's stream, or ErrNone.
	At(ctx context.Context, f events.Family, seq uint64) (events.Record, error)
}

// StreamOf is the stream that holds a family's logs.
func StreamOf(f events.Family) string {
	if f == events.AgentFamily {
		return events.StreamAgents
	}
	return events.StreamCalls
}

func transient(op, code string, err error) error { return fault.New(fault.Transient, op, code, err) }
func permanent(op, code string, err error) error { return fault.New(fault.Permanent, op, code, err) }
func uncertain(op, code string, err error) error { return fault.New(fault.Uncertain, op, code, err) }
