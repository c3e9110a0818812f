package dialer

import "github.com/outdial/outdial/internal/runtime"

// Options are what the configuration says about the dialer.
func Options(s runtime.Setup) Config {
	return Config{Limits: Limits(s.Config.Timing.Dialer), Pace: s.Pace.Ask, Distance: s.Pace.Distance}
}
