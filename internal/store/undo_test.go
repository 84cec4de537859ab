package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moment is a view, and what it showed when it was taken.
type moment struct {
	view *View
	want string
}

// undoWorld is a store in which much is taken back, and one to which that was never done.
type undoWorld struct {
	s, never *Store
	past     []moment // before a point, or after all was kept
}

// Whatever was done, taking it back leaves the store, and every view that was taken before, between and after, as they were; what is
// told of records on the way adds up; and the store goes on like one to which it was never done.
func TestUndoLeavesNothing(t *testing.T) {
	reused, known, histories := 0, 0, uint64(12)
	if testing.Short() {
		histories = 3
	}
	for seed := range histories {
		r := rand.New(rand.NewPCG(seed, 1))
		s := New()
		worlds := []*undoWorld{{s: s, never: New()}}
		s.Undoable()
		var views []moment
		take := func(v *View) moment {
			m := moment{v, dump(v)}
			views = append(views, m)
			return m
		}
		next := 0
		for round := range 80 {
			if round == 40 { // a fork and what it was made of go on side by side
				w := worlds[0]
				w.s.Keep()
				fork := &undoWorld{w.s.Snapshot().Fork(), w.never.Snapshot().Fork(), nil}
				fork.s.Undoable()
				worlds = append(worlds, fork)
			}
			w := worlds[r.IntN(len(worlds))]
			s, never := w.s, w.never
			for range r.IntN(12) {
				next++
				c := randomChange(r, s, next)
				c(s)
				c(never)
			}
			require.Empty(t, wrongCounters(s.Present()), "seed %d, round %d", seed, round)
			require.Equal(t, dump(never.Snapshot()), dump(s.Present()), "seed %d, round %d: as if nothing had been taken back", seed, round)
			require.NoError(t, resum(s.Present()), "seed %d, round %d", seed, round)
			if r.IntN(3) == 0 {
				s.Keep()
			}
			if r.IntN(3) == 0 {
				w.past = append(w.past, take(s.Snapshot()))
			}
			var points []Point
			var were []string
			undone := s.Undone()
			for range 1 + r.IntN(3) {
				points, were = append(points, s.Point()), append(were, dump(s.Present()))
				for range r.IntN(25) {
					next++
					c := randomChange(r, s, next)
					c(s)
					if r.IntN(15) == 0 {
						f := take(s.Snapshot()).view.Fork()
						for range 5 { // as somebody does who tries something
							next++
							randomChange(r, f, next)(f)
						}
						take(f.Snapshot())
					}
				}
			}
			for len(points) > 0 {
				k := r.IntN(len(points))
				told := map[string]int{}
				tell := func(r *Record, by int) {
					if r.ID != "" {
						told[fmt.Sprintf("%s %d %d %d %p", r.ID, r.Row, r.State, r.Deadline, r.Extra)] += by
					}
				}
				note := func(by int) {
					for slot := range uint32(s.recs.Len()) {
						tell(s.Record(slot), by)
					}
				}
				entries := len(s.journal.entries)
				note(+1)
				s.Undo(points[k], func(from, to Record) {
					tell(&from, -1)
					tell(&to, +1)
				})
				note(-1)
				require.Equal(t, were[k], dump(s.Present()), "seed %d, round %d", seed, round)
				for key, n := range told {
					require.Zero(t, n, "seed %d, round %d: %s", seed, round, key)
				}
				if entries > points[k].entries {
					undone++
				}
				require.Equal(t, undone, s.Undone())
				points, were = points[:k], were[:k]
				if k > 0 && r.IntN(2) == 0 { // what comes next is done where something was taken back
					for range r.IntN(10) {
						next++
						randomChange(r, s, next)(s)
					}
				}
			}
			for _, m := range w.past {
				if requireSince(t, m.view, s.Present()) {
					known++
				}
			}
		}
		for _, m := range views {
			require.Equal(t, m.want, dump(m.view), "seed %d", seed)
		}
		for _, w := range worlds {
			reused += len(w.s.freeDims)
		}
	}
	assert.Positive(t, reused, "dimensions were forgotten on the way")
	assert.Greater(t, known, 100, "the ways from views before are known")
}

