// Command outdial-events-bridge runs the events bridge on its own.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/outdial/outdial/pkg/process"
	bridge "github.com/outdial/outdial/services/events-bridge"
)

func main() {
	os.Exit(process.Solo{Service: "events-bridge", Version: process.Version(), Run: run}.
		Main(os.Args[1:], os.Getenv, os.Stderr))
}

func run(ctx context.Context, s process.Setup, h *process.Host, mux *http.ServeMux) error {
	return bridge.Run(ctx, h, bridge.Options(s, mux))
}
