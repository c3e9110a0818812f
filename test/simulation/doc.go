// Package simulation runs the four services, with their real code, in a world
// that a seed makes up: the log's twin, virtual time, and everything that may
// go wrong in one thread.
//
//	requests ─▶ ┌ processes: orchestrator, compliance, dialer, bridge ┐ ─▶ companies
//	            │   each with a view of its own that lags              │      │
//	            └───────── every handler is a coroutine ───────────────┘      ledger
//	                 │ gives way at every append, read, call and pause         │
//	             scheduler: who goes on, when, and what breaks, by the seed    │
//	                 ▼                                                         ▼
//	             the log's twin ───────────────── audit ───────────────────────┘
//
// The same seed gives the same story, to the letter, so that a broken promise
// is found once and looked at as often as it takes.
package simulation
