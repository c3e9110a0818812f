//go:build race

package simulation

// calls are fewer where every memory access is watched: there is one thread,
// and what is looked for is found without.
const (
	calls  = 160
	worlds = 1
)
