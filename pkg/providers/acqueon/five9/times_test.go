package five9

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/outdial/outdial/test/exams/providertest"
)

// Five9 dates nothing, so when the page heard it counts, not when a page that
// was cut off could say so.
func TestTimesAreWhenThePageHeard(t *testing.T) {
	t.Parallel()
	said := func(name string, waited any) []byte {
		return message(t, event(name), func(m object) { m["outdialWaited"] = waited })
	}
	for story, tc := range map[string]struct {
		news [][]byte
		want string
	}{
		"cut off through the whole call": {[][]byte{said("ringing_on_other_side", 170_000), said("talking", 163_000), said("ON_HOLD", 150_000),
			said("talking", 148_000), said("WRAP_UP", 3000), said("finished", nil)}, `"ring":7000,"talk":160000,"hold":2000,"wrap":3000`},
		"what it says of waiting cannot be": {[][]byte{said("talking", -5), said("WRAP_UP", "soon"), said("finished", 1e18)}, `"ring":null,"talk":0,"hold":null,"wrap":0`},
	} {
		_, c := providertest.Replay(t, reader(), view(), tc.news...)
		got, err := json.Marshal(c.Durations(time.Time{}))
		if err != nil || string(got) != `{"queue":0,`+tc.want+`}` {
			t.Errorf("%s: %s, want %s (%v)", story, got, tc.want, err)
		}
	}
}
