package controls_test

// simulationControls are guards whose absence no single story shows: a seeded
// world does.
func simulationControls() []control {
	const (
		pkg, test = "./test/simulation", "TestTheFirstWorldsAreWhole"
		// Worlds that come to what the guard is there for, whatever their seed.
		must = "TestAWorldThatMustReachTheCase/"
	)
	return append(listedControls(), []control{
		{
			invariant: "I2", guard: "only the winner of the intent sends, in any order of things", file: start,
			old: "if err != nil || !ok || !won.Won {", new: "if err != nil || !ok {",
			pkg: pkg, test: must + "no_acknowledgement_of_an_intent_arrives", says: "who had not won it",
		},
		{
			invariant: "I4", guard: "the leader is asked for the agent right before the intent", file: start,
			old: "a, err := orders.Lent(ctx, c, s.Log.LatestAgent)", new: "a, err := orders.Lent(ctx, c, s.Log.Agent)",
			pkg: pkg, test: must + "agents_leave_right_before_the_intent", says: "for an agent who had not been free for it",
		},
		{
			invariant: "I2", guard: "an intent's time is measured, not read off the wall", file: start,
			old: "	if !kept || !s.Now().Before(at.sendBy) {", new: "	if !kept || !s.Now().Round(0).Before(at.sendBy) {",
			pkg: pkg, test: must + "the_dialer_sleeps_over_its_intent,_and_its_clock_is_set", says: "sent after its time",
		},
		{
			invariant: "I2", guard: "nobody is dialed again out of a lost past", file: "internal/log/marks/marks.go",
			old: "	return c.Request != nil && (s.Covers(",
			new: "	return s.Epoch > 1<<40 && c.Request != nil && (s.Covers(",
			pkg: pkg, test: must + "the_store_goes_back", says: "a person was dialed 2 times",
		},
		{
			invariant: "I4", guard: "nobody is left prepared", file: "services/dialer/undo.go",
			old: "if err != nil || !Leftover(a) {", new: "if err != nil || Leftover(a) {",
			pkg: pkg, test: must + "preparations_take_effect_late", says: "is left prepared",
		},
		{
			invariant: "I4", guard: "a claim in use is not given back, in any order of things", file: "services/orchestrator/claim.go",
			old: "case !holds(a) || claimInUse(a, c):", new: "case !holds(a):",
			pkg: pkg, test: test, says: "released before its call let the agent go",
		},
		{
			invariant: "I4", guard: "nobody is called whose seat is another's, in any order of things", file: "services/orchestrator/claim.go",
			old: "return other == \"\" && heard >= max(", new: "return other != a.ID && heard >= max(",
			pkg: pkg, test: must + "two_are_put_on_one_seat", says: "who is the same agent of the provider's",
		},
		{
			invariant: "I4", guard: "that an agent is busy is said before what may let her go", file: "services/events-bridge/normalise.go",
			old: "ahead, err := s.sayOfAgent(ctx, m, &k, slices.ContainsFunc(all, ofCall))", new: "ahead, err := false, error(nil)",
			pkg: pkg, test: must + "a_bridge_stops_amid_a_message", says: "when half of what a message says was on record",
		},
		{
			invariant: "I3", guard: "news is judged inside the update", file: "services/events-bridge/callnews.go",
			old: "				*k = k.with(c)\n				return m.progress(*k, c, s.Now())\n",
			new: "				if n.about.Seq() > 0 {\n					c.State = n.about.State\n				}\n				return m.progress(*k, c, s.Now())\n",
			pkg: pkg, test: test, says: "closed as failed",
		},
	}...)
}

// listedControls are those of companies that tell of calls, not of agents.
func listedControls() []control {
	const (
		pkg, test = "./test/simulation", "TestTheFirstListedWorldsAreWhole"
		feed      = "services/events-bridge/feed.go"
	)
	return []control{
		{
			invariant: "feeds", guard: "a page is stored before its cursor moves, in any order of things", file: feed,
			old: "			s.seen.forget(conn.Name, item)\n			return false, err\n", new: "			s.seen.forget(conn.Name, item)\n",
			pkg: pkg, test: test, says: "was read past",
		},
		{
			invariant: "feeds", guard: "who has read on meanwhile is not undone", file: feed,
			old: "	err = s.Cursors.Move(ctx, conn.Tenant, conn.Name, page.Next, at)\n",
			new: "	_, at, _ = s.Cursors.Cursor(ctx, conn.Tenant, conn.Name)\n	err = s.Cursors.Move(ctx, conn.Tenant, conn.Name, page.Next, at)\n",
			pkg: pkg, test: test, says: "went back",
		},
		{
			invariant: "feeds", guard: "an item says what it says once", file: "services/events-bridge/match.go",
			old: "				return true\n			}\n		}\n		latest =", new: "				return rawSeq == 0\n			}\n		}\n		latest =",
			pkg: pkg, test: test, says: "is on record twice",
		},
		{
			invariant: "I1", guard: "a provider is told when its pass ends", file: "internal/orders/orders.go",
			old: "o.Scrub, o.PassEnds = c.Passed.Scrub, c.Passed.ValidUntil", new: "o.Scrub = c.Passed.Scrub",
			pkg: pkg, test: test, says: "rang outside the time that the pass is for",
		},
		{
			invariant: "I1", guard: "what stands in a queue past its pass is asked back", file: "services/orchestrator/placed.go",
			old: "!p.ValidUntil.IsZero() && p.ValidUntil.Before(end)", new: "p.ValidUntil.IsZero() && p.ValidUntil.Before(end)",
			pkg: pkg, test: test, says: "it stood in a queue after its pass had ended",
		},
		{
			invariant: "I4", guard: "a call in a queue is on nobody's line", file: "internal/audit/witness.go",
			old: "if d.Agent == \"\" && c != nil && len(c.intents)", new: "if d.Agent != \"\" && c != nil && len(c.intents)",
			pkg: pkg, test: test, says: "the agent's dial before it",
		},
		{
			invariant: "I4", guard: "who is not available is left alone", file: "services/orchestrator/assumed.go",
			old: "return q.Since.Add(conn.Provider.Can.Away()), true", new: "return q.Since, true",
			pkg: pkg, test: test, says: "who was not available is claimed",
		},
	}
}
