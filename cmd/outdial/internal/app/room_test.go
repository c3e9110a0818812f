package app

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/test/exams/natstest"
)

// streamsHaveSizes wants a part of the store for every stream of the version
// before, which had none.
func (p *previous) streamsHaveSizes(t *testing.T) {
	js, err := jetstream.New(p.nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"REQUESTS_acme", "REQUESTS_globex", "CALLS", "AGENTS", "PROVIDER", "FACTS", "CONTROL", "OPS", "REJECTED"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if i := s.CachedInfo(); i.Config.MaxBytes <= 0 || i.State.Bytes > uint64(i.Config.MaxBytes) {
			t.Errorf("%s holds %d bytes and may hold %d", name, i.State.Bytes, i.Config.MaxBytes)
		}
	}
}

func TestTheRoomOfTheStreams(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	dir := t.TempDir()
	for story, tc := range map[string]struct {
		nats config.NATS
		want int64
	}{
		"as configured":                      {config.NATS{MaxStore: 3 << 30, URL: "nats://127.0.0.1:1"}, 3 << 30},
		"embedded":                           {config.NATS{Store: dir}, embedded.Room(dir)},
		"a server that does not say":         {config.NATS{URL: "nats://127.0.0.1:1"}, embedded.DefaultRoom},
		"a server whose monitoring is away":  {config.NATS{URL: "nats://127.0.0.1:1", Monitor: "http://127.0.0.1:1"}, embedded.DefaultRoom},
		"embedded, in a folder not yet made": {config.NATS{Store: dir + "/not/yet"}, embedded.Room(dir)},
	} {
		if got, err := room(t.Context(), r.JS, tc.nats); err != nil || got != tc.want {
			t.Errorf("%s: %d, %v, want %d", story, got, err, tc.want)
		}
	}
	for n, want := range map[int64]int64{0: 16 << 30, 1 << 40: 16 << 30, 16 << 30: 16 << 30, 8_000_000_000: 4 << 30, 5 << 20: 4 << 20} {
		if got := embedded.Rounded(n); got != want {
			t.Errorf("of %d bytes %d, want %d", n, got, want)
		}
	}
}

func TestAServersGrantIsSeenInItsMonitoring(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, func(c *embedded.Config) { c.MaxStore, c.Monitor = 100<<20, "127.0.0.1:0" })
	got, err := room(t.Context(), r.JS, config.NATS{URL: "nats://127.0.0.1:1", Monitor: r.Server.MonitorURL()})
	if err != nil || got != 64<<20 {
		t.Errorf("%d, %v, want 64 MiB of the 100 it grants", got, err)
	}
}
