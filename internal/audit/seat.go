package audit

import (
	"cmp"
	"fmt"
	"slices"
)

// A seat is one agent of a provider's, who is one person at one telephone,
// whoever is enrolled as it.
type seat struct{ tenant, connection, agent string }

// A turn is the time for which a claim has a seat. Claims and releases of all
// agents are on one stream, so their sequences tell exactly which came first.
type turn struct {
	*agent
	hold
	until uint64 // 0: it has not ended yet
}

// turns adds an agent's claims at the seats that they were made for. One who is held
// back has the seat until released: the person may still be on that call. Who is held
// back without a claim has none, because nobody decided that knowing of the others.
func turns(at map[seat][]turn, a *agent, holds []hold) {
	for i, h := range holds {
		t := turn{agent: a, hold: h}
		switch {
		case h.seat.agent == "" || h.back != nil && h.back.seq == h.claimed.seq:
			continue
		case h.ended != nil:
			t.until = h.ended.seq
		case h.lost:
			t.until = holds[i+1].claimed.seq
		}
		at[h.seat] = append(at[h.seat], t)
	}
}

// oneAtASeat finds claims of agents whose seat another's claim had then.
func oneAtASeat(at map[seat][]turn) []Finding {
	var found []Finding
	for _, all := range at {
		slices.SortFunc(all, func(a, b turn) int { return cmp.Compare(a.claimed.seq, b.claimed.seq) })
		last := all[0] // of those before, the one that ends last
		for _, t := range all[1:] {
			if t.agent != last.agent && last.beyond(t.claimed.seq) {
				found = append(found, t.finding(t.claimed.seq, t.call, fmt.Sprintf(
					"claimed while agent %s, who is the same agent of the provider's, is held by call %s since #%d", last.id, last.call, last.claimed.seq)))
			}
			if last.until != 0 && (t.until == 0 || t.until > last.until) {
				last = t
			}
		}
	}
	return found
}

// beyond reports whether the turn goes on after a place in AGENTS.
func (t turn) beyond(seq uint64) bool { return t.until == 0 || t.until > seq }
