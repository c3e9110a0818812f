package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/rig"
)

// reads counts what the services read of logs and facts, by who reads what,
// until the function that it returns is called. What they look at whatever is
// dialed is left out: CONTROL, and of each stream, after they asked how it
// stands, where it was known to end and where it ends.
func reads(t *testing.T, r *rig.Rig) (until func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	by := map[string]int{}
	sub, err := r.NC.Subscribe("$JS.API.STREAM.>", func(m *nats.Msg) {
		inbox, ours := strings.CutPrefix(m.Reply, "_INBOX_outdial-")
		what := strings.Split(m.Subject, ".")
		who, _, _ := strings.Cut(inbox, ".")
		stream := what[len(what)-1]
		if !ours || stream == events.StreamControl {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch what[3] {
		case "MSG":
			by[who+" "+stream]++
		case "INFO":
			by[who+" "+stream] -= 2
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() map[string]int {
		_ = sub.Unsubscribe()
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(by)
	}
}

// A call is decided from memory by four services that hear the logs each for
// itself. What is left to be read: the company's list whenever compliance
// decides, where the agent is before the provider is touched and before the
// intent, an agent's token once, and what was stored where an append lost a race.
// Such races are rarer on a quiet machine, where the bench counts.
func TestHowOftenTheBrokerIsReadForACall(t *testing.T) {
	t.Parallel()
	const agents, calls = 4, 24
	r := rig.Start(t, rig.Options{Agents: agents, Desks: desks(agents, 1), Timing: unhurried})
	for story, tc := range map[string]struct {
		dial func(id string, n int) string
		most int // a call
	}{
		"TCN": {func(id string, n int) string { return r.Dial(id, rig.To(rig.Number(n), rig.Agent(n%agents))) }, 10},
		"a desktop": {func(id string, n int) string {
			return r.Dial(id, rig.ToDesk(rig.Number(100+n), desks(agents, 1)[n%agents].Agent))
		}, 6},
	} {
		count := reads(t, r)
		for n := 0; n < calls; n += agents { // everybody is on a call, and nobody waits
			var ids []string
			for k := range agents {
				ids = append(ids, tc.dial(story[:1]+string(rune('a'+n+k)), n+k))
			}
			for _, id := range ids {
				r.Closed(id, events.OutcomeCompleted, "")
			}
		}
		sum, by := 0, count()
		for _, n := range by {
			sum += n
		}
		t.Logf("%s: %.1f reads a call", story, float64(sum)/calls)
		if sum > tc.most*calls {
			for _, what := range slices.Sorted(maps.Keys(by)) {
				t.Errorf("%s: %d reads by %s for %d calls", story, by[what], what, calls)
			}
		}
	}
}
