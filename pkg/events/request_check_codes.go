package events

// Codes of the faults that ReadRequest finds. They are stable: clients may
// branch on them.
const (
	FaultNotJSON              = "not_json"
	FaultBadUTF8              = "bad_utf8"
	FaultNotCloudEvent        = "not_cloudevent"
	FaultUnsupportedFormat    = "unsupported_format"
	FaultBadData              = "bad_data"
	FaultTooLarge             = "too_large"
	FaultWrongSubject         = "wrong_subject"
	FaultDuplicateAttribute   = "duplicate_attribute"
	FaultBadAttribute         = "bad_attribute"
	FaultTooManyAttributes    = "too_many_attributes"
	FaultWrongSpecVersion     = "wrong_specversion"
	FaultWrongEventType       = "wrong_event_type"
	FaultWrongDataContentType = "wrong_datacontenttype"
	FaultDuplicateKey         = "duplicate_key"
	FaultTooDeep              = "too_deep"
	FaultTooManyKeys          = "too_many_keys"
	FaultTooLong              = "too_long"
	FaultTooMany              = "too_many"
	FaultMissing              = "missing"
	FaultEmpty                = "empty"
	FaultUnknownField         = "unknown_field"
	FaultWrongJSONType        = "wrong_json_type"
	FaultNotE164              = "not_e164"
	FaultBadToken             = "bad_token"
	FaultBadText              = "bad_text"
	FaultBadTimeZone          = "bad_time_zone"
	FaultNearKey              = "near_key"
	FaultBadTime              = "bad_time"
	FaultBadPriority          = "bad_priority"
	FaultBadPurpose           = "bad_purpose"
	FaultBadMode              = "bad_mode"
	FaultModeUnsupported      = "mode_unsupported"
	FaultNoTarget             = "no_target"
	FaultTwoTargets           = "two_targets"
	FaultSameNumber           = "same_number"
	FaultUnknownAgent         = "unknown_agent"
	FaultUnknownHuntGroup     = "unknown_hunt_group"
	FaultUnknownConnection    = "unknown_connection"
	FaultQueueUnsupported     = "queue_unsupported"
	FaultAgentsUnsupported    = "agents_unsupported"
	FaultRecordingUnsupported = "recording_unsupported"
	FaultScheduleUnsupported  = "schedule_unsupported"
	FaultBadSchedule          = "bad_schedule"
	FaultForeignCallerID      = "foreign_caller_id"
	FaultUnknownRuleset       = "unknown_ruleset"
	FaultExpiresFirst         = "expires_first"
	FaultExpired              = "expired"
	FaultExpiryTooFar         = "expiry_too_far"
	FaultNotBeforeTooFar      = "not_before_too_far"
	FaultMore                 = "more_faults"
)

// A FaultCode is one code and what it says.
type FaultCode struct{ Code, Says string }

// FaultCodes lists every code with its message, for the documents and for the
// test that no message is made from input. unknown_field may add which field
// was probably meant, wrong_json_type says which type is wanted.
func FaultCodes() []FaultCode {
	return []FaultCode{
		{FaultNotJSON, "not valid JSON"},
		{FaultBadUTF8, "not valid UTF-8, or an escape that is half a character"},
		{FaultNotCloudEvent, "not a CloudEvent: neither ce- headers nor a structured event"},
		{FaultUnsupportedFormat, "the only structured format on NATS is application/cloudevents+json, one event a message"},
		{FaultBadData, "the structured event's data cannot be read"},
		{FaultTooLarge, "the payload is larger than the limit (64 KiB)"},
		{FaultWrongSubject, "the subject is not that of this tenant's requests"},
		{FaultDuplicateAttribute, "the attribute is given more than once"},
		{FaultBadAttribute, "not a valid CloudEvents attribute"},
		{FaultTooManyAttributes, "the event has more extension attributes than the limit (16)"},
		{FaultWrongSpecVersion, "only specversion 1.0 is read"},
		{FaultWrongEventType, "the type must be io.outdial.dial.requested.v1"},
		{FaultWrongDataContentType, "the data must be JSON"},
		{FaultDuplicateKey, "the name stands here more than once"},
		{FaultTooDeep, "nested deeper than the limit (16)"},
		{FaultTooManyKeys, "the data has more names than the limit (256)"},
		{FaultTooLong, "longer than the limit (1024 bytes; an event's id or source 256)"},
		{FaultTooMany, "more entries than the limit (16)"},
		{FaultMissing, "required, but missing"},
		{FaultEmpty, "must not be empty; leave the field out instead"},
		{FaultUnknownField, "the request has no such field"},
		{FaultWrongJSONType, "of the wrong JSON type"},
		{FaultNotE164, "must be E.164: a plus sign, the country code and the number as its plan writes it, 7 to 15 digits, without trunk zero, prefix or extension"},
		{FaultBadToken, "must be a token: 1 to 64 letters, digits, underscores and dashes"},
		{FaultBadText, "must be one line of at most 128 bytes of printable text"},
		{FaultBadTimeZone, "must be an IANA time zone's name, and that of a place: UTC, Etc/, GMT, EST and their like are kept nowhere"},
		{FaultNearKey, "reads like the key of a postal code, and is not one of those that are read as it; did you mean Zip Code?"},
		{FaultBadTime, "must be an RFC 3339 time with zone"},
		{FaultBadPriority, "must be a whole number from 0 to 9"},
		{FaultBadPurpose, "must be one of telemarketing, debt, informational, research"},
		{FaultBadMode, "must be one of manual, preview, predictive, prerecorded"},
		{FaultModeUnsupported, "only manual and preview calls are taken: what would allow a machine to dial or to speak (consent, line types, abandoned calls) is not on record yet"},
		{FaultNoTarget, "one of agent, huntGroup and queue is required"},
		{FaultTwoTargets, "only one of agent, huntGroup and queue may be given"},
		{FaultSameNumber, "the number is given twice, as to or among the alternates"},
		{FaultUnknownAgent, "no such agent is enrolled"},
		{FaultUnknownHuntGroup, "no such hunt group has agents here"},
		{FaultUnknownConnection, "the tenant has no such connection"},
		{FaultQueueUnsupported, "the connection has no queues of its own"},
		{FaultAgentsUnsupported, "the connection takes calls for queues of its own alone"},
		{FaultRecordingUnsupported, "the connection cannot be told whether to record; its provider's settings say so"},
		{FaultScheduleUnsupported, "only a request for a queue of a provider that is told when to call may name the instant"},
		{FaultBadSchedule, "the instant must lie ahead, after notBefore and before the expiry"},
		{FaultForeignCallerID, "the caller id is not one of the tenant's"},
		{FaultUnknownRuleset, "the tenant has no such rule set that is its own, or extends its own"},
		{FaultExpiresFirst, "the expiry must come after notBefore"},
		{FaultExpired, "the request has expired"},
		{FaultExpiryTooFar, "too far ahead: a call must close before its log ages out"},
		{FaultNotBeforeTooFar, "too far ahead: a call must close before its log ages out"},
		{FaultMore, "there are more faults than are listed"},
	}
}

func saysOf(code string) string {
	for _, f := range FaultCodes() {
		if f.Code == code {
			return f.Says
		}
	}
	return ""
}

// sayWant is the message for a value of the wrong JSON type.
func sayWant(k kind) string {
	switch k {
	case isBool:
		return "must be true or false"
	case isNumber:
		return "must be a number"
	case isString:
		return "must be a string"
	case isList:
		return "must be a list"
	case isObject:
		return "must be an object"
	}
	return "must be null"
}
