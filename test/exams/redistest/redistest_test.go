package redistest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/test/exams/redistest"
)

func open(t *testing.T, url string) *redis.Client {
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

func TestTwoServersShareNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, b := open(t, redistest.Start(t)), open(t, redistest.Start(t))
	if err := a.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.DBSize(ctx).Result(); err != nil || n != 0 {
		t.Fatalf("the other server has %d keys, %v; want none", n, err)
	}
}

func TestTheServerEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("a test that uses Redis and has a long name, longer than any unix socket's path may be on this system", func(t *testing.T) {
		url = redistest.Start(t)
		if err := open(t, url).Ping(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
	})
	if err := open(t, url).Ping(context.Background()).Err(); err == nil {
		t.Fatal("the server still answers after its test has ended")
	}
}

func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	client := open(t, redistest.Start(t))
	for _, name := range []string{"save", "appendonly"} {
		got, err := client.ConfigGet(context.Background(), name).Result()
		if err != nil || strings.Trim(got[name], " ") != map[string]string{"save": "", "appendonly": "no"}[name] {
			t.Errorf("%s is %q, %v", name, got[name], err)
		}
	}
}
