package providertest

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A house is a connection to a whole company.
type house struct {
	Company
	p     providers.Provider
	d     Dialect
	taken int
}

// wholes are the questions that a bare listener cannot ask.
func (d Dialect) wholes() []Question {
	p, err := d.provider("http://127.0.0.1:1", nil)
	if err != nil || d.Company == nil {
		return nil // which is said of its parts
	}
	var qs []Question
	for _, q := range []struct {
		has   bool
		story string
		ask   func(*house, context.Context) error
	}{
		{p.Looker != nil, "a lookup knows what was placed and what was not, and makes nothing ring", (*house).looks},
		{p.Withdrawer != nil, "what is taken back twice is taken back once, and does not ring", (*house).withdraws},
		{p.Feeder != nil, "a feed comes again as it came, and leaves nothing out", (*house).feeds},
	} {
		if !q.has {
			continue
		}
		qs = append(qs, Question{q.story, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*patience)
			defer cancel()
			c := d.Company()
			p, err := d.provider(c.URL, nil)
			if err != nil {
				return err
			}
			return q.ask(&house{Company: c, p: p, d: d}, ctx)
		}})
	}
	return qs
}

// order is another that the company can take.
func (h *house) order() providers.Order {
	h.taken++
	o := h.d.Order()
	o.Attempt = "exam-" + strconv.Itoa(h.taken)
	if h.Order != nil {
		o = h.Order()
	}
	o.NotAfter = time.Now().Add(time.Minute)
	return o
}

// start places an order at the company.
func (h *house) start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	receipt, err := h.p.Starter.Start(ctx, o)
	if err != nil {
		return receipt, wrong("its own simulator refuses a start: %v", err)
	}
	return receipt, nil
}

// placed holds the ledger against what was started.
func (h *house) placed(want int) error {
	if n := h.Placed(); n != want {
		return wrong("%d calls stand in the company's ledger, want %d", n, want)
	}
	return nil
}

func (h *house) looks(ctx context.Context) error {
	o := h.order()
	look := func(placed bool) error {
		found, err := h.p.Looker.Lookup(ctx, o)
		if is := found.Verdict == providers.Placed || found.Verdict == providers.Over; err != nil || is != placed {
			return wrong("a call that was placed: %t, is looked up as %s, %v", placed, found.Verdict, err)
		}
		return h.d.quotes(found.Evidence)
	}
	if err := look(false); err != nil {
		return err
	}
	if err := h.placed(0); err != nil {
		return err
	}
	if _, err := h.start(ctx, o); err != nil { // its answer is lost: the order keeps no id
		return err
	}
	for range 2 {
		if err := look(true); err != nil {
			return err
		}
	}
	if h.Ring != nil { // what is over was placed all the same
		h.Ring()
		if err := look(true); err != nil {
			return fmt.Errorf("after it rang: %w", err)
		}
	}
	return h.placed(1)
}

// takesBack has a call taken back, which once done is done as often as it is asked.
func (h *house) takesBack(ctx context.Context, o providers.Order) error {
	for n := range 2 {
		evidence, err := h.p.Withdrawer.Withdraw(ctx, o)
		if err != nil {
			if wrongs := h.d.typed(err, fault.Transient, fault.Permanent); wrongs != nil {
				return wrongs
			}
			return wrong("the %d. time: %v", n+1, err)
		}
		if err := h.d.quotes(evidence); err != nil {
			return err
		}
	}
	return nil
}

