// Command outdial is everything in one program: the demonstration, the four
// services in one process, and the operator's tools.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
	"fmt"

	"github.com/outdial/outdial/cmd/outdial/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = time.Now
	if err := demo.Run(ctx, demo.Options{Out: os.Stdout, Version: "0.1.0-dev"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
