package gen

type requestField struct{ typ, says string }

// requestFields says what the fields of a dial request are for. A test holds
// the names to those of events.DialRequest.
func requestFields() map[string]requestField {
	return map[string]requestField{
		"to":         {"E.164", "**required**: the number to call. Whether it may be called is compliance's decision, not the reader's."},
		"alternates": {"[E.164], at most 16", "other numbers of the same person: evidence for where they are; a provider that takes several may ring each that the pass lists"},
		"from":       {"E.164", "caller id, one of the tenant's; default: the hunt group's or the tenant's"},
		"agent":      {"token, or an enrolled id", "this agent (exactly one of agent, huntGroup, queue)"},
		"huntGroup":  {"token", "the ready agent of the group who waited longest"},
		"queue":      {"text", "a provider-side queue that needs no agent of ours"},
		"connection": {"token", "the provider connection; default: the agent's, then the tenant's"},
		"campaign":   {"token", "business key, not personal; in clear on every event of the call"},
		"reference":  {"token", "business key, not personal; in clear on every event of the call"},
		"contact":    {"token", "opaque id of the person; in clear on every event of the call"},
		"parent":     {"token", "business key, not personal; in clear on every event of the call"},
		"priority":   {"0-9", "among those who wait: requests that name the agent, then priority, then the earliest notBefore"},
		"purpose":    {"telemarketing (default), debt, informational, research", "why the call is made; decides which rules apply"},
		"seller":     {"token", "on whose behalf: caps, do-not-call and business relationship count per it"},
		"offer":      {"token", "about what"},
		"debt":       {"token", "about which debt"},
		"mode":       {"manual (default), preview", "how it is dialed, for the rules. `predictive` and `prerecorded` are refused (`mode_unsupported`) until the facts are on record that would allow them"},
		"metadata":   {"[{key, value}]", "for the provider and the agent; order and duplicates kept; personal, in no other event than requested. Names a connection requires are read from it, and `Zip Code` in its usual spellings; what is nearly that name is refused (`near_key`)"},
		"postalCode": {"text", "evidence for where the person is"},
		"region":     {"text", "evidence for where the person is"},
		"timeZone":   {"IANA name of a place", "evidence for where the person is; UTC, Etc/, GMT, EST and their like are no places"},
		"consent":    {"{id}", "names a consent record; a bare claim counts as none"},
		"ruleset":    {"token", "which rule set to judge by: the tenant's (default), or one of the tenant's that extends it"},
		"recording":  {"{on, permission}", "whether the call is to be recorded, and by whose leave; default: the provider's settings"},
		"overrides":  {"[{rule, agent, reason}], at most 16", "asks that a rule's objection be set aside; refused unless rule set and provider settings allow it"},
		"notBefore":  {"RFC 3339", "not earlier than this"},
		"expiresAt":  {"RFC 3339", "not later than this; default: 60 s for a named agent, else 15 min, from notBefore, else the event's time, else receipt. At most the age of CALLS less a day ahead"},
		"options":    {"object", "provider-specific extras; scheduledAt (RFC 3339): when the provider is to call, of a request for a queue"},
	}
}
