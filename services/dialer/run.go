package dialer

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/providers"
)

// Run runs the dialer on a host until ctx ends. Of the configuration, the
// times are the caller's; the rest comes from the host.
func Run(ctx context.Context, h *runtime.Host, c Config) error {
	c.Log, c.Notes, c.Directory, c.Now, c.Logger = h.Log, h, h.Directory, h.Now, h.Logger
	c.Held, c.Standing = h.Held, h.Standing
	c.Paused = func(ctx context.Context) (bool, error) { return h.Paused(ctx, "dialer") }
	s := New(c)
	if s.prepares() {
		h.HearAgents() // for what an agent may be left prepared for
	}
	if err := h.Serve("places and withdraws calls", s.Endpoints()); err != nil {
		return err
	}
	defer h.Turns(ctx, time.Second, s.Turn, s.Forget)()
	return h.Run(ctx, s.Routes()...)
}

// Endpoints lists the queries that the dialer answers.
func (s *Service) Endpoints() []api.Endpoint {
	return []api.Endpoint{{Group: "connection", Verb: "list", Does: "the tenant's provider connections and what they can do",
		Handle: s.onConnections}}
}

// A ConnectionView is a connection as the dialer sees it.
type ConnectionView struct {
	Connection string                 `json:"connection"`
	Kind       string                 `json:"kind"`
	Can        providers.Capabilities `json:"can"`
}

func (s *Service) onConnections(_ context.Context, tenant string, body []byte) (any, error) {
	if _, err := api.Decode[struct{}](body); err != nil {
		return nil, err
	}
	if _, ok := s.Directory.Tenant(tenant); !ok {
		return nil, api.NotFound("no such tenant")
	}
	out := []ConnectionView{}
	for _, c := range s.Directory.Connections() {
		if c.Tenant == tenant {
			out = append(out, ConnectionView{c.Name, string(c.Kind), c.Provider.Can})
		}
	}
	return map[string]any{"connections": out}, nil
}
