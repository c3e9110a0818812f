package compliance

import (
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

const (
	newYork2 = "+12128675310"
	newYork3 = "+12128675311"
	premium  = "+19002345678"
	chicago  = "+13128675309"
	paris    = "+33142685300"
)

// standing is a world whose call stands in a queue of a connection.
func standing(t *testing.T, connection string, q events.DialRequest) *world {
	t.Helper()
	q.Queue, q.Purpose, q.Mode = "menu-7", "telemarketing", "manual"
	return newWorldOf(t, connection, q)
}

func (w *world) enqueue(connection string) events.Record {
	w.t.Helper()
	return w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Queue: "menu-7", Connection: connection})
}

// list puts a number on the company's list.
func (w *world) list1(number string) {
	w.t.Helper()
	if err := w.list.PutFact(w.t.Context(), "acme", FactDNC, key().NumberToken(number), events.Fact{Kind: FactDNC, Listed: true, Origin: OriginCompany}, 0); err != nil {
		w.t.Fatal(err)
	}
}

// Each of a person's numbers is judged by itself. What may not be called is left
// out with its reasons; without the number to call there is no call.
func TestEachNumberNeedsItsOwnPass(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		connection string
		others     []string
		listed     []string
		cleared    string // "" is failed
		refused    string // the others' first reasons
	}{
		"all may be called":                   {"lists", []string{newYork2, newYork3}, nil, "5309 5310 5311", ""},
		"one is on the company's list":        {"lists", []string{newYork2, newYork3}, []string{newYork2}, "5309 5311", rules.DNCInternal},
		"one is of a type that is not called": {"lists", []string{premium, newYork2}, nil, "5309 5310", rules.NumberTypeBlocked},
		"one is abroad":                       {"lists", []string{paris}, nil, "5309", rules.JurisdictionUnsupported},
		"all others are listed":               {"lists", []string{newYork2}, []string{newYork2}, "5309", rules.DNCInternal},
		"named twice, and the first again":    {"lists", []string{newYork2, newYork, newYork2}, nil, "5309 5310", ""},
		"the number to call is listed":        {"lists", []string{newYork2}, []string{newYork}, "", ""},
		"the provider calls one number":       {"one", []string{newYork2}, []string{newYork2}, "5309", ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := standing(t, tc.connection, events.DialRequest{To: newYork, Alternates: tc.others})
			for _, n := range tc.listed {
				w.list1(n)
			}
			w.hear(w.enqueue(tc.connection))
			if tc.cleared == "" {
				w.want("requested assigned failed")
				w.wantFailed(rules.DNCInternal, false, false)
				return
			}
			w.want("requested assigned passed")
			p := w.call().Passed
			var got, why []string
			for _, n := range p.Numbers {
				got = append(got, n.Masked[len(n.Masked)-4:])
			}
			for _, v := range p.Evidence.Alternates {
				if v.Allowed != p.Clears(v.Token) || v.Allowed == (len(v.Reasons) > 0) {
					t.Errorf("%+v", v)
				}
				if !v.Allowed {
					why = append(why, v.Reasons[0].Code)
				}
			}
			if strings.Join(got, " ") != tc.cleared || strings.Join(why, " ") != tc.refused || p.Numbers[0] != p.Number {
				t.Errorf("it clears %v, and refuses for %v", got, why)
			}
		})
	}
}

// The windows are those of every place in which any of the numbers may be.
func TestTheWindowsOfAllNumbersCount(t *testing.T) {
	t.Parallel()
	w := standing(t, "lists", events.DialRequest{To: newYork, Alternates: []string{chicago}})
	w.pass(-3*time.Hour - 30*time.Minute) // half past eight in New York, half past seven in Chicago
	w.hear(w.enqueue("lists"))
	w.want("requested assigned failed")
	w.wantFailed(rules.TimeAmbiguousZone, false, false)
}

