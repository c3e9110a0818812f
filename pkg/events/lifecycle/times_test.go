package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
)

// A moment of one clock, in milliseconds after noon.
func ms(n int) time.Time { return noon.Add(time.Duration(n) * time.Millisecond) }

func shown(n *int64) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(*n)
}

// Whichever clock a duration is taken from, both of its ends are of that one.
func TestADurationIsOfOneClock(t *testing.T) {
	t.Parallel()
	by := func(provider, receipt int) (m Moment) { // 0: none
		if provider != 0 {
			m.Provider = ms(provider)
		}
		if receipt != 0 {
			m.Receipt = ms(receipt)
		}
		return m
	}
	for story, tc := range map[string]struct {
		from, to Moment
		want     string
	}{
		"the provider dated both":                         {by(1000, 1100), by(5000, 9000), "4000"},
		"both came late, and the provider dated both":     {by(1000, 0), by(5000, 0), "4000"},
		"it dated the first alone, and both came at once": {by(1000, 1100), by(0, 5100), "4000"},
		"it dated the last alone, and both came at once":  {by(0, 1100), by(5000, 5100), "4000"},
		"it dated neither":                                {by(0, 1100), by(0, 5100), "4000"},
		"it dated the first alone, which came late":       {by(1000, 0), by(0, 5100), "null"},
		"it dated the last alone, which came late":        {by(0, 1100), by(5000, 0), "null"},
		"nobody knows when it began":                      {by(0, 0), by(5000, 5100), "null"},
		"nobody knows when it ended":                      {by(1000, 1100), by(0, 0), "null"},
		"the provider's clock ran backwards":              {by(5000, 1100), by(1000, 5100), "null"},
		"at the same instant":                             {by(1000, 1100), by(1000, 9000), "0"},
	} {
		if got := shown(Between(tc.from, tc.to)); got != tc.want {
			t.Errorf("%s: %s, want %s", story, got, tc.want)
		}
	}
}

func TestWhatAReceiptShows(t *testing.T) {
	t.Parallel()
	at := func(n int) *time.Time { v := ms(n); return &v }
	for story, tc := range map[string]struct {
		body events.CallProgress
		want Moment
	}{
		"dated and heard at once":              {events.CallProgress{OccurredAt: at(0), ReceivedAt: at(400)}, Moment{ms(0), ms(400)}},
		"heard, and written down much later":   {events.CallProgress{ReceivedAt: at(400)}, Moment{Receipt: ms(400)}},
		"from before receipts were kept":       {events.CallProgress{}, Moment{Receipt: ms(9000)}},
		"a page was cut off and says it later": {events.CallProgress{OccurredAt: at(0), ReceivedAt: at(163000)}, Moment{Provider: ms(0)}},
		"late news that is dated":              {events.CallProgress{Late: true, OccurredAt: at(0), ReceivedAt: at(400)}, Moment{Provider: ms(0)}},
		"late news that is not":                {events.CallProgress{Late: true, ReceivedAt: at(400)}, Moment{}},
		"a later message shows it":             {events.CallProgress{Inferred: true, OccurredAt: at(0), ReceivedAt: at(400)}, Moment{}},
		"the provider's clock is ahead":        {events.CallProgress{OccurredAt: at(60000), ReceivedAt: at(400)}, Moment{ms(60000), ms(400)}},
	} {
		if got := momentOf(events.Record{Time: ms(9000)}, &tc.body); got != tc.want {
			t.Errorf("%s: %+v, want %+v", story, got, tc.want)
		}
	}
}

// heard adds the provider's news: dated at so many ms, and all of it received
// at once a long time later.
func (p *page) heard(n events.Name, at int, reason string) *page {
	moment, received := ms(at), ms(3_600_000)
	return p.add(n, &events.CallProgress{Event: string(n), Reason: reason, OccurredAt: &moment, ReceivedAt: &received})
}

func (p *page) dated(news ...any) *page { // name, ms, name, ms …
	for i := 0; i < len(news); i += 2 {
		p.heard(news[i].(events.Name), news[i+1].(int), "")
	}
	return p
}

func TestDurationsAreTheProvidersOwn(t *testing.T) {
	t.Parallel()
	c := Fold(dialed().add(events.Started, &events.CallStarted{}).
		dated(events.Offered, 0, events.Talking, 3000, events.Ended, 163_000, events.WrapUp, 163_100, events.WrappedUp, 171_000).log)
	d := c.Durations(time.Time{})
	if got := shown(d.Talk) + " " + shown(d.Wrap) + " " + shown(d.Ring) + " " + shown(d.Hold); got != "160000 7900 null null" {
		t.Errorf("talk, wrap, ring, hold: %s", got)
	}
	if i := c.Instants; !i.Talking.Equal(ms(3000)) || len(i.ByProvider) != 4 || i.Dialing == nil {
		t.Errorf("instants %+v", i)
	}
}

