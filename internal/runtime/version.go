package runtime

import "runtime/debug"

// release is the version of a build that carries none of its own.
const release = "0.1.0-dev"

// Version is what this binary calls itself.
func Version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return release
}
