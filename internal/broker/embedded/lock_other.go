//go:build !unix

package embedded

import "os"

// lock does nothing where the system has no advisory locks.
func lock(string) (*os.File, error) { return nil, nil }

func unlock(*os.File) {}
