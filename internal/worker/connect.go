package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/metric"
)

// ConnectOptions say how to reach NATS and as whom.
type ConnectOptions struct {
	URL  string // comma-separated for a cluster; ignored with an in-process option
	Name string // shown in the server's connection list; required
	// One of the two, or neither: a credentials file (JWT), or a file with an
	// nkey seed.
	CredsFile string
	NKeyFile  string
	// CAFile, CertFile and KeyFile are PEM files for TLS.
	CAFile, CertFile, KeyFile string
	// InboxPrefix is where answers go; default _INBOX_<Name>, which a
	// permission can name.
	InboxPrefix string
	Logger      *slog.Logger
	Meter       metric.MeterProvider
	Options     []nats.Option // e.g. embedded.Server.InProcess()
}

// Connect connects and waits until it has, or until ctx ends. Afterwards the
// connection is kept up for ever. What the server refuses later, a publish
// without permission above all, comes back to nobody: it is logged and counted
// here (outdial.nats.errors).
func Connect(ctx context.Context, o ConnectOptions) (*nats.Conn, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.InboxPrefix == "" {
		o.InboxPrefix = "_INBOX_" + o.Name
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, err
	}
	first := attempt{up: make(chan struct{}, 1), closed: make(chan struct{}, 1), refused: make(chan error, 1)}
	opts, err := o.options(m, first)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(o.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if nc.IsConnected() {
		return nc, nil
	}
	select {
	case <-first.up:
		return nc, nil
	case err := <-first.refused:
		nc.Close()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	case <-first.closed:
		return nil, fmt.Errorf("connect to NATS: %w", errors.Join(errors.New("closed"), nc.LastError()))
	case <-ctx.Done():
		err := nc.LastError()
		nc.Close()
		return nil, fmt.Errorf("connect to NATS: %w", errors.Join(ctx.Err(), err))
	}
}

// attempt hears how the first connection goes.
type attempt struct {
	up, closed chan struct{}
	refused    chan error // the credentials are wrong, no patience helps
}

func (a attempt) failed(err error) {
	if errors.Is(err, nats.ErrAuthorization) {
		select {
		case a.refused <- nats.ErrAuthorization:
		default:
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (o ConnectOptions) options(m *metrics, first attempt) ([]nats.Option, error) {
	log := o.Logger.With("connection", o.Name)
	opts := []nats.Option{
		nats.Name(o.Name), nats.CustomInboxPrefix(o.InboxPrefix),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(500 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(15 * time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(5 * time.Second),
		// What cannot be sent now must fail now: kept in a buffer it would
		// arrive after somebody had been told that nothing was sent.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { signal(first.up) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { first.failed(err) }),
		nats.ClosedHandler(func(*nats.Conn) { signal(first.closed); log.Debug("NATS connection closed") }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if nc.IsClosed() || err == nil {
				return // our own doing
			}
			m.natsError("disconnected")
			log.Warn("NATS connection lost")
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS connection is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			code := natsCode(err)
			m.natsError(code)
			log.Error("NATS refused", "code", code, "what", refusedWhat(err))
		}),
	}
	switch {
	case o.CredsFile != "" && o.NKeyFile != "":
		return nil, errors.New("connect to NATS: credentials and nkey are both set, one is enough")
	case o.CredsFile != "":
		opts = append(opts, nats.UserCredentials(o.CredsFile))
	case o.NKeyFile != "":
		key, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("connect to NATS: nkey file: %w", err)
		}
		opts = append(opts, key)
	}
	if o.CAFile != "" {
		opts = append(opts, nats.RootCAs(o.CAFile))
	}
	if o.CertFile != "" {
		opts = append(opts, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	return append(opts, o.Options...), nil
}

// natsCode makes a countable code of the server's asynchronous errors.
func natsCode(err error) string {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		return "permissions_violation"
	case errors.Is(err, nats.ErrSlowConsumer):
		return "slow_consumer"
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAuthorization):
		return "authorization"
	case errors.Is(err, nats.ErrMaxPayload):
		return "max_payload"
	}
	return "other"
}

// refusedWhat keeps the subject of a permissions violation, which an operator
// needs and which holds tokens only; other texts are cut.
func refusedWhat(err error) string {
	text := err.Error()
	if errors.Is(err, nats.ErrPermissionViolation) {
		return text
	}
	head, _, _ := strings.Cut(text, "\n")
	return head[:min(len(head), 120)]
}
