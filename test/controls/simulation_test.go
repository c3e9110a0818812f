package controls_test

// simulationControls are guards whose absence no single story shows: a seeded
// world does.
func simulationControls() []control {
	const pkg, test = "./test/simulation", "TestTheFirstWorldsAreWhole"
	return []control{
		{
			invariant: "I2", guard: "only the winner of the intent sends, in any order of things", file: start,
			old: "if err != nil || !ok || !won.Won {", new: "if err != nil || !ok {",
			pkg: pkg, test: test, says: "who had not won it",
		},
		{
			invariant: "I4", guard: "a claim in use is not given back, in any order of things", file: "services/orchestrator/claim.go",
			old: "case !holds(a) || claimInUse(a, c):", new: "case !holds(a):",
			pkg: pkg, test: test, says: "released before its call let the agent go",
		},
		{
			invariant: "I3", guard: "news is judged inside the update", file: "services/events-bridge/normalise.go",
			old: "				k = k.with(c)\n				return m.progress(k, c, s.Now())\n",
			new: "				if n.about.Seq() > 0 {\n					c.State = n.about.State\n				}\n				return m.progress(k, c, s.Now())\n",
			pkg: pkg, test: test, says: "closed as failed",
		},
	}
}
