package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A Request is a message to the bus as both documents print it.
type Request struct {
	Channel  string `json:"channel"`
	Topic    string `json:"topic"`
	Subtopic string `json:"subtopic"` // lower case on the wire
	Data     string `json:"data"`     // digits, as text: they exceed 32 bits
}

// A Starter places calls by a message to the agent's desktop. It implements
// providers.Starter.
type Starter struct {
	Desktop    providers.Desktop
	MinVersion string
	// Request makes the message, for an E.164 number; its error is a fault, Permanent.
	Request func(o providers.Order) (Request, error)
}

// Start sends the request to the desktop the agent sat at when it was
// assigned. The receipt means that the page has posted the request to the bus;
// whether a call follows, and under which ids, only its events tell.
func (s Starter) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	if v := o.Agent.IDs[VersionID]; v != "" && !AtLeast(v, s.MinVersion) {
		return providers.Receipt{}, fault.New(fault.Permanent, "dial", UnsupportedVersion, nil)
	}
	if !events.IsE164(o.To) {
		return providers.Receipt{}, fault.New(fault.Permanent, "dial", "bad_number", nil)
	}
	req, err := s.Request(o)
	if err != nil {
		return providers.Receipt{}, err
	}
	msg, err := json.Marshal(req)
	if err != nil {
		return providers.Receipt{}, fault.New(fault.Permanent, "dial", "bad_request", fmt.Errorf("the request cannot be written: %T", err))
	}
	if err := s.Desktop.Send(ctx, o.Agent, msg, o.Attempt, o.NotAfter); err != nil {
		return providers.Receipt{}, err
	}
	return providers.Receipt{}, nil
}
