package controls_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/outdial/outdial/test/rig"
)

// A cut is a guard that is taken away together with others of its package, so
// that all of them cost one compilation. Each has a test of its own.
type cut struct {
	invariant, guard string
	file, old, new   string
	test, says       string
}

// A group is the cuts of one package.
type group struct {
	pkg  string
	cuts []cut
}

func groups() []group {
	const (
		orchestratorPlan = "services/orchestrator/plan.go"
		once             = "pkg/providers/httpapi/once.go"
		barriers         = "TestEachBarrierStandsByItself"
	)
	return []group{
		{"./services/orchestrator", []cut{
			{"I3", "an intent that nobody speaks of has a deadline", "services/orchestrator/placed.go",
				`return after(l.Silence, lost("outcome_unknown"))`, "return Action{Do: Nothing}",
				"TestEveryStateHasADeadline", "dialing has no deadline"},
			{"I4", "undone closes with quarantine", orchestratorPlan,
				"then.Presumed, then.Quarantine = true, true", "then.Presumed, then.Quarantine = true, false",
				"TestAnAgentWhosePreparationWasNotUndoneIsHeldBack", "enrolled claimed released"},
			{"I4", "an older ready lifts no newer quarantine", "services/orchestrator/agents.go",
				"a.State.Quarantine == nil || a.Fence > r.Seq", "a.State.Quarantine == nil",
				"TestAnOlderReadinessLiftsNoNewerQuarantine", "an old readiness set her free"},
			{"I4", "fits asks for the request's connection", "services/orchestrator/claim.go",
				`want != "" && a.State.Connection != want`, `want == "?" && a.State.Connection != want`,
				"TestARequestIsServedOnTheConnectionItNames", "assigned"},
			{"I4", "not ready lifts no quarantine", "services/orchestrator/agents.go",
				"if r.Name != events.Ready {", `if r.Name == "" {`,
				"TestNotReadyLiftsNoQuarantine", "not ready set her free"},
			{"I4", "two places of a call have two claims", "services/orchestrator/claim.go",
				`a.ID+"@"+c.ID+"@"+strconv.FormatUint(c.Seq(), 10))`, `a.ID+"@"+c.ID)`,
				"TestTwoPlacesOfOneCallRaceForOneAgent", "is told that it has the agent"},
			{"I4", "a claim that is in use is not released", "services/orchestrator/claim.go",
				"case !holds(a) || claimInUse(a, c):", "case !holds(a):",
				"TestAStoppedProcessDoesNotGiveBackAnothersClaim", "enrolled claimed released claimed released"},
			{"I4", "a seat is the first's", "services/orchestrator/roster.go",
				"return b.Seat() < a.Seat() || b.ClaimState()", "return b.ClaimState()",
				"TestOfTwoOnOneSeatTheFirstIsCalled", `want "twin" called`},
			{"I4", "a session is one person's", "services/orchestrator/roster.go",
				"return []seat{seatOf(a), {tenant: a.Tenant, connection: a.State.Connection, session: a.State.Session}}", "return []seat{seatOf(a)}",
				"TestOfTwoInOneSessionTheFirstIsCalled", "[ann twin] are called, want [ann]"},
			{"I4", "who knows the later enrolment alone claims nobody", "services/orchestrator/claim.go",
				"heard >= max(a.State.EnrolledSeq, ", "heard >= max(0, ",
				"TestWhoHasNotHeardTheRosterClaimsNobody", "the call's log is"},
			{"I4", "of two put at once the later leaves", "services/orchestrator/roster.go",
				"if a.State.SeatSeq > 0 {", "if a.State.SeatSeq >= 0 {",
				"TestOfTwoPutAtOnceTheLaterLeaves", "want 409"},
		}},
		{"./services/dialer", []cut{
			{"I4", "an assignment to nobody is no queue", "pkg/events/call.go",
				`return a.Queue != "" && a.Agent == ""`, `return a.Agent == ""`,
				"TestAnAssignmentToNobodyIsDialedByNobody", "dialing"},
			{"I2", "a shutdown does not cut the answer", start,
				"s.Within(context.WithoutCancel(ctx), s.Answer)", "s.Within(ctx, s.Answer)",
				"TestAShutdownDoesNotCutTheAnswer", "the start was cut off"},
			{"I4", "the last look before the intent", start,
				"if unfit != nil {", "if unfit != nil && a == nil {",
				"TestTheLastLookBeforeTheIntent", "was asked to start 1 calls, want 0"},
			{"I4", "what another call prepared is not withdrawn", "services/dialer/undo.go",
				"return NeedsCancel(c) && (c.Open() || Holds(a, c))", "return NeedsCancel(c)",
				"TestWhatAFreeAgentHoldsIsNotWithdrawn", "another's preparation was withdrawn"},
			{"I4", "the leader says where the agent is before the intent", start,
				"a, err := orders.Lent(ctx, c, s.Log.LatestAgent)", "a, err := orders.Lent(ctx, c, s.Log.Agent)",
				"TestWhoLagsBehindTheLogDoesNothingElse", "was asked to start 1 calls, want 0"},
			{"I4", "the leader says where the agent is before a withdrawal", "services/dialer/undo.go",
				"a, err := orders.Lent(ctx, c, s.Log.LatestAgent)", "a, err := orders.Lent(ctx, c, s.Log.Agent)",
				"TestWhatIsWithdrawnIsTheCallsAsTheLeaderKnowsIt", "though the leader knew better"},
			{"I3", "no open call hangs on one delivery to the dialer", "services/dialer/turn.go",
				"case worker.Left(s.owed(c), now):", "case worker.Left(events.Record{}, now):",
				"TestWhatNoDeliveryBroughtIsPickedUp/a_pass", "the call's log is"},
		}},
		{"./services/dialer", []cut{
			{"I6", "a paused dialer dials nothing", "services/dialer/turn.go",
				"if paused, err := s.Paused(ctx); paused || err != nil {", "if paused, err := s.Paused(ctx); paused && err != nil {",
				"TestWhatNoDeliveryBroughtIsPickedUp/nothing_while_people_have_paused_the_dialer", "the call's log is"},
		}},
		{"./services/compliance", []cut{
			{"I4", "the leader says where the agent is before she is prepared", "services/compliance/prepare.go",
				"a, err := orders.Lent(ctx, c, s.Log.LatestAgent)", "a, err := orders.Lent(ctx, c, s.Log.Agent)",
				"TestWhoLagsBehindTheLogDoesNothingElse", "was touched 1 times, want 0"},
			{"I2", "only the winner of the preparation touches", "services/compliance/prepare.go",
				"if err != nil || !ok || !won.Won {", "if err != nil || !ok {",
				"TestOnlyTheWinnerTouches", "touched 1 times"},
			{"I3", "no open call hangs on one delivery to compliance", "services/compliance/prepare.go",
				"case worker.Left(unanswered(c), now):", "case worker.Left(events.Record{}, now):",
				"TestAnAssignmentThatNoDeliveryBroughtIsPickedUp/desk", "the call's log is"},
		}},
		{"./pkg/events", []cut{
			{"I7", "a stranger's name is not repeated", "pkg/events/pointer.go",
				"return slices.Contains(vocabulary(), name) ||", `return name != "" ||`,
				"TestAStrangersNameIsNotRepeated", "repeats it"},
			{"I7", "what looks like a number is masked", "pkg/events/showable.go",
				"if len(digits) < fewestDigits {", "if len(digits) < 100*fewestDigits {",
				"TestWhatLooksLikeANumberIsMasked", `"2125550142" is shown as "2125550142"`},
		}},
		{"./services/events-bridge", []cut{
			{"I4", "a copy of news says nothing of its agent", "services/events-bridge/judge.go",
				"if n.about != nil && saidBefore(", "if n.about != nil && m.seq == 0 && saidBefore(",
				"TestACopyOfNewsSaysNothingOfItsAgent", "after a copy of message"},
			{"I6", "a page elsewhere may not post", "internal/door/door.go",
				`if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {`, `if err != nil && u == nil {`,
				"TestNoPageElsewherePostsWithACredential", "a script of a page elsewhere: 204"},
			{"I6", "this machine is asked for by its own name", "internal/door/door.go",
				"LoopbackHost(r.RemoteAddr) && LoopbackHost(r.Host)", "LoopbackHost(r.RemoteAddr)",
				"TestNoPageElsewherePostsAProvidersEvent", "the same without an origin: 204"},
			{"I6", "a signature grows old", "internal/door/credential.go",
				"at.Sub(now).Abs() > m.Window", "at.Sub(now).Abs() > 1000*m.Window",
				"TestASignedWebhook", "an old signature: 204"},
			{"I4", "what came before is carried out first", "services/events-bridge/lane/lane.go",
				"range l.before(seq, keys) {", "range l.before(0, keys) {",
				"TestALaterAnswerOfAPollDoesNotOvertakeAnEarlierOne", "the bridge said of c1"},
			{"I4", "news is judged by the call it is appended to", "services/events-bridge/callnews.go",
				"*k = k.with(c)\n\t\t\t\treturn m.progress(*k, c, s.Now())",
				"d, err := m.progress(*k, k.call(c.ID), s.Now())\n\t\t\t\tif d != nil {\n\t\t\t\t\td.After = c.Seq()\n\t\t\t\t}\n\t\t\t\treturn d, err",
				"TestWhatAPageSaysAtOnceIsUnderstoodInOrder", "offered offered"},
			{"I4", "that an agent is busy is said before what may let her go", "services/events-bridge/normalise.go",
				"ahead, err := s.sayOfAgent(ctx, m, &k, slices.ContainsFunc(all, ofCall))", "ahead, err := false, error(nil)",
				"TestWhoHearsHalfOfAMessageTakesNobodyWhoIsNotReady", "she is wrap_up, and holds &{Call:c2"},
			{"I4", "an answer that comes late stays late by its own word", "services/events-bridge/judge.go",
				" && a.Last.After == m.raw.AgentSeq", "",
				"TestWhatAnAnswerSaidItselfMakesItNoFresher", "trailing"},
			{"I4", "a call that is not heard of is asked about", "services/events-bridge/normalise.go",
				"m.unmatched(k) || ", "",
				"TestNewsOfACallThatThisBridgeHasNotHeardOf", "foreign_call"},
			{"I4", "silence is the leader's word", "services/events-bridge/normalise.go",
				"said || latest || !m.owed(k):", "said || latest || m.seq > 0:",
				"TestAWordThatIsNoNewsByAnOldRecordIsNewsByTheLog", "session_started ready not_ready"},
			{"I4", "only the bridge's own news leaves an answer believed", "services/events-bridge/judge.go",
				"default:\n\t\t\treturn stale", "default:\n\t\t\ts = trailing",
				"TestWhatABridgeSaysItselfMakesNoAnswerOld/another_role_moved_the_call", "talking held"},
			{"I4", "nobody is free by an answer that the record has overtaken", "services/events-bridge/judge.go",
				" || stands == trailing && !busy(o.Presence)", "",
				"TestWhatABridgeSaysItselfMakesNoAnswerOld/nor_is_anybody_free_by_it", "on_call ready"},
			{"I4", "what a number alone tells may be another's call", "services/events-bridge/match.go",
				"c.Request.Request.To && o.Manual {", "c.Request.Request.To {",
				"TestNewsFindsItsCallByItsNames/the_number_and_not_that_it_is_manual", "the bridge said of c1"},
			{"I4", "what an id of all calls tells may be another's", "services/events-bridge/judge.go",
				" || !n.Manual && !n.Sure()", "",
				"TestNewsFindsItsCallByItsNames/an_id_of_all_calls_and_not_that_it_is_manual", "the bridge said of c1"},
			{"I4", "a held-back desktop is asked", "services/events-bridge/sessions.go",
				"pages.Tell(conn.Name, a.ID)", "_ = pages",
				"TestTheDesktopOfAnAgentWhoIsHeldBackIsAskedUntilSheIsFree", "in a minute were asked map[]"},
		}},
		{"./pkg/providers/httpapi", []cut{
			{"I2", "a body that cannot be rewound", once, "req.GetBody = nil", "_ = req.GetBody",
				barriers + "/the_body_cannot_be_rewound", "GetBody is kept"},
			{"I2", "a request that closes its connection", once, "req.Close = true", "req.Close = false",
				barriers + "/the_request_closes_its_connection", "Close is not set"},
			{"I2", "no kept connection", once, "DisableKeepAlives:      true", "DisableKeepAlives:      false",
				barriers + "/the_transport_keeps_no_connection_alive", "keep-alive or HTTP/2 is on"},
			{"I2", "no second connection", once, "if g.dialed.Swap(true) {", "if g.dialed.Swap(false) {",
				barriers + "/a_second_connection_is_not_opened", "there is a second connection"},
		}},
		{"./pkg/providers/httpapi", []cut{
			{"I2", "any of the four", once,
				"func unrepeatable(req *http.Request) {", "func unrepeatable(*http.Request) {}\n\nfunc unused(req *http.Request) {",
				"TestTogetherTheBarriersKeepARequestFromBeingSentTwice", "two requests were sent 3 times"},
			{"I2", "any of the four", once, "DisableKeepAlives:      true", "DisableKeepAlives:      false",
				"TestTogetherTheBarriersKeepARequestFromBeingSentTwice", "two requests were sent 3 times"},
			{"I2", "any of the four", once, "if g.dialed.Swap(true) {", "if g.dialed.Swap(false) {",
				"TestTogetherTheBarriersKeepARequestFromBeingSentTwice", "two requests were sent 3 times"},
		}},
	}
}

