package providers

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
)

// Desktops are a product by which the desktops of agents are reached. It keeps
// both ends of the way together: the dialer's and the one at the bridge, where
// the desktops come in.
type Desktops interface {
	// Carrier carries the dialer's requests, whichever bridge holds the desktop.
	Carrier(nc *nats.Conn, now func() time.Time) Desktop
	// Path is where the product's desktops come in over HTTP, all below it.
	Path() string
	// Open opens the door of this process. A door that was opened is closed.
	Open(nc *nats.Conn, c DoorConfig) (DesktopDoor, error)
}

// A DoorConfig is what the bridge gives a door.
type DoorConfig struct {
	// Sink makes what takes the words of desktops; the routes to them are the
	// door's.
	Sink func(DesktopRoutes) DesktopSink
	// Authorize checks the token that a desktop came with, "" when it brought none.
	// Nil: no tokens, and only this machine may come.
	Authorize func(connection, agent, token string) bool
	// Origins are the pages that may come from a browser, each as
	// scheme://host[:port].
	Origins []string
	Log     *slog.Logger
	Now     func() time.Time
}

// DesktopRoutes open and close the way by which the dialer reaches a desktop.
type DesktopRoutes interface {
	// Open returns nil once the way is open: only then anybody is told of the
	// session.
	Open(ctx context.Context, tenant, connection, agent, session string) error
	// Close returns nil once a request finds nobody there.
	Close(session string) error
}

// A DesktopSink takes what desktops say. Its methods are called for one session
// in order: Opened, any number of Message, Closed.
type DesktopSink interface {
	// Opened begins a session. A Permanent error refuses the page for good
	// (it does not come back), any other for now.
	Opened(ctx context.Context, connection, agent, session string) error
	// Message stores one message; only then the page gets its receipt. A
	// Permanent error refuses the message, any other ends the session, and
	// the page sends the message again on the next.
	Message(ctx context.Context, connection, agent, session string, raw []byte) error
	// Closing says that a session takes no more requests. It is called once
	// for every session that was opened, as soon as it ends and before Closed,
	// perhaps while Message runs.
	Closing(session string)
	// Closed ends a session, for one of the reasons below or another word. It is
	// called for every session that was opened.
	Closed(ctx context.Context, connection, agent, session, reason string)
}

// Why a desktop's session ended, as far as the bridge asks.
const (
	SessionClosed = "closed" // the agent's page said goodbye
	SessionStore  = "store"  // what it said could not be stored
)

// A DesktopDoor is where the desktops of a product's agents come in, and what
// knows who is there.
type DesktopDoor interface {
	http.Handler
	// Tell asks an agent's page to say once more whether the agent is ready, and
	// reports whether there is one.
	Tell(connection, agent string) bool
	// Replace ends the socket of a session whose agent has come in elsewhere.
	Replace(connection, agent, session string)
	// Close ends every session and waits, until ctx ends, for the sink to have
	// heard of it.
	Close(ctx context.Context) error
}
