package bridge

import (
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/events-bridge/lane"
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
	Cursors   Cursors // of feeds; needed where a connection has one
	Directory *tenants.Directory
	PollEvery time.Duration // an agent's status; default 1 s
	Alive     time.Duration // between words that this process lives; default 2 s
	Quotas    Quotas
	// LastCall is the last sequence of CALLS by its leader, or log.ErrNone; nil: not asked.
	LastCall func(context.Context) (uint64, error)
	Offset   time.Duration // of a rehearsal's clock, which Now keeps and a gateway does not
	Now      func() time.Time
	// After has something done later; default time.AfterFunc.
	After func(time.Duration, func())
	// Turn lets the messages of one agent be carried out one after the other
	// in this process, which spares races with itself. nil: all at once, which
	// is as right.
	Turn func(ctx context.Context, key string) (leave func(), err error)
	// Pace asks for a slot of a connection's rate; default: there is always one.
	Pace   func(ctx context.Context, tenant, connection string, class pace.Class) pace.Answer
	Logger *slog.Logger
}

// Service is the events bridge. Several may run at once.
type Service struct {
	Config
	book        orders.Book
	agents      *roster
	calls       *finder
	peers       *peers
	seen        seenItems // of feeds
	brokenFeeds brokenFeeds
	lanes       *lane.Lanes[*message]
	// process names this run of the bridge, on the sessions it holds.
	process  string
	sessions *sessions
	quotas   *quotas
}

// mostHeld bounds the messages that are kept in order at once: those that came
// since the oldest that nobody has acknowledged.
const mostHeld = 20_000

// inFlight is how many messages are carried out at once: each waits for the
// logs, and for nobody else's agent.
const inFlight = 64

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
	if c.After == nil {
		c.After = func(d time.Duration, do func()) { time.AfterFunc(d, do) }
	}
	if c.Turn == nil {
		c.Turn = func(context.Context, string) (func(), error) { return func() {}, nil }
	}
	if c.Pace == nil {
		c.Pace = (*pace.Pacer)(nil).Ask
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	process := events.RandomID()
	return &Service{Config: c, peers: newPeers(process), book: orders.Book{Log: c.Log, Directory: c.Directory}, agents: newRoster(), calls: newFinder(mostClosed), lanes: lane.New[*message](mostHeld),
		process: process, sessions: newSessions(), quotas: newQuotas(c.Quotas)}
}

// Routes lists everything the bridge listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{Stream: events.StreamProvider, Durable: "bridge", Handle: s.onRaw, MaxInFlight: inFlight}}
}
