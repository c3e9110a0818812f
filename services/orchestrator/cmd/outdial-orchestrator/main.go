// Command outdial-orchestrator runs the orchestrator on its own.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/services/orchestrator"
)

func main() {
	os.Exit(runtime.Solo{Service: "orchestrator", Listen: "127.0.0.1:8081", Version: runtime.Version(), Run: run}.
		Main(os.Args[1:], os.Environ(), os.Stderr))
}

func run(ctx context.Context, s runtime.Setup, h *runtime.Host, _ *http.ServeMux) error {
	store, _, stop, err := s.Sessions(ctx, h.Logger)
	if err != nil {
		return err
	}
	defer stop()
	return orchestrator.Run(ctx, h, orchestrator.Options(s, store))
}
