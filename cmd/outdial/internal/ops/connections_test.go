package ops

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// Each ear of a connection, an agent's polls or its feed, is down and up by
// itself; whoever is not waited for any more keeps no connection down.
func TestTheDoctorTellsWhichConnectionsDoNotAnswer(t *testing.T) {
	t.Parallel()
	const down, up = events.OpsConnectionDown, events.OpsConnectionUp
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for story, tc := range map[string]struct {
		said   [][3]string // event, connection, agent
		roster string
		want   string // "": everything is well
		never  string
	}{
		"nothing was ever down": {nil, `[]`, "", ""},
		"an agent's polls fail": {[][3]string{{down, "tcn", "ann"}}, `[{"agent":"ann","connection":"tcn","presence":"lost"}]`,
			"tcn of acme does not answer since 2026-11-20T12:00:00Z (provider_down), for ann", ""},
		"and work again": {[][3]string{{down, "tcn", "ann"}, {up, "tcn", "ann"}}, `[{"agent":"ann","connection":"tcn","presence":"lost"}]`, "", ""},
		"one agent is up again, another is not": {[][3]string{{down, "tcn", "ann"}, {down, "tcn", "bob"}, {up, "tcn", "ann"}},
			`[{"agent":"ann","connection":"tcn","presence":"lost"},{"agent":"bob","connection":"tcn","presence":"lost"}]`,
			"since 2026-11-20T12:01:00Z (provider_down), for bob", "ann"},
		"the feed alone":            {[][3]string{{down, "ujet", ""}}, `[]`, "ujet of acme does not answer since 2026-11-20T12:00:00Z (provider_down), for its feed", ""},
		"the feed is read again":    {[][3]string{{down, "ujet", ""}, {up, "ujet", ""}}, `[]`, "", ""},
		"an agent up, its feed not": {[][3]string{{down, "ujet", "ann"}, {down, "ujet", ""}, {up, "ujet", "ann"}}, `[{"agent":"ann","connection":"ujet","presence":"lost"}]`, "for its feed", "ann"},
		"she left":                  {[][3]string{{down, "tcn", "ann"}}, `[]`, "", ""},
		"she moved":                 {[][3]string{{down, "tcn", "ann"}}, `[{"agent":"ann","connection":"five9","presence":"lost"}]`, "", ""},
		"she is heard of, though nobody said that it is up": {[][3]string{{down, "tcn", "ann"}}, `[{"agent":"ann","connection":"tcn","presence":"ready"}]`, "", ""},
		"two outages, and the first is over": {[][3]string{{down, "tcn", "ann"}, {up, "tcn", "ann"}, {down, "tcn", "ann"}},
			`[{"agent":"ann","connection":"tcn","presence":"offline"}]`, "since 2026-11-20T12:02:00Z", ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			o := outages{}
			for i, s := range tc.said {
				e := events.Ops{Event: s[0], Tenant: "acme", What: s[1], Agent: s[2], At: noon.Add(time.Duration(i) * time.Minute)}
				if s[0] == down {
					e.Reason = "provider_down"
				}
				o.take(e)
			}
			err := o.among(map[string][]listed{"acme": list(t, tc.roster)})
			switch {
			case (err == nil) != (tc.want == ""):
				t.Errorf("it says %v, want %q", err, tc.want)
			case err != nil && (!strings.Contains(err.Error(), tc.want) || tc.never != "" && strings.Contains(err.Error(), tc.never)):
				t.Errorf("it says %q, want %q and not %q", err, tc.want, tc.never)
			}
		})
	}
}

// What the doctor folds is what stands in OPS, in its order, and nothing else of it.
func TestTheDoctorReadsConnectionsFromOPS(t *testing.T) {
	t.Parallel()
	js := newWard(t).elsewhere(time.Time{})
	for i, event := range []string{events.OpsConnectionDown, "alarm", events.OpsConnectionUp, events.OpsConnectionDown} {
		if _, _, err := log.Plain(t.Context(), js, log.Note{To: events.OpsSubject("acme", event), Type: events.TypeOps,
			Source: events.SourceOf("acme", events.Bridge), Time: time.Now(), ID: events.RandomID(),
			Body: events.Ops{Event: event, Tenant: "acme", What: "tcn", Reason: []string{"a", "b", "c", "d"}[i], At: time.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	d := &doctor{out: &out}
	d.connections(context.WithoutCancel(t.Context()), js, nil)
	if d.bad != 1 || !strings.Contains(out.String(), "(d), for its feed") {
		t.Errorf("%d: %s", d.bad, out.String())
	}
}
