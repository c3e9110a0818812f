package demo

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/test/exams/natstest"
)

// a screen keeps what was written to it, and says when a word appears.
type screen struct {
	mu   sync.Mutex
	said strings.Builder
	word string
	seen func()
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.Write(p)
	if strings.Contains(s.said.String(), s.word) {
		s.seen()
	}
	return len(p), nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// Whoever ends the demonstration hears that, no verdict about calls that had no
// time to end, and does not wait for them.
func TestWhoStopsTheDemonstrationHearsThatItWasStopped(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{"as it comes up": "clock", "amid its calls": "dialing"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			stopped := sync.OnceValue(func() time.Time { cancel(); return time.Now() })
			out := &screen{word: word, seen: func() { stopped() }}
			s := &show{Options: Options{Out: out, Pace: time.Second, At: time.Date(2026, 11, 20, 15, 5, 0, 0, time.UTC), Version: "1.0.0"},
				places: places{NATS: natstest.Vacant(t), HTTP: natstest.Vacant(t), TCN: "http://" + natstest.Vacant(t), Dir: t.TempDir()}}
			err := s.whole(ctx)
			took := time.Since(stopped())
			if says := out.text(); !errors.Is(err, ErrStopped) || !strings.Contains(says, "stopped") || strings.Contains(says, "not every call") {
				t.Errorf("%v: %s", err, says)
			}
			if took > 10*time.Second { // two on a machine that does nothing else
				t.Errorf("it took %s to stop", took)
			}
		})
	}
}
