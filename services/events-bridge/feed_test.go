package bridge

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A shelf keeps items and gives them out two at a time, by a cursor that is a
// number, or all since a time where it knows none.
type shelf struct {
	items  [][]byte
	at     []time.Time
	window bool // it knows times alone
	down   bool
	asked  []time.Time
	change func(page providers.Page, cursor string) (providers.Page, error) // what it says instead
}

func (s *shelf) Page(_ context.Context, cursor string, since time.Time) (providers.Page, error) {
	s.asked = append(s.asked, since)
	if s.down {
		return providers.Page{}, fault.New(fault.Transient, "read feed", "provider_down", nil)
	}
	if s.window {
		i := slices.IndexFunc(s.at, func(at time.Time) bool { return !at.Before(since) })
		if i < 0 {
			i = len(s.items)
		}
		return providers.Page{Items: s.items[i:]}, nil
	}
	from, _ := strconv.Atoi(cursor)
	from = min(from, len(s.items))
	to := min(from+2, len(s.items))
	page := providers.Page{Items: s.items[from:to], Next: strconv.Itoa(to), More: to < len(s.items)}
	if s.change != nil {
		return s.change(page, cursor)
	}
	return page, nil
}

func (s *shelf) put(t *testing.T, at time.Time, it item) {
	t.Helper()
	body, err := json.Marshal(it)
	if err != nil {
		t.Fatal(err)
	}
	s.items, s.at = append(s.items, body), append(s.at, at)
}

// A tape keeps a cursor as CONTROL does.
type tape struct {
	cursor string
	at     uint64
	before func() // what others do right before a move
}

func (x *tape) Cursor(context.Context, string, string) (string, uint64, error) {
	return x.cursor, x.at, nil
}

func (x *tape) Move(_ context.Context, _, _, cursor string, at uint64) error {
	if meanwhile := x.before; meanwhile != nil {
		x.before = nil
		meanwhile()
	}
	if at != x.at {
		return fault.New(fault.Transient, "publish", log.CodeConflict, log.ErrConflict)
	}
	x.cursor, x.at = cursor, x.at+1
	return nil
}

// full is a store that has no room from some message on.
type full struct {
	*feedWorld
	room int
}

func (f *full) Raw(ctx context.Context, tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	if f.room--; f.room < 0 {
		return 0, fault.New(fault.Transient, "publish", log.CodeUnavailable, nil)
	}
	return f.feedWorld.Raw(ctx, tenant, raw, id)
}

// reads is a bridge of its own that reads a feed.
func (w *feedWorld) reads(x *tape, store Store, conn tenants.Connection) func() error {
	c := w.s.Config
	c.Cursors, c.Store = x, store
	s := New(c)
	return func() error { return s.ReadFeed(context.Background(), conn) }
}

func feedOf(s *shelf) tenants.Connection {
	return tenants.Connection{Name: "lists", Tenant: "acme", Provider: providers.Provider{Feeder: s, Reader: list{},
		Can: providers.Capabilities{Progress: providers.ProgressFeed}}}
}

func (w *feedWorld) stored() (ids []string) {
	for _, d := range w.raws {
		ids = append(ids, string(d.Data))
	}
	return ids
}

// A page is in PROVIDER before the cursor moves: what cannot be stored whole is
// read again, by whoever reads then, and nothing is lost.
func TestAPageIsStoredBeforeTheCursorMoves(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{}
	for i := range 7 {
		s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
	}
	if err := w.reads(x, &full{w, 5}, feedOf(s))(); err == nil || x.cursor != "4" || len(w.raws) != 5 {
		t.Fatalf("the store was full at the sixth: %v, cursor %q, %d stored", err, x.cursor, len(w.raws))
	}
	if err := w.reads(x, w, feedOf(s))(); err != nil || x.cursor != "7" {
		t.Fatalf("cursor %q, %v", x.cursor, err)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(w.stored())))); n != 7 {
		t.Errorf("%d of 7 items are stored", n)
	}
}

// Two who read at once repeat each other and lose nothing: the cursor is the
// faster one's.
func TestTwoReadersOfAFeedLoseNothing(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{}
	for i := range 5 {
		s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
	}
	other := w.reads(x, w, feedOf(s))
	x.before = func() {
		if err := other(); err != nil {
			t.Error(err)
		}
	}
	if err := w.reads(x, w, feedOf(s))(); err != nil || x.cursor != "5" {
		t.Errorf("cursor %q, %v", x.cursor, err)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(w.stored())))); n != 5 {
		t.Errorf("%d of 5 items are stored", n)
	}
}

