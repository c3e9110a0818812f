package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// An intentRule looks at a dialing event and says what is wrong with it, or "".
type intentRule struct {
	invariant string
	says      func(c *call, r events.Record, d *events.CallDialing) string
}

// intentRules is every condition of an intent, one function each.
func intentRules() []intentRule {
	return []intentRule{
		{I1, passOnRecord},
		{I1, passOfAssignment},
		{I1, passOverNumber},
		{I1, passStillValid},
		{I1, passNamed},
		{I1, passStands},
		{I2, onlyIntent},
		{I4, intentOfClaim},
	}
}

// intent asks every rule about a dialing event.
func (c *call) intent(r events.Record) {
	d, ok := r.Body.(*events.CallDialing)
	if !ok {
		return
	}
	for _, rule := range intentRules() {
		if what := rule.says(c, r, d); what != "" {
			c.find(rule.invariant, r.Seq, what)
		}
	}
}

// passOnRecord: a pass came before, for the latest assignment.
func passOnRecord(c *call, _ events.Record, _ *events.CallDialing) string {
	switch {
	case c.pass != nil:
		return ""
	case c.stale:
		return "dialing, but the pass on record is of an earlier assignment"
	}
	return "dialing, but no pass is on record before it"
}

// passOfAssignment: the pass was made for the agent's present claim.
func passOfAssignment(c *call, _ events.Record, _ *events.CallDialing) string {
	if c.pass == nil || c.assigned == nil {
		return ""
	}
	if c.pass.fence != c.assigned.fence {
		return fmt.Sprintf("dialing by a pass for fence %d, the assignment has %d", c.pass.fence, c.assigned.fence)
	}
	if c.pass.assigned != 0 && c.pass.assigned != c.assigned.seq {
		return fmt.Sprintf("dialing by a pass made on assignment #%d, the latest is #%d", c.pass.assigned, c.assigned.seq)
	}
	return ""
}

// passOverNumber: request, pass and intent are over the same number.
func passOverNumber(c *call, _ events.Record, d *events.CallDialing) string {
	switch {
	case d.Number.Token == "" || d.Number.Token != c.number.Token:
		return "dialing a number that is not the request's"
	case c.pass != nil && c.pass.token != d.Number.Token:
		return "dialing a number that the pass is not over"
	}
	return ""
}

// passStillValid: the pass had not run out when the intent was written.
func passStillValid(c *call, r events.Record, _ *events.CallDialing) string {
	if c.pass != nil && c.pass.validUntil.Before(r.Time) {
		return fmt.Sprintf("dialing %s after the pass had run out", r.Time.Sub(c.pass.validUntil))
	}
	return ""
}

// passNamed: the intent names this very pass, by id, hash and sequence.
func passNamed(c *call, _ events.Record, d *events.CallDialing) string {
	switch {
	case c.pass == nil:
		return ""
	case d.PassID != c.pass.id:
		return fmt.Sprintf("dialing names another pass than #%d", c.pass.seq)
	case d.PassHash != c.pass.hash:
		return fmt.Sprintf("dialing names another content of pass #%d", c.pass.seq)
	case d.Refs.Passed != 0 && d.Refs.Passed != c.pass.seq:
		return fmt.Sprintf("dialing refers to #%d as its pass, it is #%d", d.Refs.Passed, c.pass.seq)
	}
	return ""
}

// passStands: nothing between pass and intent forbids the dial.
func passStands(c *call, _ events.Record, _ *events.CallDialing) string {
	if c.pass != nil && c.voided != "" {
		return fmt.Sprintf("dialing, but %s came after the pass", c.voided)
	}
	return ""
}

// onlyIntent: never a second dialing without the proof, on record between the
// two, that the first placed nothing.
func onlyIntent(c *call, _ events.Record, _ *events.CallDialing) string {
	switch {
	case len(c.intents) == 0:
		return ""
	case c.proved && c.state == lifecycle.Cleared:
		return ""
	case c.proved:
		return fmt.Sprintf("a second dialing while the call is %s", c.state)
	}
	return fmt.Sprintf("a second dialing without a proof that #%d placed nothing", c.dialed().seq)
}

// intentOfClaim: the intent uses the agent and the claim that it was assigned.
func intentOfClaim(c *call, _ events.Record, d *events.CallDialing) string {
	switch {
	case c.assigned == nil:
		return "dialing, but nothing is assigned"
	case d.Agent != c.assigned.agent:
		return "dialing with another agent than the assigned one"
	case d.Fence != c.assigned.fence:
		return fmt.Sprintf("dialing with fence %d, the assignment has %d", d.Fence, c.assigned.fence)
	}
	return ""
}

// passHash is the sha256 of a pass's body as the dialer names it. It is
// computed here a second time on purpose: a judge does not borrow its measure
// from the judged.
func passHash(p *events.CallPassed) string {
	raw, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