// The customer is on hold from when the agent goes until she is back, all are
// joined, or it is over, whatever she does meanwhile.
func TestHoldIsTheCustomers(t *testing.T) {
	t.Parallel()
	const talk, held, consult, conf, ended, wrap = events.Talking, events.Held, events.Consulting, events.Conferencing, events.Ended, events.WrapUp
	for story, tc := range map[string]struct {
		news []any
		want string
	}{
		"a consultation while on hold": {[]any{talk, 0, held, 1000, talk, 2000, held, 3000, consult, 3500, consult, 3600,
			held, 5600, talk, 6100, ended, 7100}, "4100"},
		"nobody says when the consultation ends":    {[]any{talk, 0, held, 3000, consult, 3500, talk, 6100, ended, 7100}, "3100"},
		"one more hold amid the consultation":       {[]any{talk, 0, held, 3000, consult, 3500, held, 4000, consult, 5000, talk, 6000, ended, 7000}, "3000"},
		"a conference with the customer":            {[]any{talk, 0, held, 1000, consult, 1500, conf, 3000, ended, 9000}, "2000"},
		"and put on hold again":                     {[]any{talk, 0, held, 1000, conf, 3000, held, 4000, conf, 4500, ended, 9000}, "2500"},
		"a consultation that held nobody":           {[]any{talk, 0, consult, 1000, talk, 5000, ended, 9000}, "null"},
		"held twice":                                {[]any{talk, 0, held, 1000, held, 2000, talk, 3000, ended, 9000}, "2000"},
		"the end comes while on hold":               {[]any{talk, 0, held, 1000, ended, 3000}, "2000"},
		"after-call work without an end":            {[]any{talk, 0, held, 1000, wrap, 3000}, "2000"},
		"the end comes amid the consultation":       {[]any{talk, 0, held, 1000, consult, 1500, ended, 3000}, "2000"},
		"still on hold":                             {[]any{talk, 0, held, 1000}, "null"},
		"still on hold for the second time":         {[]any{talk, 0, held, 1000, talk, 2000, held, 3000}, "null"},
		"nobody heard it talk before":               {[]any{held, 1000, talk, 3000, ended, 9000}, "2000"},
		"nobody was on hold":                        {[]any{talk, 0, ended, 9000}, "null"},
		"the provider's clock ran backwards":        {[]any{talk, 0, held, 3000, talk, 2000, ended, 9000}, "null"},
		"the customer is back after the call ended": {[]any{talk, 0, held, 1000, ended, 3000, talk, 8000}, "2000"},
	} {
		c := Fold(dialed().dated(tc.news...).log)
		if got := shown(c.Durations(time.Time{}).Hold); got != tc.want || len(c.Faults) > 0 {
			t.Errorf("%s: %s ms, want %s; %v", story, got, tc.want, c.Faults)
		}
	}
}

// What came late moves nothing; of when it happened the provider alone can say.
func TestLateNewsMovesNothing(t *testing.T) {
	t.Parallel()
	at, then := ms(700), ms(800)
	for story, tc := range map[string]struct {
		late *events.CallProgress
		want *time.Time
	}{
		"undated":              {&events.CallProgress{Late: true, ReceivedAt: &then}, nil},
		"dated":                {&events.CallProgress{Late: true, OccurredAt: &at}, &at},
		"late, though it fits": {&events.CallProgress{Late: true}, nil},
	} {
		log := dialed().dated(events.Offered, 0)
		if story != "late, though it fits" {
			log.dated(events.Talking, 1000)
		}
		was := Fold(log.log).State
		c := Fold(log.add(events.Ringing, tc.late).log)
		if c.State != was || len(c.Faults) > 0 {
			t.Errorf("%s: moved from %s to %s, %v", story, was, c.State, c.Faults)
		}
		if got := c.Instants.Ringing; (got == nil) != (tc.want == nil) || got != nil && !got.Equal(*tc.want) {
			t.Errorf("%s: ringing at %v, want %v", story, got, tc.want)
		}
	}
}

