package dialer

import "github.com/outdial/outdial/internal/runtime"

// Options are what the configuration says about the dialer.
func Options(s runtime.Setup) Config {
	t := s.Config.Timing.Dialer
	return Config{Limits: Limits{Send: t.Send, Answer: t.Answer, Event: t.Event, Settle: t.Settle}}
}
