package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// ackWait is how long the broker waits for a process that has died.
const ackWait = 5 * time.Second

// A durable is a consumer that the processes of a role share. It delivers each
// message at least once, to one of them, late, twice, and in any order.
type durable struct {
	w            *World
	stream, name string
	role         string
	filter       map[string]bool     // what it delivers, by role and name; nil: everything
	open         map[uint64]*pending // not settled yet
}

// durables are those that the server is provisioned with.
func durables(w *World) (all []*durable) {
	var tenants []string
	for _, h := range w.houses {
		tenants = append(tenants, h.name)
	}
	layout, err := broker.Plan(tenants, broker.Options{})
	if err != nil {
		panic(err)
	}
	role := map[string]string{broker.Projector: "orchestrator", broker.Bridge: "events-bridge"}
	for _, c := range layout.Consumers {
		d := &durable{w: w, stream: c.Stream, name: c.Config.Name, open: map[uint64]*pending{}}
		d.role = cmp.Or(role[d.name], d.name)
		for _, f := range c.Config.FilterSubjects {
			if _, _, _, r, n, ok := events.ParseLogSubject(strings.ReplaceAll(f, "*", "x")); ok {
				if d.filter == nil {
					d.filter = map[string]bool{}
				}
				d.filter[kindOf(r, n)] = true
			}
		}
		all = append(all, d)
	}
	return all
}

func kindOf(r events.Role, n events.Name) string { return string(r) + "." + string(n) }

type pending struct {
	msg      worker.Delivery
	tries    int
	failures int
	done     bool
	gone     bool // with a store that went back
}

// offer takes a message that was stored.
func (d *durable) offer(m worker.Delivery) {
	if r := m.Record; r != nil && d.filter != nil && !d.filter[kindOf(r.Role, r.Name)] {
		return
	}
	p := &pending{msg: m}
	if (d.role == "compliance" || d.role == "dialer") && d.w.odds(60) {
		d.w.count("deliveries lost for good")
		return // parked, say: no call may hang on one delivery alone
	}
	d.open[m.Seq] = p
	wait := d.w.between(100*time.Microsecond, 3*time.Millisecond)
	if d.w.odds(12) { // its consumer is busy with others
		wait = d.w.between(0, 5*time.Second)
	}
	if d.w.opts.plot == leaving && m.Record != nil && m.Record.Name == events.Passed {
		wait = passLate
	}
	d.w.after(wait, func() { d.deliver(p) })
}

// deliver gives a message to a process that is there.
func (d *durable) deliver(p *pending) {
	if p.done || p.gone {
		return
	}
	to := d.w.anyProcess(d.role)
	if to == nil {
		d.w.after(time.Second, func() { d.deliver(p) })
		return
	}
	handle := to.handler(d.stream, d.name)
	if r := p.msg.Record; r != nil {
		to.book.Seen(d.stream, r.Seq, r.ID)
	}
	if to.waits[d.stream+"/"+d.name] && to.held() {
		d.w.after(time.Second, func() { d.deliver(p) })
		return
	}
	p.tries++
	m := p.msg
	m.Tries = p.tries
	died := func() { d.w.after(d.w.between(0, ackWait), func() { d.deliver(p) }) }
	to.spawn(died, func() {
		d.settle(p, handle(context.Background(), m))
	})
	if d.w.odds(60) { // the acknowledgement, or a sign of life, got lost
		d.w.after(d.w.between(time.Millisecond, 2*ackWait), func() { d.again(p) })
	}
}

// again delivers a message that may be settled already.
func (d *durable) again(p *pending) {
	was := p.done
	p.done = false
	d.deliver(p)
	p.done = was
}

// settle does what the worker does with a handler's answer.
func (d *durable) settle(p *pending, err error) {
	if p.done || p.gone {
		return
	}
	var refused *events.RejectError
	if after, ok := snoozed(err); ok {
		d.w.after(max(after, time.Millisecond), func() { d.deliver(p) })
		return
	}
	code := fault.Code(err)
	switch {
	case err == nil:
		d.finish(p)
	case errors.As(err, &refused):
		d.w.count("refused " + refused.Note.Faults[0].Code)
		d.w.refused[refused.Note.Call] = true
		d.finish(p)
	case fault.Of(err) != fault.Transient && code != log.CodeAppendUnknown:
		d.park(p, code)
	default:
		if code != log.CodeUnavailable && code != log.CodeAppendUnknown && code != "sessions_down" {
			p.failures++
		}
		if p.failures >= 8 {
			d.park(p, "quarantined "+code)
			return
		}
		d.w.after(d.w.between(125*time.Millisecond, 500*time.Millisecond<<p.failures), func() { d.deliver(p) })
	}
}

func (d *durable) finish(p *pending) {
	p.done = true
	delete(d.open, p.msg.Seq)
}

// park ends a message that nobody could handle.
func (d *durable) park(p *pending, code string) {
	d.w.count(fmt.Sprintf("parked by %s: %s", d.role, code))
	d.finish(p)
}

// snoozed reads a handler's wish to hear the message again.
func snoozed(err error) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	var text string
	if n, _ := fmt.Sscanf(err.Error(), "again in %s", &text); n != 1 || false {
		return 0, false
	}
	d, perr := time.ParseDuration(text[:len(text)-1])
	return d, perr == nil
}
