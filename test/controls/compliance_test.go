package controls_test

// complianceControls are the guards of what a provider is asked and believed.
func complianceControls() []control {
	const compliance = "./services/compliance"
	return []control{
		{
			invariant: "I4", guard: "the claim is compared before the provider is touched", file: "services/compliance/prepare.go",
			old: "if a != nil && (a.State.Claim == nil || a.State.Claim.Call != c.ID || a.Fence != c.Assigned.Fence) {",
			new: "if a.State.Claim == nil {",
			pkg: compliance, test: "TestAnAgentClaimedAnewIsNotTouched", says: "claimed for this call, by a later claim",
		},
		{
			invariant: "I1", guard: "a request on record does not choose a looser rule set", file: "services/compliance/judge.go",
			old: "!slices.Contains(s.mayName[t.Name], name) || ",
			new: "",
			pkg: compliance, test: "TestARequestCannotChooseALooserRuleSet", says: "default-safest, asked for us-federal",
		},
		{
			invariant: "I1", guard: "a verdict answers its own assignment", file: "services/compliance/prepare.go",
			old: "if c.Refs.Assigned == r.Seq {",
			new: "if c.Refs.Assigned > 0 {",
			pkg: compliance, test: "TestTheVerdictOfAnOlderAssignmentAnswersNothing", says: "waiting assigned passed",
		},
		{
			invariant: "I1", guard: "a whole verdict that is missing is no yes", file: "pkg/providers/tcn/scrub.go",
			old: "OK: k.IsDialValidationOk.on,",
			new: "OK: k.IsDialValidationOk.on || c.cfg.TrustValidation && !k.IsDialValidationOk.set,",
			pkg: "./pkg/providers/tcn", test: "TestOnlyAClearWholeYesIsAYes", says: "trust true",
		},
		{
			invariant: "I1", guard: "an order has no number that its pass does not list", file: "internal/orders/orders.go",
			old: "	if c.Passed == nil || len(c.Passed.Numbers) == 0 {\n",
			new: "	if c.Passed != nil {\n		return q.Numbers(), nil\n	}\n	if c.Passed == nil {\n",
			pkg: "./internal/orders", test: "TestAnOrderHasTheNumbersOfItsPass", says: "it is ordered to ring another number",
		},
		{
			invariant: "I1", guard: "an entry of another number voids the pass", file: "services/compliance/optout.go",
			old: "		case v.clears(open.token):", new: "		case v.Allowed:",
			pkg: compliance, test: "TestAnOptOutOfAnotherNumber/the_pass_lists_it", says: "it adds []",
		},
		{
			invariant: "I1", guard: "what rang is held against the pass", file: "internal/audit/rung.go",
			old: "if m.isOf(c, r.Number) == no {", new: "if m.isOf(c, r.Number) == unknown {",
			pkg: "./internal/audit", test: "TestWhatRangIsHeldAgainstThePass/one_that_the_pass_does_not_list", says: "want \"I1\"",
		},
		{
			invariant: "I1", guard: "no queue rings after the pass", file: "services/orchestrator/placed.go",
			old: "!p.ValidUntil.IsZero() && p.ValidUntil.Before(end) {", new: "p.ValidUntil.IsZero() && p.ValidUntil.Before(end) {",
			pkg: "./services/orchestrator", test: "TestPlan/after_which_it_is_withdrawn", says: "pass_expired",
		},
	}
}
