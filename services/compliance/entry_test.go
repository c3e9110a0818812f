package compliance

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

func TestWhenAnEntryEnds(t *testing.T) {
	t.Parallel()
	for class, tc := range map[string]map[string]string{
		"as the document writes it": {"2026-12-31 20:00:00 UTC": "2026-12-31T20:00:00Z", "2023-08-05 22:02:36.362009 +0000": "2023-08-05T22:02:36.362009Z"},
		"UTC by its names":          {"2026-12-31 20:00:00 GMT": "2026-12-31T20:00:00Z", "2026-12-31 20:00:00 Z": "2026-12-31T20:00:00Z", "2026-12-31 20:00:00 utc": "2026-12-31T20:00:00Z"},
		"a numeric offset":          {"2026-12-31 20:00:00 -0500": "2027-01-01T01:00:00Z", "2026-12-31 20:00:00 +05:30": "2026-12-31T14:30:00Z", "2026-12-31 20:00:00+1400": "2026-12-31T06:00:00Z"},
		"RFC 3339":                  {"2026-12-31T20:00:00Z": "2026-12-31T20:00:00Z", "2026-12-31t20:00:00.5z": "2026-12-31T20:00:00.5Z", "2026-12-31T20:00:00-05:00": "2027-01-01T01:00:00Z"},
		"never":                     {"": "", "  ": ""},
	} {
		for text, want := range tc {
			at, ok := readExpiry(text)
			got := ""
			if at != nil {
				got = at.Format(time.RFC3339Nano)
			}
			if !ok || got != want {
				t.Errorf("%s: %q ends %q, %v; want %q", class, text, got, ok, want)
			}
		}
	}
}

// Whoever writes these may mean another hour than we would read.
func TestAnEndThatIsNoOneMomentIsNotRead(t *testing.T) {
	t.Parallel()
	for class, texts := range map[string][]string{
		"a zone's name":               {"2026-12-31 20:00:00 EST", "2026-12-31 20:00:00 PST", "2026-12-31 20:00:00 IST", "2026-12-31 20:00:00 CET", "2026-12-31 20:00:00 BST", "2026-12-31 20:00:00 America/New_York", "2026-12-31 20:00:00 EST5EDT", "2026-12-31 20:00:00 A"},
		"an offset behind UTC's name": {"2026-12-31 20:00:00 GMT+5", "2026-12-31 20:00:00 UTC-5", "2026-12-31 20:00:00 UTC+05:30", "2026-12-31 20:00:00 GMT+0", "2026-12-31 20:00:00 Z+1", "2026-12-31 20:00:00 UTC EST", "2026-12-31 20:00:00 +0500 EST"},
		"no zone":                     {"2026-12-31 20:00:00", "2026-12-31T20:00:00", "2026-12-31", "2026-12-31 UTC"},
		"no such day or hour":         {"2026-02-30 20:00:00 UTC", "2026-13-01 20:00:00 UTC", "2026-12-31 24:00:00 UTC", "2026-12-31 20:60:00 UTC", "2026-12-31 20:00:00 +1500", "2026-12-31 20:00:00 +0560", "2026-12-31 20:00:00 -9999", "0000-00-00 00:00:00 UTC"},
		"days and months, who knows":  {"31/12/2026 20:00:00 UTC", "12/31/2026 20:00:00 UTC", "31-12-2026 20:00:00 UTC", "20261231 20:00:00 UTC", "2026-1-2 20:00:00 UTC", "Dec 31 2026 20:00:00 UTC"},
		"other texts":                 {"tomorrow", "1798747200", "46387.5", "2026-12-31 8:00 PM UTC", "2026-12-31 20:00:00,5 UTC", "٢٠٢٦-12-31 20:00:00 UTC", "2026-12-31 20:00:00 UTC\x00", "2026-12-31  20:00:00 UTC"},
	} {
		for _, text := range texts {
			if at, ok := readExpiry(text); ok {
				t.Errorf("%s: %q ends %v", class, text, at)
			}
		}
		w := newWorld(t, "desk", newYork)
		for _, text := range texts {
			raw, _ := json.Marshal(map[string]any{"contacts": []DNCContact{{newYork, text}}})
			if got, err := w.do("dnc", "add", string(raw)); err != nil || !strings.Contains(got, `"error":"`+dncBadTime+`","status":"failed"`) || len(w.list.facts) > 0 {
				t.Errorf("%s: %q: %s, %v", class, text, got, err)
			}
		}
	}
}

