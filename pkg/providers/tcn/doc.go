// Package tcn speaks to TCN Operator: the manual dial in two phases, and the
// agent's status by polling.
//
//	agent ─▶ settings ─▶ session ─▶ countries ─▶ status READY
//	                                                │
//	   compliance:  prepare ─▶ MANUAL_DIAL_PREPARED ─▶ scrub (callSid)
//	                                                │
//	   dialer:      start, exactly once   or   cancel
//	                                                │
//	   bridge:      status, status, status … ─▶ Reader
//
// The texts in testdata are TCN's own samples. Its manual states bodies only:
// every path, header and status code here is from elsewhere and can be set.
package tcn
