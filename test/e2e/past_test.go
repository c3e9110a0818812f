package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/rig"
)

// A lost past is a store that was copied before a call was dialed by a desktop,
// and put back afterwards.
type lostPast struct {
	*rig.Rig
	desk rig.Desk
	copy rig.Copy
	call string
}

// lose dials the call once, after the copy was made: while the call waited for
// its agent, or while its pass waited for the dialer.
func lose(t *testing.T, cleared bool) *lostPast {
	t.Helper()
	p := &lostPast{desk: rig.Desk{Agent: "agent5", Kind: providers.Five9}}
	p.Rig = rig.Start(t, rig.Options{Desks: []rig.Desk{p.desk}, Unjudged: true})
	p.AwaitPresence(p.desk.Agent, events.Ready)
	if cleared {
		p.StopService("dialer", 0)
		p.call = p.Dial("lost", rig.ToDesk(rig.Number(1), p.desk.Agent))
		p.Await(p.call, events.Passed)
		p.copy = p.CopyStore()
		p.StartService("dialer", 0)
	} else {
		p.Desktop(p.desk).SetReady(false, "lunch")
		p.AwaitPresence(p.desk.Agent, events.NotReady)
		p.call = p.Dial("lost", rig.ToDesk(rig.Number(1), p.desk.Agent))
		p.Await(p.call, events.Waiting)
		p.copy = p.CopyStore()
		p.Desktop(p.desk).SetReady(true, "")
	}
	p.Closed(p.call, events.OutcomeCompleted, "")
	p.asked(t, 1)
	return p
}

// asked wants the page to have got the number, and dialed it, so often.
func (p *lostPast) asked(t *testing.T, want int) {
	t.Helper()
	if n := p.Dials(rig.Number(1)); n != want {
		t.Errorf("the page dialed the number %d times, want %d\n%s", n, want, p.Story())
	}
}

// alarmed waits until the store's regression is an alarm, and the dialer stands.
func (p *lostPast) alarmed(t *testing.T) {
	t.Helper()
	p.Until("an alarm says that the store went back", 30*time.Second, func() bool {
		for _, o := range p.Ops() {
			if o.Event == "alarm" && strings.Contains(o.What, "went back in time") {
				return true
			}
		}
		return false
	})
	p.Until("the dialer is not ready", 30*time.Second, func() bool { return !p.Ready("dialer", 0) })
	if !strings.Contains(p.Logs(), "THE STORE WENT BACK IN TIME") {
		t.Error("no log says so")
	}
}

// moved lets the page do what made outdial dial the call before.
func (p *lostPast) moved() {
	for range 3 {
		p.Desktop(p.desk).SetReady(false, "again")
		p.Desktop(p.desk).SetReady(true, "")
	}
}

// accepted accepts the store, and wants the lost call closed by that, the page
// left alone, and the next call dialed.
func (p *lostPast) accepted(t *testing.T) {
	t.Helper()
	f := p.Accept()
	if len(f.Calls) != 1 || f.Calls[0].Call != p.call {
		t.Errorf("listed: %+v", f.Calls)
	}
	c := p.Closed(p.call, events.OutcomeFailed, log.CodeWentBack)
	if rig.Has(c, events.Dialing) {
		t.Error(rig.Path(c))
	}
	p.Until("the dialer is ready", 30*time.Second, func() bool { return p.Ready("dialer", 0) })
	p.Dial("lost", rig.ToDesk(rig.Number(1), p.desk.Agent)) // upstream insists
	p.moved()
	p.Closed(p.Dial("next", rig.ToDesk(rig.Number(2), p.desk.Agent)), events.OutcomeCompleted, "")
	p.asked(t, 1)
	// The record has lost a dial; the audit names it, once, and blames nobody.
	if report := p.Audit(false); !report.Kept() || len(report.Lost) != 1 || report.Lost[0].Call != p.call {
		t.Errorf("the audit: %+v, of the lost past: %+v", report.Findings, report.Lost)
	}
}

func TestAStorePutBackUnderRunningServicesDialsNobodyTwice(t *testing.T) {
	t.Parallel()
	p := lose(t, true)
	p.PutBack(p.copy, false)
	p.moved()
	p.alarmed(t)
	p.asked(t, 1)
	p.accepted(t)
}

func TestAStorePutBackBetweenARestartDialsNobodyTwice(t *testing.T) {
	t.Parallel()
	p := lose(t, false)
	p.StopAll()
	p.PutBack(p.copy, false)
	for _, name := range rig.Services() {
		p.StartService(name, 0)
	}
	p.alarmed(t)
	p.moved()
	// A restart of those who stand still does not make them forget.
	p.StopService("dialer", 0)
	p.StartService("dialer", 0)
	p.asked(t, 1)
	p.accepted(t)
}

func TestAWholeFolderPutBackIsKnownByRedis(t *testing.T) {
	t.Parallel()
	p := lose(t, false)
	p.StopAll()
	p.PutBack(p.copy, true)
	for _, name := range rig.Services() {
		p.StartService(name, 0)
	}
	p.alarmed(t)
	p.moved()
	p.asked(t, 1)
	p.accepted(t)
}

// With every memory gone nobody can tell: the store is believed, and that is
// said.
func TestAStoreThatNobodyKnowsIsAdopted(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Closed(r.Dial("one", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeCompleted, "")
	r.StopAll()
	r.FlushRedis()
	r.Forget()
	r.StartAll()
	if !strings.Contains(r.Logs(), "nothing was known of this store") {
		t.Error("nobody says so")
	}
	r.Closed(r.Dial("two", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
}
