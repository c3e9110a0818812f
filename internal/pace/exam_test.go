package pace_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/test/exams/pacetest"
	"github.com/outdial/outdial/test/exams/redistest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	pacetest.Run(t, func(_ testing.TB, now func() time.Time) pacetest.Subject {
		m := &swapped{pace.NewMemory(now)}
		return pacetest.Subject{Store: m, Empty: func(context.Context) error { m.Store = pace.NewMemory(now); return nil }}
	})
}

type swapped struct{ pace.Store }

func TestRedis(t *testing.T) {
	t.Parallel()
	client := dial(t, redistest.Start(t))
	pacetest.Run(t, func(t testing.TB, now func() time.Time) pacetest.Subject {
		flush := func(ctx context.Context) error { return client.FlushAll(ctx).Err() }
		if err := flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return pacetest.Subject{Store: pace.RedisAt{Client: client, Now: now}, Empty: flush}
	})
}

func dial(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries = -1
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The script and its twin say the same, whatever they are asked, be it by a
// clock that goes back.
func TestTheScriptDecidesAsItsTwin(t *testing.T) {
	t.Parallel()
	client, clock := dial(t, redistest.Start(t)), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	twin, script := pace.NewMemory(now), pace.RedisAt{Client: client, Now: now}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		clock = clock.Add(time.Duration(rng.IntN(300_000)) * time.Microsecond)
		if i%100 == 99 {
			clock = clock.Add(-time.Duration(rng.IntN(20)) * time.Second)
		}
		a := pace.Ask{Tenant: "acme", Connection: "line", Every: pace.Every(1 + rng.IntN(10)), Class: pace.Class(rng.IntN(3))}
		if rng.IntN(4) == 0 {
			a.Ahead = time.Duration(rng.IntN(12_000_000)-2_000_000) * time.Microsecond
		}
		want, _ := twin.Take(t.Context(), a)
		got, err := script.Take(t.Context(), a)
		if err != nil || got != want {
			t.Fatalf("ask %d, %+v: the script says %+v, the twin %+v (%v)", i, a, got, want, err)
		}
	}
}

// By Redis' own clock, and from two processes at once.
func TestTwoProcessesShareARate(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t)
	slots, began := make(chan time.Time, 100), time.Now()
	for range 2 {
		p := pace.NewPacer(pace.NewRedis(dial(t, url)), map[pace.Account]int{{Tenant: "acme", Connection: "line"}: 100}, 2, time.Now)
		for range 50 {
			go func() {
				a := p.Ask(t.Context(), "acme", "line", pace.Dial)
				if !a.Granted {
					t.Errorf("%+v", a)
				}
				slots <- time.Now().Add(a.Wait) // or before: the answer took a while
			}()
		}
	}
	var last time.Time
	for range 100 {
		if s := <-slots; s.After(last) {
			last = s
		}
	}
	if d := last.Sub(began); d < 950*time.Millisecond {
		t.Errorf("100 slots of 100 a second lie within %s", d)
	}
}

// A key of another kind is thrown away, rather than in everybody's way.
func TestADamagedBudgetIsBegunAnew(t *testing.T) {
	t.Parallel()
	client := dial(t, redistest.Start(t))
	if err := client.Set(t.Context(), "outdial:{acme}:pace:line", "spoiled", 0).Err(); err != nil {
		t.Fatal(err)
	}
	a, err := pace.NewRedis(client).Take(t.Context(), pace.Ask{Tenant: "acme", Connection: "line", Every: time.Second})
	if err != nil || !a.Granted {
		t.Errorf("%+v, %v", a, err)
	}
}

// What one question costs: `go test -bench Reserve ./internal/pace`.
func BenchmarkReserve(b *testing.B) {
	p := pace.NewPacer(pace.NewRedis(dial(b, redistest.Start(b))), map[pace.Account]int{{Tenant: "acme", Connection: "line"}: 1_000_000}, 1, time.Now)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begin := time.Now()
		p.Ask(b.Context(), "acme", "line", pace.Dial)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
