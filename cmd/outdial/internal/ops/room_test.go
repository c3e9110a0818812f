package ops

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestWhatKeptCallsNeed(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		span time.Duration
		want string
	}{
		"a million calls of nine events, of a whole age": {span: 72 * time.Hour,
			want: "the calls that are kept need 2051 MiB of the server's memory and 15.0 s of its start"},
		"the same in a third of it": {span: 24 * time.Hour,
			want: "the calls that are kept need 2051 MiB of the server's memory and 15.0 s of its start; at the rate of the last 24 h, once 72 h are kept, 6152 MiB of the server's memory and 45.0 s of its start"},
		"too soon to tell a rate": {span: time.Minute,
			want: "the calls that are kept need 2051 MiB of the server's memory and 15.0 s of its start"},
	} {
		s := jetstream.StreamState{NumSubjects: 9_000_000, FirstTime: began, LastTime: began.Add(tc.span)}
		if got := kept(s, 72*time.Hour); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
}
