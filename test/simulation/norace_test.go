//go:build !race

package simulation

// calls is how many are simulated.
const calls = 6_000
