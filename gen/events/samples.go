package gen

import (
	"encoding/json"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// The samples tell one call: acme calls +1 202 555 0123, a number that is
// reserved for fiction, on a Friday at noon in Washington.
const (
	sampleTenant = "acme"
	sampleAgent  = "2098765"
	sampleTrace  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	sampleConn   = "tcn-main"
	sampleTo     = "+12025550123"
)

func sampleKey() events.Key    { return events.Key("an example's key, thirty-two long") }
func sampleCall() string       { return events.CallID(sampleTenant, "/crm", "order-4711") }
func at(seconds int) time.Time { return time.Date(2026, 11, 20, 17, 0, seconds, 0, time.UTC) }
func atp(seconds int) *time.Time {
	t := at(seconds)
	return &t
}

func common() events.Common {
	return events.Common{
		Number: sampleKey().Number(sampleTo), Campaign: "fall", Reference: "order-4711", Contact: "c-81",
		Refs: events.Refs{Requested: 101, Assigned: 103, Passed: 105},
	}
}

func sampleRequest() *events.DialRequest {
	return &events.DialRequest{
		To: sampleTo, HuntGroup: "1045678", Campaign: "fall", Reference: "order-4711", Contact: "c-81", Priority: 3,
		Purpose: events.PurposeInformational, Mode: events.ModeManual,
		Metadata:   []events.KeyValue{{Key: "Zip Code", Value: "20001"}, {Key: "Account", Value: "A-1"}},
		PostalCode: "20001", Region: "DC", TimeZone: "America/New_York", Consent: &events.ConsentRef{ID: "consent-9"},
		Recording: &events.RecordingAsk{On: true, Permission: "both"},
		ExpiresAt: atp(1800),
	}
}

func evidence() events.Evidence {
	return events.Evidence{
		At: at(2), Purpose: events.PurposeInformational, Mode: events.ModeManual, Country: "US", NumberType: "fixed_or_mobile",
		Ruleset: "us-federal", RulesetHash: "sha256:0c1f…", Engine: "1", TZData: "2026f",
		Zones: []events.LocalTime{{Zone: "America/New_York", Local: "2026-11-20T12:00:02-05:00", Weekday: "Fri", From: "npa", Open: true}},
		Rules: []events.RuleResult{{Rule: "calling-hours", Answer: "ok", Source: "law"}},
		Lists: []events.ListVersion{{Name: "company-dnc", Version: "101", AsOf: atp(0), Answer: "clear"}},
	}
}

func progress(event, customer, agent string) *events.CallProgress {
	return &events.CallProgress{
		Common: common(), Agent: sampleAgent, Event: event, Legs: events.Legs{Customer: customer, Agent: agent},
		Evidence: "poll", Provider: map[string]string{"callSid": "123456789"}, OccurredAt: atp(10), RawSeq: 900,
	}
}

// sampleOf is an example of a log event's body.
func sampleOf(s events.Spec) any {
	if s.Family == events.AgentFamily {
		return sampleAgentBody(s)
	}
	if b := sampleDecision(s.Name); b != nil {
		return b
	}
	if b := sampleDial(s.Name); b != nil {
		return b
	}
	if b := sampleProgress(s.Name); b != nil {
		return b
	}
	return nil
}

// sampleDecision covers the orchestrator's and compliance's events.
func sampleDecision(n events.Name) any {
	switch n {
	case events.Requested:
		return &events.CallRequested{
			Common:  events.Common{Number: sampleKey().Number(sampleTo), Campaign: "fall", Reference: "order-4711", Contact: "c-81"},
			Request: *sampleRequest(), Connection: sampleConn, From: "+18667451900", ReceivedAt: at(0), NotBefore: at(0), ExpiresAt: at(1800),
			RequestSource: "/crm", RequestID: "order-4711", Digest: sampleKey().Digest([]byte("{}")), RequestSeq: 7,
		}
	case events.Waiting:
		return &events.CallWaiting{Common: common(), Reason: events.WaitWindow, Detail: "opens at 08:00 America/New_York", Until: atp(72000)}
	case events.Assigned:
		return &events.CallAssigned{Common: common(), Agent: sampleAgent, Connection: sampleConn, HuntGroup: "1045678", Session: "55512345", Fence: 44}
	case events.CancelRequested:
		return &events.CallCancelRequested{Common: common(), By: events.ByUpstream, Reason: "order_cancelled"}
	case events.Closed:
		queue, ring, talk, hold := int64(4000), int64(6000), int64(61000), int64(0)
		return &events.CallClosed{
			Common: common(), Outcome: events.OutcomeCompleted, Reason: "talked", Agent: sampleAgent,
			Instants:  events.Instants{Requested: at(0), Assigned: atp(1), Passed: atp(3), Dialing: atp(4), Started: atp(5), Ringing: atp(6), Answered: atp(12), Talking: atp(12), Ended: atp(73), Closed: at(80)},
			Durations: events.Durations{Queue: &queue, Ring: &ring, Talk: &talk, Hold: &hold},
		}
	case events.Failed:
		return &events.CallFailed{
			Common: common(), Decision: "d-1", Evidence: evidence(), NextAllowedAt: atp(72000),
			Reasons: []events.Reason{{Code: "OUTSIDE_WINDOW", Rule: "calling-hours", Source: "law", NextAllowedAt: atp(72000)}},
		}
	case events.Preparing:
		return &events.CallPreparing{Common: common(), Attempt: "prep-1", Agent: sampleAgent, Fence: 44, NotAfter: at(12), StartTime: at(2)}
	case events.Passed:
		return &events.CallPassed{
			Common: common(), Decision: "d-1", ValidUntil: at(63), Evidence: evidence(), Fence: 44,
			Numbers: []events.Number{sampleKey().Number(sampleTo)},
			Scrub:   &events.Scrub{OK: true, State: map[string]string{events.VerdictPrefix + "validation": "ok", "callSid": "123456789", "startTime": "1795194002"}},
		}
	}
	return nil
}

// sampleDial covers the dialer's and the operator's events.
func sampleDial(n events.Name) any {
	switch n {
	case events.Dialing:
		return &events.CallDialing{Common: common(), Attempt: "dial-1", PassID: "evt-5", PassHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Agent: sampleAgent, Fence: 44, NotAfter: at(14)}
	case events.Withheld:
		return &events.CallWithheld{Common: common(), Reason: "nothing_sent", Detail: "no_responders", Attempt: "dial-1", Proof: events.ProofNoResponders}
	case events.Started:
		return &events.CallStarted{Common: common(), Attempt: "dial-1", Provider: map[string]string{"callSid": "123456789"}}
	case events.Refused:
		return &events.CallRefused{Common: common(), Attempt: "dial-1", Code: "bad_request"}
	case events.PendingAgent:
		return &events.CallPendingAgent{Common: common(), Attempt: "dial-1", Until: at(65)}
	case events.Unknown:
		return &events.CallUnknown{Common: common(), Attempt: "dial-1", Code: "no_reply"}
	case events.NotPlaced:
		return &events.CallNotPlaced{Common: common(), Attempt: "dial-1", Evidence: "PREPARED"}
	case events.Cancelled:
		return &events.CallCancelled{Common: common(), Evidence: "READY"}
	case events.CancelFailed:
		return &events.CallCancelFailed{Common: common(), Reason: "answered"}
	case events.Orphaned:
		return &events.CallOrphaned{Common: common(), Evidence: "OUTBOUND_LOCKED", Undone: true}
	case events.Resolved:
		return &events.CallResolved{Common: common(), Placed: false, By: "ops-1", Reason: "the provider's report does not list it"}
	}
	return nil
}

// sampleProgress covers the bridge's events.
func sampleProgress(n events.Name) any {
	switch n {
	case events.Offered:
		return progress("OFFERED", "none", "offered")
	case events.Ringing:
		return progress("RINGING", "ringing", "up")
	case events.Answered:
		return progress("ANSWERED", "up", "up")
	case events.Talking:
		return progress("OUTBOUND_LOCKED", "up", "up")
	case events.Held:
		return progress("HOLD", "up", "up")
	case events.Consulting, events.Conferencing:
		return progress("CONFERENCE", "up", "up")
	case events.Ended:
		p := progress("HANGUP", "down", "down")
		p.Reason = "completed"
		return p
	case events.WrapUp, events.WrappedUp:
		return progress("WRAPUP", "down", "down")
	case events.RecordingStarted, events.RecordingStopped:
		return progress("RECORDING", "up", "up")
	case events.Annotated:
		p := progress("DISPOSITION", "down", "down")
		p.Attributes = map[string]string{"disposition": "sale"}
		return p
	}
	return nil
}

func sampleAgentBody(s events.Spec) any {
	state := events.AgentState{
		Presence: s.Name, Since: at(0), Connection: sampleConn, Kind: "tcn", ProviderAgent: sampleAgent,
		HuntGroups: []string{"1045678"}, EnrolledSeq: 3, Session: "55512345", Fence: 44,
	}
	claim := &events.AgentClaim{Call: sampleCall(), Since: at(1)}
	switch s.Name {
	case events.Enrolled:
		state.Presence, state.EnrolledSeq, state.Fence, state.Session = events.Offline, 0, 0, ""
		return &events.AgentEnrolled{By: "ops-1", State: state}
	case events.Removed:
		state.Presence = events.Gone
		return &events.AgentRemoved{By: "ops-1", State: state}
	case events.Claimed:
		state.Presence, state.Claim, state.Fence = events.Ready, claim, 0
		return &events.AgentClaimed{Call: sampleCall(), State: state}
	case events.Released:
		state.Presence = events.Ready
		return &events.AgentReleased{Call: sampleCall(), Cause: "closed", State: state}
	case events.Quarantined:
		state.Presence, state.Quarantine = events.OnCall, &events.AgentClaim{Call: sampleCall(), Since: at(1), Reason: "presumed"}
		return &events.AgentQuarantined{Call: sampleCall(), Reason: "presumed", State: state}
	}
	return &events.AgentPresence{Event: "READY", Evidence: "poll", RawSeq: 899, OccurredAt: atp(0), State: state}
}

func sampleRaw() *events.ProviderRaw {
	return &events.ProviderRaw{
		Connection: sampleConn, Via: "poll", Agent: sampleAgent, Session: "55512345", AgentSeq: 44, Call: sampleCall(), CallSeq: 106,
		ReceivedAt: at(10), Status: 200, Body: []byte(`{"statusDesc":"READY"}`),
	}
}

func sampleFact() *events.Fact {
	return &events.Fact{Kind: "dnc", Listed: true, Origin: "consumer", By: "ops-1", Masked: events.Mask(sampleTo), At: at(0)}
}

func sampleControl() *events.Control {
	return &events.Control{Name: "clock", OffsetMS: 3600000, By: "ops-1", Reason: "rehearsal", At: at(0)}
}

func sampleOps() *events.Ops {
	return &events.Ops{Event: "connection_down", Service: "bridge", Tenant: sampleTenant, What: sampleConn, Details: map[string]string{"code": "unreachable"}, At: at(0)}
}

func sampleRejected() *events.Rejected {
	return &events.Rejected{
		Stage: "request", Tenant: sampleTenant, Stream: events.RequestStream(sampleTenant), Sequence: 8, Digest: sampleKey().Digest([]byte("{}")),
		Faults: []events.Fault{{Pointer: "/to", Code: events.FaultMissing, Message: "required, but missing"}}, Source: "/crm", ID: "order-4712", At: at(0),
	}
}

// An Example is one sample event as it stands on NATS.
type Example struct {
	Type    string          `json:"type"`
	Subject string          `json:"subject"`
	Headers events.Header   `json:"headers"`
	Data    json.RawMessage `json:"data"`
}