// requireSince requires that a row in which two views differ is in the changes between them, and returns false if those are not known.
func requireSince(t *testing.T, a, b *View) bool {
	changes, ok := b.Since(a.Position())
	if !ok {
		return false
	}
	told := map[uint32]bool{}
	for _, c := range changes {
		told[c.Row] = true
	}
	for row := range uint32(max(a.Rows(), b.Rows())) {
		var was, is NodeState
		if int(row) < a.Rows() {
			was = *a.Node(row)
		}
		if int(row) < b.Rows() {
			is = *b.Node(row)
		}
		if told[row] || was.Node == nil && is.Node == nil {
			continue
		}
		require.NotNil(t, was.Node)
		require.NotNil(t, is.Node)
		require.True(t, was.Node == is.Node && was.Cordoned == is.Cordoned && was.live == is.live)
		require.Equal(t, fmt.Sprint(was.Devices, was.Ports, was.Stray), fmt.Sprint(is.Devices, is.Ports, is.Stray))
		for d, name := range b.Dims() {
			if was, ok := a.DimOf(name); ok {
				require.Equal(t, a.FreeOf(row, was), b.FreeOf(row, int32(d)))
			}
		}
	}
	return true
}

// What a store gives up when most of it is gone it gives up when that is kept, and not while it may be needed.
func TestUndoableStoreShrinksWhenItIsKept(t *testing.T) {
	const many = 4 * tableRows
	s := New()
	s.Undoable()
	s.AddNode(s.testNode("first", "", 1<<40))
	name := func(i int) string { return fmt.Sprint("zone ", i) }
	for i := range many {
		n := s.testNode(fmt.Sprint("n", i), name(i), 5)
		if i < 200 {
			n.SetCapacity(s.Dim(fmt.Sprint("licence ", i)), 1)
		}
		row := s.AddNode(n)
		s.Add(fmt.Sprint("t", i), Record{Group: s.AddGroup(Group{Name: fmt.Sprint("g", i)}), Row: row})
	}
	s.Keep()
	at, before := s.Snapshot().Position(), dump(s.Present())
	empty := func() {
		for i := range many {
			slot, _ := s.FindTask(fmt.Sprint("t", i))
			s.Remove(slot)
			row, _ := s.FindNode(fmt.Sprint("n", i))
			s.RemoveNode(row)
		}
	}
	point := s.Point()
	empty()
	mid := s.Snapshot()
	require.Equal(t, many+1, s.Rows())
	require.Equal(t, many, s.recs.Len())
	require.GreaterOrEqual(t, s.groups.Len(), many)
	require.Len(t, s.Dims(), 201)
	s.Undo(point, func(_, _ Record) {})
	require.Equal(t, before, dump(s.Present()))
	require.Equal(t, 1, mid.Nodes())
	changes, ok := s.Since(at)
	require.True(t, ok)
	require.Empty(t, changes)
	for _, i := range []int{0, many / 2, many - 1} {
		row, _ := s.FindNode(fmt.Sprint("n", i))
		require.Equal(t, s.Node(row).Node.Attrs[0].Value, s.Value(text(name(i))), "values keep their numbers")
	}

	empty()
	s.Keep()
	require.Equal(t, tableRows, s.Rows())
	require.Equal(t, tableRows, s.recs.Len())
	require.Equal(t, tableRows, s.groups.Len())
	require.Less(t, s.values.len(), 10)
	require.Len(t, s.freeDims, 200)
	require.False(t, s.Pending())
	_, ok = s.Since(at)
	require.False(t, ok)

	// It goes on from there, and what comes then is taken back too.
	before = dump(s.Present())
	point = s.Point()
	for i := range many {
		row := s.AddNode(s.testNode(fmt.Sprint("m", i), name(i), 5))
		s.Add(fmt.Sprint("t", i), Record{Group: s.AddGroup(Group{Name: fmt.Sprint("g", i)}), Row: row})
	}
	s.Undo(point, func(_, _ Record) {})
	require.Equal(t, before, dump(s.Present()))
	s.SetCordoned(0, true)
	s.Keep()
	require.Equal(t, tableRows, s.Rows(), "what grew and was taken back")
	require.Equal(t, tableRows, s.recs.Len())
}

