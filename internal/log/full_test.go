package log_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

// A full stream is nobody's fault: what could not be written is tried again
// when there is room.
func TestAFullStreamIsToldAsSuch(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	layout, err := broker.Plan([]string{"acme"}, broker.Options{Store: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.JS, layout); err != nil {
		t.Fatal(err)
	}
	full := func(what string, write func(n int) error) {
		t.Helper()
		for n := range 1000 {
			if err := write(n); err != nil {
				if fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeNoRoom {
					t.Errorf("%s: %v (%s)", what, err, fault.Code(err))
				}
				return
			}
		}
		t.Errorf("%s never became full", what)
	}
	store := log.NewJetStream(r.JS, log.Options{})
	full("the log", func(n int) error {
		_, err := store.Append(t.Context(), draft(fmt.Sprint("c", n), events.Orchestrator, events.Requested, "request", 0,
			&events.CallRequested{RequestSource: strings.Repeat("x", 8000)}))
		return err
	})
	full("facts", func(n int) error {
		_, err := log.NewFacts(r.JS).Put(t.Context(), "acme", "dnc", fmt.Sprint("t", n), events.Operator,
			events.Fact{Kind: "dnc", Listed: true, By: strings.Repeat("x", 8000), At: noon}, 0)
		return err
	})
}
