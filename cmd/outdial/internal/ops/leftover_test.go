package ops

import (
	"encoding/json"
	"slices"
	"testing"
)

// list is a roster in agent.list's own words.
func list(t *testing.T, text string) (l []listed) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheDoctorNamesWhoIsLeftPrepared(t *testing.T) {
	t.Parallel()
	got := leftPrepared("acme", list(t, `[
		{"agent":"fine","presence":"ready"},
		{"agent":"break","presence":"not_ready","reason":"paused"},
		{"agent":"shown","presence":"not_ready","reason":"manual_dial_prepared"},
		{"agent":"called","presence":"not_ready","reason":"manual_dial_prepared","claim":{"call":"c1"}},
		{"agent":"healing","presence":"ready","quarantine":{"call":"","reason":"left_prepared"}},
		{"agent":"lost","presence":"ready","quarantine":{"call":"c2","reason":"no_news"}}]`))
	if !slices.Equal(got, []string{"acme/shown", "acme/healing"}) {
		t.Errorf("named: %v", got)
	}
}
