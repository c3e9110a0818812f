package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// at is the moment that outdial is told it is: day in all of the US.
const at = "2026-11-20T18:00:00Z"

// A subject is one `outdial up` under measurement.
type subject struct {
	o      options
	dir    string
	nats   string // host:port
	watch  string // host:port of the monitoring
	http   []string
	config string
	procs  []*exec.Cmd
	log    *os.File
	nc     *nats.Conn
	js     jetstream.JetStream
}

// world says who is there.
type world struct {
	desktops int
	tcn      int    // agents
	company  string // where the simulated TCN is
	bridges  int    // 2: another process beside the all-in-one's own
}

// freePort finds an address of loopback that nobody listens on.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// newSubject writes a configuration into a folder of its own.
func newSubject(o options, w world) (*subject, error) {
	dir, err := o.store, error(nil)
	if dir == "" {
		dir, err = os.MkdirTemp("", "outdial-bench-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	s := &subject{o: o, dir: dir, nats: freePort(), watch: freePort(), http: []string{freePort(), freePort()}, config: filepath.Join(dir, "outdial.yaml")}
	var b strings.Builder
	fmt.Fprintf(&b, `nats: {listen: %q, monitor: %q, store: %q}
http: {listen: %q}
tenants:
  acme: {countries: [US], ruleset: us-federal, callerIds: ["+18667451900"], key: {file: %q}}
connections:
  desk: {kind: webexcc, tenant: acme}
`, s.nats, s.watch, filepath.Join(dir, "nats"), s.http[0], filepath.Join(dir, "acme.key"))
	if w.company != "" {
		fmt.Fprintf(&b, "  tcn: {kind: tcn, tenant: acme, baseURL: %q, metadataAliases: {Account: \"Account Number\"}}\n", w.company)
	}
	b.WriteString("agents:\n")
	for i := range w.desktops {
		fmt.Fprintf(&b, "  - {tenant: acme, agent: %s, connection: desk, huntGroups: [sales]}\n", deskName(i))
	}
	for i := range w.tcn {
		fmt.Fprintf(&b, "  - {tenant: acme, agent: \"%d\", connection: tcn, huntGroups: [\"1045678\"], token: {env: BENCH_TCN_%d}}\n", firstTCN+i, i)
	}
	// Simulated people live fast: what is a flood among real ones is a bench's day.
	b.WriteString("limits: {requestsPerSecond: 1000000, rawPerSecond: 1000000, sessionsPerHour: 1000000, readyPerHour: 1000000}\n")
	return s, os.WriteFile(s.config, []byte(b.String()), 0o600)
}

// firstTCN is the simulator's first agent; the others count on.
const firstTCN = 2098765

func deskName(i int) string { return "desk" + strconv.Itoa(i) }

// start starts the processes and waits until they are at work. It says how
// long the broker took to answer, and the services after it.
func (s *subject) start(ctx context.Context, w world) (broker, services time.Duration, err error) {
	if s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := s.spawn(w, "outdial", nil, "up", "-c", s.config, "--at", at); err != nil {
		return 0, 0, err
	}
	if err := s.until(ctx, "the broker", s.connect); err != nil {
		return 0, 0, err
	}
	broker = time.Since(began)
	if err := s.until(ctx, "readiness", func() error { return get("http://" + s.http[0] + "/readyz") }); err != nil {
		return 0, 0, err
	}
	services = time.Since(began) - broker
	if w.bridges == 2 {
		env := []string{"OUTDIAL_NATS_URL=nats://" + s.nats, "OUTDIAL_NATS_MONITOR=http://" + s.watch,
			"OUTDIAL_NATS_STATE=" + filepath.Join(s.dir, "second"), "OUTDIAL_HTTP_LISTEN=" + s.http[1]}
		if err := s.spawn(w, "outdial-events-bridge", env, "-c", s.config); err != nil {
			return 0, 0, err
		}
		err = s.until(ctx, "the second bridge", func() error { return get("http://" + s.http[1] + "/readyz") })
	}
	return broker, services, err
}

func (s *subject) spawn(w world, name string, env []string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.o.bin, name), args...)
	cmd.Env = append(append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(s.dir, "state")), env...)
	for i := range w.tcn {
		cmd.Env = append(cmd.Env, fmt.Sprintf("BENCH_TCN_%d=token-%d", i, firstTCN+i))
	}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.procs = append(s.procs, cmd)
	return nil
}

// until tries something until it succeeds.
func (s *subject) until(ctx context.Context, what string, try func() error) error {
	for deadline := time.Now().Add(15 * time.Minute); ; {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w\n%s", what, err, s.tail())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tail is the end of what the processes said.
func (s *subject) tail() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text[max(0, len(text)-2000):])
}

// connect is done when the streams answer.
func (s *subject) connect() (err error) {
	if s.nc == nil || s.nc.IsClosed() {
		if s.nc, err = nats.Connect("nats://" + s.nats); err != nil {
			return err
		}
		if s.js, err = jetstream.New(s.nc); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = s.js.AccountInfo(ctx)
	return err
}

func get(url string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// stop ends the processes; what they kept stays.
func (s *subject) stop() {
	if s.nc != nil {
		s.nc.Close()
	}
	for _, p := range s.procs {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
	}
	s.procs = nil
	if s.log != nil {
		_ = s.log.Close()
	}
}

// remove ends everything and leaves nothing but a store that was named.
func (s *subject) remove() {
	s.stop()
	if s.o.store == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// cpu is what the processes have used; Linux alone tells.
func (s *subject) cpu() time.Duration {
	var sum time.Duration
	for _, p := range s.procs {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
		_, rest, ok := bytes.Cut(text, []byte(") "))
		if err != nil || !ok {
			continue
		}
		fields := strings.Fields(string(rest))
		for _, f := range fields[11:13] { // utime and stime, in hundredths of a second
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// memory is what a process holds, in MiB.
func (s *subject) memory(i int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.procs[i].Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n >> 10
		}
	}
	return 0
}
