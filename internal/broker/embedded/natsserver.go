// Package embedded runs a NATS server inside the process, for the
// all-in-one and for tests. Nothing else links it.
//
// By default a NATS server writes to disk every two minutes: a power cut then
// takes every acknowledged message since, and young streams whole. Everything
// outdial promises rests on sync_interval: always, so it is the zero value here
// and its absence has to be asked for by name.
package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/door"
)

// MaxPayload is the server's limit for one message, in bytes. outdial's own
// limit is lower, so that an oversize request is stored and answered.
const MaxPayload = 1 << 20

// syncInterval is how often the server flushes in the background; with
// SyncAlways it is a second net, without it the window of loss.
const syncInterval = 10 * time.Second

const startWait = 30 * time.Second

// Config of an embedded server. Its zero value, with a StoreDir, is durable
// and reachable from this process alone.
type Config struct {
	Name     string // server name; default "outdial"
	StoreDir string // where streams are kept; required
	// Listen is host:port for clients of other processes; empty = none. The
	// embedded server knows no users, so only loopback is allowed. Port 0
	// takes a free one.
	Listen string
	// Monitor is host:port for HTTP monitoring; empty = none, else loopback.
	Monitor string
	// UnsafeFsync gives up durability for speed: the server writes to disk
	// every two minutes. Tests that do not cut the power may want it.
	UnsafeFsync bool
	MaxPayload  int // bytes; default MaxPayload
	// MaxStore is what the server grants its streams on disk, in bytes; default
	// no limit: the streams have their own, and the server's would follow the
	// free disk, which is less after every start.
	MaxStore int64
	Log      *slog.Logger // warnings and errors of the server; default: none
}

// Server is a running server.
type Server struct {
	srv  *server.Server
	opts *server.Options
	lock *os.File
}

// Start starts a server and waits until it takes connections.
func Start(c Config) (*Server, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	if err := vacant(c.Listen, c.Monitor); err != nil {
		return nil, err
	}
	held, err := lock(c.StoreDir)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		unlock(held)
		return nil, fmt.Errorf("embedded nats-server: %w", err)
	}
	if c.Log != nil {
		srv.SetLoggerV2(logger{c.Log}, false, false, false)
	}
	s := &Server{srv, opts, held}
	srv.Start()
	if !srv.ReadyForConnections(startWait) {
		s.Stop()
		return nil, fmt.Errorf("embedded nats-server: not ready after %s (is the store or the port in use?)", startWait)
	}
	if !srv.JetStreamEnabled() {
		s.Stop()
		return nil, errors.New("embedded nats-server: JetStream did not start")
	}
	return s, nil
}

// Check tells what Start refuses before it reads the store: settings, addresses
// that are taken, a store that another process has. It makes nothing.
func Check(c Config) error {
	if _, err := c.options(); err != nil {
		return err
	}
	if err := vacant(c.Listen, c.Monitor); err != nil {
		return err
	}
	if _, err := os.Stat(c.StoreDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	held, err := lock(c.StoreDir)
	if err == nil {
		unlock(held)
	}
	return err
}

// vacant says at once that an address is taken, rather than after the server
// has tried for a while.
func vacant(addresses ...string) error {
	for _, a := range addresses {
		if a == "" {
			continue
		}
		l, err := net.Listen("tcp", a)
		if err != nil {
			return fmt.Errorf("embedded nats-server: %w; does another outdial run here?", err)
		}
		_ = l.Close()
	}
	return nil
}

func (c Config) options() (*server.Options, error) {
	if c.StoreDir == "" {
		return nil, errors.New("embedded nats-server: StoreDir is not set")
	}
	opts := &server.Options{
		ServerName: c.Name, DontListen: true, NoSigs: true, NoLog: c.Log == nil,
		JetStream: true, StoreDir: c.StoreDir, JetStreamMaxStore: cmp.Or(c.MaxStore, 1<<62),
		SyncAlways: !c.UnsafeFsync, SyncInterval: syncInterval,
		MaxPayload:   int32(MaxPayload),
		PingInterval: 15 * time.Second, MaxPingsOut: 2, WriteDeadline: 5 * time.Second,
	}
	if c.UnsafeFsync {
		opts.SyncInterval = 0 // the server's default, two minutes
	}
	if opts.ServerName == "" {
		opts.ServerName = "outdial"
	}
	if c.MaxPayload > 0 {
		opts.MaxPayload = int32(min(c.MaxPayload, 64<<20))
	}
	var err error
	if c.Listen != "" {
		opts.DontListen = false
		if opts.Host, opts.Port, err = loopback("listen", c.Listen); err != nil {
			return nil, err
		}
	}
	if c.Monitor != "" {
		if opts.HTTPHost, opts.HTTPPort, err = loopback("monitor", c.Monitor); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

// loopback splits an address and refuses what others could reach: the
// embedded server asks nobody for credentials.
func loopback(what, addr string) (string, int, error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("nats.%s: %w", what, err)
	}
	port, err := strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("nats.%s: %q is not a port", what, p)
	}
	if !door.LoopbackHost(host) {
		return "", 0, fmt.Errorf("nats.%s: the embedded server has no credentials and listens on loopback only; run a NATS server of its own and set nats.url", what)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// Client connects within the process, without a socket.
func (s *Server) Client(o ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append([]nats.Option{nats.InProcessServer(inProcess{s.srv})}, o...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded nats-server: %w", err)
	}
	return nc, nil
}

// InProcess is the option by which any connection reaches this server without
// a socket.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(inProcess{s.srv}) }

// ClientURL is where other processes connect; "" when in-process only.
func (s *Server) ClientURL() string {
	if s.opts.DontListen {
		return ""
	}
	return s.srv.ClientURL()
}

// MonitorURL is the server's HTTP monitoring; "" when there is none.
func (s *Server) MonitorURL() string {
	a := s.srv.MonitorAddr()
	if a == nil {
		return ""
	}
	return "http://" + a.String()
}

// Unsynced is how old what a power cut takes may be; 0 when every message is on
// disk before it is acknowledged.
func (s *Server) Unsynced() time.Duration {
	if s.opts.SyncAlways {
		return 0
	}
	return max(s.opts.SyncInterval, 1) // the server has filled in its default
}

// Stop shuts the server down and waits until its files are closed.
func (s *Server) Stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	unlock(s.lock)
}

// logger passes the server's warnings and errors on and drops its chatter.
type logger struct{ to *slog.Logger }

func (l logger) Noticef(string, ...any)    {}
func (l logger) Debugf(string, ...any)     {}
func (l logger) Tracef(string, ...any)     {}
func (l logger) Warnf(f string, a ...any)  { l.to.Warn("nats-server", "says", fmt.Sprintf(f, a...)) }
func (l logger) Errorf(f string, a ...any) { l.to.Error("nats-server", "says", fmt.Sprintf(f, a...)) }
func (l logger) Fatalf(f string, a ...any) { l.to.Error("nats-server", "says", fmt.Sprintf(f, a...)) }
