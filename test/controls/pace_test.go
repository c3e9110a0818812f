package controls_test

// paceControls are guards of what a provider is asked together, and for whom.
func paceControls() []control {
	return []control{
		{
			invariant: "pace", guard: "a lower class takes nothing while a higher one waits", file: "internal/pace/budget.go",
			old: "for above := Check; above < a.Class; above++ {",
			new: "for above := Check; above < a.Class && a.Class > Poll; above++ {",
			pkg: "./internal/pace", test: "TestMemory/a_lower_class_takes_nothing_while_a_higher_one_waits", says: "want none for",
		},
		{
			invariant: "pace", guard: "a lower class takes no slot ahead of time", file: "internal/pace/budget.go",
			old: "	if a.Class == Dial {\n		reach = Horizon\n",
			new: "	if a.Class <= Poll {\n		reach = Horizon\n",
			pkg: "./internal/pace", test: "TestMemory/a_lower_class_takes_what_is_free_now_or_nothing", says: "want none for",
		},
		{
			invariant: "I2", guard: "a slot is asked for before the intent", file: start,
			old: "	unfit, err := s.slot(ctx, c)\n	if err == nil && unfit == nil {\n",
			new: "	unfit, err := (*events.CallWithheld)(nil), error(nil)\n	defer s.slot(ctx, c)\n	if err == nil && unfit == nil {\n",
			pkg: "./services/dialer", test: "TestACallWaitsForItsTurnBeforeTheIntent", says: "asked between the intent and the send",
		},
		{
			invariant: "pace", guard: "what was held up together is not sent together", file: "services/dialer/start.go",
			old: "kept := s.keepDistance(context.WithoutCancel(ctx), at)", new: "kept := true",
			pkg: "./test/simulation", test: "TestWhatWasHeldUpTogetherIsNotSentTogether", says: "one process started two calls of a connection within",
		},
		{
			invariant: "pace", guard: "who overslept his turn asks again", file: "services/dialer/slot.go",
			old: "if err := s.Sleep(ctx, a.Wait); err != nil || s.Now().Sub(until) < overslept {",
			new: "if err := s.Sleep(ctx, a.Wait); err != nil || s.Now().Sub(until) < 1000*overslept {",
			pkg: "./services/dialer", test: "TestWhoOversleptHisTurnAsksAgain", says: "slept 1 times",
		},
		{
			invariant: "I4", guard: "an agent of a provider's is enrolled once", file: "services/orchestrator/commands_agent.go",
			old: "ref.ID, since); other != \"\" {", new: "ref.ID, since); other != \"\" && len(other) > 1000 {",
			pkg: "./services/orchestrator", test: "TestWhoMovesToATakenSeatStaysWhereSheIs", says: "the orchestrator said of ann",
		},
		{
			invariant: "pace", guard: "no more is assigned than can be dialed soon", file: "services/orchestrator/ways.go",
			old: "	return n < w.most[of]\n", new: "	return n < 1000*w.most[of]\n",
			pkg: "./services/orchestrator", test: "TestWhoWaitsForARateIsToldOnce/any_of_a_hunt_group", says: "calls are on their way",
		},
		{
			invariant: "pace", guard: "those who wait for a rate have it in turn", file: "services/orchestrator/ways.go",
			old: "first != e && before(first.call, c) {", new: "first != e && before(first.call, c) && now.IsZero() {",
			pkg: "./services/orchestrator", test: "TestWhoComesLaterDoesNotOvertakeThoseWhoWaitForARate", says: "requested waiting",
		},
	}
}
