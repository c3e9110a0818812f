package providertest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A company is a bare listener that counts requests before it answers any, so
// that one which was sent again behind the client's back is seen.
type company struct {
	l     net.Listener
	wg    sync.WaitGroup
	count atomic.Int64

	mu    sync.Mutex
	seen  []*http.Request
	said  [][]byte // their bodies
	conns []net.Conn
}

// A line is one request and the connection it came on.
type line struct {
	net.Conn
	request *http.Request
	nth     int // of the requests on this connection, from 1
}

// open starts a company that answers every request with answer, and keeps the
// line afterwards where that says so.
func open(answer func(l line) (keep bool)) (*company, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	c := &company{l: l}
	c.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			c.wg.Go(func() { c.serve(conn, answer) })
		}
	})
	return c, "http://" + l.Addr().String(), nil
}

func (c *company) serve(conn net.Conn, answer func(line) bool) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for nth := 1; ; nth++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		c.count.Add(1)
		c.mu.Lock()
		c.seen, c.said = append(c.seen, req), append(c.said, body)
		c.mu.Unlock()
		if !answer(line{Conn: conn, request: req, nth: nth}) {
			return
		}
	}
}

func (c *company) posts() int { return int(c.count.Load()) }

func (c *company) requests() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*http.Request(nil), c.seen...)
}

func (c *company) bodies() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([][]byte(nil), c.said...)
}

// close ends the company and every line to it.
func (c *company) close() {
	_ = c.l.Close()
	c.mu.Lock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// say writes a whole answer of HTTP.
func (l line) say(status, body string, headers ...string) {
	h := "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + itoa(len(body)) + "\r\n"
	for _, k := range headers {
		h += k + "\r\n"
	}
	_, _ = io.WriteString(l, h+"\r\n"+body)
}

// reset cuts the line so that the other side notices.
func (l line) reset() {
	if tcp, ok := l.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = l.Close()
}

// drip says a body a byte at a time, until nobody listens.
func (l line) drip(ctx context.Context, body string, each time.Duration) {
	_, _ = io.WriteString(l, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n")
	tick := time.NewTicker(each)
	defer tick.Stop()
	for i := range body {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := io.WriteString(l, body[i:i+1]); err != nil {
				return
			}
		}
	}
}

// flood says a body without end and returns how much of it was taken.
func (l line) flood(limit int64) int64 {
	_, _ = io.WriteString(l, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
	chunk, taken := strings.Repeat("x", 64<<10), int64(0)
	for taken < limit {
		n, err := io.WriteString(l, chunk)
		if taken += int64(n); err != nil {
			break
		}
	}
	return taken
}
