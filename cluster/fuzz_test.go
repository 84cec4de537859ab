package cluster_test

import (
	"math/rand/v2"
	"testing"
)

// FuzzFork reads its input as the choices of a history: which command, on which fork, of which task, and so on.
func FuzzFork(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		commands := make([]byte, 240)
		for i := range commands {
			commands[i] = byte(r.IntN(256))
		}
		f.Add(commands)
	}
	f.Fuzz(func(t *testing.T, commands []byte) {
		// The groups are as varied as the first byte says: choosing them would use up most of the input.
		seed := uint64(0)
		if len(commands) > 0 {
			seed = uint64(commands[0])
		}
		made := rand.New(rand.NewPCG(seed, 2)).IntN
		h := newHistory(t, func(n int) int { return made(n) })
		h.pick = func(n int) int {
			if len(commands) == 0 {
				return 0
			}
			c := int(commands[0])
			commands = commands[1:]
			return c % n
		}
		for steps := 0; len(commands) > 0 && steps < 80; steps++ {
			h.step()
		}
		h.neverLeaks()
	})
}
