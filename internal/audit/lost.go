package audit

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/outdial/outdial/pkg/events"
)

// wentBack is why a call was closed that was open in a store which had gone
// back in time.
const wentBack = "store_went_back"

// answers notes that the log knows what became of the intent.
func (c *call) answers(r events.Record) {
	switch r.Name {
	case events.Started, events.PendingAgent, events.Refused, events.NotPlaced, events.Withheld, events.Unknown, events.Resolved,
		events.Offered, events.Ringing, events.Answered, events.Talking, events.Held, events.Consulting, events.Conferencing,
		events.Ended, events.WrapUp, events.WrappedUp:
		c.answered = c.answered || len(c.intents) > 0
		// An intent that was found without an answer is no word of the company's.
		c.told = c.told || len(c.intents) > 0 && r.Name != events.Unknown
	}
}

// lost: what the company did and the log has no word of was on record once. A
// dial without intent is another rule's.
func (m *comparison) lost(c *call) {
	got := m.got[c]
	if len(got) == 0 || len(c.intents) == 0 || c.headless || c.closed == nil || c.orphaned {
		return
	}
	switch {
	case c.reason == wentBack && !c.told && m.unanswerable(c):
		m.tell(c, got[0], "its intent is on record, its answer is not any more")
	case c.reason == wentBack && !c.told:
		m.find(Witness, c, got[0], fmt.Sprintf("closed because the store went back (#%d); the ledger shows the dial, its answer is lost", c.closed.seq))
	case !c.presumed && !c.answered:
		m.find(Witness, c, got[0], fmt.Sprintf("closed without an answer to its intent (#%d); the ledger shows the dial, its answer is lost", c.closed.seq))
	}
}

// admitted: a log that says nothing was placed must not be contradicted by the
// ledger, unless the orphan was noticed.
func (m *comparison) admitted(c *call) {
	if got := m.got[c]; c.gaveUp != "" && !c.orphaned && !c.headless && len(got) > 0 {
		m.find(Witness, c, got[0], fmt.Sprintf("the log is wrong: %s is on record (#%d), the ledger shows a dial", c.gaveUp, c.gaveUpAt))
	}
}

// attemptShape is the shape of an intent's attempt token (events.RandomID).
var attemptShape = regexp.MustCompile(`^[a-z2-7]{26}$`)

// foreign: the dial carries an attempt, and of no intent on record, or it would
// have named its call. The intent is lost, perhaps with a store that went back.
func foreign(d Dialed) bool { return attemptShape.MatchString(d.Correlation) }

// begins looks for the beginnings of what is lost.
func (j *Judge) begins(at stamp) {
	for _, i := range j.open {
		if l := &j.lost[i]; at.real().Before(l.Until) {
			l.From = at.real()
		}
	}
}

// Lost are the times that the record has lost, with their beginnings as far as
// the events that were taken show them.
func (j *Judge) Lost() []events.LostPast { return slices.Clone(j.lost) }

// past reports whether a dial was made in a time that is lost.
func (m *comparison) past(d Dialed) bool {
	return slices.ContainsFunc(m.Judge.lost, func(l events.LostPast) bool {
		return !d.At.Add(m.opts.Skew).Before(l.From) && !d.At.Add(-m.opts.Skew).After(l.Until)
	})
}

// done: the call had its dial, or was over. What is dialed after that in a lost
// past is another call's, which is not on record.
func (m *comparison) done(c *call, d Dialed) bool {
	return len(m.got[c]) > 0 || c.closed != nil && c.closed.real().Before(d.At)
}

// forsaken is the one call that a dial without an intent can have been of: it
// was closed because of the loss, undialed as far as the record goes.
func (m *comparison) forsaken(d Dialed) *call {
	var of *call
	for _, c := range m.calls {
		if c.reason != wentBack || len(c.intents) > 0 || len(m.got[c]) > 0 || m.sameNumber(c, d) != yes || m.sameAgent(c, d) == no {
			continue
		}
		if of != nil {
			return nil
		}
		of = c
	}
	return of
}

// unanswerable: the answer to the call's intent was, or would have been, on
// record in a time that is lost.
func (m *comparison) unanswerable(c *call) bool {
	at := c.dialed().real()
	return slices.ContainsFunc(m.Judge.lost, func(l events.LostPast) bool { return !at.After(l.From) && c.closed.real().After(l.Until) })
}

// tell names a dial of a lost past, once. It is no finding: nothing that is on
// record speaks against it, and nothing can speak for it.
func (m *comparison) tell(c *call, d Dialed, why string) {
	f := m.about(c, d)
	f.What = fmt.Sprintf("%s dial to %s: %s", d.Provider, masked(d), why)
	m.told = append(m.told, f)
}
