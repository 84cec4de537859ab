package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSince(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 5))
	g := s.testGroup("g", 0)
	v := s.Snapshot()
	at := v.Position()
	s.Add("t", Record{Group: g, Row: row})
	changes, ok := s.Since(at)
	require.True(t, ok)
	assert.Equal(t, []Change{{row, g}}, changes)
	changes, ok = v.Since(s.Position())
	require.True(t, ok, "the way back is the way there")
	assert.Equal(t, []Change{{row, g}}, changes)
	changes, ok = v.Since(at)
	require.True(t, ok)
	assert.Empty(t, changes)
	_, ok = v.Since(Position{})
	assert.False(t, ok)
	_, ok = v.Since(New().Position())
	assert.False(t, ok, "another lineage")
	assert.NotEqual(t, s.Version().Branch, v.Fork().Version().Branch, "a fork is another history")

	for i := range maxLog {
		s.SetCordoned(row, i%2 == 0)
	}
	_, ok = s.Since(at)
	assert.False(t, ok, "the log is bounded")
	assert.LessOrEqual(t, len(s.log), maxLog)
	kept := s.Snapshot()
	for i := range maxLog / 2 {
		s.SetCordoned(row, i%2 == 0)
	}
	changes, ok = s.Since(kept.Position())
	require.True(t, ok, "and keeps the last 65,536 changes at the least")
	assert.Len(t, changes, maxLog/2)
}

func TestSinceLeadsFromBranchToBranch(t *testing.T) {
	s := New()
	var rows [5]uint32
	for i := range rows {
		rows[i] = s.AddNode(s.testNode(fmt.Sprint("n", i), "", 5))
	}
	touch := func(s *Store, row uint32) { s.SetCordoned(row, true) }
	v := s.Snapshot()
	touch(s, rows[0])
	f, sibling := v.Fork(), v.Fork()
	touch(f, rows[1])
	under := f.Snapshot().Fork()
	touch(f, rows[4])
	touch(sibling, rows[2])
	touch(under, rows[3])
	for _, c := range []struct {
		name string
		a, b *View
		want []int
	}{
		{"a fork and what it was made of", &f.View, v, []int{1, 4}},
		{"a fork and its parent, which went on", &f.View, &s.View, []int{0, 1, 4}},
		{"siblings", &f.View, &sibling.View, []int{1, 2, 4}},
		{"a fork of a fork and its parent, which went on", &under.View, &f.View, []int{3, 4}},
		{"a fork of a fork and its grandparent", &under.View, &s.View, []int{0, 1, 3}},
		{"a fork of a fork and its parent's sibling", &under.View, &sibling.View, []int{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, way := range [][2]*View{{c.a, c.b}, {c.b, c.a}} {
				changes, ok := way[1].Since(way[0].Position())
				require.True(t, ok)
				var got []int
				for _, change := range changes {
					got = append(got, int(change.Row-rows[0]))
				}
				assert.ElementsMatch(t, c.want, got)
			}
		})
	}
}

// Whatever is done to stores, their forks and forks of those, a row in which two views differ is in the changes between
// them, if those are known.
func TestSinceMissesNothing(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := New()
		for i := range 40 {
			s.AddNode(s.testNode(fmt.Sprint("n", i), "", 100))
		}
		s.testGroup("g", 1)
		stores, views := []*Store{s}, []*View{s.Snapshot()}
		known := 0
		for step := range 400 {
			s := stores[r.IntN(len(stores))]
			row := uint32(r.IntN(s.Rows()))
			switch r.IntN(8) {
			case 0:
				if len(stores) == 12 {
					stores = append(stores[:3], stores[6:]...)
				}
				stores = append(stores, views[r.IntN(len(views))].Fork())
			case 1:
				s.AddNode(s.testNode(fmt.Sprint("new", seed, step), "", 7))
			case 2:
				if n := s.Node(row); n.Node != nil && n.live == 0 {
					s.RemoveNode(row)
				}
			case 3:
				if s.Node(row).Node != nil {
					s.SetNode(row, s.testNode(s.Node(row).Node.ID, "", int64(100+r.IntN(3))), asBefore)
				}
			case 4:
				for slot := range s.On(row) {
					s.Remove(slot)
					break
				}
			default:
				if s.Node(row).Node != nil {
					g, ok := s.FindGroup("g")
					if !ok {
						g = s.testGroup("g", 1)
					}
					s.Add(fmt.Sprint("t", step), Record{Group: g, Row: row})
				}
			}
			if r.IntN(3) == 0 {
				views = append(views, s.Snapshot())
			}
			a, b := views[r.IntN(len(views))], views[r.IntN(len(views))]
			changes, ok := b.Since(a.Position())
			if !ok {
				continue
			}
			known++
			told := map[uint32]bool{}
			for _, c := range changes {
				told[c.Row] = true
			}
			for row := range uint32(max(a.Rows(), b.Rows())) {
				if !told[row] {
					require.Less(t, int(row), min(a.Rows(), b.Rows()), "seed %d", seed)
					require.Equal(t, *a.Node(row), *b.Node(row), "seed %d, step %d", seed, step)
					require.Equal(t, a.Free(row), b.Free(row), "seed %d, step %d", seed, step)
				}
			}
		}
		require.Greater(t, known, 100, "seed %d: the ways are known", seed)
	}
}

// A fork of a fork of a fork, without end, knows the branches near to it, and no more of them.
func TestForksWithoutEndKeepWhatIsNear(t *testing.T) {
	s := New()
	for i := range 100 {
		s.AddNode(s.testNode(fmt.Sprint("n", i), "", 5))
	}
	positions := []Position{s.Position()}
	for i := range 1000 {
		s = s.Snapshot().Fork()
		s.SetCordoned(uint32(i%100), i%200 < 100)
		positions = append(positions, s.Position())
		require.LessOrEqual(t, s.branch.above, maxBranches)
		n := 0
		for b := s.branch; b.from.branch != nil; b = b.from.branch {
			n++
		}
		require.Equal(t, s.branch.above, n)
	}
	changes, ok := s.Since(positions[1000-maxBranches/2])
	require.True(t, ok)
	assert.Len(t, changes, maxBranches/2)
	_, ok = s.Since(positions[0])
	assert.False(t, ok)

	for range 5 { // and of their logs no more than two full ones
		for range maxLog - 1 {
			s.SetCordoned(0, true)
		}
		s = s.Snapshot().Fork()
		require.LessOrEqual(t, s.branch.kept, maxKept)
	}
}