// withdraws has two of three calls taken back, the one by the ids of its receipt, the
// other without, since its answer was lost: then the third rings alone, and is not
// taken back any more. What cannot be found without its ids may be refused, and
// rings then; to be told of it that nothing is there would be a lie.
func (h *house) withdraws(ctx context.Context) error {
	if err := h.takesBack(ctx, h.order()); err != nil { // prepared, or never there
		return err
	}
	if err := h.placed(0); err != nil || !h.d.Product.Can.Withdraw {
		return err
	}
	if h.Ring == nil || h.Rang == nil {
		return wrong("the company's calls cannot be made to ring, or those that rang be counted (Ring, Rang)")
	}
	var calls [3]providers.Order
	for i := range calls {
		o := h.order()
		receipt, err := h.start(ctx, o)
		if err != nil {
			return err
		}
		o.IDs, o.Dialed = receipt.IDs, true
		calls[i] = o
	}
	stays, known, lost := calls[0], calls[1], calls[2]
	lost.IDs = nil
	if err := h.takesBack(ctx, known); err != nil {
		return err
	}
	ring := 1
	if _, err := h.p.Withdrawer.Withdraw(ctx, lost); err != nil {
		if wrongs := h.d.typed(err, fault.Transient, fault.Permanent); wrongs != nil {
			return wrongs
		}
		ring++
	} else if err := h.takesBack(ctx, lost); err != nil {
		return err
	}
	if n := h.Rang(); n != 0 {
		return wrong("%d calls rang before the company was told to ring any (Ring, Rang)", n)
	}
	h.Ring()
	if n := h.Rang(); n != ring {
		return wrong("%d calls rang of three, want %d: the others were said to be taken back", n, ring)
	}
	if _, err := h.p.Withdrawer.Withdraw(ctx, stays); err == nil {
		return wrong("a call that rang is said to be taken back")
	} else if err := h.d.typed(err, fault.Permanent); err != nil {
		return err
	}
	return h.placed(len(calls))
}

// feeds reads what the company keeps, from the beginning and from every cursor
// again, and goes on where the last page ended, be that one of news or an empty one:
// a company that takes a cursor from beyond its end for the end hides by an empty page
// that the one before went too far.
func (h *house) feeds(ctx context.Context) error {
	if h.Ring == nil || h.Kept == nil {
		return wrong("the company's calls cannot be made to ring, or its items counted (Ring, Kept)")
	}
	r := reading{house: h, since: time.Now().Add(-time.Hour), items: map[string]bool{}, told: map[string]bool{}}
	for _, more := range []int{0, 2, 1, 0, 1} {
		var calls [][2]string // by the attempt, and by the id of the receipt
		for range more {
			o := h.order()
			receipt, err := h.start(ctx, o)
			if err != nil {
				return err
			}
			calls = append(calls, [2]string{o.Attempt, receipt.IDs[providers.CallID]})
		}
		h.Ring()
		if err := r.on(ctx); err != nil {
			return err
		}
		if kept := h.Kept(); len(r.items) != kept {
			return wrong("%d items are given out of %d", len(r.items), kept)
		}
		for _, c := range calls {
			if !r.told[c[0]] && !r.told[c[1]] {
				return wrong("no item has the attempt of a call, or the id of its receipt under providers.CallID")
			}
		}
	}
	return nil
}

// A reading of a feed has come as far as at.
type reading struct {
	*house
	at    string
	since time.Time
	items map[string]bool
	told  map[string]bool // attempts and ids of calls
}

// on reads to the end of what there is, and all of that once more.
func (r *reading) on(ctx context.Context) error {
	var cursors []string
	var pages []providers.Page
	for more := true; more; {
		page, err := r.p.Feeder.Page(ctx, r.at, r.since)
		switch {
		case err != nil:
			return wrong("page %d: %v", len(pages), err)
		case page.More && (page.Next == r.at || len(pages) == 1000):
			return wrong("a page says that there is more, and none comes after it")
		}
		cursors, pages = append(cursors, r.at), append(pages, page)
		r.at, more = page.Next, page.More
	}
	for i, page := range pages {
		again, err := r.p.Feeder.Page(ctx, cursors[i], r.since)
		if err != nil || !reflect.DeepEqual(page, again) {
			return wrong("page %d is another the second time, %v", i, err)
		}
		for _, item := range page.Items {
			r.items[string(item)] = true
			raw, v := r.d.message(item)
			seen, err := r.p.Reader.Read(raw, v)
			if err != nil {
				return wrong("an item cannot be read: %v", err)
			}
			for _, o := range seen {
				if o.Call != "" {
					r.told[o.Attempt], r.told[o.CallKey] = true, true
				}
			}
		}
	}
	return nil
}
