package provision

import (
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
	for _, s := range l.Streams {
		c, err := stream(ctx, js, s, apply)
		if err != nil {
			return out, fmt.Errorf("stream %s: %w", s.Config.Name, err)
		}
		if c != nil {
			out = append(out, *c)
			missing[s.Config.Name] = c.Action == Create && !apply
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

func stream(ctx context.Context, js jetstream.JetStream, want Stream, apply bool) (*Change, error) {
	name := want.Config.Name
	have, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if apply {
			if _, err := js.CreateStream(ctx, want.Config); err != nil {
				return nil, err
			}
		}
		return &Change{Action: Create, Stream: name}, nil
	}
	if err != nil {
		return nil, err
	}
	fields, err := differences(have.CachedInfo().Config, want.Config)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	if apply {
		if _, err := js.UpdateStream(ctx, want.Config); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(fields, ", "), err)
		}
	}
	return &Change{Action: Update, Stream: name, Fields: fields}, nil
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
		if _, err := js.UpdateConsumer(ctx, want.Stream, want.Config); err != nil {
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
