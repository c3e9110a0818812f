package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Health registers /healthz, /readyz, /metrics and /version. hosts lists the
// hosts of this process as far as they are open; without any it is not ready.
func Health(mux *http.ServeMux, metrics http.Handler, version string, hosts func() []*Host) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status, out := http.StatusServiceUnavailable, map[string]string{}
		for i, h := range hosts() {
			if i == 0 {
				status = http.StatusOK
			}
			out[h.Service] = "ready"
			switch {
			case h.Ready():
				if p := h.Pauses(); len(p) > 0 {
					out[h.Service] = "ready, paused: " + strings.Join(p, ", ")
				}
			case h.Working():
				out[h.Service], status = "stopped: the store went back in time", http.StatusServiceUnavailable
			default:
				out[h.Service], status = "not ready", http.StatusServiceUnavailable
			}
		}
		writeJSON(w, status, out)
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": version})
	})
	mux.Handle("GET /metrics", metrics)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// httpLimits bound what a stranger can hold of a server by being slow or large.
type httpLimits struct {
	header     int           // bytes of a request's line and headers
	readHeader time.Duration // to send them
	read       time.Duration // to send the whole request
	write      time.Duration // for the answer, its making included
	idle       time.Duration // between two requests of a connection
}

// Nobody's request line and headers come near 16 KiB; a body of the largest
// batch (1 MiB) needs 0.8 Mbit/s. Who sends more of headers hears net/http's own 431:
// it lets nobody else say it, and to read more in order to say it would give
// strangers that much of memory.
func doorLimits() httpLimits {
	return httpLimits{header: 16 << 10, readHeader: 5 * time.Second, read: 10 * time.Second,
		write: time.Minute, idle: time.Minute}
}

// newServer makes a server with limits. Whatever a handler does not read, the
// server reads after it, under the same deadline.
func newServer(handler http.Handler, l httpLimits) *http.Server {
	return &http.Server{
		Handler: contained(untilRead(handler)), MaxHeaderBytes: l.header, ReadHeaderTimeout: l.readHeader, ReadTimeout: l.read,
		WriteTimeout: l.write, IdleTimeout: l.idle,
		// What net/http has to say quotes what strangers sent.
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// contained ends a request whose handler panics, and says so without the value,
// which may be made from what a stranger sent.
func contained(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler {
				slog.Error("a door's handler panicked", "value", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler) // the server closes the connection and says no more
		}()
		h.ServeHTTP(w, r)
	})
}

// untilRead lifts the deadline for reading a request as soon as it is read:
// afterwards it would cut off the handler itself, by ending its context. A
// socket that a handler takes over (a desktop's) has no deadline of the
// server's.
func untilRead(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lift := func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }
		if r.Body == nil || r.Body == http.NoBody {
			lift()
		} else {
			r.Body = &watchedBody{r.Body, lift}
		}
		h.ServeHTTP(w, r)
	})
}

// A watchedBody tells when it was read to its end.
type watchedBody struct {
	io.ReadCloser
	done func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.done()
	}
	return n, err
}

// ListenAndServe serves until ctx ends, within limits that no honest client
// meets. It returns once the listener is open, with the address it listens on
// and a function that waits for its end.
func ListenAndServe(ctx context.Context, listen string, handler http.Handler) (addr string, wait func() error, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, err
	}
	srv := newServer(handler, doorLimits())
	done := make(chan error, 1)
	go func() {
		err := srv.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		done <- err
	}()
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(end)
	})
	return l.Addr().String(), func() error { defer stop(); return <-done }, nil
}
