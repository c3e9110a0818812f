package desktop

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/providers"
)

// Product is the Workspace as the contract knows it.
type Product struct{}

var _ providers.Desktops = Product{}

// Carrier implements providers.Desktops.
func (Product) Carrier(nc *nats.Conn, now func() time.Time) providers.Desktop {
	return &Requester{NC: nc, Now: now}
}

// Path implements providers.Desktops.
func (Product) Path() string { return BasePath }

// Open implements providers.Desktops: requests over NATS reach the pages whose
// sockets the hub holds.
func (Product) Open(nc *nats.Conn, c providers.DoorConfig) (providers.DesktopDoor, error) {
	link := &lateSender{}
	hub, err := NewHub(Config{
		Sink: c.Sink(NewResponder(nc, link, 0)), Authorize: c.Authorize, Origins: c.Origins, Log: c.Log, Now: c.Now,
	})
	link.hub = hub
	return hub, err
}

// lateSender lets the responder and the hub know each other.
type lateSender struct{ hub *Hub }

func (l *lateSender) Send(ctx context.Context, connection, agent, session, attempt string, notAfter time.Time, message []byte) error {
	return l.hub.Send(ctx, connection, agent, session, attempt, notAfter, message)
}
