package bridge

import (
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// Store takes raw messages before they are understood, and OPS entries.
type Store interface {
	// Raw stores a provider's message and returns its sequence in PROVIDER.
	// id makes storing the same message twice harmless.
	Raw(ctx context.Context, tenant string, raw events.ProviderRaw, id string) (seq uint64, err error)
	Ops(ctx context.Context, o events.Ops) error
}

// Config is all the bridge is given.
type Config struct {
	Log       *log.Log
	Store     Store
	Directory *tenants.Directory
	PollEvery time.Duration // an agent's status; default 1 s
	Alive     time.Duration // between words that this process lives; default 2 s
	Quotas    Quotas
	Now       func() time.Time
	Logger    *slog.Logger
}

// Service is the events bridge. Several may run at once.
type Service struct {
	Config
	book   orders.Book
	agents *roster
	// process names this run of the bridge, on the sessions it holds.
	process string
	seats   *seats
	quotas  *quotas
}

// New makes a service from its parts.
func New(c Config) *Service {
	if c.PollEvery == 0 {
		c.PollEvery = time.Second
	}
	if c.Alive == 0 {
		c.Alive = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Service{Config: c, book: orders.Book{Log: c.Log, Directory: c.Directory}, agents: newRoster(),
		process: events.RandomID(), seats: newSeats(), quotas: newQuotas(c.Quotas)}
}

// Routes lists everything the bridge listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{Stream: events.StreamProvider, Durable: "bridge", Handle: s.onRaw}}
}
