package compliance

import (
	"context"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/api"
	"github.com/outdial/outdial/pkg/directory"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// The company do-not-call list. Shapes, statuses and messages are those of the
// UJET / Google CCAI Platform document, section "DNC": an add always answers
// item by item, in the order of the request, and says what became of each.

// A DNCContact is one number to add.
type DNCContact struct {
	PhoneNumber string `json:"phone_number"`
	ExpiresAt   string `json:"expires_at,omitempty"` // "2006-01-02 15:04:05 UTC" or RFC 3339; absent: never
}

// A DNCResult is what became of one number.
type DNCResult struct {
	DNCContact
	Error  string `json:"error,omitempty"`
	Status string `json:"status"` // created, updated, removed, not_listed, failed
}

// Messages of the document, character for character.
const (
	dncPast      = "expires_at cannot be past date/time"
	dncInvalid   = "phone_number is invalid"
	dncEmergency = "emergency phone number is not allowed"
	// Not in the document, which prints none for a time it cannot read.
	dncBadTime = "expires_at is not a date/time"
)

// maxDNC is how many numbers one command may carry.
const maxDNC = 1000

// dncAdd, dncRemove and dncCheck are the bodies of the commands.
type dncAdd struct {
	Contacts []DNCContact `json:"contacts"`
	By       string       `json:"by,omitempty"`
	Origin   string       `json:"origin,omitempty"` // company (default) or consumer
}

type dncRemove struct {
	PhoneNumbers []string `json:"phone_numbers"`
	By           string   `json:"by,omitempty"`
	Reason       string   `json:"reason,omitempty"`
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
}

const dncTime = "2006-01-02 15:04:05.999999999 -0700"

// dncExpiry reads the layouts that the document prints, and RFC 3339.
func dncExpiry(s string) (*time.Time, bool) {
	if strings.TrimSpace(s) == "" {
		return nil, true
	}
	for _, layout := range []string{"2006-01-02 15:04:05 MST", dncTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return &t, true
		}
	}
	return nil, false
}

// listNumber brings a number into E.164 for the list. A suppression list takes
// every plausible number, assigned or not: refusing to suppress helps nobody.
func listNumber(raw, home string) (number, why string) {
	switch strings.Trim(raw, "+ ") {
	case "911", "112", "999", "000":
		return "", dncEmergency
	}
	number, ok := events.E164(raw, home)
	if !ok {
		return "", dncInvalid
	}
	return number, ""
}

func (s *Service) addDNC(ctx context.Context, t directory.Tenant, in dncAdd) ([]DNCResult, error) {
	if len(in.Contacts) == 0 || len(in.Contacts) > maxDNC {
		return nil, api.BadRequest("contacts must hold 1 to 1000 entries")
	}
	out := make([]DNCResult, 0, len(in.Contacts))
	for _, c := range in.Contacts {
		r, err := s.addOne(ctx, t, in, c)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *Service) addOne(ctx context.Context, t directory.Tenant, in dncAdd, c DNCContact) (DNCResult, error) {
	failed := func(why string) (DNCResult, error) { return DNCResult{c, why, "failed"}, nil }
	number, why := listNumber(c.PhoneNumber, t.HomeRegion())
	if why != "" {
		return failed(why)
	}
	until, ok := dncExpiry(c.ExpiresAt)
	switch {
	case !ok:
		return failed(dncBadTime)
	case until != nil && !until.After(s.Now()):
		return failed(dncPast)
	case until != nil && in.Origin == "consumer":
		// A consumer's own request binds for years; it must not lapse.
		return failed("expires_at is not allowed on a consumer's own request")
	}
	was, err := s.put(ctx, t, number, events.Fact{Kind: FactDNC, Listed: true, ExpiresAt: until,
		Origin: in.Origin, By: in.By, Masked: events.Mask(number), At: s.Now()})
	if err != nil {
		return DNCResult{}, err
	}
	if err := s.optOut(ctx, t, number); err != nil {
		return DNCResult{}, err
	}
	if was {
		return DNCResult{c, "", "updated"}, nil
	}
	return DNCResult{c, "", "created"}, nil
}

// put stores a fact over whatever is on record, and says whether the number
// was listed before.
func (s *Service) put(ctx context.Context, t directory.Tenant, number string, f events.Fact) (bool, error) {
	token := t.Key.NumberToken(number)
	for range 8 {
		old, seq, err := s.Facts.Fact(ctx, t.Name, FactDNC, token)
		if err != nil {
			return false, err
		}
		err = s.Facts.PutFact(ctx, t.Name, FactDNC, token, f, seq)
		if fault.Code(err) == "conflict" && err != nil {
			continue
		}
		listed := old.Listed && (old.ExpiresAt == nil || old.ExpiresAt.After(s.Now()))
		return listed, err
	}
	return false, fault.New(fault.Transient, "store fact", "conflict", nil)
}

func (s *Service) removeDNC(ctx context.Context, t directory.Tenant, in dncRemove) ([]DNCResult, error) {
	if len(in.PhoneNumbers) == 0 || len(in.PhoneNumbers) > maxDNC {
		return nil, api.BadRequest("phone_numbers must hold 1 to 1000 entries")
	}
	out := make([]DNCResult, 0, len(in.PhoneNumbers))
	for _, raw := range in.PhoneNumbers {
		c := DNCContact{PhoneNumber: raw}
		number, why := listNumber(raw, t.HomeRegion())
		if why != "" {
			out = append(out, DNCResult{c, why, "failed"})
			continue
		}
		was, err := s.put(ctx, t, number, events.Fact{Kind: FactDNC, By: in.By, Masked: events.Mask(number), At: s.Now()})
		if err != nil {
			return nil, err
		}
		status := "not_listed"
		if was {
			status = "removed"
		}
		out = append(out, DNCResult{c, "", status})
	}
	return out, nil
}

func (s *Service) checkDNC(ctx context.Context, t directory.Tenant, in dncCheck) (DNCStatus, error) {
	number, why := listNumber(in.PhoneNumber, t.HomeRegion())
	if why != "" {
		return DNCStatus{}, api.BadRequest(why, events.Fault{Pointer: "/phone_number", Code: "invalid", Message: why})
	}
	f, _, err := s.Facts.Fact(ctx, t.Name, FactDNC, t.Key.NumberToken(number))
	if err != nil {
		return DNCStatus{}, err
	}
	out := DNCStatus{PhoneNumber: in.PhoneNumber}
	out.DoNotCall = f.Listed && (f.ExpiresAt == nil || f.ExpiresAt.After(s.Now()))
	if out.DoNotCall && f.ExpiresAt != nil {
		text := f.ExpiresAt.UTC().Format(dncTime)
		out.ExpiredAt = &text
	}
	return out, nil
}
