package simulation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/orchestrator"
	"github.com/outdial/outdial/test/sixth"
)

// stored hears that PROVIDER holds an item.
func (c *lister) stored(body []byte) {
	var said sixth.Event
	if json.Unmarshal(body, &said) != nil {
		return
	}
	for _, e := range c.entries {
		if e.ProviderCall == said.Call && said.Word == "BRIDGED" && e.since.IsZero() {
			e.since = c.w.now
		}
	}
}

// heardOf keeps what somebody was told: that a number is on the list, and no word
// of calls to it that may ring yet.
func (w *World) heardOf(verb string, answer any, args []any) {
	said, err := json.Marshal(answer)
	number, _ := args[0].(string)
	if !w.opts.listed || verb != "add" || err != nil || w.asked {
		return
	}
	for _, but := range []string{"under way", "give back", "could be looked at"} {
		if strings.Contains(string(said), but) {
			w.count("opt-outs while calls were under way")
			return
		}
	}
	w.barred[number] = w.now
}

// judgeListed wants of a listed world what no audit can know.
func (w *World) judgeListed(r *Result, attempts map[string]*lifecycle.Call) {
	for _, what := range w.uncalled {
		r.broken("", "%s", what)
	}
	for _, conn := range w.turned {
		r.broken("", "the cursor of %s went back", conn)
	}
	stored, fed := map[string]bool{}, map[string]bool{}
	for _, m := range w.raws {
		if raw, _, err := events.DecodeBody[events.ProviderRaw](m.Header, m.Data, events.TypeProviderRaw); err == nil {
			stored[string(raw.Body)] = true
			fed[string(raw.Body)] = fed[string(raw.Body)] || raw.Via == "feed"
		}
	}
	for _, h := range w.houses {
		for _, c := range h.listers {
			for _, e := range c.entries {
				w.judgeEntry(r, c, e, attempts[e.Correlation])
			}
			for _, it := range c.items {
				w.judgeItem(r, it, attempts[it.of.Correlation], stored[string(it.body)])
				if !fed[string(it.body)] && !c.window && c.forgot == 0 && w.age == 0 && w.now.Sub(it.shown) > patient {
					r.broken("", "a feed was read past what it told (%s)", it.Word)
				}
			}
			for a := range c.people {
				w.judgeHolds(r, c, log.Ref{Tenant: h.name, ID: a})
			}
		}
	}
	for _, c := range attempts {
		w.judgeNews(r, c)
	}
}

// judgeEntry: the numbers ring in the order in which they were asked for, none once
// the call was withdrawn, and none is left in a queue without a word when its pass
// has ended.
func (w *World) judgeEntry(r *Result, of *lister, e *entry, c *lifecycle.Call) {
	if c == nil || w.age > 0 {
		return
	}
	all, last := c.Request.Request.Numbers(), -1
	for _, rung := range e.Rang {
		at := slices.Index(all, rung.Number)
		if at <= last {
			r.broken(c.ID, "a person's numbers rang out of their order")
		}
		last = at
		for _, x := range c.AfterIntent() {
			if x.Name == events.Cancelled && x.Stored.Before(rung.At) {
				r.broken(c.ID, "it rang %s after it was withdrawn", rung.At.Sub(x.Stored))
			}
		}
	}
	end := e.order.PassEnds.Add(forgotten)
	if e.order.PassEnds.IsZero() || e.who != nil || len(e.Rang) > 0 || e.gone && e.Until.Before(end) || w.now.Before(end) {
		return
	}
	asked := slices.IndexFunc(c.Log, func(x events.Record) bool { return x.Name == events.CancelRequested })
	if asked < 0 || c.Log[asked].Stored.After(end) {
		r.broken(c.ID, "it stood in a queue after its pass had ended, and nobody asked for it back")
	}
}

// judgeItem: what a feed had to tell of a call that news was waited for is stored.
func (w *World) judgeItem(r *Result, it item, c *lifecycle.Call, stored bool) {
	waited := c != nil && c.Closed != nil && c.Closed.Reason != orchestrator.WentBack && closedAt(c).After(it.shown.Add(patient))
	if waited && !stored && w.age == 0 {
		r.broken(c.ID, "what a feed told of it (%s) was never stored", it.Word)
	}
}

// patient is how long nobody may read a feed: the one who does dies, and the other
// does not know it yet.
const patient = 40 * time.Second

// judgeNews: nothing is told twice.
func (w *World) judgeNews(r *Result, c *lifecycle.Call) {
	told := map[string]bool{}
	for _, x := range c.Log {
		p, ok := x.Body.(*events.CallProgress)
		if !ok || p.OccurredAt == nil {
			continue
		}
		key := string(x.Name) + " " + p.Event + " " + p.OccurredAt.String()
		if told[key] {
			r.broken(c.ID, "%s (%s) is on record twice", x.Name, p.Event)
		}
		told[key] = true
	}
}

// judgeHolds: who was not available is left alone for the company's time, and
// nobody is held back for ever.
func (w *World) judgeHolds(r *Result, c *lister, ref log.Ref) {
	var away time.Time
	for _, e := range w.since(events.AgentFamily, 0) {
		if log.RefOf(e) != ref {
			continue
		}
		switch b := e.Body.(type) {
		case *events.AgentQuarantined:
			if away = (time.Time{}); b.Reason == events.ReasonNotAvailable {
				w.count("held back as not available")
				away = e.Stored
			}
		case *events.AgentClaimed:
			if left := c.can.Away() - e.Stored.Sub(away) - clocksApart; !away.IsZero() && left > 0 && w.age == 0 && c.can.Presence == providers.PresenceAssumed {
				r.broken(b.Call, "somebody who was not available is claimed %s too early", left)
			}
			away = time.Time{}
		}
	}
	if s := w.agentNow(ref).State; s.Quarantine != nil && w.now.Sub(s.Quarantine.Since) > limits.Talk+forgotten {
		r.broken(s.Quarantine.Call, "somebody is held back since %s", w.now.Sub(s.Quarantine.Since))
	}
}

// clocksApart is how far the clocks of two orchestrators may be: off for good, and
// set beside that.
const clocksApart = 2 * (15*time.Second + mostSkew)
