package orchestrator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/test/exams/redistest"
)

// Three agents wait in turn, and part of Redis is lost behind everybody's back:
// a group's queue, one agent's place in it, one agent's record. The sweep finds
// it, and the calls go round as they would have.
func TestPartOfRedisIsLost(t *testing.T) {
	t.Parallel()
	client, err := sessions.Dial(redistest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	const queue = "outdial:{acme}:ready:sales"
	for story, lose := range map[string]func() error{
		"the queue":           func() error { return client.Del(t.Context(), queue).Err() },
		"one place in it":     func() error { return client.ZRem(t.Context(), queue, "bob").Err() },
		"one agent's record":  func() error { return client.Del(t.Context(), "outdial:{acme}:agent:ann").Err() },
		"a queue of its kind": func() error { return client.Set(t.Context(), queue, "x", 0).Err() },
	} {
		t.Run(story, func(t *testing.T) {
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			lost := map[string]int{}
			w.s.Sessions = sessions.NewRedis(client, func(kind string) { lost[kind]++ })
			for _, name := range []string{"ann", "bob", "cyd"} {
				w.enrol(name, "sales")
				w.now = w.now.Add(time.Second)
			}
			w.work(w.s)
			w.s.Sweep(t.Context()) // the first of all rebuilds
			w.s.Sweep(t.Context())
			if err := lose(); err != nil {
				t.Fatal(err)
			}
			w.s.Sweep(t.Context())
			w.s.Sweep(t.Context())
			got, err := w.s.Sessions.Ready(t.Context(), "acme", "sales", 9)
			if want := []string{"ann", "bob", "cyd"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("in turn are %v, %v, want %v", got, err, want)
			}
			if len(lost) != 1 || lost["ready"]+lost["agent"] != 1 {
				t.Errorf("said %v, want one loss, once", lost)
			}
			for i, agent := range []string{"ann", "bob", "cyd"} {
				call := w.ask(fmt.Sprint(i), map[string]any{"huntGroup": "sales"})
				w.work(w.s)
				if c := w.call(call); c.Assigned == nil || c.Assigned.Agent != agent {
					t.Errorf("call %d is not %s's", i, agent)
				}
			}
		})
	}
}
