package sessions_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/test/exams/redistest"
	"github.com/outdial/outdial/test/exams/sessionstest"
)

// inMemory and inRedis are the stores as the exam wants them.
type inMemory struct{ *sessions.Memory }

func (s inMemory) Flush(context.Context) error {
	s.Memory.Flush()
	return nil
}

type inRedis struct {
	*sessions.Redis
	client redis.UniversalClient
}

func (s inRedis) Flush(ctx context.Context) error { return s.client.FlushAll(ctx).Err() }

func TestMemory(t *testing.T) {
	t.Parallel()
	sessionstest.Run(t, func(testing.TB) sessionstest.Subject {
		return inMemory{sessions.NewMemory(nil)}
	})
}

// Nothing in the exam damages Redis, so nothing may be found damaged: queues
// and records must agree at every moment, not only after a repair.
func TestRedis(t *testing.T) {
	t.Parallel()
	sessionstest.Run(t, func(t testing.TB) sessionstest.Subject {
		client := dial(t, redistest.Start(t))
		return inRedis{sessions.NewRedis(client, func(kind string) {
			if !strings.HasSuffix(t.Name(), "/known_agents") { // where the log knows more than was applied
				t.Errorf("a sound %s was dropped", kind)
			}
		}), client}
	})
}

func dial(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := sessions.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
