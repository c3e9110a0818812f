// Package orchestrator ties a call together: it accepts requests, claims an
// agent, waits when it must, closes every call exactly once and sets agents
// free. What is to be done about a call is in plan.go and proof.go, whose turn
// it is in waiters.go, and both are pure; claim.go gives agents to calls and
// takes them back, and the loops are in run.go.
//
//	dial.requests.<tenant> ─▶ accept ─▶ requested
//	requested, waiting ─▶ claim ─▶ assigned ─▶ (compliance, dialer, bridge)
//	their events, timers ─▶ Plan ─▶ waiting │ cancel_requested │ closed ─▶ released
package orchestrator
