package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// at is the moment that outdial is told it is: day in all of the US.
const at = "2026-11-20T18:00:00Z"

const tenant = "acme"

// roles are the services that can run alone.
func roles() []string { return []string{"orchestrator", "compliance", "dialer", "events-bridge"} }

// world says who is there, and in how many processes outdial is.
type world struct {
	desktops int
	tcn      int    // agents
	company  string // where the simulated TCN is
	copies   int    // processes of each service, on servers of their own; 0: `outdial up`
	replicas int    // servers, where they are of their own; default 1
	single   bool   // events go to the log one by one, however many wait
	kept     int    // closed calls that its store is to hold
}

// room is the setting of a store that holds many calls: a third of it is theirs, and
// one takes up to 16 KiB.
func (w world) room() string {
	if w.kept == 0 {
		return ""
	}
	return fmt.Sprintf(", maxStore: %dMiB", 4096+w.kept/16)
}

// A process is one that is measured, or what it stands on.
type process struct {
	name string
	cmd  *exec.Cmd
}

// A subject is one outdial under measurement.
type subject struct {
	o      Options
	dir    string
	nats   []string // host:port of each server
	watch  []string // host:port of its monitoring
	doors  []string // host:port of each bridge
	config string
	procs  []process
	log    *os.File
	nc     *nats.Conn
	js     jetstream.JetStream
}

// freePort finds an address of loopback that nobody listens on, below those
// that systems give to whoever asks for any.
func freePort() string {
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(5000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
}

// newSubject writes a configuration into a folder of its own.
func newSubject(o Options, w world) (*subject, error) {
	dir, err := o.Store, error(nil)
	if dir == "" {
		dir, err = os.MkdirTemp("", "outdial-bench-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	s := &subject{o: o, dir: dir, doors: []string{freePort()}, config: filepath.Join(dir, "outdial.yaml")}
	for range max(w.replicas, 1) {
		s.nats, s.watch = append(s.nats, freePort()), append(s.watch, freePort())
	}
	var b strings.Builder
	if w.copies == 0 {
		fmt.Fprintf(&b, "nats: {listen: %q, monitor: %q, store: %q, batch: %t%s}\n", s.nats[0], s.watch[0], filepath.Join(dir, "nats"), !w.single, w.room())
	} else {
		fmt.Fprintf(&b, "nats: {url: %q, monitor: %q, maxStore: 8GiB}\nredis: {url: %q}\n", s.url(), "http://"+strings.Join(s.watch, ",http://"), redisbin.URL(s.socket()))
	}
	fmt.Fprintf(&b, `http: {listen: %q}
tenants:
  acme: {countries: [US], ruleset: us-federal, callerIds: ["+18667451900"], key: {file: %q}}
connections:
  desk: {kind: webexcc, tenant: acme}
`, s.doors[0], filepath.Join(dir, "acme.key"))
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

func (s *subject) url() string    { return "nats://" + strings.Join(s.nats, ",nats://") }
func (s *subject) socket() string { return filepath.Join(s.dir, "redis.sock") }

// firstTCN is the simulator's first agent; the others count on.
const firstTCN = 2098765

func deskName(i int) string { return fmt.Sprintf("desk%04d", i) }

// start starts the processes and waits until they are at work. It says how
// long the broker took to answer, and the services after it.
func (s *subject) start(ctx context.Context, w world) (broker, services time.Duration, err error) {
	began := time.Now()
	if w.copies > 0 {
		return 0, 0, s.apart(ctx, w)
	}
	if err := s.spawn(w, "outdial", s.o.Program, nil, "up", "-c", s.config, "--at", at); err != nil {
		return 0, 0, err
	}
	if err := s.until(ctx, "the broker", s.connect); err != nil {
		return 0, 0, err
	}
	broker = time.Since(began)
	err = s.until(ctx, "readiness", func() error { return get("http://" + s.doors[0] + "/readyz") })
	return broker, time.Since(began) - broker, err
}

// serve starts the servers that several processes share.
func (s *subject) serve(ctx context.Context, w world) error {
	var routes []string
	for range w.replicas {
		routes = append(routes, freePort())
	}
	for i := range s.nats {
		args := []string{"bench-server", "--name", "n" + strconv.Itoa(i), "--store", filepath.Join(s.dir, "nats"+strconv.Itoa(i)), "--listen", s.nats[i], "--monitor", s.watch[i]}
		if w.replicas > 1 {
			args = append(args, "--cluster", routes[i], "--routes", strings.Join(routes, ","))
		}
		if err := s.spawn(w, "server", s.o.Program, nil, args...); err != nil {
			return err
		}
	}
	return s.until(ctx, "the servers", s.connect)
}

// apart starts every service in processes of its own.
func (s *subject) apart(ctx context.Context, w world) error {
	if err := s.serve(ctx, w); err != nil {
		return err
	}
	redis, err := redisbin.Find()
	if err != nil {
		return err
	}
	if err := s.spawn(w, "redis", redis, nil, redisbin.Args(s.dir, s.socket())...); err != nil {
		return err
	}
	if err := s.until(ctx, "Redis", func() error { _, err := os.Stat(s.socket()); return err }); err != nil {
		return err
	}
	provision := func() error {
		cmd := exec.CommandContext(ctx, s.o.Program, "provision", "-c", s.config, "--at", at)
		cmd.Env = s.env(w)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("provision: %w: %s", err, out)
		}
		return nil
	}
	if err := s.until(ctx, "provisioning", provision); err != nil {
		return err
	}
	if err := s.replicate(ctx, w.replicas); err != nil {
		return err
	}
	var ready []string
	s.doors = nil
	for i := range w.copies {
		for _, role := range roles() {
			door := freePort()
			env := []string{"OUTDIAL_HTTP_LISTEN=" + door, "OUTDIAL_NATS_STATE=" + filepath.Join(s.dir, "state", strconv.Itoa(i))}
			if err := s.spawn(w, role, s.o.service(role), env, "-c", s.config); err != nil {
				return err
			}
			ready = append(ready, door)
			if role == "events-bridge" {
				s.doors = append(s.doors, door)
			}
		}
	}
	for _, door := range ready {
		if err := s.until(ctx, "readiness", func() error { return get("http://" + door + "/readyz") }); err != nil {
			return err
		}
	}
	return nil
}

// replicate has every stream kept by so many servers.
func (s *subject) replicate(ctx context.Context, replicas int) error {
	if replicas <= 1 {
		return nil
	}
	all := s.js.ListStreams(ctx)
	for i := range all.Info() {
		c := i.Config
		c.Replicas = replicas
		if err := s.until(ctx, "replicas of "+c.Name, func() error { _, err := s.js.UpdateStream(ctx, c); return err }); err != nil {
			return err
		}
	}
	return all.Err()
}

// env is a child's environment: none of the caller's settings of outdial, so
// that what is measured is what the configuration says.
func (s *subject) env(w world) []string {
	out := []string{"XDG_STATE_HOME=" + filepath.Join(s.dir, "xdg")}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OUTDIAL_") || strings.HasPrefix(v, redisbin.EnvServer+"=") || strings.HasPrefix(v, AsProgram+"=") {
			out = append(out, v)
		}
	}
	for i := range w.tcn {
		out = append(out, fmt.Sprintf("BENCH_TCN_%d=token-%d", i, firstTCN+i))
	}
	return out
}

func (s *subject) spawn(w world, name, program string, env []string, args ...string) (err error) {
	if s.log == nil {
		if s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(s.env(w), env...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.procs = append(s.procs, process{name, cmd})
	return nil
}

// until tries something until it succeeds.
func until(ctx context.Context, d time.Duration, what string, try func() error) error {
	for deadline := time.Now().Add(d); ; pause(ctx, 10*time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, errors.Join(err, ctx.Err()))
		}
	}
}

func (s *subject) until(ctx context.Context, what string, try func() error) error {
	err := until(ctx, s.o.patience(), what, try)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w\n%s", err, s.tail())
	}
	return err
}

