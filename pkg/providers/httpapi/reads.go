package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// Reads sends harmless questions: status, settings. It keeps connections and
// may ask again when a kept one turns out to be dead.
type Reads struct {
	opts      Options
	transport *http.Transport
}

// NewReads makes a Reads; Close lets its connections go.
func NewReads(o Options) *Reads {
	o = o.withDefaults()
	return &Reads{opts: o, transport: &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: o.Timeout}).DialContext,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    128, // a thousand agents are asked about each second, some dozens at once
		IdleConnTimeout:        60 * time.Second,
		DisableCompression:     true,
	}}
}

// Do implements Doer. Every transport error is Transient: a question may
// always be asked again.
func (d *Reads) Do(ctx context.Context, r Request) (Answer, error) {
	answer, err := exchange(ctx, d.transport, d.opts, r, func(req *http.Request) {
		// An empty value marks the request as repeatable for net/http and is
		// not sent; so a connection that died while idle costs no error.
		req.Header["Idempotency-Key"] = []string{}
	})
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, errBadRequest):
		return answer, fault.New(fault.Permanent, r.Operation, "bad_request", err)
	}
	return answer, fault.New(fault.Transient, r.Operation, codeOf(answer), plain(ctx, err))
}

// Close closes idle connections.
func (d *Reads) Close() { d.transport.CloseIdleConnections() }
