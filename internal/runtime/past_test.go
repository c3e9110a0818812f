package runtime_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
	"github.com/outdial/outdial/test/exams/redistest"
)

// beside opens another service's host on a server, with a folder of its own.
func beside(t *testing.T, r *natstest.Rig, role events.Role, dir string) *runtime.Host {
	t.Helper()
	o := options(t, r)
	o.Service, o.Role, o.State = string(role), role, filepath.Join(dir, string(role))
	h, err := runtime.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func provisioned(t *testing.T) *natstest.Rig {
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

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// requested puts a call on record and says where it stands.
func requested(t *testing.T, h *runtime.Host, call string) uint64 {
	t.Helper()
	a, err := h.Log.Append(t.Context(), log.Draft{Family: events.CallFamily, Tenant: "acme", Key: call, Role: events.Orchestrator,
		Name: events.Requested, Cause: call, Time: time.Now(), Body: &events.CallRequested{}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Record.Seq
}

// ahead makes a role's memory one of a longer store than there is.
func ahead(t *testing.T, dir string, role events.Role, epoch uint64) {
	t.Helper()
	k := marks.Known{Epoch: epoch, Marks: map[string]marks.Mark{events.StreamCalls: {Seq: 1000, ID: "lost"}}}
	if err := marks.Save(filepath.Join(dir, string(role)), k); err != nil {
		t.Fatal(err)
	}
}

func TestWhoAloneSawTheStoreGoBackTellsTheOthers(t *testing.T) {
	t.Parallel()
	r, dir := provisioned(t), t.TempDir()
	dialer := beside(t, r, events.Dialer, dir)
	seq := requested(t, dialer, "c1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = dialer.Run(ctx, worker.Route{Stream: events.StreamCalls, Durable: "dialer", Handle: nothing})
	}()
	await(t, "the dialer works", dialer.Ready)

	ahead(t, dir, events.Bridge, 0)
	bridge := beside(t, r, events.Bridge, dir)
	if !bridge.Held() {
		t.Fatal("an older store than its memory is believed")
	}
	await(t, "the dialer stands", func() bool { return !dialer.Ready() })
	if !dialer.Working() {
		t.Error("a dialer that holds back has ended")
	}
	intent := log.Draft{Family: events.CallFamily, Tenant: "acme", Key: "c1", Role: events.Dialer, Name: events.Dialing,
		Cause: "x", Time: time.Now(), After: seq, Body: &events.CallDialing{Attempt: "a"}}
	if _, err := dialer.Log.Append(t.Context(), intent); fault.Code(err) != log.CodeWentBack {
		t.Errorf("an intent: %v", err)
	}
	s, err := r.JS.Stream(t.Context(), events.StreamOps)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "one alarm", func() bool {
		info, err := s.Info(t.Context())
		return err == nil && info.State.Msgs == 1
	})

	// A restart of either does not forget it, nor does one that was away.
	again := beside(t, r, events.Dialer, dir)
	third := beside(t, r, events.Compliance, dir)
	if !again.Held() || !third.Held() {
		t.Error("a start forgot it")
	}

	if _, err := runtime.Accept(t.Context(), r.JS, "ops-1", "restored on purpose", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*runtime.Host{dialer, bridge, again, third} {
		await(t, "the store is believed", func() bool { return !h.Held() && h.Standing().Covers(events.StreamCalls, seq) })
	}
	await(t, "the dialer works again", dialer.Ready)
	if dialer.Standing().Covers(events.StreamCalls, requested(t, dialer, "c2")) {
		t.Error("a later call counts as one of the lost past")
	}
	if _, err := runtime.Accept(t.Context(), r.JS, "ops-1", "once more", time.Now()); err == nil {
		t.Error("accepted twice")
	}
	// Whoever was away all the while knows a past that was given up.
	ahead(t, dir, events.Orchestrator, 0)
	if h := beside(t, r, events.Orchestrator, dir); h.Held() {
		t.Error("a memory of the lost past stops the accepted store")
	}
}

// What the store says of its past is read when something of it changes, and not
// again and again.
func TestTheRecordIsReadWhenItChanges(t *testing.T) {
	t.Parallel()
	r, dir := provisioned(t), t.TempDir()
	h := beside(t, r, events.Dialer, dir)
	var reads atomic.Int64
	if _, err := r.NC.Subscribe("$JS.API.STREAM.MSG.GET.CONTROL", func(*nats.Msg) { reads.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := r.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	turned := func() { // whatever is done once a second was done, at least once more
		t.Helper()
		at := strconv.FormatUint(requested(t, h, events.RandomID()), 10)
		await(t, "what is known is kept", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "dialer", "marks.json"))
			return err == nil && strings.Contains(string(text), `"seq":`+at)
		})
	}
	turned() // the first look
	before := reads.Load()
	turned()
	turned()
	if n := reads.Load() - before; n != 0 {
		t.Errorf("an idle service asked %d times", n)
	}
	ahead(t, dir, events.Bridge, 0)
	beside(t, r, events.Bridge, dir)
	await(t, "the dialer stands", h.Held)
	if reads.Load() == before {
		t.Error("the news was not read")
	}
}

// An older copy was met, and the newest one is put back: it holds all that was
// known, so it is believed, by Redis too.
func TestTheNewestStoreIsBelievedAfterAnOlderOneWasMet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	client, err := sessions.Dial(redistest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	redis := sessions.NewRedis(client, nil)
	newest, older := provisioned(t), provisioned(t)
	h := beside(t, newest, events.Orchestrator, dir)
	requested(t, h, "c1")
	h.Keep(t.Context(), redis)
	await(t, "Redis knows it", func() bool {
		text, err := redis.Kept(t.Context())
		return err == nil && strings.Contains(string(text), events.StreamCalls)
	})
	h.Close()
	for _, tc := range []struct {
		story string
		store *natstest.Rig
		held  bool
	}{{"the older one", older, true}, {"the older one again", older, true}, {"the newest", newest, false}} {
		h := beside(t, tc.store, events.Orchestrator, dir)
		h.Keep(t.Context(), redis)
		if h.Held() != tc.held {
			t.Errorf("%s: held %t, want %t", tc.story, h.Held(), tc.held)
		}
		h.Close()
	}
}

func nothing(context.Context, worker.Delivery) error { return nil }

func TestHowAStoreIsMet(t *testing.T) {
	t.Parallel()
	kept := func(t *testing.T, k marks.Known) runtime.Keeper {
		t.Helper()
		client, err := sessions.Dial(redistest.Start(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		keeper := sessions.NewRedis(client, nil)
		text, err := marks.Write(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := keeper.Keep(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		return keeper
	}
	longer := marks.Known{Marks: map[string]marks.Mark{events.StreamCalls: {Seq: 1000, ID: "lost"}}}
	for _, tc := range []struct {
		story  string
		filled bool
		redis  marks.Known
		held   bool
	}{
		{"a new store beside a Redis that knew another", false, longer, false},
		{"messages, no memory, and a Redis that knew more", true, longer, true},
		{"messages, no memory, and a Redis that knew nothing", true, marks.Known{}, false},
		{"a Redis that remembers an acceptance the store has lost", true, marks.Known{Epoch: 2}, true},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			r := provisioned(t)
			if tc.filled {
				requested(t, beside(t, r, events.Dialer, t.TempDir()), "c1")
			}
			h := beside(t, r, events.Orchestrator, t.TempDir())
			keeper := kept(t, tc.redis)
			h.Keep(t.Context(), keeper)
			if h.Held() != tc.held {
				t.Errorf("held: %t, want %t", h.Held(), tc.held)
			}
			if next := beside(t, r, events.Dialer, t.TempDir()); next.Held() != tc.held {
				t.Errorf("who starts next is held: %t, want %t", next.Held(), tc.held)
			}
			if tc.held {
				return
			}
			await(t, "Redis knows this store", func() bool {
				text, err := keeper.Kept(t.Context())
				return err == nil && !strings.Contains(string(text), "lost") && strings.Contains(string(text), events.StreamCalls)
			})
		})
	}
}

// Two that begin together on a new store know of one store, whoever of them was
// the first to keep what it knows.
func TestAPairOnANewStoreKnowsOfNoOther(t *testing.T) {
	t.Parallel()
	client, err := sessions.Dial(redistest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	r, keeper := provisioned(t), sessions.NewRedis(client, nil)
	var said [2]syncedText
	var pair [2]*runtime.Host
	for i := range pair {
		o := options(t, r)
		if o.Telemetry, err = telemetry.Start(t.Context(), telemetry.Config{Service: "outdial-orchestrator",
			Getenv: func(string) string { return "" }, LogTo: &said[i]}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = o.Telemetry.Shutdown(context.Background()) })
		o.Service, o.Role, o.State = "orchestrator", events.Orchestrator, t.TempDir()
		if pair[i], err = runtime.Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pair[i].Close)
	}
	pair[0].Keep(t.Context(), keeper)
	requested(t, pair[0], "c1")
	await(t, "the first keeps what it knows", func() bool {
		text, err := keeper.Kept(t.Context())
		return err == nil && strings.Contains(string(text), events.StreamCalls)
	})
	pair[1].Keep(t.Context(), keeper)
	for i := range said {
		if said[i].contains("another store was known") || pair[i].Held() {
			t.Errorf("%d of the pair: held %t, %s", i, pair[i].Held(), said[i].text.String())
		}
	}
}

// A syncedText is what several goroutines write to.
type syncedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *syncedText) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *syncedText) contains(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

func TestAMemoryThatCannotBeReadOrKeptEndsTheStart(t *testing.T) {
	t.Parallel()
	r := provisioned(t)
	for story, spoil := range map[string]func(dir string) error{
		"broken":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "marks.json"), []byte("{"), 0o600) },
		"no folder":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "state"), nil, 0o600) },
		"a directory": func(dir string) error { return os.Mkdir(filepath.Join(dir, "marks.json"), fs.ModePerm) },
	} {
		o := options(t, r)
		o.State = t.TempDir()
		if err := spoil(o.State); err != nil {
			t.Fatal(err)
		}
		if story == "no folder" {
			o.State = filepath.Join(o.State, "state", "dialer")
		}
		if h, err := runtime.Open(t.Context(), o); err == nil {
			h.Close()
			t.Errorf("%s: it starts all the same", story)
		}
	}
}

