package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is free of a dimension is the same whether it has a column or not.
func TestFreeOfManyDimensions(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := New()
		const dims = 3 * denseDims
		type task struct {
			node string
			d    int32
			q    int64
		}
		capacity, tasks := map[string]map[int32]int64{}, map[string]task{}
		node := func(id string) *Node {
			n := &Node{ID: id}
			capacity[id] = map[int32]int64{}
			for range r.IntN(6) {
				d := s.Dim(fmt.Sprint("d", r.IntN(dims)))
				capacity[id][d] = int64(r.IntN(3))
				n.SetCapacity(d, capacity[id][d])
			}
			return n
		}
		type moment struct {
			view *View
			want map[string]map[int32]int64
		}
		var past []moment
		free := func() map[string]map[int32]int64 {
			out := map[string]map[int32]int64{}
			for id, c := range capacity {
				out[id] = map[int32]int64{}
				for d, q := range c {
					out[id][d] = q
				}
			}
			for _, task := range tasks {
				out[task.node][task.d] -= task.q
			}
			return out
		}
		check := func(v *View, want map[string]map[int32]int64) {
			require.Equal(t, len(want), v.Nodes())
			for id, f := range want {
				row, ok := v.FindNode(id)
				require.True(t, ok)
				all := v.Free(row)
				require.GreaterOrEqual(t, len(all), len(v.Dims()))
				for d, name := range v.Dims() {
					require.Equal(t, f[int32(d)], all[d], "seed %d: %s of %s", seed, name, id)
					require.Equal(t, f[int32(d)], v.FreeOf(row, int32(d)))
					at, ok := v.DimOf(name)
					require.True(t, ok)
					require.Equal(t, int32(d), at)
				}
			}
		}
		for step := range 300 {
			id := fmt.Sprint("n", r.IntN(12))
			row, known := s.FindNode(id)
			switch {
			case !known:
				s.AddNode(node(id))
			case r.IntN(4) == 0:
				s.SetNode(row, node(id))
			case len(tasks) > 0 && r.IntN(3) == 0:
				for id := range tasks {
					slot, ok := s.FindTask(id)
					require.True(t, ok)
					s.Remove(slot)
					delete(tasks, id)
					break
				}
			default:
				d := s.Dim(fmt.Sprint("d", r.IntN(dims)))
				g := s.AddGroup(Group{Name: fmt.Sprint("g", step), Request: []Need{{d, 2}}})
				s.Add(fmt.Sprint("t", step), Record{Group: g, Row: row})
				tasks[fmt.Sprint("t", step)] = task{id, d, 2}
			}
			if step%10 == 0 {
				past = append(past, moment{s.Snapshot(), free()})
			}
			if step%70 == 0 {
				s = s.Snapshot().Fork()
			}
		}
		check(&s.View, free())
		for _, m := range past {
			check(m.view, m.want)
		}
		for row := range uint32(s.Rows()) { // capacities are told by dimension and in one
			n := s.Node(row).Node
			for d, q := range n.Capacity() {
				require.Equal(t, q, n.CapacityOf(int32(d)))
				require.Equal(t, capacity[n.ID][int32(d)], q)
			}
		}
	}
}
