package runtime

import (
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Pacer is what this process asks for a slot of a connection's rate: Redis
// where one is configured, else memory where all services are in this process,
// else its share by itself. It is nil, and nothing is opened, where no
// connection has a rate. stop lets go of what was opened.
func (s Setup) Pacer(logger *slog.Logger) (p *pace.Pacer, stop func(), err error) {
	rates, stop := s.Rates(), func() {}
	if len(rates) == 0 {
		return nil, stop, nil
	}
	var store pace.Store
	switch url := s.Config.Redis.URL.Reveal(); {
	case url != "":
		client, err := sessions.Dial(url)
		if err != nil {
			return nil, stop, err
		}
		store, stop = pace.NewRedis(client), func() { _ = client.Close() }
	case s.Embedded != nil:
		store = pace.NewMemory(time.Now)
	default:
		logger.Warn("no redis.url: this process keeps its part of every rate by itself", "processes", s.Config.Pace.Processes)
	}
	return pace.NewPacer(store, rates, s.Config.Pace.Processes, time.Now), stop, nil
}

// Rates are the connections that have one, in slots a second.
func (s Setup) Rates() map[pace.Account]int {
	rates := map[pace.Account]int{}
	for name, c := range s.Config.Connections {
		if c.PerSecond > 0 {
			rates[pace.Account{Tenant: c.Tenant, Connection: name}] = c.PerSecond
		}
	}
	return rates
}

// tellPace puts on record that rates are kept by each process for itself, and
// that they are shared again; one service of a process does.
func (h *Host) tellPace(p *pace.Pacer) {
	if p == nil {
		return
	}
	p.Tell(func(ctx context.Context, alone bool) {
		event := "pace_shared"
		if alone {
			event = "pace_alone"
		}
		h.Logger.WarnContext(ctx, "who keeps the rates of connections", "event", event)
		for of := range p.Rates() {
			o := events.Ops{Event: event, Service: h.Service, Tenant: of.Tenant, What: of.Connection, At: h.Now()}
			if alone {
				o.Reason = "redis_unavailable"
			}
			if err := h.Ops(ctx, o); err != nil && ctx.Err() == nil {
				h.Logger.WarnContext(ctx, "who keeps the rates is not recorded", "connection", of.Connection, "code", fault.Code(err))
			}
		}
	})
}
