package httpapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Invariant I2: four things each keep net/http from sending a start twice. Any
// of them would do today, so nothing that a server can see tells when one is
// gone; each is asked for here by itself.
func TestEachBarrierStandsByItself(t *testing.T) {
	t.Parallel()
	once := NewOnce(Options{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if req.GetBody == nil {
		t.Fatal("net/http gives no way to rewind, and this test proves nothing")
	}
	unrepeatable(req)
	t.Run("the body cannot be rewound", func(t *testing.T) {
		if req.GetBody != nil {
			t.Error("GetBody is kept")
		}
	})
	t.Run("the request closes its connection", func(t *testing.T) {
		if !req.Close {
			t.Error("Close is not set")
		}
	})
	t.Run("the transport keeps no connection alive", func(t *testing.T) {
		if tr := once.transport(&gate{now: time.Now}); !tr.DisableKeepAlives || tr.ForceAttemptHTTP2 {
			t.Error("keep-alive or HTTP/2 is on")
		}
	})
	t.Run("a second connection is not opened", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		defer srv.Close()
		addr := srv.Listener.Addr().String()
		g := &gate{now: time.Now}
		first, err := g.dial(nil)(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = first.Close() }()
		for _, again := range []func(context.Context, string, string) (net.Conn, error){g.dial(nil), g.dial(once.tls())} {
			if second, err := again(t.Context(), "tcp", addr); err == nil {
				_ = second.Close()
				t.Error("there is a second connection")
			}
		}
	})
}

// All of them gone, net/http does send twice: over a transport that has a kept
// connection, a request that the server drops unanswered arrives once more.
// While any of the four stands it does not.
func TestTogetherTheBarriersKeepARequestFromBeingSentTwice(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if hits.Add(1) == 1 {
			return // an answer, after which a careless client keeps the line
		}
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}))
	defer srv.Close()
	send := func(rt http.RoundTripper) {
		_, _ = exchange(t.Context(), rt, Options{}.withDefaults(), Request{URL: srv.URL, Body: []byte("{}")}, func(req *http.Request) {
			unrepeatable(req)
			req.Header["Idempotency-Key"] = []string{} // what makes net/http try again, were it to come in by a change of ours
		})
	}
	tr := NewOnce(Options{}).transport(&gate{now: time.Now}) // one for both, as Do never does
	defer tr.CloseIdleConnections()
	send(tr)
	send(tr)
	if n := hits.Load(); n > 2 {
		t.Errorf("two requests were sent %d times", n)
	}

	hits.Store(0)
	bare := &http.Transport{}
	defer bare.CloseIdleConnections()
	for range 2 {
		_, _ = exchange(t.Context(), bare, Options{}.withDefaults(), Request{URL: srv.URL, Body: []byte("{}")}, func(req *http.Request) {
			req.Header["Idempotency-Key"] = []string{}
		})
	}
	if n := hits.Load(); n != 3 {
		t.Errorf("with no barrier two requests were sent %d times; this test proves nothing", n)
	}
}
