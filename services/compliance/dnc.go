package compliance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// The company do-not-call list. Shapes, statuses and messages are those of the
// UJET / Google CCAI Platform document, section "DNC": an add always answers
// item by item, in the order of the request, and says what became of each.

// A DNCContact is one number to add.
type DNCContact struct {
	PhoneNumber string `json:"phone_number"`
	ExpiresAt   string `json:"expires_at,omitempty"` // "2006-01-02 15:04:05 UTC", a numeric offset for UTC, or RFC 3339; absent: never
}

// A DNCResult is what became of one number.
type DNCResult struct {
	DNCContact
	Error   string `json:"error,omitempty"`
	Status  string `json:"status"`            // created, updated, kept, removed, not_listed, failed
	Message string `json:"message,omitempty"` // what else is to be known: an extension was left out, a stricter entry stands
}

// Statuses of an item. The document has the first two and failed.
const (
	dncCreated   = "created"
	dncUpdated   = "updated"
	dncKept      = "kept" // what stood was stricter, and stands
	dncRemoved   = "removed"
	dncNotListed = "not_listed"
	dncFailed    = "failed"
)

// Messages of the document, character for character. What the document does
// not tell apart follows behind a colon.
const (
	dncPast      = "expires_at cannot be past date/time"
	dncInvalid   = "phone_number is invalid"
	dncEmergency = "emergency phone number is not allowed"
	// Not in the document, which prints none for a time it cannot read.
	dncBadTime = "expires_at is not a date/time with UTC or a numeric offset"
	dncShape   = dncInvalid + ": the item is not what this command takes"
	dncLapses  = "expires_at is not allowed on a consumer's own request"
	dncAnswer  = "it stands by the consumer's own request: removing it needs by and reason"
)

// maxDNC is how many numbers one command may carry.
const maxDNC = 1000

