package rig

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const debug = slog.LevelDebug

// built is where the four binaries are; made once for all tests of a package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "outdial-bin-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-race", "-o", dir + string(os.PathSeparator)}
	for _, s := range Services() {
		args = append(args, "./services/"+s+"/cmd/outdial-"+s)
	}
	cmd := exec.Command("go", args...)
	if cmd.Dir, err = root(); err != nil {
		return dir, err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// Main runs a package's tests and takes the binaries away afterwards.
func Main(m *testing.M, processes bool) int {
	code := m.Run()
	if processes {
		if dir, _ := built(); dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	return code
}

func binaries(t testing.TB) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// root is the repository: the folder with go.work.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.work above this folder")
		}
		dir = up
	}
}

// Root is the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// child is a service as a process of its own.
type child struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{}
	err  error
}

func (r *Rig) child(name string, copy int) service {
	r.t.Helper()
	addr := r.addrs[name][copy]
	cmd := exec.Command(filepath.Join(binaries(r.t), "outdial-"+name), "-c", r.configFile, "-listen", addr)
	cmd.Env = append(os.Environ(), r.environ()...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = r.logs, r.logs, childAttr()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	c := &child{cmd: cmd, addr: addr, done: make(chan struct{})}
	go func() { c.err = cmd.Wait(); close(c.done) }()
	return c
}

func (c *child) ready() bool {
	client := http.Client{Timeout: time.Second}
	res, err := client.Get("http://" + c.addr + "/readyz")
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (c *child) ended() error {
	select {
	case <-c.done:
		return errors.Join(errors.New("the process ended"), c.err)
	default:
		return nil
	}
}

func (c *child) stop(kill bool) {
	if kill {
		_ = c.cmd.Process.Kill()
	} else {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-c.done:
	case <-time.After(2 * soon):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// noRaces fails the test if a process's race detector spoke.
func (r *Rig) noRaces() {
	if s := r.logs.String(); strings.Contains(s, "WARNING: DATA RACE") {
		r.t.Errorf("a process has a data race:\n%s", s[strings.Index(s, "WARNING: DATA RACE"):])
	}
}
