package events

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type interopFixture struct {
	Name    string            `json:"name"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Event   map[string]any    `json:"event"`
}

// What the npm package cloudevents puts on NATS, in every way its users have,
// is read as it was meant; and so is what we wrote for it to read.
// test/interop/run.sh makes the messages anew.
func TestInterop(t *testing.T) {
	t.Parallel()
	for file, atLeast := range map[string]int{"testdata/interop/theirs.json": 18, "testdata/interop/ours.json": 50} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var fixtures []interopFixture
		if err := json.Unmarshal(data, &fixtures); err != nil {
			t.Fatal(err)
		}
		if len(fixtures) < atLeast {
			t.Fatalf("%s has only %d messages", file, len(fixtures))
		}
		for _, f := range fixtures {
			h := Header{}
			for k, v := range f.Headers {
				h[k] = []string{v}
			}
			e, err := Decode(h, []byte(f.Body))
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
				continue
			}
			got := map[string]any{
				"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(), "time": e.Time(),
			}
			if e.Subject() != "" {
				got["subject"] = e.Subject()
			}
			for k, v := range e.Extensions() {
				got[k] = v
			}
			var body any
			if err := json.Unmarshal(e.Data(), &body); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			got["data"] = body
			if f.Event["time"], err = time.Parse(time.RFC3339Nano, f.Event["time"].(string)); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			if d := cmp.Diff(f.Event, got); d != "" {
				t.Errorf("%s: %s", f.Name, d)
			}
		}
	}
}
