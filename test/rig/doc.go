// Package rig puts up a whole outdial for a test: a real NATS server that
// writes to disk, a real Redis, a simulated telephone company with a ledger in
// a file, agents' simulated desktops, and the four services, either in this
// process or as processes of their own.
//
//	test ─▶ Rig.Dial ─▶ REQUESTS ─▶ services ─▶ simulator ─▶ ledger
//	  ▲                                │                        │
//	  └── Await, Closed ◀── CALLS ◀────┘      audit at the end ◀┘
//
// Every test that uses a rig ends with the same three questions, asked by the
// rig itself: do the log and the ledger prove the invariants, is every agent
// free again, and is nothing personal in any log line, metric, OPS or REJECTED
// entry.
package rig
