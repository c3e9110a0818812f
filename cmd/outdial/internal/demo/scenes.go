package demo

import (
	"encoding/json"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// A scene is one request of the demonstration and what must come of it.
type scene struct {
	Story   string
	Tenant  string
	ID      string
	Request events.DialRequest
	Body    []byte // in place of Request
	Twice   bool   // published a second time

	Outcome string // "" for a request that is refused
	Reason  string
	Via     []events.Name // events that must be on its log
	Never   []events.Name // and those that must not
	Dials   int           // in the simulator's ledger
}

func (s scene) body() []byte {
	if s.Body != nil {
		return s.Body
	}
	b, _ := json.Marshal(s.Request)
	return b
}

// The numbers that behave in a way of their own.
const (
	numTCN     = "+14355551234" // TCN document, step 7
	numDenied  = "+14355550199"
	numListed  = "+16085550147"
	numWebex   = "+917702779401" // Webex CC document
	numFive9   = "+16081234567"  // Five9 document
	numFails   = "+16085550123"
	numTalks   = "+16085550188"
	numPause   = "+14355550177"
	numUnknown = "+13035550166"
)

// script tells the simulator how those numbers behave.
func script(s *sim.Simulator) error {
	for _, p := range []sim.Part{
		{Number: numDenied, Deny: []string{"isDnclScrubOk"}},
		{Number: numFails, Outcome: sim.Fails},
	} {
		if err := s.Script.Set(p); err != nil {
			return err
		}
	}
	_, err := s.Faults.Add(sim.Fault{Provider: tcnsim.Name, Operation: tcn.OpStart, Number: numUnknown, Mode: sim.AcceptThen500})
	return err
}

func account() []events.KeyValue {
	return []events.KeyValue{{Key: "Account", Value: "ABC1234"}, {Key: "Zip Code", Value: "84770"}}
}

// scenes are the source documents' samples, and what can go wrong with them.
func scenes() []scene {
	spoke := []events.Name{events.Passed, events.Dialing, events.Started, events.Talking, events.WrapUp, events.Closed}
	return []scene{
		{Story: "TCN document's call, published twice", Tenant: "acme", ID: "tcn-1", Twice: true,
			Request: events.DialRequest{To: numTCN, Agent: "2098765", Metadata: account()},
			Outcome: events.OutcomeCompleted, Dials: 1, Via: append([]events.Name{events.Preparing}, spoke...)},
		{Story: "TCN's own scrub denies it", Tenant: "acme", ID: "tcn-denied",
			Request: events.DialRequest{To: numDenied, Agent: "2098766", Metadata: account()},
			Outcome: events.OutcomeBlocked, Reason: "DNC_NATIONAL",
			Via: []events.Name{events.Preparing, events.Failed, events.Cancelled}, Never: []events.Name{events.Dialing}},
		{Story: "on the company's do-not-call list", Tenant: "acme", ID: "listed",
			Request: events.DialRequest{To: numListed, HuntGroup: "1045678", Metadata: account()},
			Outcome: events.OutcomeBlocked, Reason: "DNC_INTERNAL", Never: []events.Name{events.Preparing, events.Dialing}},
		{Story: "Webex CC document's call, to India", Tenant: "bharat", ID: "webex-1",
			Request: events.DialRequest{To: numWebex, Agent: "agent4"},
			Outcome: events.OutcomeCompleted, Dials: 1, Via: []events.Name{events.Passed, events.Dialing, events.Offered, events.Answered, events.WrapUp}},
		{Story: "Five9 document's number: no such exchange", Tenant: "acme", ID: "five9-doc",
			Request: events.DialRequest{To: numFive9, Agent: "agent5"},
			Outcome: events.OutcomeBlocked, Reason: "NUMBER_INVALID", Never: []events.Name{events.Dialing}},
		{Story: "Five9: WRAP_UP first, so it never started", Tenant: "acme", ID: "five9-fails",
			Request: events.DialRequest{To: numFails, Agent: "agent5"},
			Outcome: events.OutcomeFailed, Dials: 1, Via: []events.Name{events.Dialing, events.Ended}, Never: []events.Name{events.Talking}},
		{Story: "Five9: talks and ends", Tenant: "acme", ID: "five9-talks",
			Request: events.DialRequest{To: numTalks, HuntGroup: "sales"},
			Outcome: events.OutcomeCompleted, Dials: 1, Via: []events.Name{events.Ringing, events.Talking, events.WrapUp}},
		{Story: "the agent is on pause, then is not", Tenant: "acme", ID: "pause",
			Request: events.DialRequest{To: numPause, Agent: "2098767", Metadata: account()},
			Outcome: events.OutcomeCompleted, Dials: 1, Via: append([]events.Name{events.Waiting}, spoke...)},
		{Story: "TCN answers 500: unknown, looked up", Tenant: "acme", ID: "unknown",
			Request: events.DialRequest{To: numUnknown, Agent: "2098768", Metadata: account()},
			Outcome: events.OutcomeCompleted, Dials: 1, Via: []events.Name{events.Dialing, events.Unknown, events.Talking}},
		{Story: "malformed: no number, two targets, a typo", Tenant: "acme", ID: "malformed",
			Body: []byte(`{"agent":"2098765","huntGroup":"1045678","prioritty":3}`)},
	}
}

// simulated are the providers of the demonstration.
func simulated(pace time.Duration) (*sim.Simulator, *tcnsim.Company, error) {
	s, err := sim.New(sim.Options{Pace: pace, Seed: 1})
	if err != nil {
		return nil, nil, err
	}
	agents := tcnsim.Agents(4)
	agents[2].Status = "PAUSED"
	t, err := tcnsim.New(s, tcnsim.Options{Agents: agents})
	if err == nil {
		err = script(s)
	}
	return s, t, err
}

// desk is an agent's simulated desktop.
type desk struct {
	connection, agent string
	kind              providers.Kind
}

func desks() []desk {
	return []desk{{"webex-desk", "agent4", providers.WebexCC}, {"five9-desk", "agent5", providers.Five9}}
}
