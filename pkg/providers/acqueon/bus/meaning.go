package bus

import (
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// Foreign reads a call that cannot be ours, e.g. of another channel on the
// same bus: the agent is busy with it until it is over. Nothing of it is tied
// to a call of ours, so it carries neither key nor customer.
func Foreign(event string) []providers.Observation {
	o := providers.Observation{Event: Clip(event), Presence: events.OnCall}
	switch foreignEnds.Of(event).Means {
	case callstate.AfterCall:
		o.Presence = events.WrapUp
	case callstate.Done:
		return nil
	}
	return []providers.Observation{o}
}

// foreignEnds are the names by which any of the bus's channels ends a call.
var foreignEnds = callstate.New(map[callstate.Meaning]string{
	callstate.AfterCall: "WRAP_UP acw AgentWrapup",
	callstate.Done: "FINISHED DROPPED ContactEnded AgentContactEnded AgentWrappedUp ClearContact " +
		"AgentOfferContactRona AgentContactOfferRona AgentOutboundFailed AgentInviteFailed AgentContactAssignFailed",
}, callstate.Traits{Lead: "e"})

// Clip keeps foreign text at a size that fits an event.
func Clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// Manual reports whether an outbound call is a manual one, as ours are.
// OutBoundType says so; a message that leaves it out is taken by the number of
// the call the agent has been given and that has been dialed.
func Manual(fields Object, customer string, v providers.View) bool {
	kind := callstate.Fold(fields.Text("OutBoundType")) // OutboundType folds to the same
	if kind == "" {
		return v.Dialed && customer != "" && customer == v.To
	}
	return kind == "manualdial"
}
