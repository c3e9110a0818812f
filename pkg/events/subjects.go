package events

import (
	"strings"
)

// Streams, as made by `outdial provision`.
const (
	StreamCalls    = "CALLS"
	StreamAgents   = "AGENTS"
	StreamProvider = "PROVIDER"
	StreamFacts    = "FACTS"
	StreamControl  = "CONTROL"
	StreamOps      = "OPS"
	StreamRejected = "REJECTED"
)

// AppendPrefix stands before a log's subject when it is written; the stream
// strips it and republishes what it stored.
const AppendPrefix = "append."

// AnyTenant stands in a subject for "all tenants" or "tenant unknown".
const AnyTenant = "_"

// IsToken reports whether s may stand as one token of a subject.
func IsToken(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
	})
}

// RequestStream is the stream of a tenant's requests.
func RequestStream(tenant string) string { return "REQUESTS_" + tenant }

// RequestSubject is where a tenant's upstream systems publish.
func RequestSubject(tenant string) string { return "dial.requests." + tenant }

// LogFilter covers the whole log of one call or agent; it is the filter of
// every compare-and-set append to it.
func LogFilter(f Family, tenant, key string) string {
	return string(f) + "s." + tenant + "." + key + ".>"
}

// LogSubject is the subject an event is stored under.
func LogSubject(f Family, tenant, key string, r Role, n Name) string {
	return string(f) + "s." + tenant + "." + key + "." + string(r) + "." + string(n)
}

// ProviderSubject is where a connection's raw messages go.
func ProviderSubject(tenant, connection string) string {
	return "provider." + tenant + "." + connection
}

// FactSubject is where a fact about a number goes.
func FactSubject(tenant, kind, token string) string {
	return "facts." + tenant + "." + kind + "." + token
}

// ControlSubject is where a control entry goes.
func ControlSubject(tenant, scope, name string) string {
	return "control." + tenant + "." + scope + "." + name
}

// CursorSubject is where the bridge keeps how far a connection's feed was read.
func CursorSubject(tenant, connection string) string {
	return ControlSubject(tenant, "feed", connection)
}

// RegressionSubject is where it stands that the store went back in time.
func RegressionSubject() string { return ControlSubject(AnyTenant, "store", "regression") }

// AcceptanceSubject is where it stands that somebody accepted such a store.
func AcceptanceSubject() string { return ControlSubject(AnyTenant, "store", "accepted") }

// OpsSubject is where an operational event goes.
func OpsSubject(tenant, event string) string { return "ops." + tenant + "." + event }

// RejectedSubject is where refusals go.
func RejectedSubject(tenant, stage string) string { return "rejected." + tenant + "." + stage }

// WorkspaceSubject is the request subject by which the dialer reaches the one
// bridge that holds an agent's desktop socket.
func WorkspaceSubject(tenant, connection, agent, session string) string {
	return "workspace." + tenant + "." + connection + "." + agent + "." + session + ".send"
}

// AliveSubject is where a bridge process says every few seconds that it lives,
// and with it the desktops' sessions it holds. It is a core subject of no
// stream: nothing of it is stored. "*" hears them all.
func AliveSubject(process string) string { return alivePrefix + process }

const alivePrefix = "alive.bridge."

// AliveProcess is the process that an AliveSubject names.
func AliveProcess(subject string) string { return strings.TrimPrefix(subject, alivePrefix) }

// ServiceSubject is the subject of a command or query.
func ServiceSubject(tenant, group, verb string) string {
	return "outdial." + tenant + "." + group + "." + verb
}

// ParseLogSubject takes a log subject apart, with or without AppendPrefix.
func ParseLogSubject(subject string) (f Family, tenant, key string, r Role, n Name, ok bool) {
	p := strings.Split(strings.TrimPrefix(subject, AppendPrefix), ".")
	if len(p) != 5 || (p[0] != "calls" && p[0] != "agents") {
		return "", "", "", "", "", false
	}
	return Family(strings.TrimSuffix(p[0], "s")), p[1], p[2], Role(p[3]), Name(p[4]), true
}
