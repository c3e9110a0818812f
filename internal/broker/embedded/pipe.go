package embedded

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// mostWaiting is how many bytes may wait to be read by the server before a
	// write waits too.
	mostWaiting = 1 << 20
	// lastWait is how long the server has to read the rest of a connection
	// that is closed.
	lastWait = time.Second
)

// inProcess gives connections to a server in this process whose writes do not
// wait for it to read. The server's own are pipes without room, and a client
// writes under its lock, for which everybody who publishes or asks for its
// state queues, and the reader that the server itself waits for.
type inProcess struct{ srv *server.Server }

// InProcessConn implements nats.InProcessConnProvider.
func (p inProcess) InProcessConn() (net.Conn, error) {
	conn, err := p.srv.InProcessConn()
	if err != nil {
		return nil, err
	}
	return newRoomy(conn), nil
}

// A roomy connection takes what is written and hands it on beside, in order.
type roomy struct {
	net.Conn
	handed chan struct{} // closed when nothing is handed on any more

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []byte
	err      error // why nothing is taken any more
	deadline time.Time
}

func newRoomy(conn net.Conn) *roomy {
	r := &roomy{Conn: conn, handed: make(chan struct{})}
	r.changed = sync.NewCond(&r.mu)
	go r.handOn()
	return r
}

// Write takes p, once there is room for it.
func (r *roomy) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > mostWaiting && !r.deadline.IsZero() {
		defer time.AfterFunc(time.Until(r.deadline), r.changed.Broadcast).Stop()
	}
	for r.err == nil && len(r.waiting) > mostWaiting {
		if !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		r.changed.Wait()
	}
	if r.err != nil {
		return 0, r.err
	}
	r.waiting = append(r.waiting, p...)
	r.changed.Broadcast()
	return len(p), nil
}

// SetWriteDeadline bounds how long a write waits for room.
func (r *roomy) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	return nil
}

// handOn writes what was taken, until the connection is closed and all of it
// is read, or it breaks.
func (r *roomy) handOn() {
	defer close(r.handed)
	var out []byte
	for {
		r.mu.Lock()
		for r.err == nil && len(r.waiting) == 0 {
			r.changed.Wait()
		}
		out, r.waiting = r.waiting, out[:0]
		r.changed.Broadcast()
		r.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if _, err := r.Conn.Write(out); err != nil {
			r.end(err)
			return
		}
	}
}

func (r *roomy) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.changed.Broadcast()
}

// Close implements net.Conn. What was taken is handed on before, as far as the
// server reads it in time.
func (r *roomy) Close() error {
	r.end(net.ErrClosed)
	_ = r.Conn.SetWriteDeadline(time.Now().Add(lastWait))
	<-r.handed
	return r.Conn.Close()
}
