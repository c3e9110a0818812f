package runtime

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// hasty limits are reached within a test.
func hasty() httpLimits {
	return httpLimits{header: 16 << 10, readHeader: 300 * time.Millisecond, read: 300 * time.Millisecond,
		write: 20 * time.Second, idle: 300 * time.Millisecond}
}

// serve serves h under limits.
func serve(t *testing.T, h http.Handler, l httpLimits) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = newServer(h, l)
	srv.Start()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// held reports whether the server still keeps a connection after a client that
// wrote begin and then a byte now and then.
func held(t *testing.T, addr, begin string) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	go func() {
		_, _ = io.WriteString(c, begin)
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			_, _ = io.WriteString(c, "x")
		}
	}()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = io.Copy(io.Discard, c)
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// Slow clients are let go of, whether or not the handler reads what they send.
func TestNobodyHoldsADoorByBeingSlow(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reads", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })
	mux.HandleFunc("POST /ignores", func(http.ResponseWriter, *http.Request) {})
	addr := serve(t, mux, hasty())
	for story, begin := range map[string]string{
		"nothing":                    "",
		"half a line":                "POST /rea",
		"a header that never ends":   "POST /reads HTTP/1.1\r\nHost: x\r\nX: ",
		"headers without end":        "POST /reads HTTP/1.1\r\nHost: x\r\n",
		"a body that is read":        "POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a body in chunks":           "POST /reads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
		"a body that nobody reads":   "POST /ignores HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a body to nowhere":          "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a body of a GET":            "GET /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a body it waits to be told": "POST /reads HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			if held(t, addr, begin) {
				t.Error("the connection is held for seconds")
			}
		})
	}
}

func TestHeadersHaveALimit(t *testing.T) {
	t.Parallel()
	addr := serve(t, http.NewServeMux(), doorLimits())
	for story, tc := range map[string]struct {
		request string
		want    int
	}{
		"a small one":        {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 8<<10) + "\r\n\r\n", 404},
		"900 kB in one":      {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 900<<10) + "\r\n\r\n", 431},
		"32 kB in many":      {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("x", 93)+"\r\n", 330) + "\r\n", 431},
		"a path of 64 kB":    {"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"many short names":   {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A:\r\n", 10000) + "\r\n", 431},
		"no HTTP of any age": {"nonsense\r\n\r\n", 400},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(c, tc.request) }()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		_ = res.Body.Close()
		_ = c.Close()
		if res.StatusCode != tc.want || !strings.Contains(strings.ToLower(string(said)), strings.ToLower(http.StatusText(tc.want))) || strings.Contains(string(said), "xx") {
			t.Errorf("%s: %d %q, want %d", story, res.StatusCode, said, tc.want)
		}
	}
}

// The deadline is the request's, not its handler's and not a socket's.
func TestADeadlineForReadingEndsWithReading(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(900 * time.Millisecond): // three deadlines long: the time is what is tested
		}
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		kind, b, err := c.Read(context.Background())
		if err == nil {
			_ = c.Write(context.Background(), kind, b)
		}
		_ = c.CloseNow()
	})
	addr := serve(t, mux, hasty())
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		q, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/slow", nil)
		if method == http.MethodPost {
			q.Body, q.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
		}
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d: the handler's context ended", method, res.StatusCode)
		}
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	<-time.After(900 * time.Millisecond)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(t.Context()); err != nil || string(b) != "hello" {
		t.Errorf("the socket was cut off: %q %v", b, err)
	}
}

func TestAPanicAtADoorEndsThatRequestAlone(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/panics", func(http.ResponseWriter, *http.Request) { panic("with a value") })
	addr := serve(t, mux, hasty())
	if res, err := http.Get("http://" + addr + "/panics"); err == nil {
		_ = res.Body.Close()
		t.Errorf("answered %d", res.StatusCode)
	}
	res, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("the next: %d", res.StatusCode)
	}
}
