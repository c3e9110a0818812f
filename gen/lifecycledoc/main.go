// Command lifecycledoc prints docs/lifecycle.md from the lifecycle tables, to
// the file named by its argument or else to standard output.
package main

import (
	"fmt"
	"os"

	"github.com/outdial/outdial/pkg/events/lifecycle"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lifecycledoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	text := lifecycle.Markdown()
	switch len(args) {
	case 0:
		_, err := os.Stdout.WriteString(text)
		return err
	case 1:
		return os.WriteFile(args[0], []byte(text), 0o644)
	}
	return fmt.Errorf("one file at most, not %d", len(args))
}
