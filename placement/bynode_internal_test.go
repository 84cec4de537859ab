package placement

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tasks on nodes are as a column of all rows has them, also once they were forgotten and there are more rows.
func TestNodeTasks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	var n nodeTasks
	for round := range 4 {
		rows := 100 + 333*round
		column := make([]int, rows)
		n.clear()
		n.grow(rows)
		for range 200 {
			row, by := rng.IntN(rows), 1
			if column[row] > 0 && rng.IntN(2) == 0 {
				by = -1
			}
			require.Equal(t, column[row], n.add(int32(row), by))
			column[row] += by
		}
		for row, tasks := range column {
			require.Equal(t, tasks, n.on(int32(row)))
		}
		require.Zero(t, n.on(int32(rows+pageRows)), "no such row")
		require.LessOrEqual(t, len(n.tasks), 200*pageRows)
	}
}
