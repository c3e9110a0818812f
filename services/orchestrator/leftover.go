package orchestrator

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A provider may hold a preparation of ours that no call owns: one that took
// effect after its call had given it up, or one of a past that the store has
// lost. Its agent can do nothing until it is withdrawn, and withdrawing is by
// session: what is undone is whatever stands there by then, be it another call's.
// So she is held back first, no call has her while anybody may still be
// withdrawing, and only the dialer does that.

// provedFor is how long an agent who was held for that must have been heard to
// be free before a call may have her. Whoever withdraws has asked the leader
// before she was, and what he sends after that has gone out, and arrived, by then.
const provedFor = 2 * orders.WithdrawFor

// leftover says that the provider has shown an agent in a preparation for so
// long that none of ours can be on its way, and no call has her. Whoever
// prepares a call by hand in the provider's own client looks the same to TCN; so
// one whom outdial has never called with is left alone.
func leftover(a *lifecycle.Agent, now time.Time, after time.Duration) bool {
	st := a.State
	switch {
	case !a.Enrolled(), st.Claim != nil, !a.Prepared(), now.Sub(st.Since) < after:
		return false
	case st.Quarantine != nil:
		return st.Quarantine.Reason != events.ReasonLeftover
	}
	return st.LastCall != ""
}

// holdLeftover holds an agent back for what she stands prepared for, and says so once.
func (s *Service) holdLeftover(ctx context.Context, a *lifecycle.Agent) error {
	if conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection); !ok || !conn.Provider.Can.Prepares {
		return nil // a page may say the word, and has nothing to withdraw
	}
	done, err := s.Log.UpdateAgent(ctx, agentRef(a), func(a *lifecycle.Agent) (*log.Draft, error) {
		if !leftover(a, s.Now(), s.Limits.Prepared) {
			return nil, nil
		}
		call := ""
		if a.State.Quarantine != nil {
			call = a.State.Quarantine.Call
		}
		return s.quarantined(a, call, events.ReasonLeftover), nil
	})
	if err != nil || !done.Won {
		return err
	}
	return s.Notes.Ops(ctx, events.Ops{Event: "alarm", Service: "orchestrator", Tenant: a.Tenant, Agent: a.ID, Reason: events.ReasonLeftover,
		What: "an agent stands in a preparation that no call owns; held back while it is withdrawn", At: s.Now()})
}

// A proof is the event by which an agent held for a leftover was heard to be
// free, and when it was, by this process's own clock: by a clock in an event the
// last withdrawal could still be on its way.
type proof struct {
	seq uint64
	at  time.Time
}

// letGo sets those free who were held for a leftover and have been heard to be
// ready for long enough.
func (s *Service) letGo(ctx context.Context, agents []*lifecycle.Agent) {
	was := s.proofs
	s.proofs = map[log.Ref]proof{}
	for _, a := range agents {
		if !heldForLeftover(a) || a.Last.Name != events.Ready {
			continue
		}
		ref, now := agentRef(a), s.Now()
		p := was[ref]
		if p.seq != a.Last.Seq {
			p = proof{a.Last.Seq, now}
		}
		s.proofs[ref] = p
		if now.Sub(p.at) < provedFor {
			continue
		}
		_, err := s.Log.UpdateAgent(ctx, ref, func(a *lifecycle.Agent) (*log.Draft, error) {
			if a.Last.Seq != p.seq {
				return nil, nil
			}
			return s.released(a, events.AgentReleased{Call: a.State.Quarantine.Call, Cause: "proved_free"}), nil
		})
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "an agent is not set free yet", "agent", a.ID, "code", fault.Code(err))
		}
	}
}

func heldForLeftover(a *lifecycle.Agent) bool {
	return a.State.Quarantine != nil && a.State.Quarantine.Reason == events.ReasonLeftover
}

// withdrawing says that what an agent is prepared for may be being withdrawn: not
// even a person sets her free then. Of one whom the provider has not been heard
// of for a while nothing is withdrawn, and a person may have to.
func withdrawing(a *lifecycle.Agent, now time.Time) bool {
	away := a.State.Presence == events.Lost || a.State.Presence == events.Offline
	return heldForLeftover(a) && !(away && now.Sub(a.State.Since) >= provedFor)
}
