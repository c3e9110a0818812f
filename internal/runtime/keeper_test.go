package runtime

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/log/marks"
)

// memory keeps what it is given, as a keeper does.
type memory struct{ text []byte }

func (m *memory) Keep(_ context.Context, text []byte) error { m.text = text; return nil }
func (m *memory) Kept(context.Context) ([]byte, error)      { return m.text, nil }

// The service that begins and the turn of its past may both be first to ask the
// keeper. What the one has kept there since is no other store to the other.
func TestAStoreIsHeldOnceAgainstWhatIsKeptElsewhere(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	keeper := &memory{}
	p := &past{book: marks.NewBook(marks.Known{}), keeper: keeper, fresh: true, logger: slog.New(slog.NewTextHandler(&said, nil))}
	if err := p.compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, err := marks.Write(marks.Known{})
	if err != nil {
		t.Fatal(err)
	}
	keeper.text = own
	if err := p.compare(t.Context()); err != nil || said.Len() > 0 {
		t.Errorf("%v: %s", err, &said)
	}
	other := &past{book: marks.NewBook(marks.Known{}), keeper: keeper, fresh: true, logger: p.logger}
	if err := other.compare(t.Context()); err != nil || !strings.Contains(said.String(), "another store was known") {
		t.Errorf("another store's memory is met in silence: %v", err)
	}
}
