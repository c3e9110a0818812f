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
	}
}
