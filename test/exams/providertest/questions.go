package providertest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/baggage"

	"github.com/outdial/outdial/pkg/events/fault"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Questions lists the exam's cases.
func Questions(d Dialect) []Question {
	if d.Product.Section == nil {
		return d.starts()
	}
	qs := append(d.ofReader(), Question{"it can what it has a part for", d.agrees})
	if d.Product.Desktops != nil {
		return append(qs, d.atDesktop()...)
	}
	return append(append(append(qs, d.starts()...), d.asks()...), d.wholes()...)
}

// starts are the questions of a Starter over HTTP.
func (d Dialect) starts() []Question {
	var qs []Question
	qs = append(qs, d.plain()...)
	qs = append(qs, d.brokenLines()...)
	qs = append(qs, d.unsent()...)
	return append(qs,
		Question{"a connection that dies after use brings no second request", d.deadConnection},
		Question{"a redirect is never followed", d.redirects},
		Question{"an answer without end is cut off", d.flooded},
		Question{"neither idempotency keys nor baggage are sent", d.headers},
		Question{"two starts are two requests on two connections", d.fresh},
		Question{"the order's numbers are sent, in its order, and no other", d.numbers},
	)
}

// ask makes a question of one answer and one expectation.
func (d Dialect) ask(story string, want expectation, answer func(ctx context.Context, l line) bool) Question {
	return Question{story, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		c, url, err := open(func(l line) bool { return answer(ctx, l) })
		if err != nil {
			return err
		}
		defer c.close()
		defer cancel() // before close: a drip listens to it
		return d.start(ctx, url, c, want)
	}}
}

// plain: whole answers of every kind.
func (d Dialect) plain() []Question {
	slow := fault.Uncertain
	if d.SlowDownIsNotExecuted {
		slow = fault.Transient
	}
	qs := []Question{d.ask("a yes is a yes", expectation{yes: true, posts: 1}, func(_ context.Context, l line) bool {
		l.say("200 OK", d.Yes)
		return true
	})}
	for _, s := range []struct {
		status string
		class  fault.Class
	}{
		{"400 Bad Request", fault.Permanent}, {"401 Unauthorized", fault.Permanent},
		{"403 Forbidden", fault.Permanent}, {"404 Not Found", fault.Permanent}, {"422 Unprocessable Content", fault.Permanent},
		{"408 Request Timeout", fault.Uncertain}, {"429 Too Many Requests", slow},
		{"500 Internal Server Error", fault.Uncertain}, {"502 Bad Gateway", fault.Uncertain},
		{"503 Service Unavailable", fault.Uncertain}, {"504 Gateway Timeout", fault.Uncertain},
	} {
		qs = append(qs, d.ask(s.status+" is "+s.class.String(), expectation{class: s.class, posts: 1},
			func(_ context.Context, l line) bool {
				l.say(s.status, `{"message":"`+strings.Join(d.Secrets, " ")+`"}`)
				return true
			}))
	}
	nonsense := expectation{yes: d.AnyBodyIsYes, class: fault.Uncertain, posts: 1}
	for story, body := range map[string]string{"a yes without a body": "", "a yes in broken JSON": `{"broken":`, "a yes in HTML": "<html>"} {
		qs = append(qs, d.ask(story, nonsense, func(_ context.Context, l line) bool {
			l.say("200 OK", body)
			return true
		}))
	}
	return qs
}

// brokenLines: answers that never become whole.
func (d Dialect) brokenLines() []Question {
	unsure := expectation{class: fault.Uncertain, posts: 1}
	return []Question{
		d.ask("silence is uncertain, and bounded", unsure, func(ctx context.Context, _ line) bool {
			<-ctx.Done()
			return false
		}),
		d.ask("a line cut after asking is uncertain", unsure, func(_ context.Context, l line) bool {
			l.reset()
			return false
		}),
		d.ask("a line closed after asking is uncertain", unsure, func(context.Context, line) bool { return false }),
		d.ask("an answer cut in its headers is uncertain", unsure, func(_ context.Context, l line) bool {
			_, _ = l.Write([]byte("HTTP/1.1 200 OK\r\nContent-Le"))
			return false
		}),
		d.ask("an answer cut in its body is uncertain", unsure, func(_ context.Context, l line) bool {
			_, _ = l.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{"))
			l.reset()
			return false
		}),
		d.ask("a slow drip is uncertain, and bounded", unsure, func(ctx context.Context, l line) bool {
			l.drip(ctx, strings.Repeat(" ", 4000), time.Second)
			return false
		}),
		d.ask("an answer that is not HTTP is uncertain", unsure, func(_ context.Context, l line) bool {
			_, _ = l.Write([]byte("SIP/2.0 200 OK " + strings.Join(d.Secrets, " ") + "\r\n\r\n"))
			return false
		}),
	}
}

// unsent: nothing left the house, so nothing can have happened.
func (d Dialect) unsent() []Question {
	nothing := expectation{class: fault.Transient}
	return []Question{
		{"nobody home is transient", func(ctx context.Context) error {
			c, url, err := open(func(line) bool { return false })
			if err != nil {
				return err
			}
			c.close()
			return d.start(ctx, url, c, nothing)
		}},
		{"a certificate that nobody trusts is transient", d.untrusted},
		{"too late is transient, and nothing is sent", func(ctx context.Context) error {
			c, url, err := open(d.sayYes)
			if err != nil {
				return err
			}
			defer c.close()
			o := d.Order()
			o.NotAfter = time.Now().Add(-time.Second)
			return d.judge(ctx, d.starter(url), o, c, nothing)
		}},
		{"given up before it began is transient, and nothing is sent", func(ctx context.Context) error {
			c, url, err := open(d.sayYes)
			if err != nil {
				return err
			}
			defer c.close()
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return d.start(ctx, url, c, nothing)
		}},
	}
}

func (d Dialect) sayYes(l line) bool {
	l.say("200 OK", d.Yes)
	return true
}

// untrusted offers TLS with a certificate of its own making.
func (d Dialect) untrusted(ctx context.Context) error {
	cert, err := selfSigned()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}}).HandshakeContext(ctx)
			_ = conn.Close()
		}
	}()
	return d.start(ctx, "https://"+l.Addr().String(), &company{}, expectation{class: fault.Transient})
}

