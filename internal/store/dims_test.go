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
				s.SetNode(row, node(id), asBefore)
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

// Dimensions of what is gone are used again, and neither views nor what is still there take one for another.
func TestDimensionsAreUsedAgain(t *testing.T) {
	s := New()
	keep := s.Dim("of a task")
	first := s.AddNode(s.testNode("first", "", 1000))
	held, lost := s.Dim("of a hold"), s.Dim("of a lost task")
	s.Add("t", Record{Group: s.AddGroup(Group{Name: "g", Request: []Need{{keep, 7}}}), Row: first})
	s.Add("l", Record{Group: s.AddGroup(Group{Name: "l", Request: []Need{{lost, 7}}}), Row: None})
	s.Add("h", Record{Group: Holds, Row: first, Extra: &Extra{Needs: []Need{{held, 3}}}})
	type moment struct {
		view *View
		row  uint32
		name string
	}
	var past []moment
	namings := map[uint64][]string{}
	for i := range 2000 {
		n := s.testNode(fmt.Sprint("n", i), "", 5)
		name := fmt.Sprint("licence ", i)
		n.SetCapacity(s.Dim(name), int64(i+1))
		row := s.AddNode(n)
		if i%50 == 0 {
			past = append(past, moment{s.Snapshot(), row, name})
		}
		if was, ok := namings[s.Naming()]; ok {
			require.Equal(t, was, s.Dims()[:len(was)])
		} else {
			namings[s.Naming()] = s.Dims()
		}
		if i >= 10 {
			row, _ := s.FindNode(fmt.Sprint("n", i-10))
			s.RemoveNode(row)
		}
		require.LessOrEqual(t, len(s.Dims()), 150)
	}
	for d, name := range map[int32]string{keep: "of a task", held: "of a hold", lost: "of a lost task"} {
		require.Equal(t, name, s.Dims()[d])
	}
	require.Equal(t, int64(-7), s.FreeOf(first, keep))
	require.Equal(t, int64(-3), s.FreeOf(first, held))
	for i := 1990; i < 2000; i++ {
		row, _ := s.FindNode(fmt.Sprint("n", i))
		d, ok := s.DimOf(fmt.Sprint("licence ", i))
		require.True(t, ok)
		require.Equal(t, int64(i+1), s.FreeOf(row, d))
		require.Equal(t, int64(i+1), s.Free(row)[d])
	}
	_, ok := s.DimOf("licence 3")
	require.False(t, ok)
	for i, m := range past {
		for _, v := range []*View{m.view, &m.view.Fork().View} {
			d, ok := v.DimOf(m.name)
			require.True(t, ok)
			require.Equal(t, int64(50*i+1), v.FreeOf(m.row, d))
			require.Equal(t, m.name, v.Dims()[d])
		}
	}
}

// Many amounts at once come to the same as one after the other.
func TestChangedByAll(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list, want []Need
		for d := int32(denseDims); d < denseDims+8; d++ {
			if q := int64(r.IntN(3)); q > 0 {
				list = append(list, Need{d, q})
			}
		}
		want = list
		var needs []Need
		for _, d := range r.Perm(denseDims + 8)[:r.IntN(denseDims+8)] {
			n := Need{int32(d), int64(r.IntN(3))}
			needs = append(needs, n)
			if n.Dim >= denseDims {
				want = changedBy(want, n.Dim, -n.Amount)
			}
		}
		got := changedByAll(list, needs, -1)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	}
}
