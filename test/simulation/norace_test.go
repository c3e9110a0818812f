//go:build !race

package simulation

// calls is how many are simulated.
const (
	calls  = 20_000
	worlds = 4 // that the controls are looked for in
)
