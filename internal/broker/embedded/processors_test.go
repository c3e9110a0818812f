package embedded_test

import (
	"runtime"
	"testing"

	"github.com/outdial/outdial/internal/broker/embedded"
)

// However often it is asked for there are so many more threads and no more, and
// whoever says how many there are is obeyed.
func TestThereAreMoreThreadsThanProcessorsOnce(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	usual := runtime.GOMAXPROCS(0)
	want := usual
	if usual == runtime.NumCPU() { // no container holds us to less
		want += 8
	}
	for range 3 {
		if embedded.MoreThreads(); runtime.GOMAXPROCS(0) != want {
			t.Fatalf("%d threads, want %d", runtime.GOMAXPROCS(0), want)
		}
	}
	t.Setenv("GOMAXPROCS", "3")
	runtime.GOMAXPROCS(3)
	if embedded.MoreThreads(); runtime.GOMAXPROCS(0) != 3 {
		t.Fatalf("GOMAXPROCS=3 gives %d", runtime.GOMAXPROCS(0))
	}
}
