package config

import "time"

// Timing are the limits and timeouts of the services. Every one is positive.
type Timing struct {
	Orchestrator OrchestratorTiming `yaml:"orchestrator" help:"How long a call may stay in a state before the watchdog decides."`
	Compliance   ComplianceTiming   `yaml:"compliance" help:"Of compliance."`
	Dialer       DialerTiming       `yaml:"dialer" help:"Of the dialer."`
	Bridge       BridgeTiming       `yaml:"bridge" help:"Of events-bridge."`
	Worker       WorkerTiming       `yaml:"worker" help:"Of every service's consumers."`
}

// OrchestratorTiming is how long a call may stay in a state, and what else the
// orchestrator waits for.
type OrchestratorTiming struct {
	Undo     time.Duration `yaml:"undo" default:"2m" help:"A preparation being withdrawn."`
	Answer   time.Duration `yaml:"answer" default:"2m" help:"A started call without any news."`
	Unknown  time.Duration `yaml:"unknown" default:"10m" help:"A dial whose outcome is not known."`
	Silence  time.Duration `yaml:"silence" default:"10m" help:"A dial or a preparation about which its service says nothing."`
	Ring     time.Duration `yaml:"ring" default:"3m" help:"Offered or ringing, for each number that may ring."`
	Talk     time.Duration `yaml:"talk" default:"4h" help:"A conversation."`
	Ended    time.Duration `yaml:"ended" default:"2m" help:"Ended, with after-call work not begun."`
	WrapUp   time.Duration `yaml:"wrapUp" default:"30m" help:"After-call work."`
	Retry    time.Duration `yaml:"retry" default:"2s" help:"After preparing was impossible."`
	ClaimAge time.Duration `yaml:"claimAge" default:"15s" help:"A claim on an agent that no call knows of."`
	Prepared time.Duration `yaml:"prepared" default:"1m" help:"An agent whom the provider shows in a preparation that no call owns; afterwards it is withdrawn. Longer than compliance.prepare and dialer.answer together."`
	Lease    time.Duration `yaml:"lease" default:"10s" help:"How long a bridge may be silent before the sessions of the desktops it holds are ended."`
}

// ComplianceTiming is compliance's.
type ComplianceTiming struct {
	Prepare time.Duration `yaml:"prepare" default:"20s" help:"How long a preparation may touch the provider."`
}

// DialerTiming has the fields of dialer.Limits, in the same order, so that one
// converts to the other and the compiler sees them part.
type DialerTiming struct {
	Send   time.Duration `yaml:"send" default:"5s" help:"How long an intent on record may still be sent."`
	Answer time.Duration `yaml:"answer" default:"15s" help:"How long a provider may take to answer a dial."`
	Event  time.Duration `yaml:"event" default:"20s" help:"Within which a desktop's first event must come; afterwards the outcome is unknown."`
	Settle time.Duration `yaml:"settle" default:"2s" help:"Before an unknown outcome is looked up."`
}

// BridgeTiming is the bridge's.
type BridgeTiming struct {
	PollEvery time.Duration `yaml:"pollEvery" default:"1s" help:"Between looks at an agent's status; they also keep the provider's session alive."`
	Alive     time.Duration `yaml:"alive" default:"2s" help:"Between words that the bridge lives, and with it the sessions of the desktops it holds."`
}

// WorkerTiming is of package worker.
type WorkerTiming struct {
	StallAfter time.Duration `yaml:"stallAfter" default:"15s" help:"Silence of a consumer that has messages waiting, after which it is bound anew."`
	HoldDelay  time.Duration `yaml:"holdDelay" default:"1m" help:"Before a message with an unknown event is looked at again."`
	Grace      time.Duration `yaml:"grace" default:"25s" help:"How long handlers may go on after the end was asked for."`
	Backoff    time.Duration `yaml:"backoff" default:"250ms" help:"First pause after a failure, doubled each time up to 30s."`
}
