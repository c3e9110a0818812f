// Package keycheck keeps a store and its tenants' keys together.
//
// Numbers are known to the log and to the do-not-call list by tokens made with
// the tenant's key. With another key no number on the list is recognised, and
// every one of them may be dialed, without a word. So the stream CONTROL keeps
// a check value of each tenant's key, a keyed digest that reveals nothing;
// every service compares before it does anything, and a different key is
// refused. An older store, which has none, is asked first whether its own
// records were made with the key.
package keycheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A Tenant is whose key is checked.
type Tenant struct {
	Name string
	Key  events.Key
	From string // where the key was read, e.g. {file: ./secrets/acme.key}
}

// Accept is a person's word for keys that the store's own records do not prove.
type Accept struct {
	Tenants []string
	By      string
	Reason  string
}

var (
	// ErrOther says that a store was made with another key.
	ErrOther = errors.New("this is not the key that this store was made with")
	// ErrUnproved says that nothing proves the key to be the store's, and that
	// there is a list to lose if it is not.
	ErrUnproved = errors.New("nothing in this store proves this key to be the one that it was made with")
	// ErrUnrecorded says that no check value is on record yet.
	ErrUnrecorded = errors.New("no check value of the tenant's key is on record")
	// ErrAccept says that an Accept is not one.
	ErrAccept = errors.New("a key is accepted for a tenant of the configuration, by somebody and for a reason")
)

// stake is what is lost with another key, said where one is refused.
const stake = "With a wrong key no number on the do-not-call list is recognised, and all of them may be dialed"

func subject(tenant string) string { return events.ControlSubject(tenant, "key", "check") }

// Check compares the tenants' keys with the check values on record. It only
// reads CONTROL, as every service may. The error names every tenant that is
// refused: ErrOther, or ErrUnrecorded, which `outdial provision` mends.
func Check(ctx context.Context, js jetstream.JetStream, tenants []Tenant) error {
	missing, err := compare(ctx, js, tenants)
	for _, t := range missing {
		err = errors.Join(err, fmt.Errorf("tenants.%s.key: %w; run `outdial provision` first", t.Name, ErrUnrecorded))
	}
	return err
}

// Examine compares as Check does, and asks the store's own records about the
// keys that have no check value yet. It writes nothing; what it returns is for
// Write. Errors are ErrOther, ErrUnproved and ErrAccept, or the store's.
func Examine(ctx context.Context, js jetstream.JetStream, tenants []Tenant, accept Accept) ([]Tenant, error) {
	if err := accept.check(tenants); err != nil {
		return nil, err
	}
	missing, err := compare(ctx, js, tenants)
	for _, t := range missing {
		found, gerr := gather(ctx, js, t)
		if gerr != nil {
			return nil, gerr
		}
		err = errors.Join(err, judge(t, found, slices.Contains(accept.Tenants, t.Name)))
	}
	if err != nil {
		return nil, err
	}
	return missing, nil
}

// Write puts check values on record, each once and for all. Whoever comes
// second with another key is refused with ErrOther.
func Write(ctx context.Context, js jetstream.JetStream, tenants []Tenant, accept Accept) error {
	for _, t := range tenants {
		c := events.Control{Name: "check", Check: t.Key.Check(t.Name), At: time.Now()}
		if slices.Contains(accept.Tenants, t.Name) {
			c.By, c.Reason = accept.By, accept.Reason
		}
		_, err := log.PutControl(ctx, js, subject(t.Name), events.SourceOf(t.Name, events.Operator), c, 0)
		if err != nil && fault.Code(err) != log.CodeConflict {
			return fmt.Errorf("record the check value of tenant %s's key: %w", t.Name, err)
		}
	}
	return Check(ctx, js, tenants)
}

func (a Accept) check(tenants []Tenant) error {
	if len(a.Tenants) > 0 && (strings.TrimSpace(a.By) == "" || strings.TrimSpace(a.Reason) == "") {
		return ErrAccept
	}
	for _, name := range a.Tenants {
		if !slices.ContainsFunc(tenants, func(t Tenant) bool { return t.Name == name }) {
			return fmt.Errorf("%w: there is no tenant %q", ErrAccept, name)
		}
	}
	return nil
}

// compare returns the tenants without a check value, and refuses those who
// have another one.
func compare(ctx context.Context, js jetstream.JetStream, tenants []Tenant) (missing []Tenant, err error) {
	checks := map[string]string{}
	for _, t := range tenants {
		c, _, gerr := log.GetControl(ctx, js, subject(t.Name))
		switch {
		case errors.Is(gerr, log.ErrNone), noStream(gerr):
			missing = append(missing, t)
		case gerr != nil:
			return nil, fmt.Errorf("read the check value of tenant %s's key: %w", t.Name, gerr)
		default:
			checks[t.Name] = c.Check
		}
	}
	for _, t := range tenants {
		if was, ok := checks[t.Name]; ok && !t.Key.Checks(t.Name, was) {
			err = errors.Join(err, fmt.Errorf("tenants.%s.key %s: %w. %s. %s", t.Name, t.From, ErrOther, stake, wayBack(t, checks)))
		}
	}
	return missing, err
}

func noStream(err error) bool { return errors.Is(err, jetstream.ErrStreamNotFound) }

// wayBack says what to do about a wrong key.
func wayBack(t Tenant, checks map[string]string) string {
	for other, check := range checks {
		if other != t.Name && t.Key.Checks(other, check) {
			return "It is the key of tenant " + other + ": put each key back into its place"
		}
	}
	return "Put the old key back there; a tenant's key cannot be changed yet, and a new key needs an empty store"
}
