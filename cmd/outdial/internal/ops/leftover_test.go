package ops

import (
	"slices"
	"testing"
)

func TestTheDoctorNamesWhoIsLeftPrepared(t *testing.T) {
	t.Parallel()
	got := leftPrepared("acme", []byte(`{"agents":[
		{"agent":"fine","presence":"ready"},
		{"agent":"break","presence":"not_ready","reason":"paused"},
		{"agent":"shown","presence":"not_ready","reason":"manual_dial_prepared"},
		{"agent":"called","presence":"not_ready","reason":"manual_dial_prepared","claim":{"call":"c1"}},
		{"agent":"healing","presence":"ready","quarantine":{"call":"","reason":"left_prepared"}},
		{"agent":"lost","presence":"ready","quarantine":{"call":"c2","reason":"no_news"}}]}`))
	if !slices.Equal(got, []string{"acme/shown", "acme/healing"}) {
		t.Errorf("named: %v", got)
	}
}
