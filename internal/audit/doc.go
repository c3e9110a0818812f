// Package audit proves or refutes from the record that outdial kept its
// promises: that no number was dialed without a pass (I1), none twice (I2),
// that every call ends once (I3) and that no agent is on two calls or locked
// for ever (I4), nor two who are the same agent of a provider's.
//
//	CALLS, AGENTS ─▶ Take ─┐
//	                       ├─▶ Judge ─▶ Report
//	a company's own ledger ┘
//
// The judge is pure and knows nothing of how the services decide: it has the
// table of states and the rules in this package. The log alone cannot show a
// second ring, so where a second witness exists, the ledger of a simulated
// company, the two are compared.
//
// What it cannot know it does not claim. CALLS forgets after some days and
// AGENTS keeps the last events of each kind only; what is gone is counted, not
// judged.
package audit
