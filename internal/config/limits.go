package config

import "reflect"

// leastStore is what the streams can work in at all.
const leastStore Size = 64 << 20

// Limits say how much of outdial one tenant, one connection or one agent may
// take, so that there is room for the others. Every one is positive, and of
// each process.
type Limits struct {
	PerConnection     int `yaml:"perConnection" default:"16" help:"Calls of one connection that a service has with the provider at once; as many more wait in it, and the others in the log. A provider that hangs delays its own connection alone."`
	RequestsPerSecond int `yaml:"requestsPerSecond" default:"50" help:"Requests of one tenant that an orchestrator accepts in a second, twice as many at once. The others wait in the tenant's own stream, and delay nobody else."`
	RawPerSecond      int `yaml:"rawPerSecond" default:"200" help:"Messages of one connection, of 4 KiB or less, that a bridge takes from desktops and webhooks in a second; a larger one counts for several. A desktop's page waits, a webhook is answered 429."`
	SessionsPerHour   int `yaml:"sessionsPerHour" default:"120" help:"Sessions that one agent may begin in an hour, a fifth of them at once. One who comes more often has to wait, signed out."`
	ReadyPerHour      int `yaml:"readyPerHour" default:"300" help:"How often one agent may become ready in an hour, a fifth of it at once. Whoever goes to and fro more often stays not ready until it is their time again; becoming not ready is never held up."`
}

func (l *loader) checkLimits() {
	if s := l.cfg.NATS.MaxStore; s != 0 && s < leastStore {
		l.judge("nats.maxStore", "must be at least %s", leastStore)
	}
	if l.cfg.Pace.Processes <= 0 {
		l.judge("pace.processes", "must be more than nothing")
	}
	for name, v := range settings(reflect.ValueOf(l.cfg.Limits)) {
		if v.Int() <= 0 {
			l.judge(child("limits", name), "must be more than nothing")
		}
	}
}
