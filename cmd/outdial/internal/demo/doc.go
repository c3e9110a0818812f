// Package demo runs the source documents' own samples through everything:
// simulated providers, the four services, real NATS. It shows a live table of
// calls and ends with a summary that the log and the simulator's own ledger
// both have to agree to.
package demo
