package lifecycle

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
)

var noon = time.Date(2026, 3, 2, 17, 0, 0, 0, time.UTC)

// A page builds logs: each event a second after the one before.
type page struct{ log []events.Record }

func (p *page) add(n events.Name, body any) *page {
	i := len(p.log) + 1
	p.log = append(p.log, events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c", Name: n,
		Seq: uint64(10 * i), ID: string(n), Time: noon.Add(time.Duration(i) * time.Second), Body: body})
	return p
}

// dialed is a call up to its intent.
func dialed() *page {
	return new(page).
		add(events.Requested, &events.CallRequested{}).
		add(events.Assigned, &events.CallAssigned{Agent: "a7", Fence: 5}).
		add(events.Preparing, &events.CallPreparing{}).
		add(events.Passed, &events.CallPassed{Fence: 5}).
		add(events.Dialing, &events.CallDialing{})
}

func (p *page) news(names ...events.Name) *page {
	for _, n := range names {
		p.add(n, &events.CallProgress{})
	}
	return p
}

func TestFoldACallThatTalks(t *testing.T) {
	t.Parallel()
	c := Fold(dialed().add(events.Started, &events.CallStarted{}).
		news(events.Ringing, events.Answered, events.Talking, events.Held, events.Talking, events.Ended, events.WrapUp).log)
	if c.State != WrapUp || len(c.Faults) > 0 {
		t.Fatalf("state %s, faults %v", c.State, c.Faults)
	}
	if !c.Talked || c.Touched {
		t.Errorf("talked %t, touched %t", c.Talked, c.Touched)
	}
	if r := c.Refs; r.Requested != 10 || r.Assigned != 20 || r.Passed != 40 {
		t.Errorf("refs %+v", r)
	}
	if got := c.Since(); !got.Equal(c.Last().Time) {
		t.Errorf("in wrap-up since %s, want %s", got, c.Last().Time)
	}
	d := c.Durations(noon.Add(20 * time.Second))
	for what, got := range map[string]*int64{"queue": d.Queue, "ring": d.Ring, "talk": d.Talk, "hold": d.Hold, "wrap": d.Wrap} {
		want := map[string]int64{"queue": 4000, "ring": 1000, "talk": 3000, "hold": 1000, "wrap": 7000}[what]
		if got == nil || *got != want {
			t.Errorf("%s is %v ms, want %d", what, got, want)
		}
	}
}

func TestFoldWithoutEvidence(t *testing.T) {
	t.Parallel()
	c := Fold(dialed().news(events.Ended).log)
	d := c.Durations(time.Time{})
	if d.Talk != nil || d.Ring != nil || d.Hold != nil || d.Wrap != nil {
		t.Errorf("durations out of nothing: %+v", d)
	}
	if c.Talked {
		t.Error("nobody talked")
	}
}

// Webex CC reports no talking: there an answer is a conversation.
func TestFoldAnsweredIsTalkingWhereNoTalkingIsReported(t *testing.T) {
	t.Parallel()
	log := new(page).add(events.Requested, &events.CallRequested{}).
		add(events.Assigned, &events.CallAssigned{NoTalking: true}).
		add(events.Passed, &events.CallPassed{}).add(events.Dialing, &events.CallDialing{}).
		news(events.Answered, events.Ended)
	c := Fold(log.log)
	if !c.Talked {
		t.Error("an answered call counts as not talked")
	}
	if d := c.Durations(time.Time{}); d.Talk == nil || *d.Talk != 1000 {
		t.Errorf("talk is %v, want 1000", d.Talk)
	}
}

func TestFoldWaitingVoidsTheAssignment(t *testing.T) {
	t.Parallel()
	log := dialed().log[:4]
	p := &page{log: slices.Clone(log)}
	c := Fold(p.add(events.Withheld, &events.CallWithheld{}).add(events.Waiting, &events.CallWaiting{}).log)
	if c.Assigned != nil || c.Passed != nil || c.Preparing != nil {
		t.Error("an assignment, a pass or a preparation outlived the wait")
	}
	if !c.Touched {
		t.Error("the preparation that nobody undid is forgotten")
	}
	c.Take(events.Record{Tenant: "acme", Key: "c", Name: events.Assigned, Seq: 99, Body: &events.CallAssigned{Agent: "b2"}})
	if c.Refs.Passed != 0 || c.PassedID != "" {
		t.Error("the old pass counts for the new assignment")
	}
}

