package marks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
)

var (
	made  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	later = made.Add(time.Hour)
)

func TestJudgingAStream(t *testing.T) {
	t.Parallel()
	known := Mark{Created: made, Seq: 100, ID: "a"}
	for _, tc := range []struct {
		story string
		known Mark
		view  View
		wrong string // part of what is said; "" for nothing
	}{
		{"as it was", known, View{Created: made, Last: 100, ID: "a"}, ""},
		{"longer", known, View{Created: made, Last: 250, ID: "a"}, ""},
		{"longer, and the known event has aged out", known, View{Created: made, Last: 250}, ""},
		{"everything has aged out, or was purged", known, View{Created: made, Last: 100}, ""},
		{"nothing was known", Mark{}, View{Created: made, Last: 7, ID: "x"}, ""},
		{"an empty stream was known, and is made anew", Mark{Created: made}, View{Created: later}, ""},
		{"a backup that holds everything", known, View{Created: later, Last: 100, ID: "a"}, ""},
		{"an event that nobody could read", Mark{Created: made, Seq: 100}, View{Created: made, Last: 100, ID: "a"}, ""},
		{"an older copy", known, View{Created: made, Last: 60}, "it ends at 60"},
		{"one event short", known, View{Created: made, Last: 99}, "it ends at 99"},
		{"an older copy that has grown past the known end", known, View{Created: made, Last: 180, ID: "b"}, "another event is at 100"},
		{"an older copy that has grown to the known end", known, View{Created: made, Last: 100, ID: "b"}, "another event is at 100"},
		{"made anew and empty", known, View{Created: later}, "it ends at 0"},
		{"made anew and grown, the place is gone", known, View{Created: later, Last: 300}, "made anew"},
		{"made anew and grown", known, View{Created: later, Last: 300, ID: "c"}, "another event"},
	} {
		if got := Judge(tc.known, tc.view); (got == "") != (tc.wrong == "") || !strings.Contains(got, tc.wrong) {
			t.Errorf("%s: %q, want %q", tc.story, got, tc.wrong)
		}
	}
}

func TestMeetingAStore(t *testing.T) {
	t.Parallel()
	full := map[string]View{"CALLS": {Created: made, Last: 10, ID: "c"}, "AGENTS": {Created: made, Last: 5, ID: "a"}, "FACTS": {Created: made}}
	short := map[string]View{"CALLS": {Created: made, Last: 4}, "AGENTS": {Created: made, Last: 5, ID: "a"}, "FACTS": {Created: made}}
	nothing := map[string]View{"CALLS": {Created: later}, "AGENTS": {Created: later}, "FACTS": {Created: later}}
	knows := func(epoch uint64) *Known {
		return &Known{Epoch: epoch, Marks: map[string]Mark{"CALLS": {made, 10, "c"}, "AGENTS": {made, 5, "a"}, "FACTS": {Created: made}}}
	}
	listed := knows(0)
	listed.Marks["FACTS"] = Mark{made, 3, "f"}
	held := knows(0)
	held.Regression = &events.Regression{ID: "r", Epoch: 1, Stream: "CALLS", What: "it ends at 4"}
	accepted := func(epoch uint64) Record {
		return Record{Regression: &events.Regression{ID: "r", Epoch: epoch}, Acceptance: &events.Acceptance{Regression: "r", Epoch: epoch}}
	}
	for _, tc := range []struct {
		story  string
		known  *Known
		record Record
		views  map[string]View
		want   Finding
		stream string
	}{
		{"the first start", nil, Record{}, nothing, New, ""},
		{"no memory beside messages", nil, Record{}, full, Adopted, ""},
		{"a restart", knows(0), Record{}, full, Sound, ""},
		{"an older copy", knows(0), Record{}, short, WentBack, "CALLS"},
		{"the store is empty, the memory is not", knows(0), Record{}, nothing, WentBack, "CALLS"},
		{"the company's list is gone, the calls are not", listed, Record{}, full, WentBack, "FACTS"},
		{"a restart while nobody has accepted", held, Record{Regression: held.Regression}, full, WentBack, "CALLS"},
		{"the same, and the record of it is gone too", held, Record{}, short, WentBack, "CALLS"},
		{"the newest copy, put back after an older one was met", held, Record{}, full, Sound, ""},
		{"away while somebody accepted", knows(0), accepted(1), short, Accepted, ""},
		{"stopped by it, away while somebody accepted", held, accepted(1), short, Accepted, ""},
		{"a restart after the acceptance", knows(1), accepted(1), full, Sound, ""},
		{"put back once more, to before the acceptance", knows(1), Record{}, full, WentBack, "CONTROL"},
		{"put back once more, to a longer store", knows(2), accepted(1), full, WentBack, "CONTROL"},
		{"put back once more, after the acceptance", knows(1), accepted(1), short, WentBack, "CALLS"},
	} {
		got, stream, why := Meet(tc.known, tc.record, tc.views)
		if got != tc.want || stream != tc.stream || (got == WentBack) != (why != "") {
			t.Errorf("%s: %s (%s: %s), want %s (%s)", tc.story, got, stream, why, tc.want, tc.stream)
		}
	}
}

