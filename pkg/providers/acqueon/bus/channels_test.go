package bus_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
)

func TestTwoChannelsOnOneBusStayApart(t *testing.T) { // F9-31
	t.Parallel()
	read := func(dir, name string) events.ProviderRaw {
		b, err := os.ReadFile(filepath.Join("..", dir, "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return events.ProviderRaw{Via: "desktop", Body: b}
	}
	webexEvent := read("webexcc", "001-webexcc-outbound-call-state-change-offer.event.json")
	five9Event := read("five9", "004-five9-outbound-call-state-change-wrap-up.event.json")
	readers := map[string]providers.Reader{
		"webexcc": webexcc.System().Provider(bus.Config{}).Reader,
		"five9":   five9.System().Provider(bus.Config{}).Reader,
	}
	keys := map[string]map[string]bool{"webexcc": {}, "five9": {}}
	for range 3 { // interleaved, and more than once
		for _, raw := range []events.ProviderRaw{webexEvent, five9Event} {
			for name, reader := range readers {
				got, err := reader.Read(raw, providers.View{HomeRegion: "US"})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range got {
					if o.Manual {
						keys[name][o.CallKey] = true
					} else if o.CallKey != "" || o.Customer != "" || o.Call != "" {
						t.Errorf("%s read the other's call: %+v", name, o)
					}
				}
			}
		}
	}
	if len(keys["webexcc"]) != 1 || !keys["webexcc"]["982c6b08-5a55-471c-9dcb-4280359c66f7"] ||
		len(keys["five9"]) != 1 || !keys["five9"]["300000000115271"] {
		t.Errorf("calls: %v", keys)
	}
}
