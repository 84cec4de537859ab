package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// The same nodes in any order are the same cluster: they walk alike and explain alike, and what is then
// done to them comes out alike, because no decision reads rows or interned numbers.
func TestNodeOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		h := newHistory(t, r.IntN)
		byID := map[string]berth.Node{}
		for range 12 {
			n := h.node()
			byID[n.ID] = n
		}
		var nodes []berth.Node
		for _, id := range sorted(byID) {
			nodes = append(nodes, byID[id])
		}
		run := func(nodes []berth.Node, oneByOne bool) string {
			f := cluster.NewFork()
			if oneByOne {
				for _, n := range nodes {
					require.NoError(t, f.AddNodes(n))
				}
			} else {
				require.NoError(t, f.AddNodes(nodes...))
			}
			out := ""
			for i, k := range h.kinds {
				for j, id := range sorted(byID) {
					op, why := f.Apply(berth.Op{Task: k.group.Task(fmt.Sprint("t", i, j)), Node: id})
					out += fmt.Sprintln(op, why)
				}
				out += fmt.Sprintln(f.Explain(k.group), f.Domains(k.group, "zone"))
			}
			return out + dump(f) + dump(f.Snapshot()) + fmt.Sprint(f.Snapshot().Total())
		}
		want := run(nodes, false)
		for range 5 {
			shuffled := slices.Clone(nodes)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			assert.Equal(t, want, run(shuffled, r.IntN(2) == 0), "seed %d", seed)
		}
	}
}
