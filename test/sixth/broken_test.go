package sixth_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/providertest"
	"github.com/outdial/outdial/test/sixth"
)

// bent is the sixth with a part that is not as it should be.
type bent struct {
	providers.Section
	bend func(*providers.Provider)
}

func (b bent) Build(d providers.Deps) (providers.Provider, error) {
	p, err := b.Section.Build(d)
	b.bend(&p)
	return p, err
}

type (
	start    func(context.Context, providers.Order) (providers.Receipt, error)
	lookup   func(context.Context, providers.Order) (providers.Found, error)
	withdraw func(context.Context, providers.Order) (string, error)
	page     func(context.Context, string, time.Time) (providers.Page, error)
	split    func([]byte) ([][]byte, error)
	reader   func(events.ProviderRaw, providers.View) ([]providers.Observation, error)
)

func (f start) Start(c context.Context, o providers.Order) (providers.Receipt, error) { return f(c, o) }
func (f lookup) Lookup(c context.Context, o providers.Order) (providers.Found, error) { return f(c, o) }
func (f withdraw) Withdraw(c context.Context, o providers.Order) (string, error)      { return f(c, o) }
func (f page) Page(c context.Context, at string, s time.Time) (providers.Page, error) {
	return f(c, at, s)
}
func (f split) Split(b []byte) ([][]byte, error) { return f(b) }
func (f reader) Read(r events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	return f(r, v)
}

const (
	whole  = "a lookup knows what was placed and what was not, and makes nothing ring"
	twice  = "what is taken back twice is taken back once, and does not ring"
	again  = "a feed comes again as it came, and leaves nothing out"
	odd    = "odd messages are refused, and nothing worse"
	apart  = "what it posts comes apart"
	parts  = "it can what it has a part for"
	asYes  = "a yes is a yes"
	whose  = "it says whose its news is"
	secure = "what it tells is nobody's secret"
)

