package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/pkg/events"
)

// A Message is one that a call leaves in a stream.
type Message struct {
	Stream string   `json:"stream"`
	What   string   `json:"what"`  // the end of the subject
	Bytes  int      `json:"bytes"` // headers and body
	Body   int      `json:"body"`  // of them
	Writer string   `json:"writer"`
	Heard  []string `json:"heard"` // the durables that it wakes
}

// A recording is everything that one call stored, in the order of storing.
type recording struct {
	call, agent string
	steps       []recorded
}

// recorded is one message: as it was stored, and who wrote it.
type recorded struct {
	stream string
	msg    *jetstream.RawStreamMsg
	event  events.Record // of CALLS and AGENTS
	log    bool
}

// record has one call made while nothing else happens, and reports what it
// stored.
func (l *load) record(ctx context.Context, t *Report, name string) (*recording, error) {
	layout, err := broker.Plan([]string{tenant}, broker.Options{})
	if err != nil {
		return nil, err
	}
	if err := l.one(ctx); err != nil { // what only the first call does is done
		return nil, err
	}
	before, err := l.s.ends(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.one(ctx); err != nil {
		return nil, err
	}
	after, err := l.s.ends(ctx)
	if err != nil {
		return nil, err
	}
	r := &recording{}
	for name, last := range after {
		stream, err := l.s.js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		for seq := before[name] + 1; seq <= last; seq++ {
			m, err := stream.GetMsg(ctx, seq)
			if err != nil {
				return nil, err
			}
			one := recorded{stream: name, msg: m}
			if _, _, _, _, _, one.log = events.ParseLogSubject(m.Subject); one.log {
				if one.event, err = events.DecodeRecord(m.Subject, events.Header(m.Header), m.Data); err != nil {
					return nil, err
				}
				if one.event.Family == events.CallFamily {
					r.call = one.event.Key
				} else {
					r.agent = one.event.Key
				}
			}
			r.steps = append(r.steps, one)
		}
	}
	slices.SortStableFunc(r.steps, func(a, b recorded) int { return a.msg.Time.Compare(b.msg.Time) })
	if r.call == "" {
		return nil, errors.New("the call to record left no trace")
	}
	t.Messages[name] = r.messages(layout)
	return r, nil
}

// one makes one call and waits until nothing more is stored because of it.
func (l *load) one(ctx context.Context) error {
	if err := l.send(); err != nil {
		return err
	}
	if l.closedIn(ctx, 20*time.Second, nil, 1) == 0 {
		return fmt.Errorf("one call alone does not end\n%s", l.s.tail())
	}
	var last map[string]uint64
	for quiet := 0; quiet < 5; {
		now, err := l.s.ends(ctx)
		if err != nil {
			return err
		}
		if quiet++; total(now) != total(last) {
			quiet = 0
		}
		last = now
		pause(ctx, 100*time.Millisecond)
	}
	return ctx.Err()
}

// ends says where each stream ends.
func (s *subject) ends(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	all := s.js.ListStreams(ctx)
	for i := range all.Info() {
		out[i.Config.Name] = i.State.LastSeq
	}
	return out, all.Err()
}

func total(ends map[string]uint64) (n uint64) {
	for _, seq := range ends {
		n += seq
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// messages is the recording as a table.
func (r *recording) messages(layout broker.Layout) []Message {
	var out []Message
	for _, s := range r.steps {
		m := Message{Stream: s.stream, Bytes: len(s.msg.Data) + headerBytes(s.msg.Header), Body: len(s.msg.Data), Writer: s.writer(), Heard: []string{}}
		m.What = string(s.event.Name)
		if !s.log {
			m.What = "as it came"
		}
		for _, c := range layout.Consumers {
			if c.Stream == s.stream && (len(c.Config.FilterSubjects) == 0 || slices.ContainsFunc(c.Config.FilterSubjects, func(f string) bool { return covers(f, s.msg.Subject) })) {
				m.Heard = append(m.Heard, c.Config.Durable)
			}
		}
		out = append(out, m)
	}
	return out
}

// headerBytes is what a message's headers take on the wire and on disk.
func headerBytes(h nats.Header) int {
	var b bytes.Buffer
	for k, values := range h {
		for _, v := range values {
			b.WriteString(k + ": " + v + "\r\n")
		}
	}
	if b.Len() == 0 {
		return 0
	}
	return b.Len() + len("NATS/1.0\r\n\r\n")
}

// covers says whether a filter matches a subject.
func covers(filter, subject string) bool {
	f, s := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, token := range f {
		if token == ">" {
			return i < len(s)
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(f) == len(s)
}

// writer is who wrote the message.
func (s recorded) writer() string {
	switch {
	case s.log:
		return string(s.event.Role)
	case strings.HasPrefix(s.stream, "REQUESTS"):
		return "upstream"
	case s.stream == events.StreamProvider:
		return string(events.Bridge)
	}
	return string(events.Orchestrator)
}
