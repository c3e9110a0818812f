// Package controls_test takes guards away and wants the tests to notice. A test
// that stays green without the guard it is named for proves nothing.
package controls_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/test/rig"
)

// A control is a guard, how it is taken away, and the test that must go red.
type control struct {
	invariant, guard string
	file, old, new   string
	pkg, test        string
	says             string // what the red test must complain of
}

const (
	e2e       = "./test/e2e"
	start     = "services/dialer/start.go"
	lifecycle = "pkg/events/lifecycle/agent.go"
)

func controls() []control {
	return append(slices.Concat(complianceControls(), fairnessControls(), simulationControls(), paceControls(), feedControls()), []control{
		{
			invariant: "I1", guard: "MayDial", file: start,
			old: "	p, as := c.Passed, c.Assigned\n	switch {\n",
			new: "	p, as := c.Passed, c.Assigned\n	if p != nil && as != nil && a != nil {\n		return \"\"\n	}\n	switch {\n",
			pkg: e2e, test: "TestAPassThatHasExpiredDoesNotDial", says: "dialed, want withheld (pass_expired)",
		},
		{
			invariant: "I2", guard: "only the winner of the intent sends", file: start,
			old: "if err != nil || !ok || !won.Won {",
			new: "if err != nil || !ok {",
			pkg: e2e, test: "TestAnIntentWhoseAcknowledgementWasLostIsNeverSent", says: "starts were sent",
		},
		{
			invariant: "I2", guard: "a start is sent once", file: start,
			old: "	receipt, err := conn.Provider.Starter.Start(ctx, o)\n",
			new: "	receipt, err := conn.Provider.Starter.Start(ctx, o)\n	if err != nil {\n		receipt, err = conn.Provider.Starter.Start(ctx, o)\n	}\n",
			pkg: e2e, test: "TestAProviderThatMisbehavesAtTheStart/http500", says: "2 start requests on the wire",
		},
		{
			invariant: "I2", guard: "no intent on a store that went back", file: "internal/log/guard.go",
			old: "if g != nil && d.Trusts() && g.book.Held() != nil {",
			new: "if g != nil && d.Trusts() && g.book.Held() != nil && d.Tenant == \"\" {",
			pkg: "./internal/log", test: "TestAStoreThatWentBackIsNoticedBeforeAnythingIsAppended", says: "the intent was stored",
		},
		{
			invariant: "I2", guard: "nobody has won what a lost commit may have stored", file: "internal/log/batch.go",
			old: "		t := turn{err: err}\n		if err == nil {\n",
			new: "		t := turn{}\n		if ack == nil {\n			t.ack = &jetstream.PubAck{Sequence: uint64(i + 1)}\n		} else {\n",
			pkg: "./internal/log", test: "TestALostCommitIsWonByNobody", says: "found on read-back, was won",
		},
		{
			invariant: "I2", guard: "of a log one event goes in a batch", file: "internal/log/batch.go",
			old: "if w.alone || in[of] || a.logs[of] > 0 || len(send) == most {",
			new: "if w.alone || len(send) == most {",
			pkg: "./internal/log", test: "TestALaneKeepsItsRules", says: "something of the log is under way",
		},
		{
			invariant: "I2", guard: "what a store held that went back is never dialed", file: "internal/log/marks/marks.go",
			old: "	return c.Request != nil && (s.Covers(",
			new: "	return s.Epoch > 1<<40 && c.Request != nil && (s.Covers(",
			pkg: e2e, test: "TestAStorePutBackBetweenARestartDialsNobodyTwice", says: "dialed the number 2 times",
		},
		{
			invariant: "I1", guard: "a service with another key is refused", file: "internal/runtime/setup.go",
			old: "err = keycheck.Check(ctx, h.JS, s.Keys())", new: "_ = keycheck.Check",
			pkg: "./cmd/outdial/internal/app", test: "TestAKeyThatWasReplacedIsRefusedAtTheNextStart", says: "starts with another key",
		},
		{
			invariant: "I4", guard: "MayDial wants the claim", file: start,
			old: "case a == nil || a.State.Claim == nil || a.State.Claim.Call != c.ID || a.Fence != as.Fence:",
			new: "case a == nil:",
			pkg: e2e, test: "TestAnAgentWhoseClaimIsLostIsNotDialed", says: "dialed, want withheld (claim_lost)",
		},
		{
			invariant: "I4", guard: "whose call nobody saw end is held as long as the longest", file: "services/orchestrator/assumed.go",
			old: "return q.Since.Add(s.Limits.Talk), true", new: "return q.Since, true",
			pkg: "./services/orchestrator", test: "TestAnEndThatNobodySawHoldsAsLongAsTheLongestCall", says: "want",
		},
		{
			invariant: "I4", guard: "nobody is held back for ever", file: "services/orchestrator/timers.go",
			old: "case s.holdOver(a):", new: "case a == nil && s.holdOver(a):",
			pkg: "./services/orchestrator", test: "TestAnEndThatNobodySawHoldsAsLongAsTheLongestCall", says: "want",
		},
		{
			invariant: "I4", guard: "nothing is withdrawn from whom a call may have", file: "services/dialer/plan.go",
			old: " && q != nil && q.Reason == events.ReasonLeftover", new: " && (q != nil || true)",
			pkg: "./services/dialer", test: "TestNothingIsWithdrawnFromWhomACallMayHave/let_go,_and_prepared_again", says: "withdrawn",
		},
		{
			invariant: "I4", guard: "nobody has who may still be withdrawn from", file: "services/orchestrator/leftover.go",
			old: "if now.Sub(p.at) < provedFor {", new: "if now.Sub(p.at) < 0 {",
			pkg: "./services/orchestrator", test: "TestNobodyHasWhoMayStillBeWithdrawn", says: "she is a call's, and may be withdrawn from",
		},
		{
			invariant: "I4", guard: "older words of a desktop are late", file: "services/events-bridge/judge.go",
			old: "case m.seq <= a.State.RawSeq:",
			new: "case m.seq < 0*a.State.RawSeq:",
			pkg: e2e, test: "TestAnOlderWordOfADesktopDoesNotUndoALaterOne", says: "not_ready  claim <nil>",
		},
		{
			invariant: "I2", guard: "a proof is of its own intent", file: "pkg/events/lifecycle/fold.go",
			old: "b.Attempt != \"\" && b.Attempt == c.Dialing.Attempt",
			new: "b.Attempt != c.Dialing.Attempt+\"x\"",
			pkg: "./pkg/events/lifecycle", test: "TestWhatProvesThatAnIntentPlacedNothing", says: "want withdrawn",
		},
		{
			invariant: "I4", guard: "a call goes on from a desktop that nobody reaches", file: start,
			old: "w.Proof = events.ProofNoResponders",
			new: "w.Detail = f.Code",
			pkg: e2e, test: "TestAGhostDesktopDoesNotSwallowAHuntGroup/its_bridge_was_killed", says: "of 30 calls are served",
		},
		{
			invariant: "I4", guard: "a bridge's silence ends its sessions", file: "services/orchestrator/leases.go",
			old: "now.Sub(from) >= l.lease",
			new: "now.Sub(from) >= 1000*l.lease",
			pkg: "./services/orchestrator", test: "TestTheSessionsOfASilentBridgeEnd", says: "want lost",
		},
		{
			invariant: "I4", guard: "a claimed agent is not claimable", file: lifecycle,
			old: "return a.Enrolled() && a.State.Presence == events.Ready && a.ClaimState() == Free",
			new: "return a.Enrolled() && a.State.Presence == events.Ready",
			pkg: "./pkg/events/lifecycle", test: "TestAgentsDay", says: "claimable",
		},
		{
			invariant: "I1", guard: "a number has one spelling", file: "pkg/events/number.go",
			old: "phonenumbers.Format(n, phonenumbers.E164) == s && !disguised(n)",
			new: "phonenumbers.Format(n, phonenumbers.E164) != \"\" && !disguised(n)",
			pkg: "./pkg/events", test: "TestWhatIsNotItsOwnCanonicalFormIsNoNumber", says: "+4401612345678",
		},
		{
			invariant: "I1", guard: "an add is never weaker than what stands", file: "services/compliance/dnc.go",
			old: "if add.weaker(stands) {",
			new: "if false && add.weaker(stands) {",
			pkg: "./services/compliance", test: "TestAnAddOnlyEverMakesAnEntryStricter", says: "company for ever, want consumer for ever",
		},
	}...)
}