func FuzzWhenAnEntryEnds(f *testing.F) {
	for _, s := range []string{"2026-12-31 20:00:00 UTC", "2026-12-31T20:00:00.5+05:30", "2026-12-31 20:00:00 EST", "2026-12-31 20:00:00 GMT+5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := readExpiry(s)
		if !ok && at != nil || at != nil && at.Location() != time.UTC {
			t.Fatalf("%q ends %v, %v", s, at, ok)
		}
	})
}

func entries() *rapid.Generator[events.Fact] {
	return rapid.Custom(func(t *rapid.T) events.Fact {
		f := events.Fact{Kind: FactDNC, Listed: rapid.Bool().Draw(t, "listed"), Origin: rapid.SampledFrom([]string{"", OriginCompany, OriginConsumer, "Consumer", "crm"}).Draw(t, "origin")}
		if hours := rapid.IntRange(-2, 5).Draw(t, "hours"); hours != 0 {
			until := noon.Add(time.Duration(hours) * time.Hour)
			f.ExpiresAt = &until
		}
		return f
	})
}

// Of two entries one is the stricter, or they are the same; and whoever is not
// weaker blocks whenever the other does.
func TestEntriesAreOrderedByStrictness(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := entries().Draw(t, "one"), entries().Draw(t, "two")
		a, b := readEntry(one, noon), readEntry(two, noon)
		if !a.listed() || !b.listed() {
			return
		}
		if a.weaker(b) && b.weaker(a) || a.weaker(a) {
			t.Fatalf("%+v and %+v are each weaker than the other", a, b)
		}
		if a.weaker(b) {
			return
		}
		later := noon.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "minutes")) * time.Minute)
		if readEntry(two, later).listed() && !readEntry(one, later).listed() {
			t.Fatalf("%+v is not weaker than %+v, and lets through at %v what the other blocks", one, two, later)
		}
		if b.consumer() && !a.consumer() {
			t.Fatalf("%+v is not weaker than a consumer's own", one)
		}
	})
}

// Facts of a store of former days had any text for an origin, or none.
func TestEntriesOfFormerDays(t *testing.T) {
	t.Parallel()
	soon := noon.Add(time.Hour)
	for story, tc := range map[string]struct {
		fact events.Fact
		want entry
	}{
		"without an origin":            {events.Fact{Listed: true}, entry{origin: OriginConsumer}},
		"without an origin, lapsing":   {events.Fact{Listed: true, ExpiresAt: &soon}, entry{OriginCompany, &soon}},
		"the company's":                {events.Fact{Listed: true, Origin: "company"}, entry{origin: OriginCompany}},
		"a consumer's":                 {events.Fact{Listed: true, Origin: "consumer"}, entry{origin: OriginConsumer}},
		"a consumer's, spelt his way":  {events.Fact{Listed: true, Origin: "Consumer ", ExpiresAt: &soon}, entry{origin: OriginConsumer}},
		"somebody's":                   {events.Fact{Listed: true, Origin: "crm"}, entry{origin: OriginConsumer}},
		"taken off":                    {events.Fact{By: "boss"}, entry{}},
		"the company's, lapsed by now": {events.Fact{Listed: true, Origin: "company", ExpiresAt: &noon}, entry{}},
	} {
		if got := readEntry(tc.fact, noon); got != tc.want {
			t.Errorf("%s: %+v, want %+v", story, got, tc.want)
		}
	}
}

