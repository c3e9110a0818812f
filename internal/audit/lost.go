package audit

import (
	"fmt"

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
	case c.reason == wentBack && !c.told:
		m.find(Witness, c, got[0], fmt.Sprintf("closed because the store went back (#%d); the ledger shows the dial, its answer is lost", c.closed.seq))
	case !c.presumed && !c.answered:
		m.find(Witness, c, got[0], fmt.Sprintf("closed without an answer to its intent (#%d); the ledger shows the dial, its answer is lost", c.closed.seq))
	}
}
