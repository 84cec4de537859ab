//go:build !race

package placement_test

const underRace = false
