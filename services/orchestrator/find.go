package orchestrator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
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

	numbers []string // the person's, in clear: they are compared and never shown
}

func lineOf(c *lifecycle.Call) Line {
	l := Line{Call: c.ID, State: string(c.State)}
	if c.Request != nil {
		l.Number, l.Campaign, l.Reference, l.Contact = c.Request.Number, c.Request.Campaign, c.Request.Reference, c.Request.Contact
		l.HuntGroup, l.Requested = c.Request.Request.HuntGroup, c.Instants.Requested
		l.numbers = c.Request.Request.Numbers()
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

// lookBack is how long call.find may look back through the calls that are kept,
// for one answer.
const lookBack = 3 * time.Second

// find lists the calls of a tenant that match, newest first: those that are
// open from memory, the others from the log, as far back as there is time or
// until there are enough. rest is where the next answer goes on, as its before;
// 0: everything was looked at. left is how many of the open ones are left out, and
// then all closed ones are. Memory would grow with every call instead.
func (s *Service) find(ctx context.Context, tenant string, before uint64, match func(Line) bool) (found []Line, rest uint64, left int, err error) {
	if before == 0 {
		if found = s.index.Find(tenant, match); len(found) > maxFound {
			return found[:maxFound], 0, len(found) - maxFound, nil
		}
	}
	known := map[string]bool{}
	for _, l := range found {
		known[l.Call] = true
	}
	add := func(c *lifecycle.Call) {
		if c.State != lifecycle.Closed || known[c.ID] {
			return
		}
		if l := lineOf(c); match(l) {
			found = append(found, l)
		}
	}
	late := map[string][]events.Record{} // of calls whose beginning was not reached yet, the last first
	within, cancel := context.WithTimeout(ctx, lookBack)
	defer cancel()
	rest, err = s.History(within, tenant, before, func(told []events.Record) bool {
		for _, r := range slices.Backward(told) {
			late[r.Key] = append(late[r.Key], r)
			if r.Name == events.Requested {
				slices.Reverse(late[r.Key])
				add(lifecycle.Fold(late[r.Key]))
				delete(late, r.Key)
			}
		}
		return len(found) < maxFound
	})
	if err != nil {
		return nil, 0, 0, err
	}
	for call, records := range late { // those that were under way where the look ended
		if records[0].Name != events.Closed {
			continue
		}
		c, err := s.Log.LatestCall(ctx, log.Ref{Tenant: tenant, ID: call})
		switch {
		case err == nil:
			add(c)
		case fault.Of(err) != fault.Permanent: // or its beginning has aged out, or nobody can read it
			return nil, 0, 0, err
		}
	}
	slices.SortFunc(found, newestFirst)
	return found, rest, 0, nil
}
