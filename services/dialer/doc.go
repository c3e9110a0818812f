// Package dialer starts calls at the provider, at most once, and withdraws
// what must not go on. It is the only package that places a call.
//
//	passed ─▶ Confirm ─▶ MayDial ─▶ dialing (the intent) ─▶ won? ─▶ Start, once
//	            │ no       │ no        │ not won: nothing       ├─▶ started │ pending_agent
//	            ▼          ▼           ▼                        ├─▶ refused │ withheld
//	         withheld   withheld    (see Turn)                  └─▶ unknown ─▶ Lookup, never again Start
//	dialing without an outcome, a desktop that says nothing ─▶ Turn ─▶ unknown
//	failed, cancel_requested, withheld, refused, not_placed ─▶ Withdraw ─▶ cancelled
//	closed over what nobody withdrew, its agent held back ─▶ Withdraw ─▶ cancelled
package dialer