// An exam that nobody fails proves nothing: whatever a part may do wrong is seen, by
// the question that is about it.
func TestABrokenSixthFailsTheExam(t *testing.T) {
	t.Parallel()
	type bends func(*providers.Provider)
	rereads := func(change func(*providers.Observation, events.ProviderRaw)) bends {
		return func(p *providers.Provider) {
			p.Reader = reader(func(r events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
				seen, err := sixth.Reader{}.Read(r, v)
				for i := range seen {
					change(&seen[i], r)
				}
				return seen, err
			})
		}
	}
	for name, tc := range map[string]struct {
		bend        bends
		story, says string
	}{
		"a lookup that starts": {func(p *providers.Provider) {
			was := p.Looker
			p.Looker = lookup(func(c context.Context, o providers.Order) (providers.Found, error) {
				_, _ = p.Starter.Start(c, o)
				f, err := was.Lookup(c, o)
				return providers.Found{Verdict: providers.NotPlaced, Evidence: f.Evidence}, err
			})
		}, whole, "1 calls stand in the company's ledger, want 0"},
		"a lookup that starts, of a company that is ill": {func(p *providers.Provider) {
			p.Looker = lookup(func(c context.Context, o providers.Order) (providers.Found, error) {
				_, err := p.Starter.Start(c, o)
				return providers.Found{}, err
			})
		}, "a lookup while the company is ill", "it sent a start"},
		"a lookup to which all was placed": {func(p *providers.Provider) {
			p.Looker = lookup(func(context.Context, providers.Order) (providers.Found, error) {
				return providers.Found{Verdict: providers.Placed}, nil
			})
		}, whole, "a call that was placed: false, is looked up as placed"},
		"a lookup that takes silence for a no": {func(p *providers.Provider) {
			was := p.Looker
			p.Looker = lookup(func(c context.Context, o providers.Order) (providers.Found, error) {
				if f, err := was.Lookup(c, o); err == nil {
					return f, nil
				}
				return providers.Found{Verdict: providers.NotPlaced}, nil
			})
		}, "a lookup while the company is ill", "it took it for an answer"},
		"a lookup to which what is over never was": {func(p *providers.Provider) {
			was := p.Looker
			p.Looker = lookup(func(c context.Context, o providers.Order) (providers.Found, error) {
				f, err := was.Lookup(c, o)
				if news, _ := p.Feeder.Page(c, "", time.Time{}); len(news.Items) > 0 {
					f.Verdict = providers.NotPlaced
				}
				return f, err
			})
		}, whole, "after it rang: the exam is not passed: a call that was placed: true, is looked up as not_placed"},
		"an error that quotes": {func(p *providers.Provider) {
			p.Looker = lookup(func(_ context.Context, o providers.Order) (providers.Found, error) {
				return providers.Found{}, fault.New(fault.Transient, "lookup", "down", errors.New(o.To))
			})
		}, "a lookup whose line is cut", "a secret is given away"},
		"an error of no class": {func(p *providers.Provider) {
			p.Looker = lookup(func(context.Context, providers.Order) (providers.Found, error) {
				return providers.Found{}, errors.New("down")
			})
		}, "a lookup answered in HTML", "want transient or permanent"},
		"what is taken back once alone": {func(p *providers.Provider) {
			was, gone := p.Withdrawer, map[string]bool{}
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (string, error) {
				if gone[o.Attempt] {
					return "", fault.New(fault.Permanent, "withdraw", "gone", nil)
				}
				gone[o.Attempt] = true
				return was.Withdraw(c, o)
			})
		}, twice, "the 2. time"},
		"what is taken back by nobody": {func(p *providers.Provider) {
			p.Withdrawer = withdraw(func(context.Context, providers.Order) (string, error) { return "surely", nil })
		}, "a withdrawal that nobody answers", "it took it for an answer"},
		"what is looked at and not taken back": {func(p *providers.Provider) {
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (string, error) {
				f, err := p.Looker.Lookup(c, o)
				return f.Evidence, err
			})
		}, twice, "3 calls rang of three, want 1"},
		"what was never there, its answer being lost": {func(p *providers.Provider) {
			was := p.Withdrawer
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (string, error) {
				if o.IDs[providers.CallID] != "" {
					return was.Withdraw(c, o)
				}
				_, err := p.Looker.Lookup(c, o)
				return "never there", err
			})
		}, twice, "2 calls rang of three, want 1"},
		"what is taken back with all the others": {func(p *providers.Provider) {
			was, all := p.Withdrawer, []providers.Order{}
			starts := p.Starter
			p.Starter = start(func(c context.Context, o providers.Order) (providers.Receipt, error) {
				all = append(all, o)
				return starts.Start(c, o)
			})
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (evidence string, err error) {
				for _, one := range append(all, o) {
					if evidence, err = was.Withdraw(c, one); err != nil {
						break
					}
				}
				return evidence, err
			})
		}, twice, "0 calls rang of three, want 1"},
		"what rang, and is taken back": {func(p *providers.Provider) {
			was := p.Withdrawer
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (string, error) {
				evidence, err := was.Withdraw(c, o)
				if fault.Code(err) == "answered" {
					return "gone", nil
				}
				return evidence, err
			})
		}, twice, "a call that rang is said to be taken back"},
		"a feed that is one too far at its end": {func(p *providers.Provider) {
			was := p.Feeder
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				if n, e := strconv.Atoi(p.Next); e == nil && len(p.Items) > 0 && !p.More {
					p.Next = strconv.Itoa(n + 1)
				}
				return p, err
			})
		}, again, "items are given out of"},
		"a feed that is one too far where nothing is new": {func(p *providers.Provider) {
			was := p.Feeder
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				if n, e := strconv.Atoi(p.Next); e == nil && n > 0 && len(p.Items) == 0 {
					p.Next = strconv.Itoa(n + 1)
				}
				return p, err
			})
		}, again, "items are given out of"},
		"a feed without an end": {func(p *providers.Provider) {
			was := p.Feeder
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				p.More = true
				return p, err
			})
		}, again, "and none comes after it"},
		"a feed that leaves one out": {func(p *providers.Provider) {
			was := p.Feeder
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				if n, e := strconv.Atoi(p.Next); e == nil && p.More {
					p.Next = strconv.Itoa(n + 1)
				}
				return p, err
			})
		}, again, "items are given out of"},
		"a feed that gives out once": {func(p *providers.Provider) {
			was, given := p.Feeder, map[string]bool{}
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				if given[at] {
					p.Items = nil
				}
				given[at] = true
				return p, err
			})
		}, again, "is another the second time"},
		"a feed whose login is refused in silence": {func(p *providers.Provider) {
			was := p.Feeder
			p.Feeder = page(func(c context.Context, at string, s time.Time) (providers.Page, error) {
				p, err := was.Page(c, at, s)
				if err != nil {
					err = fault.New(fault.Transient, "page", "down", nil)
				}
				return p, err
			})
		}, "a page that is refused", "want permanent, unauthorized"},
		"a receipt under another name": {func(p *providers.Provider) {
			was := p.Starter
			p.Starter = start(func(c context.Context, o providers.Order) (providers.Receipt, error) {
				r, err := was.Start(c, o)
				return providers.Receipt{IDs: map[string]string{"id": r.IDs[providers.CallID]}}, err
			})
		}, asYes, "under providers.CallID"},
		"a receipt that its feed does not know": {func(p *providers.Provider) {
			was := p.Starter
			p.Starter = start(func(c context.Context, o providers.Order) (providers.Receipt, error) {
				o.Attempt = ""
				_, err := was.Start(c, o)
				return providers.Receipt{IDs: map[string]string{providers.CallID: "its batch"}}, err
			})
		}, again, "no item has the attempt of a call, or the id"},
		"a yes that waits, unsaid": {func(p *providers.Provider) {
			was := p.Starter
			p.Starter = start(func(c context.Context, o providers.Order) (providers.Receipt, error) {
				_, err := was.Start(c, o)
				return providers.Receipt{Pending: true, Until: time.Now()}, err
			})
		}, asYes, "does not say that it may"},
		"a reader that writes into the message": {func(p *providers.Provider) {
			p.Reader = reader(func(r events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
				if len(r.Body) > 0 {
					r.Body[0] = ' '
				}
				return nil, nil
			})
		}, "its messages are read", "another after it was read"},
		"a reader that remembers": {func(p *providers.Provider) {
			n := 0
			p.Reader = reader(func(events.ProviderRaw, providers.View) ([]providers.Observation, error) {
				n++
				return []providers.Observation{{Event: strconv.Itoa(n)}}, nil
			})
		}, "its messages are read", "something else the second time"},
		"a reader that stumbles": {func(p *providers.Provider) {
			p.Reader = reader(func(r events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
				_ = r.Body[:3]
				return sixth.Reader{}.Read(r, v)
			})
		}, odd, "it panics"},
		"a reader that tries again": {func(p *providers.Provider) {
			p.Reader = reader(func(r events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
				if seen, err := (sixth.Reader{}).Read(r, v); err == nil {
					return seen, nil
				}
				return nil, fault.New(fault.Transient, "read", "unreadable", nil)
			})
		}, odd, "want permanent"},
		"news that says not whose": {rereads(func(o *providers.Observation, _ events.ProviderRaw) {
			o.Attempt, o.CallKey, o.Manual, o.Customer = "", "", false, "+14355551234"
		}), whose, "all are nobody's"},
		"an attribute that quotes": {rereads(func(o *providers.Observation, _ events.ProviderRaw) {
			o.Attrs = map[string]string{"dialed": "14355551234"}
		}), secure, "a secret is given away"},
		"a post that is one item": {func(p *providers.Provider) {
			p.Hook = split(func(b []byte) ([][]byte, error) { return [][]byte{b}, nil })
		}, apart, "1 items of 2"},
		"a post whose error has no class": {func(p *providers.Provider) {
			p.Hook = split(func(b []byte) ([][]byte, error) {
				var all []json.RawMessage
				err := json.Unmarshal(b, &all)
				var out [][]byte
				for _, one := range all {
					out = append(out, one)
				}
				return out, err
			})
		}, apart, "want permanent"},
		"a part that is not there": {func(p *providers.Provider) { p.Looker = nil }, parts, "looks up: true, and is so: false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dialect(t)
			was := d.Settings
			d.Settings = func(url string) providers.Section { return bent{was(url), tc.bend} }
			providertest.Fails(t, d, tc.story, tc.says)
		})
	}
}

