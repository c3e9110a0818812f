package providertest

import (
	"context"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// An asking is a part that asks the company and makes nothing ring.
type asking struct {
	says string
	has  func(providers.Provider) bool
	ask  func(ctx context.Context, p providers.Provider, o providers.Order) error
	// login: that it is refused is Permanent, unauthorized, or nobody would hear of it.
	login bool
}

// errAnswered says that a part gave an answer where the company gave none.
var errAnswered = fault.New(fault.Transient, "exam", "answered", nil)

func askings() []asking {
	return []asking{
		{"a lookup", func(p providers.Provider) bool { return p.Looker != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			found, err := p.Looker.Lookup(ctx, o)
			if err == nil && found.Verdict == providers.CannotSay {
				return fault.New(fault.Transient, "lookup", "cannot_say", nil)
			}
			return err
		}, false},
		{"a withdrawal", func(p providers.Provider) bool { return p.Withdrawer != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			_, err := p.Withdrawer.Withdraw(ctx, o)
			return err
		}, false},
		{"a page", func(p providers.Provider) bool { return p.Feeder != nil }, func(ctx context.Context, p providers.Provider, _ providers.Order) error {
			page, err := p.Feeder.Page(ctx, "7", time.Now().Add(-time.Hour))
			if err != nil && (page.Next != "" || page.More || len(page.Items) > 0) {
				return errAnswered
			}
			return err
		}, true},
		{"the opening of a session", func(p providers.Provider) bool { return p.Poller != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			_, _, err := p.Poller.Open(ctx, o.Agent)
			return err
		}, true},
		{"a preparation", func(p providers.Provider) bool { return p.Preparer != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			_, _, err := p.Preparer.Prepare(ctx, o)
			return err
		}, false},
		{"the look before the dial", func(p providers.Provider) bool { return p.Confirmer != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			return p.Confirmer.Confirm(ctx, o)
		}, false},
		{"the settings", func(p providers.Provider) bool { return p.Configured != nil }, func(ctx context.Context, p providers.Provider, o providers.Order) error {
			_, err := p.Configured.Settings(ctx, o.Agent)
			return err
		}, false},
	}
}

// asks: whatever a company answers that is no answer, it is an error of a class,
// within the time, that quotes nobody; and nothing that asks sends a start.
func (d Dialect) asks() []Question {
	secrets := `{"message":"` + strings.Join(d.Secrets, " ") + `"}`
	var qs []Question
	p, err := d.provider("http://127.0.0.1:1", nil)
	for _, a := range askings() {
		if err != nil || !a.has(p) {
			continue // that it cannot be built is said of its parts
		}
		for of, answer := range map[string]func(context.Context, line) bool{
			"that is refused":          func(_ context.Context, l line) bool { l.say("401 Unauthorized", secrets); return true },
			"while the company is ill": func(_ context.Context, l line) bool { l.say("503 Service Unavailable", secrets); return true },
			"answered in HTML":         func(_ context.Context, l line) bool { l.say("200 OK", "<html>"+secrets); return true },
			"whose line is cut":        func(_ context.Context, l line) bool { l.reset(); return false },
			"that nobody answers":      func(ctx context.Context, _ line) bool { <-ctx.Done(); return false },
		} {
			qs = append(qs, Question{a.says + " " + of, func(ctx context.Context) error { return d.unanswered(ctx, a, of, answer) }})
		}
	}
	return qs
}

func (d Dialect) unanswered(ctx context.Context, a asking, of string, answer func(context.Context, line) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, url, err := open(func(l line) bool { return answer(ctx, l) })
	if err != nil {
		return err
	}
	defer c.close()
	defer cancel()
	p, err := d.provider(url, nil)
	if err != nil {
		return err
	}
	start, err := d.startLine(ctx)
	if err != nil {
		return err
	}
	o := d.Order()
	o.NotAfter = time.Now().Add(time.Minute)
	limit, end := context.WithTimeout(ctx, patience)
	defer end()
	began := time.Now()
	err = a.ask(limit, p, o)
	switch took := time.Since(began); {
	case took > patience+slack:
		return wrong("it took %v", took)
	case err == nil || err == errAnswered:
		return wrong("it took it for an answer")
	}
	for _, r := range c.requests() {
		if r.Method+" "+r.URL.Path == start {
			return wrong("it sent a start")
		}
	}
	if a.login && strings.HasSuffix(of, "refused") && (fault.Of(err) != fault.Permanent || fault.Code(err) != "unauthorized") {
		return wrong("a login that is refused is %v, want permanent, unauthorized", err)
	}
	return d.typed(err, fault.Transient, fault.Permanent)
}

// startLine is what a start asks for.
func (d Dialect) startLine(ctx context.Context) (string, error) {
	c, url, err := open(d.sayYes)
	if err != nil {
		return "", err
	}
	defer c.close()
	o := d.Order()
	o.NotAfter = time.Now().Add(time.Minute)
	if err := d.judge(ctx, d.starter(url), o, c, expectation{yes: true, posts: 1}); err != nil {
		return "", err
	}
	r := c.requests()[0]
	return r.Method + " " + r.URL.Path, nil
}
