package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
)

// prepared names the agents whom a provider shows in a preparation that no call
// owns. Where no orchestrator answers nobody can say, and services tells that.
func (d *doctor) prepared(ctx context.Context, nc *nats.Conn, tenants []string) {
	var left []string
	for _, t := range tenants {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		m, err := nc.RequestWithContext(ctx, "outdial."+t+".agent.list", []byte("{}"))
		cancel()
		if err != nil {
			return
		}
		left = append(left, leftPrepared(t, m.Data)...)
	}
	var err error
	if len(left) > 0 {
		err = fmt.Errorf("held by the provider for no call: %s; see *An agent is left prepared* in docs/operators.md", strings.Join(left, ", "))
	}
	d.say("preparations", err, "no agent stands in one that no call owns")
}

// leftPrepared reads the answer of agent.list.
func leftPrepared(tenant string, answer []byte) (left []string) {
	var list struct {
		Agents []struct {
			Agent, Presence, Reason string
			Claim, Quarantine       *events.AgentClaim
		}
	}
	if json.Unmarshal(answer, &list) != nil {
		return nil
	}
	for _, a := range list.Agents {
		shown := a.Claim == nil && a.Presence == string(events.NotReady) && a.Reason == events.ReasonPrepared
		if shown || a.Quarantine != nil && a.Quarantine.Reason == events.ReasonLeftover {
			left = append(left, tenant+"/"+a.Agent)
		}
	}
	return left
}
