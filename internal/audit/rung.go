package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A Rung is one telephone that a dial rang. A provider that was given several of a
// person's numbers rings one after the other.
type Rung struct {
	At     time.Time
	Number string // E.164, in clear: it is compared and never shown
}

// over are the numbers that a call was cleared for when it was dialed, or without
// an intent the one that it is about.
func (c *call) over() []events.Number {
	if len(c.intents) > 0 && c.dialed().pass != nil && len(c.dialed().pass.numbers) > 0 {
		return c.dialed().pass.numbers
	}
	return []events.Number{c.number}
}

// rang: no telephone rings that the pass is not over (I1), nor, where the provider
// chooses when, before the instant that the pass is for or after its end.
func (m *comparison) rang(c *call, d Dialed) {
	if c.headless || len(c.intents) == 0 {
		return
	}
	p := c.dialed().pass
	for _, r := range d.Rang {
		if m.isOf(c, r.Number) == no {
			m.find(I1, c, Dialed{At: r.At, Agent: d.Agent}, fmt.Sprintf("rang %s, which the pass is not over", events.Mask(r.Number)))
		}
		if p == nil || c.queue == "" {
			continue
		}
		early := p.callAt != nil && r.At.Add(p.shift+m.opts.Skew).Before(*p.callAt)
		if early || r.At.Add(p.shift-m.opts.Skew).After(p.validUntil) {
			m.find(I1, c, Dialed{At: r.At, Agent: d.Agent}, "rang outside the time that the pass is for")
		}
	}
}

// tokenOf is a dialed number's token. A ledger is judged as it stands: numbers
// that are no longer accepted had tokens, too.
func tokenOf(k events.Key, number string) string { return k.Digest([]byte(number)) }

// sameNumber compares by the tenant's token, or where its key is not given by
// the masked form.
func (m *comparison) sameNumber(c *call, d Dialed) answer {
	if d.Number == "" {
		return unknown
	}
	return m.isOf(c, d.Number)
}

// isOf says whether a number is one that the call was cleared for.
func (m *comparison) isOf(c *call, number string) answer {
	k := m.opts.Keys[c.tenant]
	return answered(slices.ContainsFunc(c.over(), func(n events.Number) bool {
		if len(k) > 0 {
			return tokenOf(k, number) == n.Token
		}
		return events.Mask(number) == n.Masked
	}))
}