// deadConnection answers the first start and keeps the line; a second request
// on that line is read, and the line is dropped. A client that kept the line
// and marks its request as repeatable sends it twice.
func (d Dialect) deadConnection(ctx context.Context) error {
	c, url, err := open(func(l line) bool {
		if l.nth > 1 {
			return false
		}
		return d.sayYes(l)
	})
	if err != nil {
		return err
	}
	defer c.close()
	s, o := d.starter(url), d.Order()
	o.NotAfter = time.Now().Add(time.Minute)
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.judge(first, s, o, c, expectation{yes: true, posts: 1}); err != nil {
		return err
	}
	second, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.judge(second, s, o, c, expectation{yes: true, posts: 2})
}

// redirects offers the order to another company.
func (d Dialect) redirects(ctx context.Context) error {
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
		if err := d.redirect(ctx, status); err != nil {
			return err
		}
	}
	return nil
}

func (d Dialect) redirect(ctx context.Context, status string) error {
	other, elsewhere, err := open(d.sayYes)
	if err != nil {
		return err
	}
	defer other.close()
	c, url, err := open(func(l line) bool {
		l.say(status, "", "Location: "+elsewhere+l.request.URL.Path)
		return true
	})
	if err != nil {
		return err
	}
	defer c.close()
	if err := d.start(ctx, url, c, expectation{class: fault.Uncertain, posts: 1}); err != nil {
		return err
	}
	if other.posts() != 0 {
		return wrong("%s was followed", status)
	}
	return nil
}

// flooded: the answer has no end; what is taken of it must have one.
func (d Dialect) flooded(ctx context.Context) error {
	const most = 64 << 20
	taken := make(chan int64, 1)
	c, url, err := open(func(l line) bool {
		taken <- l.flood(most)
		return false
	})
	if err != nil {
		return err
	}
	defer c.close()
	if err := d.start(ctx, url, c, expectation{yes: d.AnyBodyIsYes, class: fault.Uncertain, posts: 1}); err != nil {
		return err
	}
	select {
	case n := <-taken:
		if n >= most {
			return wrong("%d bytes of an answer were taken", n)
		}
		return nil
	case <-time.After(slack):
		return wrong("the answer is still being taken")
	}
}

// headers looks at what was sent.
func (d Dialect) headers(ctx context.Context) error {
	c, url, err := open(d.sayYes)
	if err != nil {
		return err
	}
	defer c.close()
	member, err := baggage.NewMember("customer", "secret")
	if err != nil {
		return err
	}
	bag, err := baggage.New(member)
	if err != nil {
		return err
	}
	if err := d.start(baggage.ContextWithBaggage(ctx, bag), url, c, expectation{yes: true, posts: 1}); err != nil {
		return err
	}
	for _, r := range c.requests() {
		if r.Method != http.MethodPost {
			return wrong("a start by %s", r.Method)
		}
		for _, k := range []string{"Idempotency-Key", "X-Idempotency-Key", "Baggage"} {
			if _, ok := r.Header[k]; ok {
				return wrong("the header %s was sent", k)
			}
		}
	}
	return nil
}

// fresh: each start opens a connection of its own.
func (d Dialect) fresh(ctx context.Context) error {
	c, url, err := open(func(l line) bool {
		if l.nth > 1 {
			l.say("500 Internal Server Error", "")
			return false
		}
		return d.sayYes(l)
	})
	if err != nil {
		return err
	}
	defer c.close()
	s := d.starter(url)
	for n := 1; n <= 2; n++ {
		o := d.Order()
		o.NotAfter = time.Now().Add(time.Minute)
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return d.judge(ctx, s, o, c, expectation{yes: true, posts: n})
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// numbers looks at what was sent for an order with two numbers of a person.
func (d Dialect) numbers(ctx context.Context) error {
	const other = "+12025550187"
	c, url, err := open(d.sayYes)
	if err != nil {
		return err
	}
	defer c.close()
	o := d.Order()
	o.NotAfter = time.Now().Add(time.Minute)
	o.Numbers = []string{o.To, other}
	if err := d.judge(ctx, d.starter(url), o, c, expectation{yes: true, posts: 1}); err != nil {
		return err
	}
	body := c.bodies()[0]
	if d.Sent == nil {
		if strings.Contains(string(body), other[2:]) {
			return wrong("a number was sent to a provider that takes one")
		}
		return nil
	}
	numbers, at, err := d.Sent(body)
	switch {
	case err != nil:
		return wrong("what was sent cannot be read")
	case !slices.Equal(numbers, o.Numbers):
		return wrong("%d numbers were sent, or in another order", len(numbers))
	case !at.Equal(o.CallAt):
		return wrong("it is to call at %v, want %v", at, o.CallAt)
	}
	return nil
}
