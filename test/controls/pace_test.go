package controls_test

// paceControls are guards of what a provider is asked together.
func paceControls() []control {
	return []control{
		{
			invariant: "pace", guard: "a lower class takes nothing while a higher one waits", file: "internal/pace/budget.go",
			old: "for above := Check; above < a.Class; above++ {",
			new: "for above := Check; above < a.Class && a.Class > Bulk; above++ {",
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
	}
}
