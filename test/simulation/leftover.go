package simulation

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

const prepared = "MANUAL_DIAL_PREPARED"

// onItsWay is the longest that a cancellation which has left takes to arrive.
const onItsWay = 2 * time.Second

// late has a preparation take effect after everybody has given it up.
func (c *company) late(l *line, after time.Duration) {
	c.w.after(after, func() {
		switch {
		case l.status == "READY":
			c.w.count("prepared late")
			if c.w.opts.plot == stray {
				c.w.count("reached")
			}
			c.set(l, prepared)
		case c.w.opts.plot == stray && !c.w.calm:
			c.late(l, time.Second)
		}
	})
}

// withdrawNobodys is a withdrawal of no call's preparation, as the client does
// it: a look at the status, and a cancellation that leaves in time or not at all
// and is carried out whenever it arrives.
func (c *company) withdrawNobodys(ctx context.Context, l *line, o providers.Order) (string, error) {
	w := c.w
	if w.opts.plot == stray {
		w.sleep(w.between(0, 3*time.Second-time.Millisecond))
	}
	if w.wire(ctx) {
		return "", down("withdraw")
	}
	if l.status != prepared {
		return l.status, nil
	}
	w.sleep(time.Millisecond)
	if w.now.After(o.NotAfter) {
		return "", fault.New(fault.Transient, "withdraw", "too_late", nil)
	}
	way := w.between(time.Millisecond, onItsWay)
	w.after(way, func() {
		if l.status != prepared {
			return
		}
		w.count("withdrawn of nobody's")
		claim := w.agentNow(log.Ref{Tenant: w.ofConnection(c.conn).name, ID: l.agent}).State.Claim
		if l.prepared != "" && claim != nil && claim.Call == l.prepared {
			w.robbed = append(w.robbed, l.prepared)
		}
		c.set(l, "READY")
	})
	if w.sleep(way + time.Millisecond); w.wire(ctx) || l.status == prepared {
		return "", fault.New(fault.Transient, "withdraw", "still_prepared", nil)
	}
	return l.status, nil
}

// stranded are the agents whom a company still has prepared.
func (w *World) stranded() (agents []string) {
	for _, h := range w.houses {
		for _, a := range h.polled {
			if l := h.tcn.lines[a]; l != nil && l.status == prepared {
				agents = append(agents, h.name+"/"+a)
			}
		}
	}
	return agents
}
