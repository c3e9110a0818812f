package providertest

import (
	"context"
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
		{p.Withdrawer != nil, "what is taken back twice is taken back once", (*house).withdraws},
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
	return h.placed(1)
}

func (h *house) withdraws(ctx context.Context) error {
	twice := func(o providers.Order) error {
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
	if err := twice(h.order()); err != nil { // prepared, or never there
		return err
	}
	if err := h.placed(0); err != nil || !h.d.Product.Can.Withdraw {
		return err
	}
	o := h.order()
	receipt, err := h.start(ctx, o)
	if err != nil {
		return err
	}
	o.IDs, o.Dialed = receipt.IDs, true
	if err := twice(o); err != nil {
		return err
	}
	if h.Ring != nil {
		h.Ring()
	}
	return h.placed(1)
}

// feeds reads what the company keeps of two calls, from the beginning and from
// every cursor again.
func (h *house) feeds(ctx context.Context) error {
	if h.Ring == nil || h.Kept == nil {
		return wrong("the company's calls cannot be made to ring, or its items counted (Ring, Kept)")
	}
	since, told := time.Now().Add(-time.Hour), map[string]bool{}
	var calls [][2]string // by the attempt, and by the id of the receipt
	for range 2 {
		o := h.order()
		receipt, err := h.start(ctx, o)
		if err != nil {
			return err
		}
		calls = append(calls, [2]string{o.Attempt, receipt.IDs[providers.CallID]})
	}
	h.Ring()
	var cursors []string
	var pages []providers.Page
	for at, n := "", 0; n < 1000; n++ {
		page, err := h.p.Feeder.Page(ctx, at, since)
		if err != nil {
			return wrong("page %d: %v", n, err)
		}
		cursors, pages = append(cursors, at), append(pages, page)
		if at = page.Next; !page.More {
			break
		}
	}
	items := map[string]bool{}
	for i, page := range pages {
		again, err := h.p.Feeder.Page(ctx, cursors[i], since)
		if err != nil || !reflect.DeepEqual(page, again) {
			return wrong("page %d is another the second time, %v", i, err)
		}
		for _, item := range page.Items {
			items[string(item)] = true
			raw, v := h.d.message(item)
			seen, err := h.p.Reader.Read(raw, v)
			if err != nil {
				return wrong("an item cannot be read: %v", err)
			}
			for _, o := range seen {
				if o.Call != "" {
					told[o.Attempt], told[o.CallKey] = true, true
				}
			}
		}
	}
	if kept := h.Kept(); len(items) != kept {
		return wrong("%d items are given out of %d", len(items), kept)
	}
	for _, c := range calls {
		if !told[c[0]] && !told[c[1]] {
			return wrong("no item has the attempt of a call, or the id of its receipt under providers.CallID")
		}
	}
	return nil
}
