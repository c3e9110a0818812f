package orchestrator

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// structured is a request whose identity may be anything a text can be.
func (w *world) structured(source, id string, data map[string]any) worker.Delivery {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"specversion": "1.0", "type": events.TypeDialRequested, "source": source, "id": id, "data": data})
	if err != nil {
		w.t.Fatal(err)
	}
	return worker.Delivery{Stream: "REQUESTS_acme", Subject: "dial.requests.acme", Seq: 1, Stored: w.Now(), Tries: 1, Data: body,
		Header: events.Header{"content-type": {"application/cloudevents+json"}}}
}

func (w *world) takes(d worker.Delivery) error {
	err := w.s.OnRequest(w.tenant())(w.t.Context(), d)
	return err
}

// CloudEvents allows any text for an id; our own attributes do not. The call
// is recorded, and keeps the id as it was sent.
func TestARequestIsRecordedWhateverItsIDIsMadeOf(t *testing.T) {
	t.Parallel()
	for story, id := range map[string]string{
		"a space": "order 7", "an umlaut": "Bestellung-Müller", "a quote": `say "7"`, "an apostrophe": "o'7", "a percent": "100%",
		"an escape": "a%20b", "a slash": "a/7", "Japanese": "注文7", "an emoji": "☎️7", "plain": "order-7", "a UUID": "0b8a2b0e-7f2e-4a5f-9f39-6b1de3a9f1c2",
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			w.tell()
			d := w.structured("/crm", id, map[string]any{"to": tokyo, "agent": "ann"})
			if err := w.takes(d); err != nil {
				t.Fatal(err)
			}
			call := events.CallID("acme", "/crm", id)
			w.wantCall(call, "requested")
			if got := w.call(call).Request.RequestID; got != id {
				t.Errorf("recorded as %q", got)
			}
			d.Seq, d.Tries = 2, 1 // the same again
			if err := w.takes(d); err != nil || len(w.ops) != 1 || w.ops[0].Event != "duplicate" {
				t.Errorf("again: %v, %+v", err, w.ops)
			}
			w.work(w.s)
			w.wantCall(call, "requested assigned")
		})
	}
}

// What reads a request is the only one that refuses it: a request without
// faults can be appended.
func TestARequestWithoutFaultsCanBeRecorded(t *testing.T) {
	t.Parallel()
	recorded, faults := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.enrol("ann")
		w.tell()
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9 '"%äß注/:.-]{1,40}`), rapid.StringMatching(`[a-z '"%ß注]{1,9}`))
		data := map[string]any{"to": tokyo, "agent": "ann"}
		if rapid.Bool().Draw(rt, "with metadata") {
			data["metadata"] = []map[string]string{{"key": text.Draw(rt, "key"), "value": text.Draw(rt, "value")}}
		}
		source := rapid.OneOf(rapid.Just("/crm"), rapid.StringMatching(`/[A-Za-z0-9%äß'./-]{0,20}`)).Draw(rt, "source")
		d := w.structured(source, text.Draw(rt, "id"), data)
		var rejected *events.RejectError
		switch err := w.takes(d); {
		case errors.As(err, &rejected):
			faults[rejected.Note.Faults[0].Pointer+rejected.Note.Faults[0].Code]++
		case err != nil:
			rt.Fatalf("no fault was found in it, and yet: %v", err)
		default:
			recorded++
		}
	})
	if recorded < 20 {
		t.Errorf("only %d of the requests were without faults: %v", recorded, faults)
	}
}

// Whoever is not sure sends again, and hears that it was the same request also
// when it has expired meanwhile.
func TestARepetitionIsAnsweredHoweverLateItComes(t *testing.T) {
	t.Parallel()
	for story, late := range map[string]time.Duration{"at once": 0, "beyond the broker's window": 10 * time.Minute, "days later": 60 * time.Hour} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			w.tell()
			data := map[string]any{"to": tokyo, "agent": "ann", "expiresAt": noon.Add(time.Minute)}
			if err := w.takes(w.structured("/crm", "7", data)); err != nil {
				t.Fatal(err)
			}
			w.pass(late)
			again := w.structured("/crm", "7", data)
			again.Seq, again.Stored = 2, w.Now()
			if err := w.takes(again); err != nil || len(w.ops) != 1 || w.ops[0].Event != "duplicate" {
				t.Errorf("again: %v, %+v", err, w.ops)
			}
			w.wantCall(events.CallID("acme", "/crm", "7"), "requested")
		})
	}
}
