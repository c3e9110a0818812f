package rig

import (
	"cmp"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// Names that every rig has.
const (
	Acme      = "acme"   // the tenant of most tests
	Globex    = "globex" // another one
	Source    = "https://crm.example.com/e2e"
	HuntGroup = "1045678" // of all TCN agents
	Sales     = "sales"   // hunt group of acme's desktops
	Ruleset   = "e2e"
	CallerID  = "+18667451900"
	FirstTCN  = 2098765 // the first TCN agent; the others count on
)

// Services are the names of the four, in the order in which they start.
func Services() []string { return []string{"orchestrator", "compliance", "dialer", "events-bridge"} }

// A Desk is an agent's simulated desktop. Its connection is the kind's.
type Desk struct {
	Agent  string
	Kind   providers.Kind
	Bridge int  // the copy of the bridge that its page comes to
	Away   bool // its page is opened by the test
}

// Options say what a rig is made of. The zero value is one TCN agent, at noon.
type Options struct {
	Agents      int        // TCN agents of acme; default 1
	Others      int        // TCN agents of globex, after acme's
	Desks       []Desk     // of acme
	Copies      int        // of each service; default 1
	Processes   bool       // each service as a process of its own, else in this one
	Script      []sim.Part // how numbers behave; default everybody talks for a while
	TCN         tcnsim.Options
	Pace        time.Duration        // of the simulators' steps; default 20 ms
	At          time.Duration        // time of day, UTC, of outdial's clock; default 18 h, day in all of the US
	Timing      string               // YAML under timing:, in place of the short ones here
	Ruleset     string               // text of acme's own rule set, named Ruleset; default us-federal
	Ingress     map[string]string    // bearer tokens of the HTTP door, by tenant
	Heedless    bool                 // the telephone company does not wait until the log has seen a conversation
	Late        bool                 // the services are started by the test
	Unjudged    bool                 // leave out the audit at the end: the test asks itself
	Rate        int                  // of each of acme's desktop connections, in a second; default none
	Kinds       config.Kinds         // of providers; default all that are built
	Connections []string             // more of them, as YAML: name: {…}; for services in this process
	Hang        time.Duration        // of an exchange with TCN, before it is given up; default 5 s
	Store       int64                // bytes that all streams may hold; default 1 GiB
	Secrets     []string             // more that must not be seen anywhere
	Closing     time.Duration        // bound for agents to be free at the end; default 20 s
	Tracer      trace.TracerProvider // of the services in this process; default none
}

// Short timing: everything is near and nothing takes long.
const shortTiming = `
  orchestrator: {undo: 8s, answer: 8s, unknown: 10s, ring: 15s, talk: 30s, ended: 3s, wrapUp: 15s, retry: 150ms, claimAge: 2s}
  compliance: {prepare: 4s}
  dialer: {send: 2s, answer: 1500ms, event: 1500ms, settle: 200ms}
  bridge: {pollEvery: 60ms}
`

func (o Options) withDefaults() Options {
	if o.Agents == 0 && len(o.Desks) == 0 {
		o.Agents = 1
	}
	if o.Kinds == nil {
		o.Kinds = kinds.All()
	}
	o.Copies = cmp.Or(o.Copies, 1)
	o.Pace = cmp.Or(o.Pace, 20*time.Millisecond)
	o.At = cmp.Or(o.At, 18*time.Hour)
	o.Timing = cmp.Or(o.Timing, shortTiming)
	o.Hang = cmp.Or(o.Hang, 5*time.Second)
	o.Closing = cmp.Or(o.Closing, 20*time.Second)
	if len(o.Script) == 0 {
		o.Script = []sim.Part{Talks("*")}
	}
	return o
}

// Talks is a customer who answers and talks long enough for every poll to see
// it.
func Talks(number string) sim.Part {
	ms := func(n int) sim.Duration { return sim.Duration(time.Duration(n) * time.Millisecond) }
	return sim.Part{Number: number, Ring: ms(80), Talk: ms(200), Wrap: ms(100)}
}
