// Package fault says what may have happened when something failed, so that
// whoever settles a message, a call or a preparation knows whether trying
// again is safe. The code that meets the failure classifies it; the code that
// settles only asks.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Class is a promise about what has happened, not a guess about severity.
type Class int

const (
	// Permanent: nothing happened, and trying again cannot help.
	Permanent Class = iota
	// Transient: nothing happened; trying again is safe.
	Transient
	// Uncertain: something may have happened. Look it up, never try again.
	Uncertain
)

// String names the class as it appears in logs, metrics and REJECTED.
func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Uncertain:
		return "uncertain"
	}
	return fmt.Sprintf("class(%d)", int(c))
}

// An Error is a failure that knows its class. Neither Op nor Code nor the
// text of Err may hold personal data: they end up in logs and metric labels.
type Error struct {
	Class Class
	Op    string        // what was being done, as a verb: "dial", "claim agent"
	Code  string        // stable and countable; becomes a metric label
	After time.Duration // how long to wait before trying again, when known
	Err   error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s (%s)", e.Op, e.Code, e.Class)
	}
	return fmt.Sprintf("%s: %s (%s): %v", e.Op, e.Code, e.Class, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a class.
func New(c Class, op, code string, err error) *Error {
	return &Error{Class: c, Op: op, Code: code, Err: err}
}

// Of returns the class of err. Running out of time is Transient, because
// whoever acts on the world classifies for itself; an error nobody classified
// is Permanent: it is parked where a person sees it, not retried for ever.
func Of(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Transient
	}
	return Permanent
}

// Code returns the stable code of err, or "unclassified".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return "unclassified"
}

// After returns how long the failing side asked us to wait, or def.
func After(err error, def time.Duration) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && e.After > 0 {
		return e.After
	}
	return def
}
