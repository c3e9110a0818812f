package events

import (
	"encoding/json"
	"maps"
)

// Scrub is a provider's own compliance verdict. What it means is the provider's
// to say: the reasons in our vocabulary, the rest in its own words.
type Scrub struct {
	OK bool `json:"ok"`
	// Reasons say why it is no, by the codes of decisions. A no without any is
	// PROVIDER_SCRUB_DENIED.
	Reasons []Reason `json:"reasons,omitempty"`
	// State is the provider's own and nobody else's business: what its start has
	// to repeat, and under VerdictPrefix what each of its partial verdicts said.
	// It never holds the customer's number.
	State map[string]string `json:"state,omitempty"`

	// asWritten is the text of a form that is not written any more: a pass is
	// named by the hash of its body, which must stay what it was.
	asWritten json.RawMessage
}

// VerdictPrefix begins the names in Scrub.State that are partial verdicts, for
// whoever shows them.
const VerdictPrefix = "verdict."

// formerScrub is the form of versions that knew one provider with a scrub.
type formerScrub struct {
	OK           bool              `json:"ok"`
	Reasons      []Reason          `json:"reasons"`
	State        map[string]string `json:"state"`
	Verdicts     map[string]string `json:"verdicts"`
	CallSid      string            `json:"callSid"`
	TaskGroupSid string            `json:"taskGroupSid"`
	StartTime    string            `json:"startTime"`
	Settings     map[string]string `json:"settings"`
}

// UnmarshalJSON reads the former form as well.
func (s *Scrub) UnmarshalJSON(text []byte) error {
	var f formerScrub
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	*s = Scrub{OK: f.OK, Reasons: f.Reasons, State: f.State}
	former := map[string]string{}
	maps.Copy(former, f.Settings)
	for name, id := range map[string]string{"callSid": f.CallSid, "taskGroupSid": f.TaskGroupSid, "startTime": f.StartTime} {
		if id != "" {
			former[name] = id
		}
	}
	for name, v := range f.Verdicts {
		former[VerdictPrefix+name] = v
	}
	if len(former) > 0 {
		s.State, s.asWritten = former, append(json.RawMessage(nil), text...)
	}
	return nil
}

// MarshalJSON writes what was read in the former form as it was.
func (s Scrub) MarshalJSON() ([]byte, error) {
	if s.asWritten != nil {
		return s.asWritten, nil
	}
	type plain Scrub
	return json.Marshal(plain(s))
}
