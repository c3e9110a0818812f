package simulation

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	bridge "github.com/outdial/outdial/services/events-bridge"
	"github.com/outdial/outdial/test/sixth"
)

// A shelf is what a company keeps of its calls and gives out by cursor, or where it
// knows times alone since one; and what it posts of it besides.
type shelf struct {
	w      *World
	conn   string
	window bool   // it knows times alone
	items  []item // as they came to stand there
	forgot int    // how often it has forgotten its cursors
	outbox []item // to be posted
}

// An item is a line of the feed.
type item struct {
	sixth.Event
	body  []byte
	shown time.Time // since when it stands there
	of    *entry
}

var _ providers.Feeder = (*shelf)(nil)

// say puts a word about a call into the feed, most often at once, and has it posted.
// Each names the company's own id, one at least the attempt as well.
func (s *shelf) say(e *entry, word string) {
	w := s.w
	it := item{of: e, Event: sixth.Event{Call: e.ProviderCall, Word: word, At: w.now.Truncate(time.Millisecond)}}
	if w.chance(2) || !e.named && e.told > 0 {
		it.Attempt, e.named = e.order.Attempt, true
	}
	e.told++
	it.body, _ = json.Marshal(it.Event)
	late := w.between(0, 300*time.Millisecond)
	if w.odds(30) {
		late = w.between(time.Second, 30*time.Second)
	}
	w.after(late, func() {
		it.shown = w.now
		s.items = append(s.items, it)
	})
	if w.chance(2) {
		s.outbox = append(s.outbox, it)
	}
}

// Page implements providers.Feeder.
func (s *shelf) Page(ctx context.Context, cursor string, since time.Time) (providers.Page, error) {
	if s.w.wire(ctx) || s.w.odds(60) {
		return providers.Page{}, down("read feed")
	}
	page, err := s.page(cursor, since)
	if t := s.w.running; t != nil && s.w.odds(200) { // whoever reads is stopped with it, and another reads on
		t.of.freeze(s.w.between(12*time.Second, 25*time.Second))
	}
	if s.w.wire(ctx) || s.w.odds(60) { // it went out, and nobody got it
		return providers.Page{}, down("read feed")
	}
	return page, err
}

// mostItems is how many stand on one page.
const mostItems = 5

func (s *shelf) page(cursor string, since time.Time) (providers.Page, error) {
	reaches := func(it item) bool { return !it.At.Before(since) }
	if s.window {
		var p providers.Page
		for _, it := range s.items {
			if reaches(it) {
				p.Items = append(p.Items, it.body)
			}
		}
		return p, nil
	}
	from := 0
	switch at, n, _ := strings.Cut(cursor, "."); {
	case cursor == "":
		if from = slices.IndexFunc(s.items, reaches); from < 0 {
			from = len(s.items)
		}
	case at != strconv.Itoa(s.forgot):
		s.w.count("cursors gone")
		return providers.Page{}, fault.New(fault.Permanent, "read feed", providers.CursorGone, nil)
	default:
		from, _ = strconv.Atoi(n)
	}
	to := min(from+mostItems, len(s.items))
	p := providers.Page{Next: fmt.Sprintf("%d.%d", s.forgot, to), More: to < len(s.items)}
	if s.w.odds(10) { // it overlaps with the page before
		from = max(from-2, 0)
	}
	for _, it := range s.items[from:to] {
		p.Items = append(p.Items, it.body)
	}
	return p, nil
}

// post posts what is new, of several calls together: in order or out of it, some
// twice, some of it never. What was not taken whole is posted again.
func (s *shelf) post() {
	w := s.w
	out := s.outbox
	s.outbox = nil
	for i := range out {
		if w.odds(8) {
			out = append(out, out[i])
		}
	}
	if w.odds(4) {
		w.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	if len(out) == 0 || w.odds(10) {
		return
	}
	body := []byte("[")
	for _, it := range out {
		body = append(append(body, it.body...), ',')
	}
	s.send(append(bytes.TrimSuffix(body, []byte(",")), ']'), 0)
}

// mostPosts is how often the same is posted at most.
const mostPosts = 5

func (s *shelf) send(body []byte, tries int) {
	to := s.w.anyProcess("events-bridge")
	again := func() {
		if tries < mostPosts {
			s.w.after(s.w.between(100*time.Millisecond, 3*time.Second), func() { s.send(body, tries+1) })
		}
	}
	if to == nil {
		again()
		return
	}
	to.spawn(again, func() {
		mux, answer := http.NewServeMux(), httptest.NewRecorder()
		(&bridge.HTTPAPI{S: to.brid, Hook: to.noCredential}).Routes(mux)
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/providers/"+s.conn+"/events", bytes.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		mux.ServeHTTP(answer, r)
		if s.w.count(fmt.Sprint("posts answered ", answer.Code)); answer.Code != http.StatusNoContent || s.w.odds(20) {
			again() // or the answer was lost
		}
	})
}

// cursorBefore orders two cursors of one company; those of different memories have none.
func cursorBefore(a, b string) bool {
	ma, na, _ := strings.Cut(a, ".")
	mb, nb, _ := strings.Cut(b, ".")
	x, _ := strconv.Atoi(na)
	y, _ := strconv.Atoi(nb)
	return ma == mb && cmp.Less(x, y)
}
