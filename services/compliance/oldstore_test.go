package compliance

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

// A store may hold requests that the reader of today would refuse. They are
// judged by the rules of today: right after the request, and again when an
// agent has been found.
func TestARequestThatAnOlderReaderTookIsJudgedByTheRulesOfToday(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		spoil func(*events.DialRequest)
		code  string
	}{
		"a machine that dials ahead": {func(q *events.DialRequest) { q.Mode = events.ModePredictive }, rules.ConsentRequired},
		"a recording that speaks":    {func(q *events.DialRequest) { q.Mode = events.ModePrerecorded }, rules.ConsentRequired},
		"a mode nobody knows":        {func(q *events.DialRequest) { q.Mode = "power" }, rules.MetadataInvalid},
		"a zone that is no place":    {func(q *events.DialRequest) { q.TimeZone = "Etc/UTC" }, rules.MetadataInvalid},
		"a key that is nearly a postal code's": {func(q *events.DialRequest) {
			q.Metadata = []events.KeyValue{{Key: "Billing Zip", Value: "10001"}}
		}, rules.MetadataInvalid},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "telemarketing", Mode: "manual"}
			tc.spoil(&q)
			for _, found := range []bool{false, true} {
				w := newWorldOf(t, "tcn", q)
				r := w.call().Log[0]
				want := "requested failed"
				if found {
					r, want = w.assign(), "requested assigned failed"
				}
				w.hear(r)
				w.want(want)
				w.wantFailed(tc.code, false, false)
				if w.p.prepares != 0 {
					t.Error("the provider was touched")
				}
			}
		})
	}
}

// A provider may want the postal code under another name. Under that name or
// its own, it says where the person is.
func TestAnAliasDoesNotHideALocation(t *testing.T) {
	t.Parallel()
	for story, aliases := range map[string]map[string]string{
		"none":                     nil,
		"of another key":           {"Account": "Account Number"},
		"of the postal code's key": {"zip code": "Customer Area"},
		"to the postal code's key": {"Where": "Zip Code"},
	} {
		q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "telemarketing", Mode: "manual",
			Metadata: []events.KeyValue{{Key: "Zip Code", Value: "90001"}}}
		if story == "to the postal code's key" {
			q.Metadata[0].Key = "Where"
		}
		w := newWorldOf(t, "tcn", q)
		w.p.settings.Aliases = aliases
		for _, name := range aliases {
			w.p.settings.RequiredMetadata = []string{name}
		}
		w.pass(-90 * time.Minute) // half past seven in Los Angeles
		w.hear(w.assign())
		w.want("requested assigned failed")
		code := rules.TimeAmbiguousZone
		if story == "of another key" {
			code = rules.MetadataMissing
		}
		w.wantFailed(code, false, false)
	}
}