func TestFoldHoldsWhatCannotBe(t *testing.T) {
	t.Parallel()
	c := Fold(dialed().add(events.Dialing, &events.CallDialing{Attempt: "second"}).log)
	if len(c.Faults) != 1 || c.State != Dialing {
		t.Errorf("a second intent: state %s, faults %v", c.State, c.Faults)
	}
	if c.Dialing.Attempt == "second" {
		t.Error("the illegal intent was taken for the call's")
	}
	foreign := Fold(append(dialed().log, events.Record{Tenant: "other", Key: "c", Name: events.Annotated}))
	if len(foreign.Faults) != 1 {
		t.Errorf("an event of another tenant: faults %v", foreign.Faults)
	}
}

func TestFoldNothing(t *testing.T) {
	t.Parallel()
	c := Fold(nil)
	if c.State != None || c.Open() || c.Seq() != 0 || c.Last().Seq != 0 || !c.Since().IsZero() {
		t.Errorf("an empty log is %+v", c)
	}
	c.Durations(time.Time{})
	c.Common()
}

// anyLog draws records that nobody would write: any event with any body, out
// of order, of mixed tenants, without bodies.
func anyLog() *rapid.Generator[[]events.Record] {
	specs := slices.Concat(events.CallSpecs(), events.AgentSpecs())
	one := rapid.Custom(func(t *rapid.T) events.Record {
		s := rapid.SampledFrom(specs).Draw(t, "event")
		body := rapid.SampledFrom(specs).Draw(t, "body").New()
		if rapid.IntRange(0, 3).Draw(t, "honest") > 0 {
			body = s.New()
		}
		if rapid.IntRange(0, 20).Draw(t, "bodiless") == 0 {
			body = nil
		}
		return events.Record{Family: s.Family, Role: s.Role, Name: s.Name, Body: body,
			Tenant: rapid.SampledFrom([]string{"acme", "acme", "acme", "other"}).Draw(t, "tenant"), Key: "c",
			Seq:  rapid.Uint64().Draw(t, "seq"),
			Time: noon.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "time")))}
	})
	return rapid.SliceOfN(one, 0, 40)
}

func TestFoldNeverPanics(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { judge(t, anyLog().Draw(t, "log")) })
}

// FuzzFold lets the fuzzer choose the events by their places in the vocabulary.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 2, 6, 7, 8, 10, 19, 20, 21, 25, 26, 27, 4})
	f.Add([]byte{0, 1, 1, 3, 4, 19})
	f.Fuzz(func(t *testing.T, places []byte) {
		specs := events.CallSpecs()
		var p page
		for _, at := range places {
			s := specs[int(at)%len(specs)]
			p.add(s.Name, s.New())
		}
		judge(t, p.log)
	})
}

type reporter interface {
	Errorf(format string, args ...any)
}

// judge folds a log step by step and holds every step against the invariants.
func judge(t reporter, log []events.Record) {
	c := &Call{State: None}
	intents, rank, talkedBefore := 0, 0, false
	for _, r := range log {
		was, faults := c.State, len(c.Faults)
		v := c.Take(r)
		if v == Move && r.Name == events.Dialing {
			intents++
		}
		if was == Closed && c.State != Closed {
			t.Errorf("%s reopened a closed call", r.Name)
		}
		if v != Move && c.State != was {
			t.Errorf("%s moved from %s to %s without being a move", r.Name, was, c.State)
		}
		if v == Illegal && len(c.Faults) == faults {
			t.Errorf("%s in %s is illegal and not noted", r.Name, was)
		}
		if now := Rank(c.State); now < rank && c.State != Closed {
			t.Errorf("%s went back from rank %d to %s", r.Name, rank, c.State)
		} else if now > 0 {
			rank = now
		}
		if talkedBefore && !c.Talked && !c.Machine {
			t.Errorf("%s unmade a conversation", r.Name)
		}
		talkedBefore = c.Talked
	}
	if intents > 1 {
		t.Errorf("%d intents", intents)
	}
	if rank > 0 && intents == 0 {
		t.Errorf("rank %d without an intent", rank)
	}
	d := c.Durations(time.Time{})
	for _, ms := range []*int64{d.Queue, d.Ring, d.Talk, d.Hold, d.Wrap} {
		if ms != nil && *ms < 0 {
			t.Errorf("a negative duration of %d ms", *ms)
		}
	}
	c.Since()
	c.Common()
}