// What each of these tests says when every guard stands is asked where the
// tests are; here they go red together, each for its own reason.
func TestWithoutTheirGuardsTheStoriesOfAPackageGoRed(t *testing.T) {
	for _, g := range groups() {
		var tests []string
		for _, c := range g.cuts {
			name, _, _ := strings.Cut(c.test, "/")
			tests = append(tests, pattern(name))
		}
		out, err := run(t, "test", "-count=1", "-timeout", "3m", "-overlay", cutAll(t, g.cuts), "-run", strings.Join(tests, "|"), g.pkg)
		if err == nil {
			t.Errorf("%s stays green without any of its guards", g.pkg)
			continue
		}
		for _, c := range g.cuts {
			t.Run(c.invariant+" "+c.guard, func(t *testing.T) {
				if !strings.Contains(out, "--- FAIL: "+c.test+" ") {
					t.Fatalf("%s stays green without the guard, or did not fail as a test:\n%s", c.test, out)
				}
				if !strings.Contains(out, c.says) {
					t.Errorf("%s went red for another reason than %q:\n%s", c.test, c.says, out)
				}
			})
		}
	}
}

// cutAll writes copies of the files without their guards, and the overlay that
// puts the copies in their place.
func cutAll(t *testing.T, cuts []cut) (overlay string) {
	t.Helper()
	dir, text := t.TempDir(), map[string]string{}
	for _, c := range cuts {
		file := filepath.Join(rig.Root(t), filepath.FromSlash(c.file))
		if text[file] == "" {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text[file] = string(raw)
		}
		if n := strings.Count(text[file], c.old); n != 1 {
			t.Fatalf("%s: the guard stands %d times in %s, want once: this control has to follow the code", c.guard, n, c.file)
		}
		text[file] = strings.Replace(text[file], c.old, c.new, 1)
	}
	replace := map[string]string{}
	for file, body := range text {
		replace[file] = filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(replace[file], []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