// Where a provider knows times alone, each look reaches back to the oldest call
// that is waited for, and what it shows again is not stored again.
func TestAWindowReachesBackToTheOldestOpenCall(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{window: true}
	w.queue("c1", "+81312345678")
	w.started("c1")
	dialed := w.Now()
	w.hears()
	w.pass(20 * time.Minute)
	w.queue("c2", "+81312345679")
	w.hears()
	s.put(t, dialed.Add(time.Minute), item{ID: "p-c1", Event: events.Ringing, Second: 60}) // it stood there late
	read := w.reads(x, w, feedOf(s))
	for range 3 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	if !s.asked[0].Equal(dialed) || len(w.raws) != 1 {
		t.Errorf("asked since %v, the oldest call was dialed at %v; %d stored, want 1", s.asked[0], dialed, len(w.raws))
	}
	w.deliver()
	w.wantCall("c1", "ringing")
}

// Of two bridges one reads a feed, and the other when that one has died.
func TestOneBridgeReadsAFeed(t *testing.T) {
	t.Parallel()
	w, s := newFeedWorld(t), &shelf{}
	c := w.s.Config
	c.Cursors = &tape{}
	one, two := New(c), New(c)
	one.PeerLives(two.Process())
	two.PeerLives(one.Process())
	for _, b := range []*Service{one, two} {
		if err := b.ReadFeed(t.Context(), feedOf(s)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("%d bridges read it", len(s.asked))
	}
	w.pass(silence + time.Second)
	for _, b := range []*Service{one, two} { // each has heard nothing of the other since
		if err := b.ReadFeed(t.Context(), feedOf(s)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.asked) != 3 {
		t.Errorf("after the silence it is read %d times, want by both", len(s.asked)-1)
	}
}

func TestAFeedThatIsDownIsSaidOnce(t *testing.T) {
	t.Parallel()
	w, s := newFeedWorld(t), &shelf{down: true}
	conn, failures := feedOf(s), 0
	look := func() {
		c := w.s.Config
		c.Cursors = &tape{}
		failures = w.s.feedState(t.Context(), conn, failures, New(c).ReadFeed(t.Context(), conn))
	}
	for range 9 {
		look()
	}
	if !w.s.brokenFeeds.has("lists") {
		t.Error("it is not counted as one that does not answer")
	}
	s.down = false
	for range 3 {
		look()
	}
	if w.s.brokenFeeds.has("lists") {
		t.Error("it is still counted as one that does not answer")
	}
	if len(w.ops) != 2 || w.ops[0].Event != "connection_down" || w.ops[0].Reason != "provider_down" || w.ops[1].Event != "connection_up" ||
		w.ops[0].What != "lists" {
		t.Errorf("on record: %+v", w.ops)
	}
	// Whoever reads it from now on does not know that this was said.
	failures = notKnown
	for range 3 {
		look()
	}
	if len(w.ops) != 3 || w.ops[2].Event != "connection_up" {
		t.Errorf("on record: %+v", w.ops)
	}
}

// An item that can never be stored is left out, and what is behind it is read.
func TestAnItemThatIsRefusedForGoodStopsNoFeed(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{}
	for i := range 5 {
		s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
	}
	if err := w.reads(x, picky{w, "\"ID\":\"1\""}, feedOf(s))(); err != nil || x.cursor != "5" || len(w.raws) != 4 {
		t.Errorf("%v, cursor %q, %d of 4 stored", err, x.cursor, len(w.raws))
	}
}

// A feed that says there is more and does not move is asked once a look, and the
// look fails by name: what came is kept, and somebody hears of it.
func TestAFeedThatDoesNotMoveIsSaidToBeStuck(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{}
	s.put(t, noon, item{ID: "1", Event: events.Ringing})
	s.change = func(p providers.Page, cursor string) (providers.Page, error) {
		p.Next, p.More = cursor, true
		return p, nil
	}
	read := w.reads(x, w, feedOf(s))
	for range 3 {
		if err := read(); fault.Code(err) != "feed_stuck" {
			t.Errorf("%v", err)
		}
	}
	if len(s.asked) != 3 || len(w.raws) != 1 {
		t.Errorf("asked %d times in three looks; %d of 1 stored", len(s.asked), len(w.raws))
	}
}

// Whatever a feed's pages look like: everything good in them is stored, in their
// order, and the next look goes on behind it.
func TestABadPageLosesNothing(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		items  int
		change func(page *providers.Page, cursor string)
		stored int
	}{
		"empty, with a new cursor": {4, func(p *providers.Page, cursor string) {
			if cursor == "" {
				*p = providers.Page{Next: "0", More: true}
			}
		}, 4},
		"a page again": {4, func(p *providers.Page, cursor string) {
			if cursor == "2" {
				p.Items = append(p.Items, p.Items[0])
			}
		}, 4},
		"ten thousand items": {1, func(p *providers.Page, cursor string) {
			for i := 0; cursor == "" && i < 10_000; i++ {
				p.Items = append(p.Items, []byte(`{"id":"many`+strconv.Itoa(i)+`"}`))
			}
		}, 10_001},
		"broken items between": {2, func(p *providers.Page, _ string) {
			p.Items = slices.Insert(p.Items, min(1, len(p.Items)), []byte("{"), []byte{0xff, 0}, nil)
		}, 5},
		"more said, nothing there": {4, func(p *providers.Page, cursor string) { p.More = cursor != "4" }, 4},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w, x, s := newFeedWorld(t), &tape{}, &shelf{}
			for i := range tc.items {
				s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
			}
			s.change = func(p providers.Page, cursor string) (providers.Page, error) {
				p.Items = slices.Clone(p.Items)
				tc.change(&p, cursor)
				return p, nil
			}
			read := w.reads(x, w, feedOf(s))
			for range 3 {
				if err := read(); err != nil {
					t.Fatal(err)
				}
			}
			if len(w.raws) != tc.stored || x.cursor != strconv.Itoa(tc.items) {
				t.Errorf("%d of %d stored, cursor %q", len(w.raws), tc.stored, x.cursor)
			}
			for _, d := range w.raws[:min(len(w.raws), 100)] { // what cannot be read harms whoever is delivered it alone
				if err := w.understands(d); err != nil && fault.Of(err) != fault.Permanent {
					t.Error(err)
				}
			}
		})
	}
}

