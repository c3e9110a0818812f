package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A counter hears what the services ask JetStream's API, by who asks for what.
type counter struct {
	sub *nats.Subscription
	mu  sync.Mutex
	by  map[string]int
	sum int
}

// count begins to. Pulls are left out: they wait for messages and read nothing.
func (l *load) count() (*counter, error) {
	c := &counter{by: map[string]int{}}
	var err error
	c.sub, err = l.s.nc.Subscribe("$JS.API.>", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "$JS.API.CONSUMER.MSG.NEXT.") {
			return
		}
		who, _, _ := strings.Cut(strings.TrimPrefix(m.Reply, "_INBOX_outdial-"), ".")
		part := strings.Split(strings.TrimPrefix(m.Subject, "$JS.API."), ".")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sum++
		c.by[who+" "+strings.Join(part[:min(4, len(part))], ".")]++
	})
	return c, err
}

// read ends the count.
func (c *counter) read() (int, map[string]int) {
	_ = c.sub.Unsubscribe()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum, c.by
}

// reads measures calls at a low rate: what is asked of the broker and stored for
// each, and how long each waited for its dial and for its end. What is asked and
// stored anyway is taken off.
func (l *load) reads(ctx context.Context, t *Report, name string, perSecond float64, d time.Duration) (waits, ends []time.Duration, err error) {
	c, err := l.count()
	if err != nil {
		return nil, nil, err
	}
	before, err := l.s.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	began := time.Now()
	pause(ctx, d/2) // what happens anyway
	base, idle := c.read()
	quiet := time.Since(began)
	from, err := l.s.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	if c, err = l.count(); err != nil {
		return nil, nil, err
	}
	began = time.Now()
	if waits, ends, err = l.steady(ctx, perSecond, d); err != nil {
		return nil, nil, err
	}
	n, kinds := c.read()
	longer := float64(time.Since(began)) / float64(quiet)
	to, err := l.s.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	calls := float64(max(len(ends), 1))
	t.add(name+".reads", "broker reads per "+name+" call", "", []float64{max(0, float64(n)-float64(base)*longer) / calls})
	t.add(name+".persisted", "messages stored per "+name+" call", "", []float64{(float64(total(to)-total(from)) - float64(total(from)-total(before))*longer) / calls})
	var by []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if share := (float64(kinds[kind]) - float64(idle[kind])*longer) / calls; share >= 0.2 {
			by = append(by, fmt.Sprintf("%s %.1f", kind, share))
		}
	}
	t.note("Reads of a %s call: %s. Its steps, p50 / p99 in ms: %s.", name, strings.Join(by, ", "), l.where())
	return waits, ends, nil
}
