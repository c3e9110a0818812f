package controls_test

// feedControls are guards of what a provider tells of its calls by their names.
func feedControls() []control {
	return []control{
		{
			invariant: "feeds", guard: "nobody's call before it is known which were over", file: "services/events-bridge/callnews.go",
			old: "if s.calls.isRecalling() {", new: "if s.calls.isRecalling() && len(names) > 1000 {",
			pkg: "./services/events-bridge", test: "TestABridgeThatStartsKnowsWhatWasOverBefore", says: "it is somebody's before it is known whose",
		},
		{
			invariant: "feeds", guard: "names that were said together are one lane", file: "services/events-bridge/callnews.go",
			old: "	s.calls.note(names)\n", new: "",
			pkg: "./services/events-bridge", test: "TestNewsByAnyNameOfACallKeepsItsOrder", says: "the bridge said of c1",
		},
		{
			invariant: "feeds", guard: "a page is stored before its cursor moves", file: "services/events-bridge/feed.go",
			old: "			s.seen.forget(conn.Name, item)\n			return false, err\n", new: "			s.seen.forget(conn.Name, item)\n",
			pkg: "./services/events-bridge", test: "TestAPageIsStoredBeforeTheCursorMoves", says: "the store was full at the sixth",
		},
	}
}
