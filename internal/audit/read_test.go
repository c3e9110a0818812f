package audit_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func rig(t *testing.T) *natstest.Rig {
	t.Helper()
	r := natstest.New(t)
	l, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	return r
}

// store appends the world's record to a real server in the order of its time;
// each stream numbers its events as the world did.
func store(t *testing.T, r *natstest.Rig, w *world) {
	t.Helper()
	all := append(slices.Clone(w.calls), w.agents...)
	slices.SortStableFunc(all, func(a, b events.Record) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
	store, last := log.NewJetStream(r.JS, log.Options{}), map[string]uint64{}
	for _, e := range all {
		k := string(e.Family) + e.Key
		a, err := store.Append(t.Context(), log.Draft{
			Family: e.Family, Tenant: e.Tenant, Key: e.Key, Role: e.Role, Name: e.Name, ID: e.ID,
			Place: e.Place, Time: e.Time, Body: e.Body, After: last[k],
		})
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if last[k] = a.Record.Seq; a.Record.Seq != e.Seq {
			t.Fatalf("%s stands at %d, written for %d", e.Name, a.Record.Seq, e.Seq)
		}
	}
	for i := range w.dials { // the company's clock is the real one
		w.dials[i].At = time.Now().Add(time.Duration(i) * time.Millisecond)
		w.dials[i].Until = w.dials[i].At
	}
}

func readAll(t *testing.T, r *natstest.Rig, w *world) audit.Report {
	t.Helper()
	j := audit.New(audit.Options{Keys: map[string]events.Key{"acme": acmeKey}, Strict: true})
	j.Dialed(w.dials...)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := audit.Read(ctx, r.JS, j); err != nil {
		t.Fatal(err)
	}
	return j.Report(w.now)
}

func TestReadFromARealServer(t *testing.T) {
	t.Parallel()
	r := rig(t)
	expect(t, readAll(t, r, newWorldless()), "") // nothing stored is nothing broken

	w := newWorld()
	w.talked("c1")
	w.call("c2").adds(events.Assigned, events.Passed, events.Withheld, events.Waiting, events.Assigned, events.Passed, events.Dialing).
		rings(time.Second).adds(events.Started, events.Talking, events.Ended, events.Closed)
	store(t, r, w)
	got := readAll(t, r, w)
	expect(t, got, "")
	if got.Calls != 2 || got.Closed["completed"] != 2 || got.Intents != 2 || got.Dialed != 2 || got.Agents != 1 || len(got.Open) != 0 {
		t.Errorf("figures:\n%s", text(got))
	}
}

func newWorldless() *world { return &world{now: noon} }

func TestReadFindsWhatIsWrongOnARealServer(t *testing.T) {
	t.Parallel()
	r := rig(t)
	w := newWorld()
	w.talked("c1")
	p := w.call("c2").adds(events.Assigned, events.Dialing).rings(time.Second).adds(events.Started, events.Closed)
	w.dials = append(w.dials, w.dials[1])
	store(t, r, w)
	expect(t, readAll(t, r, w), "I1 I2", "no pass is on record", "2 dials for one call")

	// An event of a newer vocabulary: nobody here can read it.
	m := nats.NewMsg(events.AppendPrefix + "calls.acme." + p.id + ".orchestrator.dreaming")
	m.Data = []byte("{}")
	if _, err := r.JS.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	expect(t, readAll(t, r, w), "I1 I2 I3", "", "", "cannot be read (")
}

func TestReadSaysWhenItCannot(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := audit.Read(ctx, r.JS, audit.New(audit.Options{})); err == nil {
		t.Error("streams that do not exist were read")
	}
	cancel()
	if err := audit.Read(ctx, rig(t).JS, audit.New(audit.Options{})); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}
