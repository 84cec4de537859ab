package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a store once had room for is given up when most of it is gone, and what a view has is not.
func TestStoreShrinks(t *testing.T) {
	const many = 4 * tableRows
	s := New()
	s.AddNode(s.testNode("first", "", 1<<40))
	stays := s.testGroup("stays", 1)
	s.Add("one", Record{Group: stays, Row: 0})
	for i := range many {
		row := s.AddNode(s.testNode(fmt.Sprint("n", i), "", 5))
		s.Add(fmt.Sprint("t", i), Record{Group: s.AddGroup(Group{Name: fmt.Sprint("g", i)}), Row: row})
		s.Add(fmt.Sprint("u", i), Record{Group: stays, Row: 0})
	}
	full := s.Snapshot()
	check := func(v *View, tasks int) {
		t.Helper()
		require.Equal(t, tasks, v.Tasks())
		require.Equal(t, v.Nodes(), len(v.Order()))
		n := 0
		for _, row := range v.Order() {
			for slot, r := range v.On(row) {
				found, ok := v.FindTask(r.ID)
				require.True(t, ok)
				require.Equal(t, slot, found)
				n++
			}
		}
		require.Equal(t, tasks, n)
	}
	for i := range many {
		for _, id := range []string{fmt.Sprint("t", i), fmt.Sprint("u", i)} {
			slot, _ := s.FindTask(id)
			s.Remove(slot)
		}
		row, _ := s.FindNode(fmt.Sprint("n", i))
		s.RemoveNode(row)
	}
	assert.Equal(t, tableRows, s.Rows())
	assert.Equal(t, tableRows, s.recs.Len())
	assert.Equal(t, tableRows, s.groups.Len())
	check(&s.View, 1)
	_, ok := s.Since(full.Position())
	assert.False(t, ok, "a log of rows that are not there is of no use")
	check(full, 2*many+1)

	// Rows, slots and numbers are used again, by forks too, each of them once.
	for _, w := range []*Store{s, s.Snapshot().Fork(), s.Snapshot().Fork().Snapshot().Fork()} {
		rows := map[uint32]bool{0: true}
		for i := range 2 * tableRows {
			row := w.AddNode(w.testNode(fmt.Sprint("m", i), "", 5))
			require.False(t, rows[row])
			rows[row] = true
			w.Add(fmt.Sprint("v", i), Record{Group: w.AddGroup(Group{Name: fmt.Sprint("h", i)}), Row: row})
			w.Add(fmt.Sprint("w", i), Record{Group: stays, Row: row})
		}
		require.Len(t, slices.Collect(w.Members(stays)), 2*tableRows+1)
		check(&w.View, 4*tableRows+1)
		require.Equal(t, 2*tableRows+1, w.Rows(), "none was left out")
	}
	check(full, 2*many+1)
	check(&full.Fork().View, 2*many+1)
}

// A list of a fork begins with what it shares with its parent, in which both go on by themselves.
func TestListsOfForks(t *testing.T) {
	type world struct {
		list list
		want []mention
	}
	worlds := []world{{}}
	for i := range uint32(4000) {
		w := &worlds[i*2654435761>>16%uint32(len(worlds))]
		m := mention{i, i}
		w.list.add(m)
		w.want = append(slices.Clip(w.want), m)
		if i%7 == 0 {
			fork := *w
			fork.list.sealed = true
			if len(worlds) < 20 {
				worlds = append(worlds, fork)
			} else {
				worlds[i/7%20] = fork
			}
		}
		if i%100 == 0 {
			for _, w := range worlds {
				require.Equal(t, w.want, slices.Collect(w.list.all()))
				require.Equal(t, len(w.want), w.list.len())
				if w.list.older != nil {
					require.LessOrEqual(t, len(w.list.older.list), 10)
				}
			}
		}
	}
}
