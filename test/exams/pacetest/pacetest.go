// Package pacetest is the exam that every store of budgets passes: the one in
// Redis and its twin in memory.
package pacetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/pace"
)

// A Subject is a store whose clock is the test's.
type Subject struct {
	pace.Store
	// Empty loses everything, as a Redis that begins anew does.
	Empty func(ctx context.Context) error
}

// A Clock is moved by hand.
type Clock struct{ at time.Time }

// Now is the clock's time.
func (c *Clock) Now() time.Time { return c.at }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.at = c.at.Add(d) }

// begin is on a whole microsecond, which is as fine as stores count.
var begin = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

const every = 200 * time.Millisecond // five a second

// Run examines what open makes.
func Run(t *testing.T, open func(t testing.TB, now func() time.Time) Subject) {
	for _, tc := range []struct {
		name string
		tell func(t *testing.T, p *party)
	}{
		{"dials stand in line, as far as five seconds", inLine},
		{"a lower class takes what is free now or nothing", nothingAhead},
		{"a lower class takes nothing while a higher one waits", higherFirst},
		{"who gave up waiting is not waited for", gaveUp},
		{"accounts do not know each other", apart},
		{"a store that was emptied learns what was taken", emptied},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.tell(t, party1(t, open)) })
	}
	t.Run("whatever is asked", func(t *testing.T) { whatever(t, open) })
}

// A party is who asks the store.
type party struct {
	testing.TB
	s     Subject
	clock *Clock
}

func party1(t testing.TB, open func(testing.TB, func() time.Time) Subject) *party {
	c := &Clock{begin}
	return &party{t, open(t, c.Now), c}
}

func (p *party) take(a pace.Ask) pace.Answer {
	p.Helper()
	if a.Tenant == "" {
		a.Tenant, a.Connection = "acme", "line"
	}
	if a.Every == 0 {
		a.Every = every
	}
	answer, err := p.s.Take(p.Context(), a)
	if err != nil {
		p.Fatal(err)
	}
	return answer
}

func (p *party) granted(class pace.Class, wait time.Duration) {
	p.Helper()
	if a := p.take(pace.Ask{Class: class}); !a.Granted || a.Wait != wait {
		p.Fatalf("class %d: %+v, want a slot in %s", class, a, wait)
	}
}

func (p *party) refused(class pace.Class, wait time.Duration) {
	p.Helper()
	if a := p.take(pace.Ask{Class: class}); a.Granted || a.Wait != wait {
		p.Fatalf("class %d: %+v, want none for %s", class, a, wait)
	}
}

func inLine(_ *testing.T, p *party) {
	for i := range 26 {
		p.granted(pace.Dial, time.Duration(i)*every)
	}
	p.refused(pace.Dial, pace.Horizon+every)
	p.refused(pace.Dial, pace.Horizon+every) // who was sent away has taken nothing
	p.clock.Pass(every)
	p.granted(pace.Dial, pace.Horizon)
	p.clock.Pass(time.Minute)
	p.granted(pace.Dial, 0) // what nobody took is gone
	p.granted(pace.Dial, every)
}

func nothingAhead(_ *testing.T, p *party) {
	for class := pace.Check; class <= pace.Poll; class++ {
		p.granted(class, 0)
		p.refused(class, every)
		p.clock.Pass(every - time.Microsecond)
		p.refused(class, time.Microsecond)
		p.clock.Pass(time.Microsecond + pace.Grace)
		p.granted(class, 0)
		p.clock.Pass(time.Second)
	}
	p.granted(pace.Dial, 0)
	p.granted(pace.Dial, every)
	p.refused(pace.Check, 2*every) // behind both dials
	p.granted(pace.Dial, 2*every)  // who may still come before it
}

func higherFirst(_ *testing.T, p *party) {
	p.granted(pace.Poll, 0)
	p.refused(pace.Check, every)
	p.clock.Pass(every)
	p.refused(pace.Poll, pace.Grace) // the slot is free, and the check's
	p.granted(pace.Check, 0)
	p.clock.Pass(every)
	p.granted(pace.Poll, 0)
	p.refused(pace.Poll, every)
}

