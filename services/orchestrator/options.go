package orchestrator

import (
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/sessions"
)

// Options are what the configuration says about the orchestrator.
func Options(s runtime.Setup, store sessions.Store) Config {
	return Config{Limits: s.Config.Timing.Orchestrator, CallsAge: s.Config.CallsAge, PerSecond: s.Config.Limits.RequestsPerSecond,
		Sessions: store, Roster: enrolments(s.Config), Rates: s.Rates()}
}

func enrolments(c *config.Config) map[string][]Enrolment {
	out := map[string][]Enrolment{}
	for _, a := range c.Agents {
		out[a.Tenant] = append(out[a.Tenant], Enrolment{
			Agent: a.Agent, Connection: a.Connection, ProviderAgent: a.ProviderAgent,
			HuntGroups: a.HuntGroups, Token: a.Token.Reveal(), By: "configuration",
		})
	}
	return out
}
