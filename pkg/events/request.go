package events

import (
	"slices"
	"time"
)

// DialRequest is the data of io.outdial.dial.requested.v1.
type DialRequest struct {
	To         string   `json:"to"`                   // E.164
	Alternates []string `json:"alternates,omitempty"` // E.164, other numbers of the same person
	From       string   `json:"from,omitempty"`       // E.164 caller id, one of the tenant's

	Agent      string `json:"agent,omitempty"`     // exactly one of agent,
	HuntGroup  string `json:"huntGroup,omitempty"` // huntGroup
	Queue      string `json:"queue,omitempty"`     // and queue
	Connection string `json:"connection,omitempty"`

	Campaign  string `json:"campaign,omitempty"`
	Reference string `json:"reference,omitempty"`
	Contact   string `json:"contact,omitempty"`
	Parent    string `json:"parent,omitempty"`
	Priority  int    `json:"priority,omitempty"` // 0-9

	Purpose string `json:"purpose,omitempty"` // telemarketing (default), debt, informational, research
	Seller  string `json:"seller,omitempty"`
	Offer   string `json:"offer,omitempty"`
	Debt    string `json:"debt,omitempty"`
	Mode    string `json:"mode,omitempty"` // manual (default), preview; predictive and prerecorded are refused as yet

	Metadata   []KeyValue `json:"metadata,omitempty"` // order and duplicates are kept
	PostalCode string     `json:"postalCode,omitempty"`
	Region     string     `json:"region,omitempty"`
	TimeZone   string     `json:"timeZone,omitempty"` // IANA, a place

	Consent   *ConsentRef   `json:"consent,omitempty"`
	Ruleset   string        `json:"ruleset,omitempty"`
	Recording *RecordingAsk `json:"recording,omitempty"`
	Overrides []Override    `json:"overrides,omitempty"`

	NotBefore *time.Time     `json:"notBefore,omitempty"`
	ExpiresAt *time.Time     `json:"expiresAt,omitempty"`
	Options   map[string]any `json:"options,omitempty"` // provider-specific extras
}

// Numbers are the person's numbers as the request has them, each once, the one
// to call first.
func (q DialRequest) Numbers() []string {
	out := []string{q.To}
	for _, n := range q.Alternates {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// optionScheduledAt is the option that names the instant at which a provider is to
// call, RFC 3339.
const optionScheduledAt = "scheduledAt"

// ScheduledAt is the instant at which the provider is to call; asked is false
// where the request names none. One that is no instant is the zero time.
func (q DialRequest) ScheduledAt() (at time.Time, asked bool) {
	v, asked := q.Options[optionScheduledAt]
	text, _ := v.(string)
	at, _ = parseTime(text)
	return at, asked
}

// KeyValue is one entry of a request's metadata.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ConsentRef names a consent record.
type ConsentRef struct {
	ID string `json:"id"`
}

// RecordingAsk says whether the call is to be recorded, and by whose leave.
type RecordingAsk struct {
	On         bool   `json:"on"`
	Permission string `json:"permission,omitempty"`
}

// Override asks that a rule's objection be set aside.
type Override struct {
	Rule   string `json:"rule"`
	Agent  string `json:"agent"`
	Reason string `json:"reason"`
}

// Purposes and modes of the vocabulary. Of the modes, ReadRequest takes the
// first two.
const (
	PurposeTelemarketing = "telemarketing"
	PurposeDebt          = "debt"
	PurposeInformational = "informational"
	PurposeResearch      = "research"

	ModeManual      = "manual"
	ModePreview     = "preview"
	ModePredictive  = "predictive"
	ModePrerecorded = "prerecorded"
)
