package events

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAPresencesReasonIsOnTheList(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"": "", " \t": "", "lunch": "lunch", "Lunch": "lunch", " LUNCH! ": "lunch", "End of shift": "end_of_shift", "on-call": "on_call", "on_call": "on_call",
		"lunch with Jane": OtherReason, "2125550142": OtherReason, "lunch 212 555 0142": OtherReason, "?!": OtherReason,
		"Mittagspause": OtherReason, strings.Repeat("lunch ", 100): OtherReason, "lu\u200bnch": OtherReason, "other": OtherReason,
	} {
		if got := PresenceReason(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
	for _, r := range PresenceReasons() {
		if PresenceReason(r) != r {
			t.Errorf("%s is not itself", r)
		}
	}
}

func FuzzPresenceReason(f *testing.F) {
	f.Add("lunch")
	f.Fuzz(func(t *testing.T, said string) {
		if got := PresenceReason(said); got != "" && got != OtherReason && !slices.Contains(PresenceReasons(), got) {
			t.Fatalf("%q is %q", said, got)
		}
	})
}

func TestTheReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/integrators.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range PresenceReasons() {
		if !regexp.MustCompile(`[ \n]` + r + `[,\s]`).Match(text) {
			t.Errorf("%s is not in docs/integrators.md", r)
		}
	}
}
