package orchestrator

import (
	"cmp"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A Line is what call.find answers about one call.
type Line struct {
	Call      string        `json:"call"`
	State     string        `json:"state"`
	Outcome   string        `json:"outcome,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Number    events.Number `json:"number"`
	Agent     string        `json:"agent,omitempty"`
	HuntGroup string        `json:"huntGroup,omitempty"`
	Campaign  string        `json:"campaign,omitempty"`
	Reference string        `json:"reference,omitempty"`
	Contact   string        `json:"contact,omitempty"`
	Requested time.Time     `json:"requested"`
	Closed    *time.Time    `json:"closed,omitempty"`
}

func lineOf(c *lifecycle.Call) Line {
	l := Line{Call: c.ID, State: string(c.State)}
	if c.Request != nil {
		l.Number, l.Campaign, l.Reference, l.Contact = c.Request.Number, c.Request.Campaign, c.Request.Reference, c.Request.Contact
		l.HuntGroup, l.Requested = c.Request.Request.HuntGroup, c.Instants.Requested
		if q := c.Request.Request.Agent; q != "" {
			l.Agent = events.AgentToken(q)
		}
	}
	if c.Assigned != nil {
		l.Agent = c.Assigned.Agent
	}
	if c.Closed != nil {
		at := c.Instants.Closed // not the call itself, which is let go of
		l.Outcome, l.Reason, l.Closed = c.Closed.Outcome, c.Closed.Reason, &at
	}
	return l
}

// Find lists the calls of a tenant that match, newest first.
func (x *Index) Find(tenant string, match func(Line) bool) []Line {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []Line
	for ref, l := range x.lines {
		if ref.Tenant == tenant && match(l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Line) int { return cmp.Or(b.Requested.Compare(a.Requested), cmp.Compare(a.Call, b.Call)) })
	return out
}

// Forget drops the lines of calls that closed before a moment, as CALLS does.
func (x *Index) Forget(before time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.closed) > 0 {
		if l := x.lines[x.closed[0]]; l.Closed != nil && !l.Closed.Before(before) {
			return
		}
		delete(x.lines, x.closed[0])
		x.closed = x.closed[1:]
	}
}
