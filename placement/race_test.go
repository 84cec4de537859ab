//go:build race

package placement_test

// underRace says that the tests run under the race detector, where a random history takes ten times as long and, in one
// goroutine, finds no more than without it.
const underRace = true
