package desktop

import (
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
	r := NewResponder(nc, nil, 0)
	hub, err := NewHub(Config{
		Sink: c.Sink(r), Authorize: c.Authorize, Origins: c.Origins, Log: c.Log, Now: c.Now,
	})
	r.sender = hub // before any page has come, and so before anybody asks for one
	return hub, err
}
