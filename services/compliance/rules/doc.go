// Package rules decides whether a number may be called at a given instant. It
// is pure: every fact, the instant included, is handed in, so any past
// decision can be replayed and any future one rehearsed.
//
//	Facts + RuleSet + zones ──▶ Decide ──▶ allowed, or every objection in order of
//	                                       weight, with the evidence and the first
//	                                       instant at which waiting would help
//
// A fact that could not be found out is a reason to refuse. Every rule answers
// every time, none cuts another short, and a rule that breaks objects. Rule sets
// are data: they say when and where, never whether a rule is asked.
package rules

//go:generate go test -count=1 -run TestDocs . -update
