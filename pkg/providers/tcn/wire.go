package tcn

import (
	"encoding/json"

	"github.com/outdial/outdial/pkg/events"
)

// agentAnswer is what TCN says about the agent whose token asked.
type agentAnswer struct {
	AgentSid       text `json:"agentSid"`
	ClientSid      text `json:"clientSid"`
	HuntGroupSid   text `json:"huntGroupSid"` // may change during the session
	PartnerAgentID text `json:"partnerAgentId"`
}

// settingsAnswer holds the one group of settings that matters here. Its
// siblings are ignored.
type settingsAnswer struct {
	ManualDial *manualDial `json:"manualDial"`
}

type manualDial struct {
	Enabled                        flag         `json:"enabled"`
	HasCustomCallerID              flag         `json:"hasCustomCallerId"`
	DefaultCallerID                text         `json:"defaultCallerId"`
	DefaultCallerIDCountrySid      text         `json:"defaultCallerIdCountrySid"`
	DefaultCountrySid              text         `json:"defaultCountrySid"`
	NaturalComplianceRuleSetName   text         `json:"naturalComplianceRuleSetName"`
	ScrubCellPhones                flag         `json:"scrubCellPhones"`
	TimezoneRestrictions           flag         `json:"timezoneRestrictions"`
	CallRecording                  flag         `json:"callRecording"`
	AgentOverrideCell              flag         `json:"agentOverrideCell"`
	AgentOverrideCcr               flag         `json:"agentOverrideCcr"`
	AgentOverrideDncl              flag         `json:"agentOverrideDncl"`
	AgentOverrideTimezone          flag         `json:"agentOverrideTimezone"`
	AgentOverrideNaturalCompliance flag         `json:"agentOverrideNaturalCompliance"`
	UseTimezoneValidationZip       flag         `json:"useTimezoneValidationZip"`
	EnableManualDialDataDip        flag         `json:"enableManualDialDataDip"`
	RandomCallerIDBucket           integer      `json:"randomCallerIdBucket"` // -1 is none
	ComplianceMetadata             []metaDemand `json:"complianceMetadata"`
}

// metaDemand is a metadata name that TCN's administrator may require.
type metaDemand struct {
	Name     text `json:"name"`
	Required flag `json:"required"`
}

// sessionAnswer holds the session. There is no field called sessionSid: the
// value other operations ask for under that name is the voice session's.
type sessionAnswer struct {
	AsmSessionSid text `json:"asmSessionSid"`
	VoiceSession  struct {
		VoiceSessionSid text `json:"voiceSessionSid"`
	} `json:"voiceSession"`
	VoiceSessionSid text `json:"voiceSessionSid"` // flat, in another of TCN's texts
}

func (s sessionAnswer) voice() string {
	if v := s.VoiceSession.VoiceSessionSid.sid(); v != "" {
		return v
	}
	return s.VoiceSessionSid.sid()
}

type countriesAnswer struct {
	Countries []country `json:"countries"`
}

type country struct {
	CountrySid  text     `json:"countrySid"`
	TotalDigits integer  `json:"totalDigits"`
	CountryCode text     `json:"countryCode"`
	RegionCodes []string `json:"regionCodes"`
}

// statusAnswer is the agent's status. status itself is left out: its numbers
// contradict each other in TCN's own texts.
type statusAnswer struct {
	StatusDesc          text            `json:"statusDesc"`
	Paused              flag            `json:"paused"`
	CurrentSessionID    text            `json:"currentSessionId"`
	LastStatusChange    text            `json:"lastStatusChange"`
	Monitoring          flag            `json:"monitoring"`
	CallsCount          integer         `json:"callsCount"`
	LastSipCode         integer         `json:"lastSipCode"`
	AgentPeerIsLostCall flag            `json:"agentPeerIsLostCall"`
	Disabled            flag            `json:"disabled"`
	KeepAliveSucceeded  flag            `json:"keepAliveSucceeded"`
	AgentIsMuted        flag            `json:"agentIsMuted"`
	TransferMembers     json.RawMessage `json:"transferMembers"`
}

// boolean is a boolean of a request. TCN prints them inside quotes.
type boolean struct{ on, bare bool }

// MarshalJSON implements json.Marshaler.
func (b boolean) MarshalJSON() ([]byte, error) {
	s := "false"
	if b.on {
		s = "true"
	}
	if b.bare {
		return []byte(s), nil
	}
	return []byte(`"` + s + `"`), nil
}

// shared are the fields that the scrub and the start must say alike.
type shared struct {
	ClientSid           string            `json:"clientSid"`
	CountrySid          string            `json:"countrySid"`
	AgentSid            string            `json:"agentSid"`
	StartTime           string            `json:"startTime"` // epoch seconds
	CallerID            string            `json:"callerId"`
	PhoneNumber         string            `json:"phoneNumber"` // national
	CountryCode         string            `json:"countryCode"`
	DoRecord            boolean           `json:"doRecord"`
	CallDataType        string            `json:"callDataType"`
	CallerIDCountryCode string            `json:"callerIdCountryCode"`
	CallerIDCountrySid  string            `json:"callerIdCountrySid"`
	RuleSetName         string            `json:"ruleSetName"`
	SimpleMetaData      []events.KeyValue `json:"simpleMetaData"`
}

type scrubRequest struct {
	Call scrubCall `json:"call"`
}

type scrubCall struct {
	shared
	UseGlobalTimeZoneScrub boolean `json:"useGlobalTimeZoneScrub"`
	DoCellPhoneScrub       boolean `json:"doCellPhoneScrub"`
	DoDnclScrub            bool    `json:"doDnclScrub"` // always a bare true
}

// scrubAnswer holds TCN's verdicts, and enough of the echo to see that they
// are about this call: the scrub is a queue, and a queue can hand out an
// answer that somebody else left behind.
type scrubAnswer struct {
	ScrubbedCall *struct {
		CallSid                     text `json:"callSid"`
		TaskGroupSid                text `json:"taskGroupSid"`
		AgentSid                    text `json:"agentSid"`
		StartTime                   text `json:"startTime"`
		PhoneNumber                 text `json:"phoneNumber"`
		CountryCode                 text `json:"countryCode"`
		CallDataType                text `json:"callDataType"`
		IsDialValidationOk          flag `json:"isDialValidationOk"`
		IsTimeZoneScrubOk           flag `json:"isTimeZoneScrubOk"`
		IsCellPhoneScrubOk          flag `json:"isCellPhoneScrubOk"`
		IsCustomCallingRulesScrubOk flag `json:"isCustomCallingRulesScrubOk"`
		IsDnclScrubOk               flag `json:"isDnclScrubOk"`
		IsNaturalComplianceOk       flag `json:"isNaturalComplianceOk"`
	} `json:"scrubbedCall"`
}

type startRequest struct {
	SimpleCallData  startCall `json:"simpleCallData"`
	HuntGroupSid    string    `json:"huntGroupSid"`
	AgentSessionSid string    `json:"agentSessionSid"` // the same value as sessionSid elsewhere
}

type startCall struct {
	CallSid      string `json:"callSid"`
	TaskGroupSid string `json:"taskGroupSid"`
	shared
}

type groupRequest struct {
	HuntGroupSid string `json:"huntGroupSid"`
}

type sessionRequest struct {
	SessionSid string `json:"sessionSid"`
}

type statusRequest struct {
	SessionSid       string  `json:"sessionSid"`
	PerformKeepAlive boolean `json:"performKeepAlive"`
}
