package bridge

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// brokenFeeds are the feeds that this process could not read for several times in a row.
type brokenFeeds struct {
	mu     sync.Mutex
	broken map[string]bool
}

func (f *brokenFeeds) set(connection string, broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = map[string]bool{}
	}
	f.broken[connection] = broken
}

func (f *brokenFeeds) has(connection string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken[connection]
}

// unanswered counts by connection what does not answer: agents' polls, and the
// feed as one. Each is counted by the one bridge whose it is to ask.
func (s *Service) unanswered() map[string]int64 {
	own, count := s.peers.own(s.Now()), map[string]int64{}
	for _, c := range s.Directory.Connections() {
		if count[c.Name] = 0; s.readsFeed(c) && s.brokenFeeds.has(c.Name) {
			count[c.Name]++
		}
	}
	for _, ref := range s.agents.failing(unreachable) {
		if own(ref.Tenant + "/" + ref.ID) {
			count[s.connectionOf(ref)]++
		}
	}
	return count
}

// measure registers the service's metric. Its labels are of the configuration.
func (s *Service) measure(p metric.MeterProvider) error {
	_, err := p.Meter("github.com/outdial/outdial/services/events-bridge").Int64ObservableGauge("outdial.connection.unanswered",
		metric.WithDescription("Agents whom a connection does not answer for, and its feed as one more, of this bridge."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for name, n := range s.unanswered() {
				o.Observe(n, metric.WithAttributes(attribute.String("connection", name)))
			}
			return nil
		}))
	return err
}
