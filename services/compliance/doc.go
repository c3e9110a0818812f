// Package compliance answers one question about every call: may it be placed?
// It hears requested and assigned, and says failed or passed, with every
// reason and the evidence. Where the provider has a verdict of its own, it is
// asked in between, and the stricter of the two wins.
//
//	requested ─▶ facts ─▶ rules.Decide ─▶ failed, if no waiting can cure it
//	assigned  ─▶ facts ─▶ rules.Decide ─▶ failed │ passed
//	                                 └─▶ preparing ─▶ won? ─▶ Prepare ─▶ passed │ failed
//	preparing, past notAfter ─▶ failed (PREPARATION_LOST)
//
// What is decided is in the package rules and is pure.
package compliance
