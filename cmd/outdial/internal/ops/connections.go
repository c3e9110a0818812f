package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// An ear is what a bridge listens with: an agent's polls, or with agent "" a
// connection's feed. Each is down and up by itself.
type ear struct{ tenant, connection, agent string }

// outages folds what OPS says of connections: which ears are down, by the last
// word about each.
type outages map[ear]events.Ops

func (o outages) take(e events.Ops) {
	at := ear{e.Tenant, e.What, e.Agent}
	if e.Event == events.OpsConnectionUp {
		delete(o, at)
	} else if _, already := o[at]; !already {
		o[at] = e
	}
}

// connections says which connections do not answer by the bridges' last word in
// OPS, and since when. Who has left the roster, has moved to another connection
// or is heard of again by now is not waited for.
func (d *doctor) connections(ctx context.Context, js jetstream.JetStream, rosters map[string][]listed) {
	down := outages{}
	err := readOps(ctx, js, []string{events.OpsSubject("*", events.OpsConnectionDown), events.OpsSubject("*", events.OpsConnectionUp)}, down.take)
	if err == nil {
		err = down.among(rosters)
	}
	d.say("connections", err, "no bridge says that one does not answer")
}

// among tells of what is down, connection by connection.
func (o outages) among(rosters map[string][]listed) error {
	worst := map[ear]events.Ops{} // of each connection's feed, and of its agents, the first
	agents := map[ear][]string{}
	for at, e := range o {
		if at.agent != "" {
			if roster, known := rosters[at.tenant]; known && !slices.ContainsFunc(roster, at.deaf) {
				continue
			}
		}
		place := ear{at.tenant, at.connection, ""}
		agents[place] = append(agents[place], cmp.Or(at.agent, "its feed"))
		if was, ok := worst[place]; !ok || e.At.Before(was.At) {
			worst[place] = e
		}
	}
	var faults []error
	for _, at := range slices.SortedFunc(maps.Keys(worst), func(a, b ear) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.connection, b.connection))
	}) {
		names, more := slices.Sorted(slices.Values(agents[at])), ""
		if len(names) > 10 {
			names, more = names[:10], fmt.Sprintf(" and %d more", len(names)-10)
		}
		faults = append(faults, fmt.Errorf("%s of %s does not answer since %s (%s), for %s%s; see *OutdialConnectionDown* in docs/operators.md",
			at.connection, at.tenant, worst[at].At.UTC().Format(time.RFC3339), cmp.Or(worst[at].Reason, "no reason given"), strings.Join(names, ", "), more))
	}
	return errors.Join(faults...)
}

// deaf says that the roster still has an agent as one whom the provider does not
// answer for.
func (at ear) deaf(a listed) bool {
	return a.Agent == at.agent && a.Connection == at.connection && (a.Presence == string(events.Lost) || a.Presence == string(events.Offline))
}

// readOps hears every entry of OPS on some subjects, in order.
func readOps(ctx context.Context, js jetstream.JetStream, subjects []string, take func(events.Ops)) error {
	ctx, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	return worker.Read(ctx, js, events.StreamOps, subjects, func(_ context.Context, d worker.Delivery, _ error) error {
		if e, _, err := events.DecodeBody[events.Ops](d.Header, d.Data, events.TypeOps); err == nil {
			take(e)
		}
		return nil
	})
}
