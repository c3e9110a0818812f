package sessions

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A record is how Redis keeps an agent, in types that Lua keeps exact. See
// lua/record.lua.
type record struct {
	Incarnation string   `json:"inc"`
	Seq         string   `json:"seq"`
	Queued      bool     `json:"queued"`
	Groups      []string `json:"groups"`
	Score       string   `json:"score"`
	Claim       string   `json:"claim"`
	// Agent is empty: releases that still kept the whole agent here take a
	// record without it for a damaged one.
	Agent struct{} `json:"agent"`
}

// seqText pads to the longest sequence there can be, so that texts compare as
// the numbers do; Lua's own numbers are exact only up to 2^53.
func seqText(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// write returns the text of a canonical agent's record.
func write(a Agent) (string, error) {
	text, err := json.Marshal(record{
		Incarnation: a.Incarnation, Seq: seqText(a.Seq), Queued: a.Free,
		Groups: append([]string{}, a.HuntGroups...), // never null
		Score:  strconv.FormatInt(a.Since.UnixMicro(), 10), Claim: a.Claim,
	})
	return string(text), err
}
