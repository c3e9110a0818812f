package runtime

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// lines is a log that several may write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// The redis-server of the all-in-one is killed: it comes back, which is said
// once, and nothing is left of it at the end.
func TestARedisChildThatWasKilledIsStartedAgain(t *testing.T) {
	t.Parallel()
	path, err := redisbin.Find()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "r") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	said := &lines{}
	c := &redisChild{path: path, dir: dir, logger: slog.New(slog.NewTextHandler(said, nil))}
	stop, err := c.keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := sessions.Dial(redisbin.URL(c.socket()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Set(t.Context(), "here", "before", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_ = client.ShutdownNoSave(t.Context()).Err() // it answers nothing, because it is gone
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if n, err := client.Exists(t.Context(), "here").Result(); err == nil && n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
	stop()
	if n := strings.Count(said.text.String(), "\n"); n != 1 || !strings.Contains(said.text.String(), "started again") {
		t.Errorf("said %d lines:\n%s", n, said.text.String())
	}
	if _, err := os.Stat(filepath.Join(dir)); !os.IsNotExist(err) {
		t.Errorf("its folder is left behind: %v", err)
	}
}
