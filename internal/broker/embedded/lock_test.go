//go:build unix

package embedded_test

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/broker/embedded"
)

func TestOneStoreOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := embedded.Start(embedded.Config{StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := embedded.Start(embedded.Config{StoreDir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		if err == nil {
			second.Stop()
		}
		t.Fatalf("a second server on the same store: %v, want it refused", err)
	}
	first.Stop()
	again, err := embedded.Start(embedded.Config{StoreDir: dir})
	if err != nil {
		t.Fatalf("after the first has stopped: %v", err)
	}
	again.Stop()
}

func TestAPortInUseIsToldAtOnce(t *testing.T) {
	t.Parallel()
	first, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Stop()
	at := strings.TrimPrefix(first.ClientURL(), "nats://")
	if _, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Listen: at}); err == nil || !strings.Contains(err.Error(), "another outdial") {
		t.Fatalf("got %v, want a word about another outdial", err)
	}
}
