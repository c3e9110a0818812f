package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// errTooLate stops the first write after NotAfter.
var errTooLate = errors.New("too late to send")

// Once sends each request at most once, on a connection of its own.
type Once struct{ opts Options }

// NewOnce makes a Once.
func NewOnce(o Options) *Once { return &Once{opts: o.withDefaults()} }

// Do implements Doer. An error is Transient when not a byte of the request was
// written, else Uncertain.
func (o *Once) Do(ctx context.Context, r Request) (Answer, error) {
	g := &gate{now: o.opts.Now, notAfter: r.NotAfter}
	t := o.transport(g)
	defer t.CloseIdleConnections()
	answer, err := exchange(ctx, t, o.opts, r, unrepeatable)
	if err == nil {
		return answer, nil
	}
	if g.wrote.Load() {
		return answer, fault.New(fault.Uncertain, r.Operation, codeOf(answer), plain(ctx, err))
	}
	code := "unreachable"
	switch {
	case errors.Is(err, errTooLate):
		code = "too_late"
	case errors.Is(err, errBadRequest):
		return answer, fault.New(fault.Permanent, r.Operation, "bad_request", err)
	case errors.Is(ctx.Err(), context.Canceled):
		code = "cancelled"
	}
	return answer, fault.New(fault.Transient, r.Operation, code, plain(ctx, err))
}

// transport makes the transport of one request: it opens one connection,
// through the gate, and keeps none. Together with unrepeatable that is more
// than net/http needs today to send a request once; each part stands by itself,
// so that no change of net/http, and none of ours, is enough to send it twice.
func (o *Once) transport(g *gate) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // never from the environment
		DialContext:            g.dial(nil),
		DialTLSContext:         g.dial(o.tls()),
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ForceAttemptHTTP2:      false,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ResponseHeaderTimeout:  o.opts.Timeout,
	}
}

// unrepeatable takes from a request what net/http would need to send it again.
func unrepeatable(req *http.Request) {
	req.GetBody = nil // no rewinding
	req.Close = true
}

func (o *Once) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.opts.TLS != nil {
		c = o.opts.TLS.Clone()
	}
	c.NextProtos = []string{"http/1.1"} // HTTP/2 retries refused streams by itself
	return c
}

// A gate watches the one connection of one request: it knows whether a byte of
// the request has left, and lets none leave after notAfter. The handshake of
// TLS is below it and does not count.
type gate struct {
	now      func() time.Time
	notAfter time.Time
	wrote    atomic.Bool
	dialed   atomic.Bool
}

// dial opens the connection; with a TLS configuration it also shakes hands.
func (g *gate) dial(conf *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if g.dialed.Swap(true) {
			return nil, errors.New("a second connection for one request")
		}
		conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, addr)
		if err != nil || conf == nil {
			return g.guard(conn), err
		}
		if conf.ServerName == "" {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				host = addr
			}
			conf.ServerName = host
		}
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return g.guard(secure), nil
	}
}

func (g *gate) guard(c net.Conn) net.Conn {
	if c == nil {
		return nil
	}
	return &guarded{Conn: c, gate: g}
}

type guarded struct {
	net.Conn
	gate *gate
}

// Write notes that bytes leave before they do: a write that failed may still
// have been delivered in part.
func (c *guarded) Write(b []byte) (int, error) {
	if !c.gate.wrote.Load() {
		if !c.gate.notAfter.IsZero() && c.gate.now().After(c.gate.notAfter) {
			return 0, errTooLate
		}
		c.gate.wrote.Store(true)
	}
	return c.Conn.Write(b)
}
