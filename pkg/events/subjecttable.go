package events

// A SubjectRow is one line of the subject table: a stream, what it binds, who
// writes it and how long it keeps.
type SubjectRow struct {
	Stream   string // "" for subjects that no stream binds
	Subjects string
	Writer   string
	Keeps    string
	Says     string
}

// SubjectTable lists every subject of the system, streams first. The printed
// documents are made from it.
func SubjectTable() []SubjectRow {
	return []SubjectRow{
		{"REQUESTS_<tenant>", "dial.requests.<tenant>", "that tenant's upstream systems", "3 days", "dial requests, one stream and one consumer a tenant"},
		{StreamCalls, "calls.<tenant>.<call>.<role>.<event>", "the services, each its own role, as append.calls.…", "3 days by default", "the log of every call, the only truth"},
		{StreamAgents, "agents.<tenant>.<agent>.<role>.<event>", "orchestrator, bridge, operator, as append.agents.…", "for ever, the last 64 per subject", "the roster, presence and claims"},
		{StreamProvider, "provider.<tenant>.<connection>", "the bridge, or a gateway", "7 days", "every provider message as it came, before it is understood"},
		{StreamFacts, "facts.<tenant>.<kind>.<token>", "compliance, operator", "for ever", "company do-not-call, consent, opt-out, attempts; the number only as a token"},
		{StreamControl, "control.<tenant>.<scope>.<name>", "operator, but not control.<tenant>.key.check, which is provision's; a service only control._.store.regression, the bridge control.<tenant>.feed.<connection>", "the last per subject", "pauses, the rehearsal clock, whether the store went back in time, how far feeds were read, check values of the tenants' keys"},
		{StreamOps, "ops.<tenant>.<event>", "any service", "90 days", "alarms, connections up and down, every command with who and why"},
		{StreamRejected, "rejected.<tenant>.<stage>", "any service", "30 days", "what was refused or parked, and why; never the payload"},
		{"", "outdial.<tenant>.<group>.<verb>", "operators, upstream systems", "", "commands and queries (micro services)"},
		{"", "workspace.<tenant>.<connection>.<agent>.<session>.send", "the dialer", "", "a message for one agent's desktop; never stored, never retried"},
		{"", "alive.bridge.<process>", "the bridge", "", "a bridge process lives, and with it the desktops' sessions it holds; never stored"},
	}
}
