package controls_test

// fairnessControls are the guards by which one tenant or provider leaves room
// to the others.
func fairnessControls() []control {
	return []control{
		{
			invariant: "I6", guard: "tenants take turns", file: "internal/worker/turns.go",
			old: "		t.order = append(t.order, key)\n		return line[0]\n",
			new: "		t.order = append([]string{key}, t.order...)\n		return line[0]\n",
			pkg: "./internal/worker", test: "TestTurnsGoRoundByKey", says: "want abaaaa",
		},
		{
			invariant: "I6", guard: "who waits for a provider steps aside", file: "internal/worker/aside.go",
			old: "func() { close(here) })\n	p.leave()\n",
			new: "func() { close(here) })\n",
			pkg: "./internal/worker", test: "TestWhoWaitsForAProviderStepsAside", says: "the other connection is not served",
		},
		{
			invariant: "I3", guard: "one event of a call is handled at a time", file: "internal/worker/lane.go",
			old: "if ln != nil && h.key != \"\" {",
			new: "if ln != nil && h.key == \"never\" {",
			pkg: "./internal/worker", test: "TestNoProcessHandlesTwoEventsOfACallAtOnce", says: "two events of one call were handled at once",
		},
		{
			invariant: "I3", guard: "nothing is decided on a past that lacks the event", file: "internal/worker/consumer.go",
			old: "if !ok || c.rt.cfg.Heard == nil {",
			new: "if !ok || c.rt.cfg.Heard != nil {",
			pkg: "./internal/worker", test: "TestNothingIsHandledBeforeItWasHeard", says: "handled before it was heard",
		},
		{
			invariant: "I6", guard: "what waits for its turn has heartbeats", file: "internal/worker/lane.go",
			old: "		if h.old && !h.in.lost {\n",
			new: "		if h.old && !h.in.lost && !h.waiting {\n",
			pkg: "./internal/worker", test: "TestWhatWaitsForItsTurnIsNotDeliveredAgain", says: "handled and",
		},
		{
			invariant: "I5", guard: "an accepted request cannot be taken out", file: "internal/broker/plan.go",
			old: "	s.Config.MaxAge = 3 * day\n	s.Config.DenyDelete, s.Config.DenyPurge = true, true\n",
			new: "	s.Config.MaxAge = 3 * day\n",
			pkg: "./internal/broker", test: "TestWhatIsAcceptedCannotBeTakenOut", says: "a message of REQUESTS_acme was deleted",
		},
	}
}
