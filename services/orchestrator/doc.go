// Package orchestrator ties a call together: it accepts requests, claims an
// agent, waits when it must, closes every call exactly once and sets agents
// free. What it decides is in plan.go and choose.go and is pure; the rest is a
// thin shell around the log.
//
//	dial.requests.<tenant> ─▶ accept ─▶ requested
//	requested, waiting ─▶ claim ─▶ assigned ─▶ (compliance, dialer, bridge)
//	their events, timers ─▶ Plan ─▶ waiting │ cancel_requested │ closed ─▶ released
package orchestrator