func gaveUp(_ *testing.T, p *party) {
	p.granted(pace.Check, 0)
	p.refused(pace.Check, every)
	p.clock.Pass(every + pace.Grace)
	p.granted(pace.Poll, 0)
}

func apart(_ *testing.T, p *party) {
	for _, a := range []pace.Account{{Tenant: "a", Connection: "one"}, {Tenant: "a", Connection: "two"}, {Tenant: "b", Connection: "one"}} {
		if got := p.take(pace.Ask{Tenant: a.Tenant, Connection: a.Connection, Class: pace.Poll}); !got.Granted {
			p.Errorf("%v has to wait for another: %+v", a, got)
		}
	}
}

func emptied(t *testing.T, p *party) {
	var last pace.Answer
	for range 11 {
		last = p.take(pace.Ask{})
	}
	if err := p.s.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := p.take(pace.Ask{Ahead: last.Booked}); !a.Granted || a.Wait != 11*every {
		t.Errorf("%+v, want the slot after the eleven", a)
	}
	p.granted(pace.Dial, 12*every) // and the others know of it again
	if a := p.take(pace.Ask{Ahead: time.Hour}); a.Granted || a.Wait != pace.Horizon+every {
		t.Errorf("%+v: who is wrong by an hour holds the others up", a)
	}
}

// whatever holds for any askers at any times: no second has more slots than the
// rate; only dials have theirs later than now, within the horizon and in the
// order in which they asked; and while one waits who comes again in time, no
// lower class has anything.
func whatever(t *testing.T, open func(testing.TB, func() time.Time) Subject) {
	s, clock := Subject{}, &Clock{begin}
	s = open(t, clock.Now)
	rapid.Check(t, func(t *rapid.T) {
		if err := s.Empty(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Pass(time.Hour)
		rate := rapid.SampledFrom([]int{1, 3, 5, 50}).Draw(t, "rate")
		h := history{every: pace.Every(rate)}
		for i := range rapid.IntRange(1, 40).Draw(t, "asks") {
			clock.Pass(time.Duration(rapid.IntRange(0, 400_000).Draw(t, fmt.Sprint("pass", i))) * time.Microsecond)
			class := pace.Class(rapid.IntRange(0, 2).Draw(t, fmt.Sprint("class", i)))
			a, err := s.Take(t.Context(), pace.Ask{Tenant: "acme", Connection: "line", Every: h.every, Class: class})
			if err != nil {
				t.Fatal(err)
			}
			if wrong := h.take(class, a, clock.Now()); wrong != "" {
				t.Fatalf("%s: %+v for class %d after %+v", wrong, a, class, h)
			}
		}
	})
}

// A history is what was answered so far.
type history struct {
	every time.Duration
	last  time.Time // the latest slot
	waits [pace.Poll + 1]time.Time
}

// take says what is wrong with one more answer.
func (h *history) take(class pace.Class, a pace.Answer, now time.Time) string {
	if !a.Granted {
		if a.Wait <= 0 || class == pace.Dial && a.Wait <= pace.Horizon {
			return "sent away for nothing"
		}
		h.waits[class] = now.Add(a.Wait + pace.Grace)
		return ""
	}
	slot := now.Add(a.Wait)
	switch {
	case class != pace.Dial && a.Wait != 0:
		return "a slot ahead of time"
	case a.Wait < 0 || a.Wait > pace.Horizon:
		return "a slot beyond the horizon"
	case !h.last.IsZero() && slot.Before(h.last.Add(h.every)):
		return "more than the rate"
	case !h.last.IsZero() && slot.After(h.last.Add(h.every)) && slot.After(now):
		return "a slot was left out"
	}
	for above := pace.Check; above < class; above++ {
		if h.waits[above].After(now) {
			return "before a higher class that waits"
		}
	}
	h.last = slot
	return ""
}