// The stories are green with every guard in its place, run the same way: what
// goes red below does so for the guard.
func TestTheStoriesAreGreenWithTheirGuards(t *testing.T) {
	told := map[[2]string]bool{}
	for _, c := range controls() {
		if told[[2]string{c.pkg, c.test}] {
			continue
		}
		told[[2]string{c.pkg, c.test}] = true
		if out, err := run(t, "test", "-count=1", "-run", pattern(c.test), c.pkg); err != nil {
			t.Errorf("%s: %v\n%s", c.test, err, out)
		}
	}
}

func TestWithoutItsGuardTheStoryGoesRed(t *testing.T) {
	for _, c := range controls() {
		t.Run(c.invariant+" "+c.guard, func(t *testing.T) {
			overlay := without(t, c)
			out, err := run(t, "test", "-count=1", "-timeout", "3m", "-overlay", overlay, "-run", pattern(c.test), c.pkg)
			if err == nil {
				t.Fatalf("%s stays green without the guard", c.test)
			}
			if !strings.Contains(out, "--- FAIL: "+c.test+" ") {
				t.Fatalf("%s did not fail as a test:\n%s", c.test, out)
			}
			if !strings.Contains(out, c.says) {
				t.Errorf("%s went red for another reason than %q:\n%s", c.test, c.says, out)
			}
		})
	}
}

// pattern is what -run takes for one test or subtest.
func pattern(test string) string {
	var parts []string
	for _, p := range strings.Split(test, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(p)+"$")
	}
	return strings.Join(parts, "/")
}

// without writes a copy of the guard's file that lacks it, and the overlay that
// puts the copy in its place.
func without(t *testing.T, c control) (overlay string) {
	t.Helper()
	file := filepath.Join(rig.Root(t), filepath.FromSlash(c.file))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), c.old); n != 1 {
		t.Fatalf("the guard stands %d times in %s, want once: this control has to follow the code", n, c.file)
	}
	dir := t.TempDir()
	copied := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(copied, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: copied}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = rig.Root(t)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