func TestAMachineIsNoConversation(t *testing.T) {
	t.Parallel()
	type news struct {
		name   events.Name
		reason string
	}
	machine, human, answered := news{events.Answered, events.EndMachine}, news{events.Answered, events.ByHuman}, news{events.Answered, ""}
	talking, over := news{events.Talking, ""}, news{events.Ended, events.EndCompleted}
	for story, tc := range map[string]struct {
		news   []news
		talked bool
		reason string
	}{
		"a machine answers":                  {[]news{machine, over}, false, "machine"},
		"that is found after the answer":     {[]news{answered, machine, over}, false, "machine"},
		"that is found after the agent came": {[]news{answered, talking, machine, over}, false, "machine"},
		"that is found, and not over":        {[]news{answered, machine}, false, "machine"},
		"the agent talks to it":              {[]news{machine, talking, over}, false, "machine"},
		"it was a person after all":          {[]news{machine, human, over}, true, "completed"},
		"a person":                           {[]news{human, over}, true, "completed"},
		"nobody said who":                    {[]news{answered, over}, true, "completed"},
		"after-call work without an end":     {[]news{machine, {events.WrapUp, ""}}, false, "machine"},
		"the provider knows better":          {[]news{machine, {events.Ended, events.EndBusy}}, false, "busy"},
		"found when all is over":             {[]news{answered, over, machine}, true, "completed"},
	} {
		log := new(page).add(events.Requested, &events.CallRequested{}).add(events.Assigned, &events.CallAssigned{NoTalking: true}).
			add(events.Passed, &events.CallPassed{}).add(events.Dialing, &events.CallDialing{})
		for i, n := range tc.news {
			log.heard(n.name, 1000*i, n.reason)
		}
		c := Fold(log.log)
		if c.Talked != tc.talked || c.EndReason != tc.reason || (c.Durations(time.Time{}).Talk != nil) != tc.talked {
			t.Errorf("%s: talked %t for %s, ended as %q; want %t, %q", story, c.Talked, shown(c.Durations(time.Time{}).Talk), c.EndReason, tc.talked, tc.reason)
		}
	}
}

func TestATransferredCustomerStaysOnOurLine(t *testing.T) {
	t.Parallel()
	const moved, over = events.EndTransferred, events.EndCompleted
	talks := func() *page { return dialed().dated(events.Talking, 1000) }
	closed := func(p *page) *page { return p.add(events.Closed, &events.CallClosed{}) }
	for story, tc := range map[string]struct {
		log             *page
		transferred, up bool
	}{
		"rings":                            {dialed().dated(events.Ringing, 0), false, false},
		"talks":                            {talks(), false, true},
		"is on hold":                       {talks().dated(events.Held, 2000), false, true},
		"hangs up":                         {talks().heard(events.Ended, 3000, over), false, false},
		"is handed on":                     {talks().heard(events.Ended, 3000, moved), true, true},
		"while on hold":                    {talks().dated(events.Held, 2000).heard(events.Ended, 3000, moved), true, true},
		"while the agent writes it up":     {talks().heard(events.Ended, 3000, moved).dated(events.WrapUp, 3100, events.WrappedUp, 4000), true, true},
		"when the call is closed":          {closed(talks().heard(events.Ended, 3000, moved)), true, true},
		"until it ends":                    {talks().heard(events.Ended, 3000, moved).heard(events.Ended, 9000, over), true, false},
		"until it ends, long after":        {closed(talks().heard(events.Ended, 3000, moved)).heard(events.Ended, 9000, over), true, false},
		"the transfer is said twice":       {talks().heard(events.Ended, 3000, moved).heard(events.Ended, 3001, moved), true, true},
		"the transfer is heard after work": {talks().dated(events.WrapUp, 3100).heard(events.Ended, 3000, moved), true, true},
		"hung up before it was heard":      {talks().heard(events.Ended, 3000, over).heard(events.Ended, 2900, moved), false, false},
		"a closed call that nobody moved":  {closed(talks()), false, false},
	} {
		c := Fold(tc.log.log)
		if c.Transferred != tc.transferred || c.CustomerUp() != tc.up || c.Transferred == c.TransferredAt.IsZero() || len(c.Faults) > 0 {
			t.Errorf("%s: transferred %t at %s, up %t; want %t, %t; %v", story, c.Transferred, c.TransferredAt, c.CustomerUp(), tc.transferred, tc.up, c.Faults)
		}
	}
}

// A call in memory is copied before it goes on: what a copy hears is its own.
func TestACopyOfACallGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	first := Fold(dialed().dated(events.Ringing, 0, events.Answered, 1000, events.Talking, 2000).log)
	one, other := *first, *first
	take := func(c *Call, n events.Name) {
		c.Take(new(page).heard(n, 3000, "").log[0])
	}
	take(&one, events.Ended)
	take(&other, events.WrapUp)
	for story, tc := range map[string]struct {
		c    Call
		want []events.Name
	}{
		"the first": {*first, []events.Name{events.Ringing, events.Answered, events.Talking}},
		"one":       {one, []events.Name{events.Ringing, events.Answered, events.Talking, events.Ended}},
		"another":   {other, []events.Name{events.Ringing, events.Answered, events.Talking, events.WrapUp}},
	} {
		if diff := cmp.Diff(tc.want, tc.c.Instants.ByProvider); diff != "" {
			t.Errorf("%s (-want +got): %s", story, diff)
		}
	}
	if first.Instants.Ended != nil || first.Instants.WrapUp != nil {
		t.Error("the first heard what its copies heard")
	}
}
