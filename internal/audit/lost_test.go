package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

// loses lets a minute pass of which the log keeps nothing, and says so. What the
// company dialed meanwhile is what dialed returns.
func (w *world) loses(dialed ...audit.Dialed) audit.Options {
	from := w.calls[len(w.calls)-1].Stored
	for i, d := range dialed {
		d.At = w.now.Add(time.Duration(i+1) * 10 * time.Second)
		d.Until = d.At.Add(time.Second)
		w.dials = append(w.dials, d)
	}
	w.now = w.now.Add(time.Minute)
	return audit.Options{Lost: []events.LostPast{{From: from, Until: w.now}}}
}

// A restore that was declared loses what was dialed since the backup. The audit
// names each such dial once and lays it to nobody; what the record that is left
// can still refute stays a finding.
func TestWhatWasDialedInALostPast(t *testing.T) {
	t.Parallel()
	tcn := func(number, id string) audit.Dialed {
		return audit.Dialed{Provider: "tcn", Agent: sid, Number: number, ProviderCall: id}
	}
	desktop := audit.Dialed{Provider: "webexcc", Agent: agentID, Correlation: events.RandomID(), ProviderCall: "page"}
	placed := func(w *world, id string) *phone {
		return w.call(id).adds(events.Assigned, events.Passed, events.Dialing)
	}
	for story, tc := range map[string]struct {
		write func(w *world) audit.Options
		want  string   // findings
		told  []string // of each dial that is named, what is said
	}{
		"a call of which nothing is left": {func(w *world) audit.Options {
			w.talked("c1")
			return w.loses(tcn(stranger, "x"))
		}, "", []string{"agent agent4"}},
		"the same agent and number as a call that was over": {func(w *world) audit.Options {
			w.talked("c1")
			return w.loses(tcn(customer, "x"))
		}, "", []string{"tcn dial to " + events.Mask(customer)}},
		"the same again, and the ledger names no call": {func(w *world) audit.Options {
			w.talked("c1")
			return w.loses(tcn(customer, ""), tcn(customer, ""))
		}, "", []string{"tcn dial", "tcn dial"}},
		"a desktop's dial, by an attempt that is gone": {func(w *world) audit.Options {
			w.talked("c1")
			return w.loses(desktop)
		}, "", []string{"webexcc dial"}},
		"a call that was open in the backup": {func(w *world) audit.Options {
			w.talked("c1")
			p := w.call("c2")
			o := w.loses(tcn(customer, "x"))
			p.add(events.Closed).wentBack()
			return o
		}, "", []string{"call c2"}},
		"a call that was cleared in the backup": {func(w *world) audit.Options {
			p := w.call("c1").adds(events.Assigned, events.Passed)
			o := w.loses(tcn(customer, p.sid()))
			p.adds(events.Withheld, events.Closed).wentBack()
			return o
		}, "", []string{"call c1"}},
		"a dial whose intent is left and whose answer is lost": {func(w *world) audit.Options {
			p := placed(w, "c1")
			o := w.loses(tcn(customer, p.sid()))
			p.adds(events.Unknown, events.Closed).wentBack()
			return o
		}, "", []string{"its intent is on record, its answer is not"}},
		"and of two stores that went back, each": {func(w *world) audit.Options {
			w.talked("c1")
			first := w.loses(tcn(customer, "x"))
			w.talked("c2")
			second := w.loses(tcn(customer, "y"))
			return audit.Options{Lost: append(first.Lost, second.Lost...)}
		}, "", []string{"tcn dial", "tcn dial"}},
		"an intent that is left was dialed twice": {func(w *world) audit.Options {
			p := placed(w, "c1")
			return w.loses(tcn(customer, p.sid()), tcn(customer, p.sid()))
		}, "I2", nil},
		"an attempt that is left was dialed twice": {func(w *world) audit.Options {
			w.talked("c1")
			d := desktop
			d.Correlation = "attempt1"
			return w.loses(d)
		}, "I2", nil},
		"before the backup": {func(w *world) audit.Options {
			w.talked("c1").rings(time.Second)
			w.talked("c2")
			return w.loses()
		}, "I2", nil},
		"after the acceptance": {func(w *world) audit.Options {
			w.talked("c1")
			o := w.loses()
			w.now = w.now.Add(time.Second)
			d := tcn(customer, "x")
			d.At, d.Until = w.now, w.now
			w.dials = append(w.dials, d)
			return o
		}, "I2", nil},
		"nobody has declared anything": {func(w *world) audit.Options {
			w.talked("c1")
			w.loses(tcn(stranger, "x"))
			return audit.Options{}
		}, "I1 I2", nil},
		"over another call of the agent's": {func(w *world) audit.Options {
			w.talked("c1")
			o := w.loses(tcn(stranger, "x"))
			w.dials[len(w.dials)-1].Until = w.now.Add(time.Hour)
			w.talked("c2")
			return o
		}, "I4", []string{"tcn dial"}},
	} {
		w := newWorld()
		r := w.judge(tc.write(w))
		ok := found(r) == tc.want && len(r.Lost) == len(tc.told)
		for i := 0; ok && i < len(tc.told); i++ {
			ok = strings.Contains(r.Lost[i].String(), tc.told[i])
		}
		if !ok || len(tc.told) > 0 != strings.Contains(text(r), fmt.Sprintf("dialed in the lost past, %d:", len(tc.told))) {
			t.Errorf("%s: want findings %q, and told %q\n%s", story, tc.want, tc.told, text(r))
		}
	}
}

// Where it is not on record when a lost past begins, it begins with the last
// event before its end that is left.
func TestWhereALostPastBegins(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	until := w.loses().Lost[0]
	w.call("c2")
	j := audit.New(audit.Options{Lost: []events.LostPast{{Until: until.Until}}})
	for _, r := range w.calls {
		j.Take(r)
	}
	if got := j.Lost(); len(got) != 1 || got[0] != until {
		t.Errorf("the lost past is %v, want %v", got, until)
	}
}
