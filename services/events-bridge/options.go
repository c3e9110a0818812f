package bridge

import (
	"net/http"

	"github.com/outdial/outdial/pkg/config"
	"github.com/outdial/outdial/pkg/process"
	"github.com/outdial/outdial/pkg/providers/workspace"
)

// Options are what the configuration says about the bridge.
func Options(s process.Setup, mux *http.ServeMux) RunOptions {
	return RunOptions{
		Config:    Config{PollEvery: s.Config.Timing.Bridge.PollEvery, Alive: s.Config.Timing.Bridge.Alive, Quotas: quotasOf(s.Config.Limits)},
		Mux:       mux,
		Authorize: s.DesktopToken(workspace.SameToken),
		Origins:   s.Config.Workspace.Origins,
		Token:     s.IngressToken,
		Hook:      s.Hook,
		CallsAge:  s.Config.CallsAge,
	}
}

func quotasOf(l config.Limits) Quotas {
	return Quotas{RawPerSecond: l.RawPerSecond, SessionsPerHour: l.SessionsPerHour, ReadyPerHour: l.ReadyPerHour}
}
