// Command outdial-compliance runs compliance on its own.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/services/compliance"
)

func main() {
	os.Exit(runtime.Solo{Service: "compliance", Listen: "127.0.0.1:8082", Version: runtime.Version(), Paced: true, Run: run}.
		Main(os.Args[1:], os.Environ(), os.Stderr))
}

func run(ctx context.Context, s runtime.Setup, h *runtime.Host, _ *http.ServeMux) error {
	c, err := compliance.Options(s)
	if err != nil {
		return err
	}
	return compliance.Run(ctx, h, c)
}