func TestWhatABookTakesForARegression(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		do    func(b *Book)
		wrong string
	}{
		{"events in order", func(b *Book) { b.Seen("CALLS", 11, "k"); b.Acked("CALLS", 12, "l", b.Highest("CALLS")) }, ""},
		{"the same event once more", func(b *Book) { b.Seen("CALLS", 9, "i"); b.Seen("CALLS", 9, "i"); b.Seen("CALLS", 10, "j") }, ""},
		{"an old event that is not remembered", func(b *Book) { b.Seen("CALLS", 3, "never seen") }, ""},
		{"an acknowledgement overtaken by a delivery of a later append", func(b *Book) {
			before := b.Highest("CALLS") // 10; ours is stored as 11, another's as 12 is heard first
			b.Seen("CALLS", 12, "another's")
			b.Acked("CALLS", 11, "ours", before)
		}, ""},
		{"the same sequence in another stream", func(b *Book) { b.Seen("AGENTS", 10, "x") }, ""},
		{"an acknowledgement at the known end", func(b *Book) { b.Acked("CALLS", 10, "j2", b.Highest("CALLS")) }, "stored at 10"},
		{"an acknowledgement below it", func(b *Book) { b.Acked("CALLS", 5, "e2", b.Highest("CALLS")) }, "stored at 5"},
		{"another event at the known end", func(b *Book) { b.Seen("CALLS", 10, "j2") }, "another event came from 10"},
		{"another event at a place before", func(b *Book) { b.Seen("CALLS", 8, "h"); b.Seen("CALLS", 8, "h2") }, "another event came from 8"},
		{"a look at an older copy", func(b *Book) {
			b.Looked(b.Marks(), map[string]View{"CALLS": {Created: made, Last: 4}})
		}, "it ends at 4"},
		{"a look that was overtaken", func(b *Book) {
			asked := b.Marks()
			b.Seen("CALLS", 15, "o") // while the answer of before was on its way
			b.Looked(asked, map[string]View{"CALLS": {Created: made, Last: 12, ID: "j", LastID: "l"}})
		}, ""},
	} {
		b := NewBook(Known{Marks: map[string]Mark{"CALLS": {made, 10, "j"}}})
		tc.do(b)
		r := b.Held()
		if (r != nil) != (tc.wrong != "") || r != nil && !strings.Contains(r.What, tc.wrong) {
			t.Errorf("%s: %+v, want %q", tc.story, r, tc.wrong)
		}
		select {
		case <-b.Wrong():
			if tc.wrong == "" {
				t.Errorf("%s: it is called wrong", tc.story)
			}
		default:
			if tc.wrong != "" {
				t.Errorf("%s: nobody is woken", tc.story)
			}
		}
	}
}