// who says who gives a command, and why.
type who struct {
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (w who) said() who { return w }

// dncAdd, dncRemove and dncCheck are the bodies of the commands.
// Each item of a list is read by itself, so that one of a wrong shape fails
// alone.
type dncAdd struct {
	Contacts []json.RawMessage `json:"contacts"`         // of DNCContact
	Origin   string            `json:"origin,omitempty"` // company (default) or consumer
	who
}

type dncRemove struct {
	PhoneNumbers []json.RawMessage `json:"phone_numbers"` // of text
	who
}

type dncCheck struct {
	PhoneNumber string `json:"phone_number"`
}

// DNCStatus is the answer to a check. The document's own answer writes
// expired_at where the add writes expires_at; so do we.
type DNCStatus struct {
	PhoneNumber string  `json:"phone_number"`
	DoNotCall   bool    `json:"do_not_call"`
	ExpiredAt   *string `json:"expired_at,omitempty"`
	Message     string  `json:"message,omitempty"` // how the number was read, where that can surprise
}

// listNumber reads a number for the list. A suppression list takes every
// plausible number, assigned or not: refusing to suppress helps nobody. It never
// takes one that is not what was written, because that suppresses somebody else.
func listNumber(raw, home string) (n events.WrittenNumber, why string) {
	if digits, _, err := events.NumberDigits(raw); err == nil && slices.Contains([]string{"911", "112", "999", "000"}, digits) {
		return n, dncEmergency
	}
	n, err := events.ReadNumber(raw, home)
	switch {
	case errors.Is(err, events.ErrNoNumber):
		return n, dncInvalid
	case err != nil:
		return n, dncInvalid + ": " + err.Error()
	}
	return n, ""
}

// understood tells how a number was read, where that can surprise.
func understood(n events.WrittenNumber) string {
	extension, abroad := "", ""
	if n.Extension {
		extension = "the extension is left out: the entry is the main number's"
	}
	if n.Abroad != 0 {
		abroad = fmt.Sprintf("read as an international number of country code %d", n.Abroad)
	}
	return also(extension, abroad)
}

func (s *Service) addDNC(ctx context.Context, t tenants.Tenant, in dncAdd) ([]DNCResult, error) {
	if len(in.Contacts) == 0 || len(in.Contacts) > maxDNC {
		return nil, api.BadRequest("contacts must hold 1 to 1000 entries")
	}
	if in.Origin = cmp.Or(in.Origin, OriginCompany); in.Origin != OriginCompany && in.Origin != OriginConsumer {
		return nil, api.BadRequest("origin is not known", events.Fault{Pointer: "/origin", Code: "unknown_origin", Message: "it is company or consumer"})
	}
	out, tokens := make([]DNCResult, 0, len(in.Contacts)), make([]string, len(in.Contacts))
	all := map[string]bool{}
	var failed error
	for i, raw := range in.Contacts {
		r, number, err := s.addOne(ctx, t, in, raw)
		if failed = err; err != nil {
			break // what is on the list by now reaches the calls all the same
		}
		if out = append(out, r); number != "" {
			tokens[i] = t.Key.NumberToken(number)
			all[tokens[i]] = true
		}
	}
	met, err := s.optOut(ctx, t, all)
	if failed != nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	for i, token := range tokens {
		if token != "" {
			out[i].Message = also(out[i].Message, met.says(token))
		}
	}
	return out, nil
}

func also(says, more string) string {
	if says == "" || more == "" {
		return says + more
	}
	return says + "; " + more
}

// item reads one item of a list. Why it cannot be read repeats nothing of it.
func item[T any](raw json.RawMessage) (v T, why string) {
	v, err := api.Decode[T](raw)
	if err == nil {
		return v, ""
	}
	if e, ok := errors.AsType[*api.Error](err); ok && slices.ContainsFunc(e.Faults, func(f events.Fault) bool {
		return f.Code == events.FaultUnknownField || f.Code == events.FaultDuplicateKey
	}) {
		return v, dncInvalid + ": " + e.Message
	}
	return v, dncShape
}

// addOne puts one number on the list. number is "" if it was not put there.
func (s *Service) addOne(ctx context.Context, t tenants.Tenant, in dncAdd, raw json.RawMessage) (out DNCResult, number string, err error) {
	c, shape := item[DNCContact](raw)
	if shape != "" {
		return DNCResult{Error: shape, Status: dncFailed}, "", nil
	}
	out = DNCResult{DNCContact: c, Status: dncFailed}
	read, why := listNumber(c.PhoneNumber, t.HomeRegion())
	until, ok := readExpiry(c.ExpiresAt)
	switch {
	case why != "":
		out.Error = why
	case !ok:
		out.Error = dncBadTime
	case until != nil && !until.After(s.Now()):
		out.Error = dncPast
	case until != nil && in.Origin == OriginConsumer:
		// A consumer's own request binds for years; it must not lapse.
		out.Error = dncLapses
	}
	if out.Error != "" {
		return out, "", nil
	}
	out.Message = understood(read)
	add := entry{in.Origin, until}
	was, put, err := s.change(ctx, t, read.E164, func(stands entry) (*events.Fact, error) {
		if add.weaker(stands) {
			return nil, nil
		}
		return &events.Fact{Listed: true, ExpiresAt: until, Origin: in.Origin, By: in.By, Reason: in.Reason}, nil
	})
	switch {
	case err != nil:
		return out, "", err
	case !put:
		out.Status, out.Message = dncKept, also(out.Message, was.says())
	case was.listed():
		out.Status = dncUpdated
	default:
		out.Status = dncCreated
	}
	return out, read.E164, nil
}

// mostRaces is how often a change is decided anew because somebody else's came
// first.
const mostRaces = 64

// change decides about a number's entry on what stands and stores the decision
// over nothing else, so that of two changes at once neither undoes the other
// unseen. It returns what stood, and whether anything was stored.
func (s *Service) change(ctx context.Context, t tenants.Tenant, number string, decide func(entry) (*events.Fact, error)) (entry, bool, error) {
	token := t.Key.NumberToken(number)
	for range mostRaces {
		fact, seq, err := s.Facts.Fact(ctx, t.Name, FactDNC, token)
		if err != nil {
			return entry{}, false, err
		}
		stands := readEntry(fact, s.Now())
		f, err := decide(stands)
		if f == nil || err != nil {
			return stands, false, err
		}
		f.Kind, f.Masked, f.At = FactDNC, events.Mask(number), s.Now()
		err = s.Facts.PutFact(ctx, t.Name, FactDNC, token, *f, seq)
		if err != nil && fault.Code(err) == "conflict" {
			continue
		}
		return stands, err == nil, err
	}
	return entry{}, false, fault.New(fault.Transient, "store fact", "conflict", nil)
}

func (s *Service) removeDNC(ctx context.Context, t tenants.Tenant, in dncRemove) ([]DNCResult, error) {
	if len(in.PhoneNumbers) == 0 || len(in.PhoneNumbers) > maxDNC {
		return nil, api.BadRequest("phone_numbers must hold 1 to 1000 entries")
	}
	out := make([]DNCResult, 0, len(in.PhoneNumbers))
	for _, raw := range in.PhoneNumbers {
		r, err := s.removeOne(ctx, t, in.who, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *Service) removeOne(ctx context.Context, t tenants.Tenant, by who, raw json.RawMessage) (DNCResult, error) {
	written, shape := item[string](raw)
	if shape != "" {
		return DNCResult{Error: shape, Status: dncFailed}, nil
	}
	out := DNCResult{DNCContact: DNCContact{PhoneNumber: written}, Status: dncFailed}
	number, why := listNumber(written, t.HomeRegion())
	if why == "" && number.Extension {
		// Who takes an extension off the list does not speak for the main number.
		why = dncInvalid + ": an extension has no entry of its own, name the main number"
	}
	if out.Error = why; why != "" {
		return out, nil
	}
	unanswered := strings.TrimSpace(by.By) == "" || strings.TrimSpace(by.Reason) == ""
	var rung bool
	was, put, err := s.change(ctx, t, number.E164, func(stands entry) (*events.Fact, error) {
		switch {
		case !stands.listed(), stands.consumer() && unanswered:
			return nil, nil
		case stands.consumer() && !rung:
			// The alarm first: no such entry goes without one.
			rung = true
			if err := s.ring(ctx, t, number.E164, by); err != nil {
				return nil, err
			}
		}
		return &events.Fact{Origin: stands.origin, By: by.By, Reason: by.Reason}, nil
	})
	switch {
	case err != nil:
		return DNCResult{}, err
	case put:
		out.Status = dncRemoved
	case was.listed():
		out.Error = dncAnswer
	default:
		out.Status = dncNotListed
	}
	out.Message = understood(number)
	return out, nil
}

// ring tells those on duty that somebody takes back a consumer's own request.
func (s *Service) ring(ctx context.Context, t tenants.Tenant, number string, by who) error {
	return s.Notes.Ops(ctx, events.Ops{Event: "alarm", Service: "compliance", Tenant: t.Name, What: "consumer_entry_removed",
		By: by.By, Reason: by.Reason, Details: map[string]string{"entry": t.Key.NumberToken(number)}, At: s.Now()})
}

func (s *Service) checkDNC(ctx context.Context, t tenants.Tenant, in dncCheck) (DNCStatus, error) {
	number, why := listNumber(in.PhoneNumber, t.HomeRegion())
	if why != "" {
		return DNCStatus{}, api.BadRequest(why, events.Fault{Pointer: "/phone_number", Code: "invalid", Message: why})
	}
	f, _, err := s.Facts.Fact(ctx, t.Name, FactDNC, t.Key.NumberToken(number.E164))
	if err != nil {
		return DNCStatus{}, err
	}
	stands := readEntry(f, s.Now())
	out := DNCStatus{PhoneNumber: in.PhoneNumber, DoNotCall: stands.listed(), Message: understood(number)}
	if stands.until != nil {
		text := stands.until.UTC().Format(dncTime)
		out.ExpiredAt = &text
	}
	return out, nil
}
