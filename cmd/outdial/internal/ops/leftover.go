package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
)

// A listed is an agent as agent.list shows it.
type listed struct {
	Agent, Connection, Presence, Reason string
	Claim, Quarantine                   *events.AgentClaim
}

// rosters asks an orchestrator for each tenant's agents; tenants of which nobody
// says anything are left out.
func rosters(ctx context.Context, nc *nats.Conn, tenants []string) map[string][]listed {
	all := map[string][]listed{}
	for _, t := range tenants {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		m, err := nc.RequestWithContext(ctx, events.ServiceSubject(t, "agent", "list"), []byte("{}"))
		cancel()
		var list struct{ Agents []listed }
		if err == nil && json.Unmarshal(m.Data, &list) == nil && m.Header.Get("Nats-Service-Error-Code") == "" {
			all[t] = list.Agents
		}
	}
	return all
}

// prepared names the agents whom a provider shows in a preparation that no call
// owns. Where no orchestrator answers nobody can say, and services tells that.
func (d *doctor) prepared(rosters map[string][]listed) {
	var left []string
	for _, t := range slices.Sorted(maps.Keys(rosters)) {
		left = append(left, leftPrepared(t, rosters[t])...)
	}
	var err error
	if len(left) > 0 {
		err = fmt.Errorf("held by the provider for no call: %s; see *An agent is left prepared* in docs/operators.md", strings.Join(left, ", "))
	}
	d.say("preparations", err, "no agent stands in one that no call owns")
}

// leftPrepared names them of one tenant.
func leftPrepared(tenant string, roster []listed) (left []string) {
	for _, a := range roster {
		shown := a.Claim == nil && a.Presence == string(events.NotReady) && a.Reason == events.ReasonPrepared
		if shown || a.Quarantine != nil && a.Quarantine.Reason == events.ReasonLeftover {
			left = append(left, tenant+"/"+a.Agent)
		}
	}
	return left
}
