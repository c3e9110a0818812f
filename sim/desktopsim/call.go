package desktopsim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/sim"
)

// request decides about a request as the relay script does, then makes the
// call: on the ledger first, acknowledged after.
func (d *Desktop) request(ctx context.Context, conn *websocket.Conn, m fromHub) {
	number, err := ParseRequest(d.cfg.Kind, m.Message, d.cfg.HomeRegion)
	fault, failing := d.sim.Faults.Take(string(d.cfg.Kind), OpRequest, d.cfg.Agent, number)
	d.sim.Saw(sim.Exchange{Provider: string(d.cfg.Kind), Operation: OpRequest, Agent: d.cfg.Agent, Fault: fault.Mode, Body: string(m.Message)})
	act, reply := true, true
	var ackAfter, actAfter time.Duration
	if failing {
		switch fault.Mode {
		case sim.Late:
			ackAfter = time.Duration(fault.Delay)
		case sim.LateEffect:
			actAfter = time.Duration(fault.Delay)
		case sim.Silent:
			return
		case sim.Reset:
			_ = conn.CloseNow()
			return
		case sim.AcceptThenSilent, sim.AcceptThenReset:
			reply = false
		case sim.Double:
		default:
			act = false
		}
	}
	refusal := d.refusal(m, err)
	if refusal == "" && !act {
		refusal = "refused"
	}
	if refusal == "" {
		if err := d.accept(ctx, m.Attempt, number, actAfter); err != nil {
			refusal = "refused"
		}
	}
	if failing && fault.Mode == sim.AcceptThenReset {
		_ = conn.CloseNow()
		return
	}
	if !reply {
		return
	}
	times := 1
	if failing && fault.Mode == sim.Double {
		times = 2
	}
	d.plays.Go(func() {
		if ackAfter > 0 && !pause(ctx, ackAfter) {
			return
		}
		for range times {
			d.answer(ctx, conn, m.Attempt, refusal)
		}
	})
}

// refusal is why a request is not taken, "" when it is.
func (d *Desktop) refusal(m fromHub, parse error) string {
	d.mu.Lock()
	now, ready := d.cfg.Now().Add(d.offset), d.presence == "ready" && d.call == ""
	d.mu.Unlock()
	switch {
	case d.seen(m.Attempt):
		return "repeat"
	case !now.Before(time.UnixMilli(m.NotAfter)):
		return "late"
	case !ready:
		return "not_ready"
	case parse != nil:
		return "bad_request"
	}
	return ""
}

func (d *Desktop) answer(ctx context.Context, conn *websocket.Conn, attempt, refusal string) {
	m := map[string]string{"outdial": "ack", "attempt": attempt}
	if refusal != "" {
		m["outdial"], m["reason"] = "nak", refusal
	}
	text, _ := json.Marshal(m)                       // a map of strings always marshals
	_ = conn.Write(ctx, websocket.MessageText, text) // a lost answer is the bridge's riddle to solve
}

// accept puts the start on the ledger and begins the call.
func (d *Desktop) accept(ctx context.Context, attempt, number string, after time.Duration) error {
	t := newTeller(d.cfg, number)
	d.mu.Lock()
	session := d.session
	d.mu.Unlock()
	err := d.ledger(sim.Entry{Kind: sim.Start, Session: session, Number: number, ProviderCall: t.id, Correlation: attempt})
	if err != nil {
		return err
	}
	d.begin(ctx, t, after)
	return nil
}

var errBusy = errors.New("the agent is on a call")

// Foreign is a call that outdial knows nothing of, e.g. of the provider's own
// predictive dialer. It takes the agent whether ready or not.
func (d *Desktop) Foreign(ctx context.Context, number string) error {
	d.mu.Lock()
	busy := d.call != ""
	d.mu.Unlock()
	if busy {
		return errBusy
	}
	t := newTeller(d.cfg, number)
	t.outType = "predictive"
	d.begin(ctx, t, 0)
	return nil
}

// begin plays the call's events to their end.
func (d *Desktop) begin(ctx context.Context, t *teller, after time.Duration) {
	d.mu.Lock()
	d.call = t.id
	d.calls++
	d.mu.Unlock()
	_, silent := d.take(OpCall, t.ani, sim.Silent)
	d.plays.Go(func() {
		if after > 0 && !pause(ctx, after) {
			return
		}
		for _, s := range plot(d.cfg.Kind, d.sim.Script.For(t.ani), d.cfg.Pace) {
			if !pause(ctx, s.after) {
				return
			}
			d.happen(ctx, t, s, silent)
		}
		if !pause(ctx, d.cfg.Pace) {
			return
		}
		_ = d.ledger(sim.Entry{Kind: sim.Ready, Number: t.ani, ProviderCall: t.id})
		d.mu.Lock()
		d.call, d.untold = "", true
		d.wake()
		d.mu.Unlock()
	})
}

// happen is one step: on the ledger, and told unless something goes wrong.
func (d *Desktop) happen(ctx context.Context, t *teller, s step, silent bool) {
	if s.kind != "" {
		_ = d.ledger(sim.Entry{Kind: s.kind, Number: t.ani, ProviderCall: t.id, Detail: s.event})
	}
	if silent {
		return
	}
	text, err := t.tell(s)
	if err != nil {
		d.cfg.Log.Error("desktop cannot tell an event", "error", err)
		return
	}
	fault, failing := d.take(OpEvent, t.ani, sim.Late, sim.Double, sim.Lost, sim.Reset)
	switch {
	case !failing:
		d.say(text)
	case fault.Mode == sim.Double:
		d.say(text)
		d.say(text)
	case fault.Mode == sim.Late:
		d.plays.Go(func() {
			if pause(ctx, time.Duration(fault.Delay)) {
				d.say(text)
			}
		})
	case fault.Mode == sim.Reset:
		d.Disconnect()
		d.say(text)
	}
}

// take is the fault planned for an operation, when its mode is one of those
// that the operation has.
func (d *Desktop) take(op, number string, modes ...sim.Mode) (sim.Fault, bool) {
	f, ok := d.sim.Faults.Take(string(d.cfg.Kind), op, d.cfg.Agent, number)
	for _, m := range modes {
		if ok && f.Mode == m {
			return f, true
		}
	}
	return sim.Fault{}, false
}
