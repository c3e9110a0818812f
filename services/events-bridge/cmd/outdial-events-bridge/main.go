// Command outdial-events-bridge runs the events bridge on its own.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/outdial/outdial/internal/runtime"
	bridge "github.com/outdial/outdial/services/events-bridge"
)

func main() {
	os.Exit(runtime.Solo{Service: "events-bridge", Version: runtime.Version(), Paced: true, Run: run}.
		Main(os.Args[1:], os.Environ(), os.Stderr))
}

func run(ctx context.Context, s runtime.Setup, h *runtime.Host, mux *http.ServeMux) error {
	return bridge.Run(ctx, h, bridge.Options(s, mux))
}
