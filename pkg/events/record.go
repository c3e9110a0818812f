package events

import "time"

// A Record is one event as it stands in a log.
type Record struct {
	Family Family
	Tenant string
	Key    string // the call's id or the agent's token
	Role   Role
	Name   Name
	Seq    uint64    // in the stream
	After  uint64    // Seq of the event before it in its log; 0: it is the first, or its writer did not say
	Stored time.Time // by the server's clock

	ID          string
	Time        time.Time // when it happened, by outdial's clock
	Cause       string    // id of the causing event
	Place       int       // place in the log, from 1 (callsequence)
	TraceParent string
	Body        any // pointer to the typed body, see Spec
}

// Subject is the subject the record is stored under.
func (r Record) Subject() string {
	return LogSubject(r.Family, r.Tenant, r.Key, r.Role, r.Name)
}
