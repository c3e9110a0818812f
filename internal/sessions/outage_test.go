package sessions_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/test/exams/redistest"
)

// Redis that is gone, silent, loading or read-only costs a worker no more than
// its timeout, and the answer is that nothing is known. (Fault R2.)
func TestRedisThatDoesNotServe(t *testing.T) {
	t.Parallel()
	const atMost = 5 * time.Second // six questions of half a second, and a slow machine
	for story, reply := range map[string]string{
		"silent":    "",
		"loading":   "-LOADING Redis is loading the dataset in memory\r\n",
		"read-only": "-READONLY You can't write against a read only replica.\r\n",
		"nonsense":  "*-7\r\n",
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r := &rig{client: dial(t, "redis://"+answering(t, reply))}
			r.store = sessions.NewRedis(r.client, nil)
			begin := time.Now()
			err := r.use(context.Background())
			if took := time.Since(begin); took > atMost {
				t.Errorf("it took %v", took)
			}
			wantTransient(t, err)
			_, err = r.store.Apply(context.Background(), ready("ann", 1))
			wantTransient(t, err)
			wantTransient(t, r.rebuild())
		})
	}
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		r := &rig{client: dial(t, "unix://"+filepath.Join(t.TempDir(), "nothing"))}
		r.store = sessions.NewRedis(r.client, nil)
		wantTransient(t, r.use(context.Background()))
	})
	t.Run("a caller that cannot wait even so long", func(t *testing.T) {
		t.Parallel()
		r := &rig{client: dial(t, "redis://"+answering(t, ""))}
		r.store = sessions.NewRedis(r.client, nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := r.store.Ready(ctx, "acme", "sales", 9)
		wantTransient(t, err)
	})
}

// answering listens on loopback and gives every line it reads the same reply.
func answering(t *testing.T, reply string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for buf := make([]byte, 4096); ; {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write([]byte(reply)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// What a full Redis does is seen before it is full.
func TestEviction(t *testing.T) {
	t.Parallel()
	client := dial(t, redistest.Start(t))
	for _, tc := range []struct {
		memory, policy string
		bad            bool
	}{
		{"0", "noeviction", false}, {"0", "allkeys-lru", false}, {"100mb", "noeviction", false},
		{"100mb", "volatile-ttl", false}, {"100mb", "allkeys-lru", true}, {"100mb", "allkeys-random", true},
	} {
		for name, value := range map[string]string{"maxmemory": tc.memory, "maxmemory-policy": tc.policy} {
			if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
		policy, err := sessions.Eviction(t.Context(), client)
		if errors.Is(err, sessions.ErrEvicts) != tc.bad || policy != tc.policy {
			t.Errorf("%s with %s: %q, %v", tc.policy, tc.memory, policy, err)
		}
	}
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	if policy, err := sessions.Eviction(t.Context(), client); policy != "" || err != nil {
		t.Errorf("what is forbidden to see: %q, %v", policy, err)
	}
}