// fact is what FACTS holds about New York, through the eyes of the world.
func (w *world) fact() events.Fact {
	f, _, err := w.list.Fact(w.t.Context(), "acme", FactDNC, key().NumberToken(newYork))
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// adds sends an add for New York and returns the answer.
func (w *world) adds(origin, expires string) (string, error) {
	return w.do("dnc", "add", fmt.Sprintf(`{"contacts":[{"phone_number":%q,"expires_at":%q}],"origin":%q,"by":"boss"}`, newYork, expires, origin))
}

func TestAnAddOnlyEverMakesAnEntryStricter(t *testing.T) {
	t.Parallel()
	const soon, later = "2026-03-09 18:00:00 UTC", "2026-03-10 18:00:00 UTC"
	type add struct{ origin, expires string }
	for story, tc := range map[string]struct {
		first, second add
		status        string
		stands        string // the origin after both, and when it ends
	}{
		"a later expiry":                {add{OriginCompany, soon}, add{OriginCompany, later}, dncUpdated, "company " + later},
		"an earlier expiry":             {add{OriginCompany, later}, add{OriginCompany, soon}, dncKept, "company " + later},
		"the same":                      {add{OriginCompany, later}, add{OriginCompany, later}, dncUpdated, "company " + later},
		"for ever over an expiry":       {add{OriginCompany, later}, add{OriginCompany, ""}, dncUpdated, "company for ever"},
		"an expiry over for ever":       {add{OriginCompany, ""}, add{OriginCompany, later}, dncKept, "company for ever"},
		"an expiry, nobody says whose":  {add{OriginConsumer, ""}, add{"", later}, dncKept, "consumer for ever"},
		"the company's over a person's": {add{OriginConsumer, ""}, add{OriginCompany, ""}, dncKept, "consumer for ever"},
		"a person's over the company's": {add{OriginCompany, ""}, add{OriginConsumer, ""}, dncUpdated, "consumer for ever"},
		"a person's over an expiry":     {add{OriginCompany, later}, add{OriginConsumer, ""}, dncUpdated, "consumer for ever"},
		"a person's twice":              {add{OriginConsumer, ""}, add{OriginConsumer, ""}, dncUpdated, "consumer for ever"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "desk", newYork)
			if got, err := w.adds(tc.first.origin, tc.first.expires); err != nil || !strings.Contains(got, dncCreated) {
				t.Fatalf("%s, %v", got, err)
			}
			got, err := w.adds(tc.second.origin, tc.second.expires)
			if err != nil || !strings.Contains(got, `"status":"`+tc.status+`"`) || strings.Contains(got, `"message":"kept`) != (tc.status == dncKept) {
				t.Errorf("%s, %v", got, err)
			}
			f, stands := w.fact(), "for ever"
			if f.ExpiresAt != nil {
				stands = f.ExpiresAt.Format("2006-01-02 15:04:05 MST")
			}
			if got := f.Origin + " " + stands; got != tc.stands {
				t.Errorf("it is %s, want %s", got, tc.stands)
			}
		})
	}
}

