package worker

import (
	"slices"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
)

// A permission is what one NATS user may do. What is not listed is denied.
type permission struct {
	User      string // also the connection's name: answers go to _INBOX_<User>
	Says      string
	Publish   []string
	Deny      []string // what Publish would allow and is somebody else's
	Subscribe []string
	// Responds lets the user answer requests it has received.
	Responds bool
}

// reads are the logs every service may look up, from the streams' leaders.
func reads(streams ...string) []string {
	out := make([]string, len(streams))
	for i, s := range streams {
		out[i] = "$JS.API.STREAM.MSG.GET." + s
	}
	return out
}

// tails lets a service follow a stream with a consumer of its own, which the
// server makes and forgets. The broker cannot tell such a consumer's name from
// a durable one's, so a service could also disturb the durables of that
// stream: work would stop and be noticed, no promise would break.
func tails(streams ...string) []string {
	var out []string
	for _, s := range streams {
		out = append(out, "$JS.API.CONSUMER.CREATE."+s+".>", "$JS.API.CONSUMER.DELETE."+s+".*",
			"$JS.API.CONSUMER.INFO."+s+".*", "$JS.API.CONSUMER.MSG.NEXT."+s+".*")
	}
	return out
}

// consumes lets a service pull from and acknowledge on its durables, and no
// one else's. Newer servers may write the account into the ack's subject.
func consumes(l broker.Layout, durables ...string) []string {
	var out []string
	for _, c := range l.Consumers {
		for _, d := range durables {
			if c.Config.Durable != d {
				continue
			}
			out = append(out, "$JS.API.CONSUMER.INFO."+c.Stream+"."+d, "$JS.API.CONSUMER.MSG.NEXT."+c.Stream+"."+d,
				"$JS.ACK."+c.Stream+"."+d+".>", "$JS.ACK.*.*."+c.Stream+"."+d+".>")
		}
	}
	return out
}

// appends lets a role write its own events and nobody else's: so only
// compliance can write a pass.
func appends(r events.Role, families ...string) []string {
	out := make([]string, len(families))
	for i, f := range families {
		out[i] = events.AppendPrefix + f + ".*.*." + string(r) + ".*"
	}
	return out
}

// notices lets a service see where the streams end whose past matters, and tell
// the others that one of them went back in time.
func notices() []string {
	var out []string
	for _, s := range marks.Streams() {
		out = append(out, "$JS.API.STREAM.INFO."+s)
	}
	return append(append(out, reads(events.StreamFacts)...), events.RegressionSubject())
}

// permissionsOf lists the users of a layout: one per service, one per kind of
// outsider, with tenants' outsiders apart. deploy/nats/accounts.conf
// says the same for a server of its own.
func permissionsOf(l broker.Layout, tenants []string) []permission {
	notes := []string{"ops.*.*", "rejected.*.*"}
	logs := slices.Concat(reads(events.StreamCalls, events.StreamAgents, events.StreamControl),
		tails(events.StreamCalls, events.StreamAgents), notices())
	out := []permission{
		service(events.Orchestrator, "accepts, claims, waits and closes",
			slices.Concat(consumes(l, broker.Orchestrator, broker.Projector), appends(events.Orchestrator, "calls", "agents"), notes, logs,
				[]string{"$JS.API.STREAM.INFO.*"}), // how full they are
			"outdial.*.call.*", "outdial.*.agent.*", "outdial.*.control.*", "outdial.*.rejected.*", "outdial.*.why",
			events.AliveSubject("*")),
		service(events.Compliance, "the only one who can write a pass",
			slices.Concat(consumes(l, broker.Compliance), appends(events.Compliance, "calls"), notes, logs,
				tails(events.StreamFacts), []string{"facts.*.*.*"}),
			"outdial.*.compliance.*", "outdial.*.dnc.*", "outdial.*.privacy.*", "outdial.*.call.explain"),
		service(events.Dialer, "the only one who can write an intent to dial",
			slices.Concat(consumes(l, broker.Dialer), appends(events.Dialer, "calls"), notes, logs, []string{"workspace.*.*.*.*.send"}),
			"outdial.*.provider.*.*"),
		service(events.Bridge, "what providers and desktops say; takes requests by HTTP",
			slices.Concat(consumes(l, broker.Bridge), appends(events.Bridge, "calls", "agents"), notes, logs,
				reads(events.StreamProvider), tails(events.StreamProvider), []string{"provider.*.*", "dial.requests.*", events.AliveSubject("*")}),
			"workspace.*.*.*.*.send", "outdial.*.workspace.*"),
		{
			User: "operator", Says: "people, by the NATS CLI and outdial's own tool",
			Publish: slices.Concat(appends(events.Operator, "calls", "agents"),
				[]string{"control.*.*.*", "facts.*.*.*", "ops.*.*", "outdial.>", "$SRV.>",
					"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
					"$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.INFO.*.*",
					"$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.DELETE.*.*"}),
			Deny:      []string{"control.*.key.*"}, // which key is the store's is not decided by hand
			Subscribe: []string{"_INBOX_operator.>", "_INBOX.>", "calls.>", "agents.>", "ops.>", "rejected.>", "$JS.EVENT.ADVISORY.>"},
		},
		{
			User: "provision", Says: "makes streams and consumers; not for a running service",
			Publish: []string{"$JS.API.>", "control._.clock.offset", "control.*.key.check"}, Subscribe: []string{"_INBOX_provision.>", "_INBOX.>"},
		},
	}
	for _, t := range tenants {
		out = append(out,
			permission{
				User: "upstream-" + t, Says: "publishes requests of " + t + " and asks about its calls",
				Publish:   []string{events.RequestSubject(t), "outdial." + t + ".call.*"},
				Subscribe: []string{"_INBOX_upstream-" + t + ".>"},
			},
			permission{
				User: "analytics-" + t, Says: "hears the calls and agents of " + t + ", says nothing",
				Subscribe: []string{"_INBOX_analytics-" + t + ".>", "calls." + t + ".>", "agents." + t + ".>"},
			},
			permission{
				User: "gateway-" + t, Says: "publishes raw provider messages of " + t,
				Publish: []string{events.ProviderSubject(t, "*")}, Subscribe: []string{"_INBOX_gateway-" + t + ".>"},
			})
	}
	return out
}

func service(r events.Role, says string, publish []string, serves ...string) permission {
	return permission{
		User: string(r), Says: says, Publish: publish, Responds: true,
		Subscribe: slices.Concat([]string{"_INBOX_" + string(r) + ".>", "$SRV.>"}, serves),
	}
}
