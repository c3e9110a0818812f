package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// What a Change does.
const (
	Create = "create"
	Update = "update"
)

// A Change is one difference between the plan and the server.
type Change struct {
	Action   string   // Create or Update
	Stream   string   // the stream, or the consumer's
	Consumer string   // empty for a stream
	Fields   []string // of an update: "max_age: 1h0m0s → 72h0m0s", in JSON names
}

// String is the change as one line for an operator.
func (c Change) String() string {
	what := "stream " + c.Stream
	if c.Consumer != "" {
		what = "consumer " + c.Consumer + " on " + c.Stream
	}
	if len(c.Fields) == 0 {
		return c.Action + " " + what
	}
	return c.Action + " " + what + ": " + strings.Join(c.Fields, ", ")
}

// Diff reports what Apply would change, and changes nothing.
func Diff(ctx context.Context, js jetstream.JetStream, l Layout) ([]Change, error) {
	return walk(ctx, js, l, false)
}

// Apply makes the server fit the plan and returns what it changed; applied
// twice, the second time changes nothing. What the plan does not name is left
// alone. Where the server refuses a change (a consumer's start, a stream's
// storage), the error says which, and what came before it stands.
func Apply(ctx context.Context, js jetstream.JetStream, l Layout) ([]Change, error) {
	return walk(ctx, js, l, true)
}

func walk(ctx context.Context, js jetstream.JetStream, l Layout, apply bool) ([]Change, error) {
	var out []Change
	missing := map[string]bool{}
	streams, err := match(ctx, js, l.Streams)
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		c, err := s.change(ctx, js, l, apply)
		if err != nil {
			return out, fmt.Errorf("stream %s: %w", s.want.Name, err)
		}
		if c != nil {
			out = append(out, *c)
			missing[s.want.Name] = c.Action == Create && !apply
		}
	}
	for _, w := range l.Consumers {
		if missing[w.Stream] {
			out = append(out, Change{Action: Create, Stream: w.Stream, Consumer: w.Config.Name})
			continue
		}
		c, err := consumer(ctx, js, w, apply)
		if err != nil {
			return out, fmt.Errorf("consumer %s on %s: %w", w.Config.Name, w.Stream, err)
		}
		if c != nil {
			out = append(out, *c)
		}
	}
	return out, nil
}

// A matched stream is one of the plan, fitted to the one that is there.
type matched struct {
	want jetstream.StreamConfig
	have *jetstream.StreamInfo // nil: there is none
}

// match finds the streams of a plan. Those that give room back come first, so
// that the others find it.
func match(ctx context.Context, js jetstream.JetStream, plan []Stream) ([]matched, error) {
	out := make([]matched, 0, len(plan))
	for _, s := range plan {
		m := matched{want: s.Config}
		switch have, err := js.Stream(ctx, s.Config.Name); {
		case err == nil:
			m.have = have.CachedInfo()
			m.want = fit(m.want, m.have)
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return nil, fmt.Errorf("stream %s: %w", s.Config.Name, err)
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b matched) int { return cmp.Compare(a.grows(), b.grows()) })
	return out, nil
}

// grows is how much more the server has to reserve: less than nothing for a
// stream that gives room back.
func (m matched) grows() int64 {
	if m.have == nil {
		return 0
	}
	return min(m.want.MaxBytes-max(m.have.Config.MaxBytes, 0), 0)
}

func (m matched) change(ctx context.Context, js jetstream.JetStream, l Layout, apply bool) (*Change, error) {
	name := m.want.Name
	if m.have == nil {
		if apply {
			if _, err := js.CreateStream(ctx, m.want); err != nil {
				return nil, noRoom(err, l)
			}
		}
		return &Change{Action: Create, Stream: name}, nil
	}
	fields, err := differences(m.have.Config, m.want)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	if apply {
		if _, err := js.UpdateStream(ctx, m.want); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(fields, ", "), noRoom(err, l))
		}
	}
	return &Change{Action: Update, Stream: name, Fields: fields}, nil
}

// ErrNoRoom says that the server does not grant what the streams are to have.
var ErrNoRoom = errors.New("the server does not grant the streams their room")

// What a server says that cannot reserve as much as it is asked to.
const (
	errCodeStorageExceeded = 10047
	errCodeAccountExceeded = 10002
)

// noRoom says what an error about room means: the server reserves what a
// stream may hold at most.
func noRoom(err error, l Layout) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || api.ErrorCode != errCodeStorageExceeded && api.ErrorCode != errCodeAccountExceeded {
		return err
	}
	return fmt.Errorf("%w: all together they want %d MiB, and it reserves them; give it more (max_file_store, or the account's limit), or set nats.maxStore to what it has free (%w)",
		ErrNoRoom, l.Bytes()>>20, err)
}

func consumer(ctx context.Context, js jetstream.JetStream, want Consumer, apply bool) (*Change, error) {
	name := want.Config.Name
	have, err := js.Consumer(ctx, want.Stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if apply {
			if _, err := js.CreateConsumer(ctx, want.Stream, want.Config); err != nil {
				return nil, err
			}
		}
		return &Change{Action: Create, Stream: want.Stream, Consumer: name}, nil
	}
	if err != nil {
		return nil, err
	}
	is := have.CachedInfo().Config
	is.PauseUntil = want.Config.PauseUntil // a pause is somebody's emergency stop, not drift
	fields, err := differences(is, want.Config)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	if apply {
		want.Config.PauseUntil = have.CachedInfo().Config.PauseUntil
		_, err := js.UpdateConsumer(ctx, want.Stream, want.Config)
		if errors.Is(err, jetstream.ErrConsumerMultipleFilterSubjectsNotSupported) {
			// To the first update after its start the server (2.15.3) answers
			// with the consumer as it was, which the client takes for a server
			// that knows no filters. The second answer is right.
			_, err = js.UpdateConsumer(ctx, want.Stream, want.Config)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(fields, ", "), err)
		}
	}
	return &Change{Action: Update, Stream: want.Stream, Consumer: name, Fields: fields}, nil
}

// differences compares two configurations by their JSON, the form the server
// keeps, so that a setting nobody thought of is drift too.
func differences(have, want any) ([]string, error) {
	h, err := plain(have)
	if err != nil {
		return nil, err
	}
	w, err := plain(want)
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(h)
	maps.Copy(keys, w)
	var out []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if h[k] != w[k] {
			out = append(out, fmt.Sprintf("%s: %s → %s", k, shown(h[k]), shown(w[k])))
		}
	}
	return out, nil
}

func shown(s string) string {
	if s == "" {
		return "unset"
	}
	return s
}

// plain flattens a configuration to JSON texts by field. Absent, null, false,
// zero and empty mean the same to the server; what it adds for itself
// (metadata, placement of its own choice) is none of ours.
func plain(config any) (map[string]string, error) {
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(fields))
	for k, v := range fields {
		switch text := string(v); {
		case k == "metadata":
		case text == "null" || text == "false" || text == "0" || text == `""` || text == "[]" || text == "{}":
		default:
			out[k] = text
		}
	}
	return out, nil
}
