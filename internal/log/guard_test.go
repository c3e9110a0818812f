package log_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

// A past is a log under guard on a server whose store can be put back.
type past struct {
	*natstest.Rig
	js    jetstream.JetStream // as a service has it: it reconnects
	book  *marks.Book
	guard *log.Guard
	log   *log.JetStream
	copy  string
}

func newPast(t *testing.T) *past {
	t.Helper()
	addr := natstest.Vacant(t)
	p := &past{Rig: rig(t, func(c *embedded.Config) { c.Listen = addr }), copy: filepath.Join(t.TempDir(), "copy")}
	nc, err := nats.Connect(p.Server.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if p.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	p.meet(t)
	return p
}

// meet is what a process does at its start when nothing was known.
func (p *past) meet(t *testing.T) {
	t.Helper()
	views, err := log.Views(t.Context(), p.js, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	p.book = marks.NewBook(marks.Known{})
	p.book.Adopt(0, views)
	p.guard = log.NewGuard(p.js, p.book)
	p.log = log.NewJetStream(p.js, log.Options{Guard: p.guard})
}

// restart stops the server and starts it on the same store.
func (p *past) restart(t *testing.T) {
	t.Helper()
	p.Server.Stop()
	p.Start(t)
	p.back(t)
}

// save copies the store as it is.
func (p *past) save(t *testing.T) {
	t.Helper()
	p.Server.Stop()
	if err := os.CopyFS(p.copy, os.DirFS(p.Config.StoreDir)); err != nil {
		t.Fatal(err)
	}
	p.Start(t)
	p.back(t)
}

// putBack puts the copy in the place of the store, under running clients.
func (p *past) putBack(t *testing.T) {
	t.Helper()
	p.Server.Stop()
	if err := os.RemoveAll(p.Config.StoreDir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.Config.StoreDir, os.DirFS(p.copy)); err != nil {
		t.Fatal(err)
	}
	p.Start(t)
	p.back(t)
}

// back waits until the service's connection is, and the store answers.
func (p *past) back(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := p.js.Stream(ctx, events.StreamCalls)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the server does not come back")
		}
	}
}

func (p *past) last(t *testing.T) uint64 {
	t.Helper()
	s, err := p.js.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

func TestAStoreThatWentBackIsNoticedBeforeAnythingIsAppended(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		grow  int // events the older copy gets from others before we are asked
	}{
		{"shorter than it was", 0},
		{"grown to where it was", 3},
		{"grown past it", 7},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			p := newPast(t)
			first := must(t, p.log, requested("c1"))
			p.save(t)
			for i := range 3 {
				must(t, p.log, requested(fmt.Sprint("lost-", i)))
			}
			p.putBack(t)
			others := log.NewJetStream(p.JS, log.Options{})
			for i := range tc.grow {
				must(t, others, requested(fmt.Sprint("other-", i)))
			}
			before := p.last(t)
			d := draft("c1", events.Dialer, events.Dialing, "pass", first.Record.Seq, &events.CallDialing{Attempt: "a"})
			if _, err := p.log.Append(t.Context(), d); fault.Code(err) != log.CodeWentBack || fault.Of(err) != fault.Transient {
				t.Errorf("the intent: %v", err)
			}
			if p.last(t) != before {
				t.Error("the intent was stored")
			}
			free := log.Draft{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Role: events.Orchestrator, Name: events.Released,
				Cause: "c1", Time: noon, Body: &events.AgentReleased{Call: "c1", Cause: "closed"}}
			if _, err := p.log.Append(t.Context(), free); fault.Code(err) != log.CodeWentBack {
				t.Errorf("an agent is set free for what may be lost: %v", err)
			}
			if p.book.Held() == nil {
				t.Error("nothing was noticed")
			}
			// Others than intents are still written: what is happening is on record.
			must(t, p.log, draft("c1", events.Orchestrator, events.Waiting, "w", first.Record.Seq, &events.CallWaiting{}))
		})
	}
}

// Without a reconnect, too: whoever puts the store back behind a proxy, or
// loses its tail to one flipped bit, gives sequences out again.
func TestAnAppendBelowTheKnownEndIsNotWon(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := must(t, p.log, requested("c1"))
	p.book.Seen(events.StreamCalls, first.Record.Seq+40, "heard")
	d := draft("c1", events.Dialer, events.Dialing, "pass", first.Record.Seq, &events.CallDialing{Attempt: "a"})
	if a, err := p.log.Append(t.Context(), d); a.Won || fault.Code(err) != log.CodeWentBack {
		t.Errorf("won: %t, %v", a.Won, err)
	}
}

func TestAServerThatRestartsIsNoStoreThatWentBack(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	seq := must(t, p.log, requested("c1")).Record.Seq
	for i := range 3 {
		p.restart(t)
		a := must(t, p.log, draft("c1", events.Orchestrator, events.Waiting, fmt.Sprint(i), seq, &events.CallWaiting{}))
		seq = a.Record.Seq
	}
	if r := p.book.Held(); r != nil {
		t.Errorf("%+v", r)
	}
}

func TestAListThatWentBackIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	facts := log.NewFacts(p.js).Guarded(p.guard)
	put := func(token string) error {
		_, err := facts.Put(t.Context(), "acme", "dnc", token, events.Compliance, events.Fact{Kind: "dnc", Listed: true, At: noon}, 0)
		return err
	}
	if err := put("t1"); err != nil {
		t.Fatal(err)
	}
	p.save(t)
	if err := put("t2"); err != nil {
		t.Fatal(err)
	}
	p.putBack(t)
	if err := put("t3"); err != nil {
		t.Errorf("an entry is taken all the same: %v", err)
	}
	if r := p.book.Held(); r == nil || r.Stream != events.StreamFacts {
		t.Errorf("%+v", r)
	}
}

// The guard asks the server once a connection, and never for a message.
func TestTheGuardCostsNoReadAMessage(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	must(t, p.log, requested("warm"))
	var asked atomic.Int32
	sub, err := p.NC.Subscribe("$JS.API.STREAM.>", func(*nats.Msg) { asked.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := p.NC.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		must(t, p.log, requested(fmt.Sprint("c", i)))
	}
	if _, err := p.log.Last(t.Context(), events.CallFamily, "acme", "c1"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); asked.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests to the broker's API for 100 appends and one read, want the read's", n)
	}
}

// BenchmarkAppend compares an append with and without the guard.
func BenchmarkAppend(b *testing.B) {
	for _, guarded := range []bool{false, true} {
		b.Run(fmt.Sprintf("guarded=%t", guarded), func(b *testing.B) {
			r := natstest.New(b)
			provisioned(b, r)
			o := log.Options{}
			if guarded {
				book := marks.NewBook(marks.Known{})
				o.Guard = log.NewGuard(r.JS, book)
			}
			l := log.NewJetStream(r.JS, o)
			for i := 0; b.Loop(); i++ {
				if _, err := l.Append(b.Context(), requested(fmt.Sprint("c", i))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