// Whoever comes last of many at once does not undo the strictest.
func TestTheStrictestOfManyAddsAtOnceStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	var wg sync.WaitGroup
	for n := range 40 {
		origin, expires := OriginCompany, fmt.Sprintf("2026-03-%02d 18:00:00 UTC", 10+n%20)
		if n == 7 {
			origin, expires = OriginConsumer, ""
		}
		wg.Go(func() {
			if got, err := w.adds(origin, expires); err != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wg.Wait()
	if f := w.fact(); f.Origin != OriginConsumer || f.ExpiresAt != nil {
		t.Errorf("%+v", f)
	}
}

func TestOriginIsAClosedList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	for _, origin := range []string{"Consumer", "consumer ", "customer", "crm", "CONSUMER", "null"} {
		if got, err := w.adds(origin, ""); err == nil || len(w.list.facts) > 0 {
			t.Errorf("%q: %s", origin, got)
		}
	}
	if got, err := w.adds("", ""); err != nil || w.fact().Origin != OriginCompany {
		t.Errorf("%s, %v: nobody says whose it is, so it is the company's", got, err)
	}
}

func TestAPersonsOwnEntryGoesOnlyWithANameAReasonAndAnAlarm(t *testing.T) {
	t.Parallel()
	former := func(f events.Fact) func(*world) {
		return func(w *world) {
			f.Kind, f.Listed = FactDNC, true
			if err := w.list.PutFact(w.t.Context(), "acme", FactDNC, key().NumberToken(newYork), f, 0); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	add := func(origin string) func(*world) {
		return func(w *world) {
			if _, err := w.adds(origin, ""); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for story, tc := range map[string]struct {
		stands  func(*world)
		who     string
		status  string
		alarmed bool
	}{
		"a person's, nobody answers":         {add(OriginConsumer), ``, dncFailed, false},
		"a person's, no reason":              {add(OriginConsumer), `,"by":"boss"`, dncFailed, false},
		"a person's, nobody's reason":        {add(OriginConsumer), `,"reason":"asked to be called"`, dncFailed, false},
		"a person's, blanks":                 {add(OriginConsumer), `,"by":" ","reason":"\t"`, dncFailed, false},
		"a person's, answered for":           {add(OriginConsumer), `,"by":"boss","reason":"asked to be called again"`, dncRemoved, true},
		"the company's":                      {add(OriginCompany), ``, dncRemoved, false},
		"of former days, without an origin":  {former(events.Fact{}), `,"by":"boss"`, dncFailed, false},
		"of former days, answered for":       {former(events.Fact{}), `,"by":"boss","reason":"a mistake"`, dncRemoved, true},
		"of former days, with a word for it": {former(events.Fact{Origin: "Customer"}), ``, dncFailed, false},
		"nobody's":                           {func(*world) {}, ``, dncNotListed, false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "desk", newYork)
			tc.stands(w)
			w.ops = nil
			w.list.race = 2 // one alarm, however often it is decided
			got, err := w.do("dnc", "remove", `{"phone_numbers":["`+newYork+`"]`+tc.who+`}`)
			if err != nil || !strings.Contains(got, `"status":"`+tc.status+`"`) || strings.Contains(got, dncAnswer) != (tc.status == dncFailed) {
				t.Errorf("%s, %v", got, err)
			}
			alarms := 0
			for _, o := range w.ops {
				if o.Event == "alarm" {
					alarms++
					if o.What != "consumer_entry_removed" || o.By != "boss" || o.Reason == "" || o.Tenant != "acme" {
						t.Errorf("%+v", o)
					}
				}
			}
			if (alarms == 1) != tc.alarmed || alarms > 1 {
				t.Errorf("%d alarms", alarms)
			}
			w.list.race = 0
			check, err := w.do("dnc", "check", `{"phone_number":"`+newYork+`"}`)
			if err != nil || strings.Contains(check, `"do_not_call":true`) != (tc.status == dncFailed) {
				t.Errorf("%s, %v", check, err)
			}
		})
	}
}

// A consumer's entry blocks also where a former store gave it an end.
func TestAFormerEntryBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	past := noon.Add(-time.Hour)
	if err := w.list.PutFact(t.Context(), "acme", FactDNC, key().NumberToken(newYork), events.Fact{Kind: FactDNC, Listed: true, Origin: "Consumer", ExpiresAt: &past}, 0); err != nil {
		t.Fatal(err)
	}
	w.hear(w.assign())
	w.wantFailed(rules.DNCInternal, false, false)
}

// What an add cannot read suppresses nobody and says why; what it can read
// suppresses the one who is meant.
func TestAnAddNeverSuppressesSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	for class, tc := range map[string]map[string]string{ // "" = read as New York
		"separators":      {"+1 212 867 5309": "", "(212) 867-5309": "", "212.867.5309": "", "\ufeff2128675309": "", "1\u00a0212\u2011867\u20115309": "", "'2128675309": ""},
		"an extension":    {"212-867-5309 x12": "", "+12128675309;ext=12": "", "(212) 867-5309 ext. 12": "", "2128675309 #12": ""},
		"letters":         {"1-212-TOR-5309": "letters", "212 867 53O9": "letters", "2.128675309E9": "letters"},
		"a decimal":       {"2128675309.0": "decimal"},
		"no area code":    {"867-5309": "area code"},
		"several numbers": {"212-867-5309, 212-867-5310": "more than one", "212-867-5309/10": "more than one"},
		"a formula":       {"=2128675309": "formula"},
		"other digits":    {"２１２８６７５３０９": "digits"},
	} {
		for raw, why := range tc {
			clear(w.list.facts)
			body, _ := json.Marshal(map[string]any{"contacts": []DNCContact{{PhoneNumber: raw}}})
			got, err := w.do("dnc", "add", string(body))
			if err != nil {
				t.Fatal(err)
			}
			_, listed := w.list.facts["acme.dnc."+key().NumberToken(newYork)]
			switch {
			case why == "" && (!listed || !strings.Contains(got, dncCreated) || strings.Contains(got, "extension is left out") != (class == "an extension")):
				t.Errorf("%s: %q: %s", class, raw, got)
			case why != "" && (len(w.list.facts) > 0 || !strings.Contains(got, `"error":"`+dncInvalid+": ") || !strings.Contains(got, why)):
				t.Errorf("%s: %q: %s", class, raw, got)
			}
			clear(w.list.seqs)
		}
	}
	// Whoever takes an extension off does not speak for the main number.
	if got, err := w.do("dnc", "remove", `{"phone_numbers":["212-867-5309 x12"]}`); err != nil || !strings.Contains(got, "main number") || !strings.Contains(got, dncFailed) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := w.do("dnc", "check", `{"phone_number":"011 44 161 234 5678"}`); err != nil || !strings.Contains(got, "country code 44") {
		t.Errorf("%s, %v", got, err)
	}
}