// The log is as it was even if it was cut in the meantime.
func TestUndoBringsBackTheLog(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 5))
	s.SetCordoned(row, true)
	s.Undoable()
	at := s.Snapshot().Position()
	for i := range 10 {
		s.SetCordoned(row, i%2 == 1)
	}
	s.Keep()
	for i := range 2 * maxLog {
		s.SetCordoned(row, i%2 == 1)
	}
	_, ok := s.Since(at)
	require.False(t, ok)
	s.Undo(s.Kept(), func(_, _ Record) {})
	changes, ok := s.Since(at)
	require.True(t, ok)
	require.Len(t, changes, 10)
	require.True(t, s.Node(row).Cordoned)
}

// A view that was taken between reads on in lists from which mentions were taken back: what comes next goes elsewhere.
func TestUndoLeavesViewsBetweenTheirLists(t *testing.T) {
	for _, more := range []int{0, 40} { // short lists, and ones that become parts
		s := New()
		s.Undoable()
		row := s.AddNode(s.testNode("n", "", 1000))
		g := s.testGroup("g", 1)
		for i := range 3 + more {
			s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row})
		}
		point := s.Point()
		first, _ := s.FindTask("t0")
		s.Remove(first)
		s.Add("c", Record{Group: g, Row: row})
		between := take(s)
		s.Undo(point, func(_, _ Record) {})
		after := take(s)
		s.Add("d", Record{Group: g, Row: row})
		s.Add("e", Record{Group: g, Row: row})
		require.Equal(t, between.want, dump(between.view))
		require.Equal(t, after.want, dump(after.view))
		s.Undo(Point{}, func(_, _ Record) {})
		require.Zero(t, s.Nodes())
		require.Equal(t, between.want, dump(between.view))
	}
}

// What a fork takes back it takes back from lists that it shares with the store that it was forked from. Both append to them.
func TestUndoInForkLeavesItsParentItsLists(t *testing.T) {
	for trial := range 4 {
		many, removeFirst := []int{3, 99}[trial/2], trial%2 == 0 // so many that there is room for more
		s := New()
		row, other := s.AddNode(s.testNode("n", "a", 1000)), s.AddNode(s.testNode("m", "a", 1000))
		g := s.testGroup("g", 1)
		for i := range many {
			s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row})
		}
		for range 3 { // leaves a list of what is gone
			s.Remove(s.Add("gone", Record{Group: g, Row: other}))
		}
		v := take(s)
		f := v.view.Fork()
		f.Undoable()
		point, before := f.Point(), dump(f.Present())
		first, _ := f.FindTask("t0")
		if removeFirst { // both lists are in one page, and the first that is touched is the trap
			f.Remove(first)
			f.RemoveNode(other)
		} else {
			f.RemoveNode(other)
			f.Remove(first)
		}
		f.Undo(point, func(_, _ Record) {})
		require.Equal(t, before, dump(f.Present()))
		s.Add("of s", Record{Group: g, Row: row})
		s.Add("of s too", Record{Group: g, Row: other})
		parent := dump(s.Present())
		f.Add("nowhere", Record{Group: g, Row: None}) // so that what comes next has other slots than in the parent
		f.Add("of f", Record{Group: g, Row: row})
		f.Add("of f too", Record{Group: g, Row: other})
		require.Equal(t, parent, dump(s.Present()))
		require.Equal(t, v.want, dump(v.view))

		for i := range 20 {
			f.Add(fmt.Sprint("more ", i), Record{Group: g, Row: row})
		}
		between := take(f)
		f.Add("after it", Record{Group: g, Row: row}) // makes a part of what the view has
		f.Undo(point, func(_, _ Record) {})
		require.Equal(t, before, dump(f.Present()))
		f.Add("of f again", Record{Group: g, Row: row})
		require.Equal(t, between.want, dump(between.view))
		require.Equal(t, parent, dump(s.Present()))
		require.Equal(t, v.want, dump(v.view))
	}
}

func take(s *Store) moment {
	v := s.Snapshot()
	return moment{v, dump(v)}
}

func BenchmarkJournal(b *testing.B) {
	for _, undoable := range []bool{false, true} {
		b.Run(fmt.Sprint("undoable=", undoable), func(b *testing.B) {
			s := New()
			if undoable {
				s.Undoable()
			}
			g := s.testGroup("g", 1)
			slot := s.Add("t", Record{Group: g, Row: None})
			for i := 0; b.Loop(); i++ {
				s.Mark(slot, uint8(i), 0)
				if undoable && i&1023 == 0 {
					s.Keep()
				}
			}
		})
	}
}
