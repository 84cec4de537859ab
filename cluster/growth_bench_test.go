package cluster_test

import (
	"fmt"
	"testing"
)

// BenchmarkGrowth shows how costs grow: each row runs at a size and at twice that, and takes at most 2.5 times as long
// there. Rows about memory report bytes-left instead, which does not grow: what the heap holds once all is gone again.
func BenchmarkGrowth(b *testing.B) {
	rows := []struct {
		what string
		n    int
		run  func(b *testing.B, n int)
	}{
		{"add-nodes-snapshot", 10_000, growAddNodesSnapshot},
		{"own-resource", 10_000, growOwnResource},
		{"forks-of-forks", 1_000, growForksOfForks},
		{"nodes-rolling", 150_000, growNodesRolling},
		{"nodes-at-once", 150_000, growNodesAtOnce},
		{"tasks-at-once", 150_000, growTasksAtOnce},
		{"resources-rolling", 80_000, growResourcesRolling},
	}
	for _, row := range rows {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) { row.run(b, n) })
		}
	}
}
