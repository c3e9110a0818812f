package process

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
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
			if !h.Ready() {
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

// ListenAndServe serves until ctx ends. It returns once the listener is open,
// with the address it listens on and a function that waits for its end.
func ListenAndServe(ctx context.Context, listen string, handler http.Handler) (addr string, wait func() error, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
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
