// Command outdial-dialer runs the dialer on its own.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/services/dialer"
)

func main() {
	os.Exit(runtime.Solo{Service: "dialer", Listen: "127.0.0.1:8083", Version: runtime.Version(), Paced: true, Run: run}.
		Main(os.Args[1:], os.Environ(), os.Stderr))
}

func run(ctx context.Context, s runtime.Setup, h *runtime.Host, _ *http.ServeMux) error {
	return dialer.Run(ctx, h, dialer.Options(s))
}
