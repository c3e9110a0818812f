package orchestrator

import (
	"github.com/outdial/outdial/pkg/config"
	"github.com/outdial/outdial/pkg/process"
	"github.com/outdial/outdial/pkg/sessions"
)

// Options are what the configuration says about the orchestrator.
func Options(s process.Setup, store sessions.Store) RunOptions {
	return RunOptions{
		Config:   Config{Limits: Limits(s.Config.Timing.Orchestrator), CallsAge: s.Config.CallsAge, PerSecond: s.Config.Limits.RequestsPerSecond},
		Sessions: store,
		Roster:   roster(s.Config),
	}
}

func roster(c *config.Config) map[string][]Enrolment {
	out := map[string][]Enrolment{}
	for _, a := range c.Agents {
		out[a.Tenant] = append(out[a.Tenant], Enrolment{
			Agent: a.Agent, Connection: a.Connection, ProviderAgent: a.ProviderAgent,
			HuntGroups: a.HuntGroups, Token: a.Token.Reveal(), By: "configuration",
		})
	}
	return out
}