func TestABookOfAStoreThatWentBackKeepsTheEvidence(t *testing.T) {
	t.Parallel()
	b := NewBook(Known{Epoch: 2, Marks: map[string]Mark{"CALLS": {made, 10, "j"}}})
	b.Acked("CALLS", 4, "d2", b.Highest("CALLS"))
	b.Seen("CALLS", 200, "x")
	k, _ := b.Known()
	if k.Regression == nil || k.Regression.Epoch != 3 || k.Marks["CALLS"].Seq != 10 {
		t.Fatalf("%+v", k)
	}
	again := NewBook(k) // a restart
	if again.Held() == nil {
		t.Error("a restart forgot it")
	}
	before := again.Highest("CALLS") // of an append that is acknowledged after the acceptance
	again.Adopt(3, map[string]View{"CALLS": {Created: made, Last: 4, LastID: "d2"}})
	if again.Held() != nil || again.Highest("CALLS") != 4 || !again.Acked("CALLS", 4, "d2", before) || !again.Acked("CALLS", 5, "e2", again.Highest("CALLS")) {
		t.Error("the accepted store is not believed")
	}
	select {
	case <-again.Wrong():
		t.Error("the accepted store is called wrong")
	default:
	}
}

// Appends and deliveries of a sound store cross in every way; none is an alarm.
func TestABookUnderManyWritersRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	b := NewBook(Known{})
	var mu sync.Mutex
	var stored uint64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				before := b.Highest("CALLS")
				mu.Lock()
				stored++
				seq := stored
				mu.Unlock()
				id := fmt.Sprint(w, "-", i)
				if i%2 == 0 {
					b.Seen("CALLS", seq, id) // the delivery is faster
				}
				if !b.Acked("CALLS", seq, id, before) {
					t.Errorf("%d: %+v", seq, b.Held())
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Highest("CALLS") != stored {
		t.Errorf("known up to %d of %d", b.Highest("CALLS"), stored)
	}
}

func TestWhatIsKnownOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "dialer")
	if k, err := Load(dir); k != nil || err != nil {
		t.Fatalf("before the first save: %+v, %v", k, err)
	}
	want := Known{Epoch: 3, Marks: map[string]Mark{"CALLS": {made, 10, "j"}}, Regression: &events.Regression{ID: "r", Epoch: 4, Stream: "CALLS", What: "w"}}
	for range 2 {
		if err := Save(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
	// To take a broken memory for none would be to believe any store.
	for _, text := range []string{"", "{", `{"marks":3}`, `{"regression":{}}`} {
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := Load(dir); err == nil {
			t.Errorf("%q is read as %+v", text, k)
		}
	}
	if err := Save(filepath.Join(dir, fileName, "below-a-file"), want); err == nil {
		t.Error("what cannot be kept is said to be kept")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"epoch":1,"marks":{"CALLS":{"seq":3,"id":"x"}},"regression":{"epoch":2}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := Read(text)
		if err != nil {
			return
		}
		NewBook(*k).Seen("CALLS", 1, "x")
		Meet(k, Record{Regression: k.Regression}, nil)
		again, err := Write(*k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(again); err != nil {
			t.Fatalf("%s is written as %s: %v", text, again, err)
		}
	})
}

// Open calls that were kept belong to one stream, and to one past of it.
func TestWhatWasKeptFitsOneStoreAlone(t *testing.T) {
	t.Parallel()

	kept := Open{Created: made, Epoch: 1, Seq: 7, ID: "seventh"}
	same := View{Created: made, Last: 9, ID: "seventh"}
	for story, tc := range map[string]struct {
		see   func(*View)
		epoch uint64
		fits  bool
	}{
		"the same, further on":                       {func(*View) {}, 1, true},
		"made anew, with the same events":            {func(v *View) { v.Created = made.Add(time.Second) }, 1, false},
		"shorter":                                    {func(v *View) { v.Last = 6 }, 1, false},
		"another event there":                        {func(v *View) { v.ID = "other" }, 1, false},
		"nothing there":                              {func(v *View) { v.ID = "" }, 1, false},
		"it went back, was accepted, and grew again": {func(*View) {}, 2, false},
		"of before the acceptance was lost":          {func(*View) {}, 0, false},
	} {
		v := same
		tc.see(&v)
		if why := kept.Fits(v, tc.epoch); (why == "") != tc.fits {
			t.Errorf("%s: %q", story, why)
		}
	}
}