// What the exam needs and is not given is a question that is not answered.
func TestAnExamThatIsNotGivenAllIsNotPassed(t *testing.T) {
	t.Parallel()
	simulator := func(without func(*providertest.Company)) func(*providertest.Dialect) {
		return func(d *providertest.Dialect) {
			was := d.Company
			d.Company = func() providertest.Company { c := was(); without(&c); return c }
		}
	}
	for name, tc := range map[string]struct {
		without     func(*providertest.Dialect)
		story, says string
	}{
		"its simulator":        {func(d *providertest.Dialect) { d.Company = nil }, parts, "no company of its simulator is given"},
		"what rang":            {simulator(func(c *providertest.Company) { c.Rang = nil }), twice, "those that rang be counted"},
		"a company that rings": {simulator(func(c *providertest.Company) { c.Ring = func() {} }), twice, "0 calls rang of three, want 1"},
		"its messages":         {func(d *providertest.Dialect) { d.News = nil }, whose, "none of its messages are given"},
		"its post":             {func(d *providertest.Dialect) { d.Post, d.Items = nil, 0 }, apart, "a post of several items is not given"},
		"what it sends":        {func(d *providertest.Dialect) { d.Sent = nil }, parts, "what was sent can be read: false"},
		"its settings":         {func(d *providertest.Dialect) { d.Settings = nil }, parts, "the settings: baseURL"},
		"a capability":         {func(d *providertest.Dialect) { d.Product.Can.Withdraw = false }, parts, "withdraws what it holds: false"},
		"one that is not one":  {func(d *providertest.Dialect) { d.Product.Can.Claims = true }, parts, "knows its agents: true, and is so: false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dialect(t)
			tc.without(&d)
			providertest.Fails(t, d, tc.story, tc.says)
		})
	}
}

// Who cannot find a call without the ids of its receipt, and says so, is honest.
func TestARefusedWithdrawalIsNoLie(t *testing.T) {
	t.Parallel()
	d := dialect(t)
	was := d.Settings
	d.Settings = func(url string) providers.Section {
		return bent{was(url), func(p *providers.Provider) {
			all := p.Withdrawer
			p.Withdrawer = withdraw(func(c context.Context, o providers.Order) (string, error) {
				if o.Dialed && o.IDs[providers.CallID] == "" {
					return "", fault.New(fault.Permanent, "withdraw", "no_id", nil)
				}
				return all.Withdraw(c, o)
			})
		}}
	}
	for _, q := range providertest.Questions(d) {
		if q.Story == twice {
			if err := q.Ask(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
