package webexcc

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/bustest"
)

// What reading a page's message costs, and what reading it in another light does.
func BenchmarkRead(b *testing.B) {
	raw := events.ProviderRaw{Via: "desktop", Body: bustest.Fixture(b, "001-webexcc-outbound-call-state-change-offer.event.json")}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := reader().Read(raw, view()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		read, err := reader().(providers.Opener).Open(raw)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := read(view()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
