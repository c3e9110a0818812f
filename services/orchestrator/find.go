package orchestrator

import (
	"cmp"
	"context"
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

// newestFirst is the order of an answer.
func newestFirst(a, b Line) int {
	return cmp.Or(b.Requested.Compare(a.Requested), cmp.Compare(a.Call, b.Call))
}

// Find lists the open calls of a tenant that match, newest first.
func (x *Index) Find(tenant string, match func(Line) bool) []Line {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []Line
	for ref, e := range x.open {
		if ref.Tenant != tenant {
			continue
		}
		if l := lineOf(e.call); match(l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, newestFirst)
	return out
}

// lookThrough is how long call.find may look through the calls that are kept.
const lookThrough = 30 * time.Second

// find lists the calls of a tenant that match, newest first: those that are
// open from memory, the others from the log. The more are kept the longer it
// takes; memory would grow with every call instead.
func (s *Service) find(ctx context.Context, tenant string, match func(Line) bool) ([]Line, error) {
	found := s.index.Find(tenant, match)
	ctx, cancel := context.WithTimeout(ctx, lookThrough)
	defer cancel()
	known := map[string]bool{}
	for _, l := range found {
		known[l.Call] = true
	}
	calls := map[string]*lifecycle.Call{}
	err := s.History(ctx, tenant, func(r events.Record) {
		c := calls[r.Key]
		if c == nil && r.Name == events.Requested {
			c = &lifecycle.Call{State: lifecycle.None}
			calls[r.Key] = c
		}
		if c == nil || known[r.Key] {
			return
		}
		if c.Take(r); c.State != lifecycle.Closed {
			return
		}
		delete(calls, r.Key)
		if l := lineOf(c); match(l) {
			found = append(found, l)
		}
	})
	slices.SortFunc(found, newestFirst)
	return found, err
}