// Whoever accepts an older store sees whose requests are closed by it, by the
// names that their senders know and by nothing personal.
func TestWhatAnAcceptanceClosesIsNamed(t *testing.T) {
	t.Parallel()
	r, dir := provisioned(t), t.TempDir()
	ahead(t, dir, events.Bridge, 0)
	h := beside(t, r, events.Bridge, dir)
	await(t, "it is on record", func() bool {
		record, _, err := runtime.RecordOf(t.Context(), r.JS)
		return err == nil && record.Open() != nil
	})
	for _, id := range []string{"order-7", "taken", "+12125550142", ""} {
		m := nats.NewMsg(events.RequestSubject("acme"))
		m.Data = []byte(`{"to":"+12125550142"}`)
		if id != "" {
			m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested}, "ce-source": {"/crm"}, "ce-id": {id}}
		}
		if _, err := r.JS.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	requested(t, h, events.CallID("acme", "/crm", "taken"))
	f, _, err := runtime.Forsake(t.Context(), r.JS, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range f.Untaken {
		got = append(got, q.Call+" "+q.Source+" "+q.ID)
	}
	want := []string{events.CallID("acme", "/crm", "order-7") + " /crm order-7", events.CallID("acme", "/crm", "+12125550142") + " /crm " + events.Showable("+12125550142"), "  "}
	if !slices.Equal(got, want) || f.Requests["acme"] != 4 || strings.Contains(strings.Join(got, ""), "5550142") {
		t.Errorf("named %q of %d, want %q", got, f.Requests["acme"], want)
	}
}