// An entry on the company's list reaches whatever may ring the number: a pass that
// lists it is void, a judgement under way loses its append, and what a provider
// that gives calls back holds is asked back. Nobody's conversation is cut off.
func TestAnOptOutOfAnotherNumber(t *testing.T) {
	t.Parallel()
	passed := func(w *world) { w.hear(w.enqueue("lists")) }
	dialed := func(names ...events.Name) func(*world) {
		return func(w *world) {
			passed(w)
			w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: noon.Add(5 * time.Second)})
			for _, n := range names {
				if n == events.Started {
					w.say(events.Dialer, n, &events.CallStarted{Attempt: "a"})
				} else {
					w.say(events.Bridge, n, &events.CallProgress{Event: "x"})
				}
			}
		}
	}
	for story, tc := range map[string]struct {
		before func(*world)
		number string
		adds   string // what is appended
		again  bool   // the call is judged again without the number
		says   string
	}{
		"nothing is judged yet":           {func(*world) {}, newYork2, "", false, ""},
		"it is being judged":              {func(w *world) { w.enqueue("lists") }, newYork2, "failed", true, ""},
		"the pass lists it":               {passed, newYork2, "failed", true, ""},
		"the pass does not list it":       {func(w *world) { w.list1(newYork3); passed(w) }, newYork3, "", false, ""},
		"the number to call":              {passed, newYork, "failed", false, ""},
		"it is being dialed":              {dialed(), newYork2, "failed", false, "asked to give back: 1"},
		"the provider holds it":           {dialed(events.Started), newYork2, "failed", false, "asked to give back: 1"},
		"the provider holds the first":    {dialed(events.Started), newYork, "failed", false, "asked to give back: 1"},
		"it rings":                        {dialed(events.Started, events.Ringing), newYork2, "failed", false, "asked to give back: 1"},
		"somebody talks":                  {dialed(events.Started, events.Talking), newYork2, "", false, "under way and not stopped: 1"},
		"somebody else's number is added": {passed, chicago, "", false, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := standing(t, "lists", events.DialRequest{To: newYork, Alternates: []string{newYork2, newYork3}})
			tc.before(w)
			w.follow()
			n := len(w.call().Log)
			for range 2 { // once more changes nothing
				got, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+tc.number+`"}]}`)
				if err != nil || tc.says != "" && !strings.Contains(got, tc.says) || tc.says == "" && strings.Contains(got, "call.find") {
					t.Errorf("%s, %v", got, err)
				}
				w.follow()
			}
			var added []string
			for _, r := range w.call().Log[n:] {
				added = append(added, string(r.Name))
			}
			if strings.Join(added, " ") != tc.adds {
				t.Fatalf("it adds %v", added)
			}
			if tc.adds == "" {
				return
			}
			w.wantFailed(rules.DNCInternal, tc.again, false)
			if !tc.again || w.call().Dialing != nil {
				return
			}
			w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{Reason: events.WaitWindow})
			w.hear(w.enqueue("lists"))
			if c := w.call(); c.Passed == nil || c.Passed.Clears(key().NumberToken(tc.number)) || !c.Passed.Clears(key().NumberToken(newYork3)) {
				t.Errorf("judged again: %s", c.State)
			}
		})
	}
}

// That the instant has passed when a call rings is nothing against it: what takes it
// back is the entry, and the call says so.
func TestAnOptOutOfACallAtItsInstant(t *testing.T) {
	t.Parallel()
	w := standing(t, "lists", events.DialRequest{To: newYork, Alternates: []string{newYork2},
		Options: map[string]any{"scheduledAt": noon.Add(30 * time.Minute).Format(time.RFC3339)}})
	w.hear(w.enqueue("lists"))
	w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: noon.Add(5 * time.Second)})
	w.say(events.Dialer, events.Started, &events.CallStarted{Attempt: "a"})
	w.pass(31 * time.Minute)
	w.follow()
	if got, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork2+`"}]}`); err != nil || !strings.Contains(got, "asked to give back: 1") {
		t.Errorf("%s, %v", got, err)
	}
	w.wantFailed(rules.DNCInternal, false, false)
}

