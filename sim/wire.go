package sim

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// Say writes the reply.
func (r Reply) Say(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(r.Body)))
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // who does not listen does not hear
}

// hush waits until the caller gives up or the simulator closes.
func (s *Simulator) hush(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closed:
	}
}

// wait waits on real time and says whether anybody is still listening.
func (s *Simulator) wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}

// drip says the answer a byte at a time.
func (s *Simulator) drip(w http.ResponseWriter, r *http.Request, reply Reply, each time.Duration) {
	flush := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	w.WriteHeader(reply.Status)
	_ = flush.Flush()
	for i := range reply.Body {
		if !s.wait(r, each) {
			return
		}
		if _, err := w.Write(reply.Body[i : i+1]); err != nil {
			return
		}
		_ = flush.Flush()
	}
}

// hangUp closes the connection without an answer; hard resets it.
func hangUp(w http.ResponseWriter, hard bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server cuts the line for us
	}
	if tcp, ok := conn.(*net.TCPConn); ok && hard {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
