// Command eventsgen prints what is made from the vocabulary in package events:
// the JSON Schemas, the AsyncAPI document and docs/events.md. Run it at the
// repository's root: go run ./gen/eventsgen
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/outdial/outdial/gen/events"
)

func main() {
	root := flag.String("root", ".", "the repository's root")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "eventsgen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := gen.Files(root)
	if err != nil {
		return err
	}
	stale, err := gen.Stale(root, files)
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
