package runtime

import (
	"log/slog"
	"os"
	"syscall"
	"testing"

	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// A terminal sends Ctrl-C to its whole foreground group. A child in it would be
// gone before what drains has ended, and be missed with a warning.
func TestACtrlCDoesNotReachTheRedisChild(t *testing.T) {
	t.Parallel()
	path, err := redisbin.Find()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &redisChild{path: path, dir: dir, logger: slog.New(slog.DiscardHandler)}
	cmd, err := c.start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if group, err := syscall.Getpgid(cmd.Process.Pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the child is in group %d, this process in %d (%v)", group, syscall.Getpgrp(), err)
	}
}
