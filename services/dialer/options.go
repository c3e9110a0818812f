package dialer

import "github.com/outdial/outdial/pkg/process"

// Options are what the configuration says about the dialer.
func Options(s process.Setup) Config {
	t := s.Config.Timing.Dialer
	return Config{Send: t.Send, Answer: t.Answer, Event: t.Event, Settle: t.Settle}
}