// tail is the end of what the processes said.
func (s *subject) tail() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text[max(0, len(text)-2000):])
}

// connect is done when the streams answer.
func (s *subject) connect() (err error) {
	if s.nc == nil || s.nc.IsClosed() {
		if s.nc, err = nats.Connect(s.url()); err != nil {
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

// stop ends the processes, those that stand on others first; what they kept
// stays.
func (s *subject) stop() {
	if s.nc != nil {
		s.nc.Close()
	}
	for _, bases := range []bool{false, true} {
		for _, p := range s.procs {
			if base := p.name == "server" || p.name == "redis"; base == bases {
				_ = p.cmd.Process.Signal(syscall.SIGTERM)
				hung := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
				defer hung.Stop()
			}
		}
		for _, p := range s.procs {
			if base := p.name == "server" || p.name == "redis"; base == bases {
				_ = p.cmd.Wait()
			}
		}
	}
	s.procs = nil
	if s.log != nil {
		_ = s.log.Close()
		s.log = nil
	}
}

// remove ends everything and leaves nothing but a store that was named.
func (s *subject) remove() {
	s.stop()
	if s.o.Store == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// cpu is what the processes have used, and what they started.
func (s *subject) cpu() usage {
	all := usage{}
	for _, p := range s.procs {
		all[p.name] += cpuOf(p.cmd.Process.Pid)
		for _, child := range children(p.cmd.Process.Pid) {
			all["redis"] += cpuOf(child)
		}
	}
	return all
}
