package controls_test

// fairnessControls are the guards by which one tenant or provider leaves room
// to the others.
func fairnessControls() []control {
	return []control{
		{
			invariant: "I6", guard: "tenants take turns", file: "internal/worker/turns.go",
			old: "		t.order = append(t.order, key)\n		return\n",
			new: "		t.order = append([]string{key}, t.order...)\n		return\n",
			pkg: "./internal/worker", test: "TestTurnsGoRoundByKey", says: "want abaaaa",
		},
		{
			invariant: "I6", guard: "who waits for a provider steps aside", file: "internal/worker/aside.go",
			old: "	mine := slots.join(\"\")\n	p.leave()\n",
			new: "	mine := slots.join(\"\")\n",
			pkg: "./internal/worker", test: "TestWhoWaitsForAProviderStepsAside", says: "the other connection is not served",
		},
		{
			invariant: "I5", guard: "an accepted request cannot be taken out", file: "internal/broker/plan.go",
			old: "	s.Config.MaxAge = 3 * day\n	s.Config.DenyDelete, s.Config.DenyPurge = true, true\n",
			new: "	s.Config.MaxAge = 3 * day\n",
			pkg: "./internal/broker", test: "TestWhatIsAcceptedCannotBeTakenOut", says: "a message of REQUESTS_acme was deleted",
		},
	}
}