// intended is a call up to an intent with this attempt.
func intended(p *page, attempt string) *page {
	return p.add(events.Assigned, &events.CallAssigned{}).add(events.Passed, &events.CallPassed{}).
		add(events.Dialing, &events.CallDialing{Attempt: attempt})
}

// After the intent a withheld leads back to waiting by its proof alone, and
// whatever is wrong with the proof ends the call.
func TestWhatProvesThatAnIntentPlacedNothing(t *testing.T) {
	t.Parallel()
	const proof = events.ProofNoResponders
	first := func() *page { return intended(new(page).add(events.Requested, &events.CallRequested{}), "a1") }
	again := func(p *page, proved string, attempt string) *page {
		p.add(events.Withheld, &events.CallWithheld{Attempt: proved, Proof: proof}).add(events.Waiting, &events.CallWaiting{})
		return intended(p, attempt)
	}
	for story, tc := range map[string]struct {
		log  *page
		said *events.CallWithheld
		want State
	}{
		"the broker knew of nobody who listens":       {first(), &events.CallWithheld{Attempt: "a1", Proof: proof}, Withheld},
		"the sender's own word":                       {first(), &events.CallWithheld{Attempt: "a1"}, Withdrawn},
		"from before there were proofs":               {first(), &events.CallWithheld{Reason: "nothing_sent", Detail: "no_desktop"}, Withdrawn},
		"a bridge's word is no proof":                 {first(), &events.CallWithheld{Attempt: "a1", Proof: "no_desktop"}, Withdrawn},
		"another intent's proof":                      {first(), &events.CallWithheld{Attempt: "a0", Proof: proof}, Withdrawn},
		"a proof of no intent":                        {first(), &events.CallWithheld{Proof: proof}, Withdrawn},
		"somebody wants it cancelled":                 {first().add(events.CancelRequested, &events.CallCancelRequested{}), &events.CallWithheld{Attempt: "a1", Proof: proof}, Withdrawn},
		"the second":                                  {again(first(), "a1", "a2"), &events.CallWithheld{Attempt: "a2", Proof: proof}, Withheld},
		"the first one's proof once more":             {again(first(), "a1", "a2"), &events.CallWithheld{Attempt: "a1", Proof: proof}, Withdrawn},
		"the third is one too many: the call is over": {again(again(first(), "a1", "a2"), "a2", "a3"), &events.CallWithheld{Attempt: "a3", Proof: proof}, Withdrawn},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			c := Fold(tc.log.log)
			if c.State != Dialing || len(c.Faults) > 0 {
				t.Fatalf("the story begins in %s, faults %v", c.State, c.Faults)
			}
			proofs := c.Proofs
			c.Take(events.Record{Tenant: "acme", Key: "c", Name: events.Withheld, Seq: 999, Body: tc.said})
			stands := c.Dialing != nil && c.Instants.Dialing != nil
			if c.State != tc.want || stands == (tc.want == Withheld) || (c.Proofs > proofs) != (tc.want == Withheld) {
				t.Errorf("%s, the intent stands %t, %d proofs after %d; want %s", c.State, stands, c.Proofs, proofs, tc.want)
			}
			if tc.want == Withdrawn {
				if v := c.Take(events.Record{Tenant: "acme", Key: "c", Name: events.Waiting, Seq: 1000, Body: &events.CallWaiting{}}); v != Illegal {
					t.Errorf("waiting after it is %s", v)
				}
			}
		})
	}
}
