package clock_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/clock"
)

func TestHowFarClocksAreApartAtTheLeast(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	for story, tc := range map[string]struct {
		took, server, want time.Duration
	}{
		"the same":                           {time.Second, 0, 0},
		"within what the question took":      {5 * time.Second, 4 * time.Second, 0},
		"the server is ahead":                {time.Second, 4 * time.Second, -3 * time.Second},
		"the server is behind":               {time.Second, -4 * time.Second, 4 * time.Second},
		"a long question proves less":        {time.Hour, 4 * time.Second, 0},
		"a server that does not say its own": {0, noon.Sub(time.Time{}), 0},
	} {
		server := noon.Add(tc.server)
		if strings.HasPrefix(story, "a server") {
			server = time.Time{}
		}
		if got := clock.Ahead(noon, noon.Add(tc.took), server); got != tc.want {
			t.Errorf("%s: %s, want %s", story, got, tc.want)
		}
	}
}

// A machine whose clock is minutes off is told so, and which way.
func TestAMachineHearsThatItsClockIsOff(t *testing.T) {
	t.Parallel()
	r := rig(t)
	for off, want := range map[time.Duration]string{0: "", 20 * time.Second: "", 3 * time.Minute: " ahead of", -3 * time.Minute: " behind"} {
		ahead, err := clock.Measure(t.Context(), r.JS, func() time.Time { return time.Now().Add(off) })
		if err != nil {
			t.Fatal(err)
		}
		err = clock.Agree(ahead)
		if errors.Is(err, clock.ErrApart) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s off: %v", off, err)
		}
	}
}
