package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// A record is how Redis keeps an agent: what the scripts need, in types that
// Lua keeps exact, and the agent itself for Go. See lua/record.lua.
type record struct {
	Incarnation string   `json:"inc"`
	Seq         string   `json:"seq"`
	Queued      bool     `json:"queued"`
	Groups      []string `json:"groups"`
	Score       string   `json:"score"`
	Claim       string   `json:"claim"`
	Agent       Agent    `json:"agent"`
}

// recordOf makes the record of a canonical agent.
func recordOf(a Agent) record {
	return record{
		Incarnation: a.Incarnation, Seq: seqText(a.Seq), Queued: a.Free(),
		Groups: append([]string{}, a.HuntGroups...), // never null
		Score:  strconv.FormatInt(a.Since.UnixMicro(), 10), Claim: a.Claim, Agent: a,
	}
}

// seqText pads to the longest sequence there can be, so that texts compare as
// the numbers do; Lua's own numbers are exact only up to 2^53.
func seqText(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// write returns the text of the agent's record.
func write(a Agent) (string, error) {
	text, err := json.Marshal(recordOf(a))
	return string(text), err
}

// read returns the agent in a record's text. A text that is not exactly what
// write makes of that agent, or is another agent's, is damaged.
func read(tenant, agent, text string) (Agent, error) {
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Agent{}, errors.New("record is not JSON")
	}
	a, err := r.Agent.canonical()
	if err != nil {
		return Agent{}, errors.New("record holds no proper agent")
	}
	want := recordOf(a)
	if a.Tenant != tenant || a.Agent != agent || !slices.Equal(r.Groups, want.Groups) ||
		r.Incarnation != want.Incarnation || r.Seq != want.Seq || r.Queued != want.Queued ||
		r.Score != want.Score || r.Claim != want.Claim {
		return Agent{}, errors.New("record contradicts itself")
	}
	return a, nil
}