// Nor does the hour take back what is under way: where the window has closed since the
// pass, the entry of another number is named first, and the window after it. A call that
// is not dialed yet waits for the window, and is judged again without the number.
func TestAnOptOutWhileTheWindowIsClosed(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		dialed bool
		number string
		codes  string
		waits  bool
	}{
		"another's entry, the provider holds it": {true, newYork2, "DNC_INTERNAL TIME_AFTER_WINDOW TIME_AFTER_WINDOW", false},
		"the number to call, as ever":            {true, newYork, "DNC_INTERNAL TIME_AFTER_WINDOW", false},
		"another's entry, it is not dialed":      {false, newYork2, "TIME_AFTER_WINDOW", true},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := standing(t, "lists", events.DialRequest{To: newYork, Alternates: []string{newYork2}})
			w.hear(w.enqueue("lists"))
			if tc.dialed {
				w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: noon.Add(5 * time.Second)})
				w.say(events.Dialer, events.Started, &events.CallStarted{Attempt: "a"})
			}
			w.pass(10 * time.Hour)
			w.follow()
			if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+tc.number+`"}]}`); err != nil {
				t.Fatal(err)
			}
			f := w.call().Failed
			if f == nil || codes(f.Reasons) != tc.codes || (f.NextAllowedAt != nil) != tc.waits || f.Retry {
				t.Errorf("%+v", f)
			}
		})
	}
}

// A judgement that read the list before the entry was there cannot pass the number
// after the opt-out was answered.
func TestAPassThatReadTheListTooEarlyLoses(t *testing.T) {
	t.Parallel()
	w := standing(t, "lists", events.DialRequest{To: newYork, Alternates: []string{newYork2}})
	r := w.enqueue("lists")
	w.log.Before(events.Passed, func() {
		w.follow()
		if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork2+`"}]}`); err != nil {
			t.Error(err)
		}
	})
	w.hear(r)
	w.want("requested assigned failed")
	w.wantFailed(rules.DNCInternal, true, false)
}

// The instant at which the provider is to call is the one that is judged; one that
// cannot be kept is refused, and no waiting cures it.
func TestTheInstantToCallIsTheOneThatIsJudged(t *testing.T) {
	t.Parallel()
	evening := noon.Add(30 * time.Minute)
	for story, tc := range map[string]struct {
		connection string
		at         any
		now        time.Duration
		code       string
	}{
		"in the window":                    {"lists", evening.Format(time.RFC3339), 0, ""},
		"in the window, asked at night":    {"lists", evening.Format(time.RFC3339), -9 * time.Hour, ""},
		"at night, asked in the window":    {"lists", noon.Add(-6 * time.Hour).Format(time.RFC3339), -18 * time.Hour, rules.TimeBeforeWindow},
		"it has passed":                    {"lists", evening.Format(time.RFC3339), 31 * time.Minute, rules.InvalidSchedule},
		"after the request's expiry":       {"lists", noon.Add(2 * time.Hour).Format(time.RFC3339), 0, rules.InvalidSchedule},
		"a provider that is not told when": {"one", evening.Format(time.RFC3339), 0, rules.InvalidSchedule},
		"no instant, in a former store":    {"lists", "soon", 0, rules.RuleError},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := standing(t, tc.connection, events.DialRequest{To: newYork, Options: map[string]any{"scheduledAt": tc.at}})
			w.pass(tc.now)
			w.hear(w.enqueue(tc.connection))
			c := w.call()
			if tc.code == "" {
				w.want("requested assigned passed")
				if p := c.Passed; p.CallAt == nil || !p.CallAt.Equal(evening) || !p.Evidence.At.Equal(evening) || !p.ValidUntil.After(evening) {
					t.Errorf("%+v", p)
				}
				return
			}
			w.want("requested assigned failed")
			if c.Failed.NextAllowedAt != nil || c.Failed.Retry || !strings.Contains(codes(c.Failed.Reasons), tc.code) {
				t.Errorf("%+v", c.Failed)
			}
		})
	}
}

func codes(reasons []events.Reason) string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.Code)
	}
	return strings.Join(out, " ")
}
