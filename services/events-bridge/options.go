package bridge

import (
	"net/http"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
)

// Options are what the configuration says about the bridge.
func Options(s runtime.Setup, mux *http.ServeMux) RunOptions {
	return RunOptions{
		Config:    Config{PollEvery: s.Config.Timing.Bridge.PollEvery, Alive: s.Config.Timing.Bridge.Alive, Pace: s.Pace.Ask, Quotas: quotasOf(s.Config.Limits)},
		Mux:       mux,
		Desktops:  s.Config.Desktops(),
		Authorize: s.DesktopToken(),
		Origins:   s.Config.Workspace.Origins,
		Token:     s.IngressToken,
		Hook:      s.Hook,
		CallsAge:  s.Config.CallsAge,
	}
}

func quotasOf(l config.Limits) Quotas {
	return Quotas{RawPerSecond: l.RawPerSecond, SessionsPerHour: l.SessionsPerHour, ReadyPerHour: l.ReadyPerHour}
}
