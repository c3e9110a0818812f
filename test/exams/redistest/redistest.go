// Package redistest gives a test a Redis of its own: a real redis-server on a
// unix socket, empty at the start, keeping nothing, gone at the end. A test may
// flush it as it likes, because nobody else is in it.
package redistest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// patience is how long the server may take to start or to stop. It is far
// beyond the usual 20 ms, for machines that are busy with other tests.
const patience = 20 * time.Second

// keeper runs the server in the background and ends it as soon as its own
// standard input closes, which happens also when the test process is killed:
// no server outlives its test.
const keeper = `trap '' INT; "$@" & pid=$!; read -r line; kill "$pid" 2>/dev/null; wait "$pid"`

// Start starts a redis-server that lives as long as the test and returns its
// URL, good for redis.ParseURL and for `redis.url` in a configuration. Tests
// that want to share one start it in the parent test. A machine without a
// redis-server fails the test, it does not skip it.
func Start(t testing.TB) (url string) {
	t.Helper()
	path, err := redisbin.Find()
	if err != nil {
		t.Fatalf("redistest: %v; run `make redis` (sh deploy/scripts/redis.sh), which needs no root", err)
	}
	// The path of a unix socket is limited to some 100 bytes, which the name
	// of a test in t.TempDir() can exceed.
	short, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	socket := filepath.Join(short, "s")

	var log bytes.Buffer // read only after the process has ended
	args := append([]string{"-c", keeper, "sh", path}, redisbin.Args(t.TempDir(), socket)...)
	cmd := exec.Command("sh", args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.WaitDelay = patience
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	stop := stopper(cmd, alive)
	t.Cleanup(stop)

	url = redisbin.URL(socket)
	if err := await(url); err != nil {
		stop()
		t.Fatalf("redistest: %s does not answer: %v\n%s", path, err, log.String())
	}
	return url
}

// stopper returns what ends the process and waits for its end; it may be
// called twice.
func stopper(cmd *exec.Cmd, alive io.Closer) func() {
	done := false
	return func() {
		if done {
			return
		}
		done = true
		_ = alive.Close()
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // its exit code is that of a server told to stop
		late.Stop()
	}
}

// await pings until the server answers.
func await(url string) error {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	opts.MaxRetries = -1
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