// A request that was taken in the hours that CALLS has lost is in no call, and
// the broker gives it to nobody: whoever accepts the store is told. What has a
// call or a refusal, waits, came twice, or is older than CALLS is not among them.
func TestWhatWasTakenInTheLostHoursIsNamed(t *testing.T) {
	t.Parallel()
	r, dir := provisioned(t), t.TempDir()
	h := beside(t, r, events.Orchestrator, dir)
	ask := func(id string) uint64 {
		t.Helper()
		m := nats.NewMsg(events.RequestSubject("acme"))
		m.Data = []byte(`{"to":"+12125550142"}`)
		m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested}, "ce-source": {"/crm"}, "ce-id": {id}}
		ack, err := r.JS.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	ask("before CALLS begins")
	asked := time.Now()
	await(t, "the clock moves on", func() bool { return time.Since(asked) > 2*time.Millisecond })
	requested(t, h, events.CallID("acme", "/crm", "taken"))
	ask("taken")
	ask("taken") // and sent again
	lost := []uint64{ask("order-7"), ask("+12125550142")}
	refused := ask("refused")
	if err := worker.NewRejecter(r.JS, events.Orchestrator, func(string) (events.Key, bool) { return nil, false }).Reject(t.Context(), events.Rejected{Stage: "request", Tenant: "acme",
		Stream: events.RequestStream("acme"), Sequence: refused, Faults: []events.Fault{{Code: "missing"}}, At: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	taken := ask("the last that was taken")
	c, err := r.JS.Consumer(t.Context(), events.RequestStream("acme"), string(events.Orchestrator))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(int(taken))
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask("waits")
	if err := runtime.Declare(t.Context(), r.JS, time.Now()); err != nil {
		t.Fatal(err)
	}
	f, _, err := runtime.Forsake(t.Context(), r.JS, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, q := range f.Gone {
		got = append(got, q.Seq)
		if q.Call == "" || strings.Contains(q.ID, "5550142") || q.Source != "/crm" {
			t.Errorf("%+v", q)
		}
	}
	if want := append(lost, taken); !slices.Equal(got, want) || f.Requests["acme"] != 1 {
		t.Errorf("named %v, want %v; %d wait", got, want, f.Requests["acme"])
	}
}