// A cursor that its provider has forgotten is given up, and the feed is read
// from the oldest call that news is waited for.
func TestAForgottenCursorIsGivenUp(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{cursor: "99"}, &shelf{}
	for i := range 3 {
		s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
	}
	s.change = func(p providers.Page, cursor string) (providers.Page, error) {
		if cursor == "99" {
			return providers.Page{}, fault.New(fault.Permanent, "read feed", providers.CursorGone, nil)
		}
		return p, nil
	}
	if err := w.reads(x, w, feedOf(s))(); err != nil || x.cursor != "3" || len(w.raws) != 3 {
		t.Errorf("%v, cursor %q, %d of 3 stored", err, x.cursor, len(w.raws))
	}
}

// What a feed's item holds is in no line that says it cannot be stored, or that
// its feed forgot a cursor.
func TestAFeedsErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	w, x, s := newFeedWorld(t), &tape{cursor: "canary-cursor"}, &shelf{}
	s.put(t, noon, item{ID: "canary-id", To: "+14355550142", Event: events.Ringing})
	s.change = func(p providers.Page, cursor string) (providers.Page, error) {
		if cursor == "canary-cursor" {
			return providers.Page{}, fault.New(fault.Permanent, "read feed", providers.CursorGone, nil)
		}
		return p, nil
	}
	c := w.s.Config
	c.Cursors, c.Store, c.Logger = x, picky{w, "canary-id"}, slog.New(slog.NewTextHandler(&lines, nil))
	if err := New(c).ReadFeed(t.Context(), feedOf(s)); err != nil {
		t.Fatal(err)
	}
	if said := lines.String(); strings.Count(said, "level=ERROR") != 2 || strings.Contains(said, "canary") || strings.Contains(said, "4355550142") {
		t.Error(said)
	}
}

// picky is a store that refuses one item for good.
type picky struct {
	*feedWorld
	no string
}

func (p picky) Raw(ctx context.Context, tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	if strings.Contains(string(raw.Body), p.no) {
		return 0, fault.New(fault.Permanent, "publish", "too_large", nil)
	}
	return p.feedWorld.Raw(ctx, tenant, raw, id)
}

// A store that went back may have lost what was stored: it is read and stored
// again from where the cursor stands then.
func TestAfterAStoreWentBackAFeedIsStoredAgain(t *testing.T) {
	t.Parallel()
	w, x, s := newFeedWorld(t), &tape{}, &shelf{}
	for i := range 4 {
		s.put(t, noon, item{ID: strconv.Itoa(i), Event: events.Ringing})
	}
	c := w.s.Config
	c.Cursors = x
	b := New(c)
	for range 2 {
		if err := b.ReadFeed(t.Context(), feedOf(s)); err != nil {
			t.Fatal(err)
		}
		x.cursor = ""
		b.Forget()
	}
	if len(w.raws) != 8 {
		t.Errorf("%d items are stored, want all four again", len(w.raws))
	}
}
