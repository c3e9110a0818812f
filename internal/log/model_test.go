package log_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// Whatever a writer believes about the log, and however often it repeats
// itself: an append with the right view is stored once and won, a repetition of
// the last append is found and not won, anything else is a conflict and leaves
// no trace. The model is a plain list.
func TestTheLogIsAList(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	var calls atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		call := fmt.Sprintf("m%d", calls.Add(1))
		names := []events.Name{events.Ringing, events.Answered, events.Held, events.Annotated}
		var model []events.Record
		var lastDraft *log.Draft
		for i := range rapid.IntRange(1, 12).Draw(rt, "appends") {
			d := draft(call, events.Bridge, rapid.SampledFrom(names).Draw(rt, "name"), fmt.Sprintf("%s-%d", call, i), 0, &events.CallProgress{})
			last := uint64(0)
			if n := len(model); n > 0 {
				last = model[n-1].Seq
			}
			what := rapid.SampledFrom([]string{"fresh", "fresh", "stale", "ahead", "repeat"}).Draw(rt, "view")
			switch {
			case what == "repeat" && lastDraft != nil:
				d = *lastDraft
			case what == "stale" && len(model) > 1:
				d.After = model[rapid.IntRange(0, len(model)-2).Draw(rt, "at")].Seq
			case what == "ahead":
				d.After = last + 1 + rapid.Uint64Range(0, 5).Draw(rt, "by")
			default:
				what, d.After = "fresh", last
			}
			a, err := l.Append(t.Context(), d)
			switch what {
			case "fresh":
				if err != nil || !a.Won {
					rt.Fatalf("fresh: %+v, %v", a, err)
				}
				model, lastDraft = append(model, a.Record), &d
			case "repeat":
				if err != nil || a.Won || a.Record.Seq != last {
					rt.Fatalf("repeat: %+v, %v", a, err)
				}
			default:
				if !errors.Is(err, log.ErrConflict) {
					rt.Fatalf("%s: %+v, %v", what, a, err)
				}
			}
		}
		log, err := l.Read(t.Context(), events.CallFamily, "acme", call, 0)
		if err != nil || len(log) != len(model) {
			rt.Fatalf("the log holds %d events, the model %d, %v", len(log), len(model), err)
		}
		for i := range log {
			if log[i].ID != model[i].ID || log[i].Seq != model[i].Seq {
				rt.Fatalf("event %d: %+v, the model says %+v", i, log[i], model[i])
			}
		}
	})
}
