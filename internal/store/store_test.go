package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

func text(s string) berth.Value {
	v, err := berth.ValueOf(s)
	if err != nil {
		panic(err)
	}
	return v
}

func (s *Store) testNode(id, zone string, cpu int64) *Node {
	d := s.Dim("cpu")
	n := &Node{ID: id, Devices: []int64{1000}}
	n.SetCapacity(d, cpu)
	if zone != "" {
		n.Attrs = []Attr{{s.Attrs().ID("zone"), s.Value(text(zone))}}
	}
	return n
}

func (s *Store) testGroup(name string, cpu int64) uint32 {
	return s.AddGroup(Group{Name: name, Request: []Need{{s.Dim("cpu"), cpu}}, Keys: []uint32{s.Attrs().ID("zone")}})
}

func membersOf(v *View, row uint32) (ids []string) {
	for slot := range v.On(row) {
		ids = append(ids, v.ID(slot))
	}
	return ids
}

// A fork's copy of a page begins with member lists whose spare capacity it shares with the store it came
// from; both append. Here everyone has the same list of three with room for one more.
func TestForksDoNotSeeEachOthersMembers(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "a", 100))
	g := s.testGroup("g", 1)
	for i := range 3 {
		s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row})
	}
	require.Equal(t, 4, cap(s.Node(row).members), "the trap needs spare capacity")
	v := s.Snapshot()
	a, b := v.Fork(), v.Fork()
	c := a.Snapshot().Fork()
	for name, w := range map[string]*Store{"s": s, "a": a, "b": b, "c": c} {
		w.Add("of "+name, Record{Group: g, Row: row})
	}
	d := a.Snapshot().Fork()
	a.Add("again", Record{Group: g, Row: row})
	d.Add("of d", Record{Group: g, Row: row})

	first := []string{"t0", "t1", "t2"}
	assert.Equal(t, first, membersOf(v, row))
	assert.Equal(t, append(slices.Clone(first), "of s"), membersOf(&s.View, row))
	assert.Equal(t, append(slices.Clone(first), "of a", "again"), membersOf(&a.View, row))
	assert.Equal(t, append(slices.Clone(first), "of b"), membersOf(&b.View, row))
	assert.Equal(t, append(slices.Clone(first), "of c"), membersOf(&c.View, row))
	assert.Equal(t, append(slices.Clone(first), "of a", "of d"), membersOf(&d.View, row))
}

// Run with -race: many goroutines read one view and write forks of it while its store goes on.
func TestViewsAreReadWhileForksWrite(t *testing.T) {
	s := New()
	g := s.testGroup("g", 1)
	for i := range 50 {
		s.AddNode(s.testNode(fmt.Sprint("n", i), "a", 100))
		s.Add(fmt.Sprint("t", i), Record{Group: g, Row: uint32(i)})
	}
	v := s.Snapshot()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			f := v.Fork()
			for i := range 50 {
				f.Add(fmt.Sprint("x", i), Record{Group: g, Row: uint32(i)})
				f.AddNode(f.testNode(fmt.Sprint("m", i), fmt.Sprint("zone ", i), 1))
				assert.Equal(t, int64(99), v.Free(uint32(i))[0])
				_, ok := v.FindTask(fmt.Sprint("x", i))
				assert.False(t, ok)
			}
			assert.Equal(t, 100, f.Group(g).Count)
			assert.Len(t, f.Order(), 100)
		})
	}
	for i := range 50 {
		s.Add(fmt.Sprint("y", i), Record{Group: g, Row: uint32(i)})
	}
	wg.Wait()
	assert.Equal(t, 50, v.Group(g).Count)
	assert.Equal(t, 50, v.Tasks())
}

// TestCountsAgainstRecount runs random commands and compares what the store keeps with what can be counted.
func TestCountsAgainstRecount(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := New()
		zone := s.Attrs().ID("zone")
		rows, slots := map[string]uint32{}, map[string]uint32{}
		for step := range 1500 {
			node, task, group := fmt.Sprint("n", r.IntN(12)), fmt.Sprint("t", r.IntN(40)), fmt.Sprint("g", r.IntN(4))
			row, isNode := rows[node]
			slot, isTask := slots[task]
			switch r.IntN(8) {
			case 0:
				n := s.testNode(node, []string{"", "a", "b", "c"}[r.IntN(4)], 100)
				if isNode {
					s.SetNode(row, n, asBefore)
				} else {
					rows[node] = s.AddNode(n)
				}
			case 1:
				if isNode && r.IntN(3) == 0 {
					for slot := range s.On(row) {
						s.Detach(slot)
					}
					s.RemoveNode(row)
					delete(rows, node)
				}
			case 2, 3, 4:
				if !isTask && isNode {
					g, ok := s.FindGroup(group)
					if !ok {
						g = s.testGroup(group, 3)
					}
					slots[task] = s.Add(task, Record{Group: g, Row: row})
				}
			case 5:
				if isTask {
					s.Remove(slot)
					delete(slots, task)
				}
			case 6:
				if isTask { // lost with its node
					s.Detach(slot)
				}
			case 7:
				s = s.Snapshot().Fork()
			}
			if step%10 != 0 {
				continue
			}
			tasks, counts, used := map[string]int{}, map[string]map[uint32]int{}, map[uint32]int64{}
			for id, slot := range slots {
				found, ok := s.FindTask(id)
				require.True(t, ok)
				require.Equal(t, slot, found)
				r := s.Record(slot)
				if r.Row == None {
					continue
				}
				name := s.Group(r.Group).Name
				tasks[name]++
				used[r.Row] += 3
				if v, ok := s.Node(r.Row).Node.Attr(zone); ok {
					if counts[name] == nil {
						counts[name] = map[uint32]int{}
					}
					counts[name][v]++
				}
			}
			require.Equal(t, len(slots), s.Tasks())
			require.Equal(t, len(rows), s.Nodes())
			for _, row := range rows {
				require.Equal(t, 100-used[row], s.Free(row)[0], "seed %d", seed)
			}
			for i := range 4 {
				g, ok := s.FindGroup(fmt.Sprint("g", i))
				if !ok {
					require.Zero(t, tasks[fmt.Sprint("g", i)])
					continue
				}
				require.Equal(t, tasks[s.Group(g).Name], s.Group(g).Count, "seed %d", seed)
				got := map[uint32]int{}
				for _, c := range s.Counts(g, zone) {
					got[c.Value] = int(c.Tasks)
					require.Equal(t, int(c.Tasks), s.CountAt(g, zone, c.Value))
				}
				want := counts[s.Group(g).Name]
				if want == nil {
					want = map[uint32]int{}
				}
				require.Equal(t, want, got, "seed %d", seed)
				require.Nil(t, s.Counts(g, zone+1), "no key of the group")
			}
		}
	}
}

func asBefore(r *Record) *Extra { return r.Extra }

func TestSetNodeMovesCountsAndRoom(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "a", 10))
	g := s.testGroup("g", 4)
	s.Add("t", Record{Group: g, Row: row, Extra: &Extra{Devices: []DeviceShare{{0, 300}}}})
	zone := s.Attrs().ID("zone")
	s.SetNode(row, s.testNode("n", "b", 3), asBefore)
	assert.Equal(t, 0, s.CountAt(g, zone, s.Value(text("a"))))
	assert.Equal(t, 1, s.CountAt(g, zone, s.Value(text("b"))))
	assert.Equal(t, int64(3-4), s.Free(row)[0])
	assert.Equal(t, []int64{700}, s.Node(row).Devices)
	s.SetNode(row, &Node{ID: "n"}, asBefore)
	assert.Empty(t, s.Counts(g, zone))
	assert.Equal(t, int64(-4), s.Free(row)[0])
	assert.Empty(t, s.Node(row).Devices, "the share is of a device that is gone")
	slot, _ := s.FindTask("t")
	s.Remove(slot)
	assert.Equal(t, int64(0), s.Free(row)[0])
}

func TestRowsRecordsAndGroupsAreUsedAgain(t *testing.T) {
	s := New()
	a, b := s.AddNode(s.testNode("a", "", 5)), s.AddNode(s.testNode("b", "", 6))
	g := s.testGroup("g", 1)
	slot := s.Add("t", Record{Group: g, Row: a})
	s.Remove(slot)
	_, ok := s.FindGroup("g")
	assert.False(t, ok, "a group leaves with its last task")
	assert.Equal(t, g, s.testGroup("h", 2))
	assert.Equal(t, slot, s.Add("u", Record{Group: g, Row: b}))
	s.RemoveNode(a)
	assert.Equal(t, a, s.AddNode(s.testNode("z", "", 9)))
	assert.Equal(t, int64(9), s.Free(a)[0])
	assert.Equal(t, []uint32{b, a}, s.Order(), "the order is that of the IDs, not of the rows")
	_, ok = s.FindNode("a")
	assert.False(t, ok)
	assert.Equal(t, []string{"u"}, membersOf(&s.View, b))
}

func TestDimensionsGrowUnderViews(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 5))
	v := s.Snapshot()
	for i := range 20 {
		assert.Equal(t, int32(i+1), s.Dim(fmt.Sprint("d", i)))
	}
	n := &Node{ID: "n"}
	n.SetCapacity(20, 7)
	s.SetNode(row, n, asBefore)
	assert.Equal(t, []string{"cpu"}, v.Dims())
	assert.Equal(t, int64(5), v.Free(row)[0])
	assert.Equal(t, int64(7), s.Free(row)[20])
	assert.GreaterOrEqual(t, len(s.Free(row)), 21)
	_, ok := v.DimOf("d3")
	assert.False(t, ok)
}

// The order is worked out from the one before it and what came and went; sorting all must give the same.
func TestOrderIsSorted(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := New()
		rows := map[string]uint32{}
		for range 400 {
			id := fmt.Sprint(r.IntN(100))
			if row, ok := rows[id]; ok {
				s.RemoveNode(row)
				delete(rows, id)
			} else {
				rows[id] = s.AddNode(&Node{ID: id})
			}
			if r.IntN(5) > 0 {
				continue
			}
			if r.IntN(2) == 0 {
				s = s.Snapshot().Fork()
			}
			var got []string
			for i, row := range s.Order() {
				got = append(got, s.Node(row).Node.ID)
				require.Equal(t, uint32(i), s.Rank()[row])
			}
			var want []string
			for id := range rows {
				want = append(want, id)
			}
			slices.Sort(want)
			require.Equal(t, want, got, "seed %d", seed)
		}
	}
}

func TestPortsAndDevicesComeBack(t *testing.T) {
	s := New()
	row := s.AddNode(&Node{ID: "n", Devices: []int64{1000, 1000}})
	g := s.AddGroup(Group{Name: "g"})
	add := func(id string, numbers ...uint16) uint32 {
		var ports []berth.Port
		for _, n := range numbers {
			ports = append(ports, berth.Port{Number: n})
		}
		return s.Add(id, Record{Group: g, Row: row, Extra: &Extra{Ports: ports, Devices: []DeviceShare{{1, 400}, {9, 1}}}})
	}
	a := add("a", 80, 82)
	v := s.Snapshot()
	b := add("b", 80, 81) // adopted: it shares a port
	assert.Equal(t, []berth.Port{{Number: 80}, {Number: 80}, {Number: 81}, {Number: 82}}, s.Node(row).Ports)
	assert.Equal(t, []int64{1000, 200}, s.Node(row).Devices)
	s.Remove(a)
	assert.Equal(t, []berth.Port{{Number: 80}, {Number: 81}}, s.Node(row).Ports)
	s.Remove(b)
	assert.Empty(t, s.Node(row).Ports)
	assert.Equal(t, []int64{1000, 1000}, s.Node(row).Devices)
	assert.Equal(t, []berth.Port{{Number: 80}, {Number: 82}}, v.Node(row).Ports)
	assert.Equal(t, []int64{1000, 600}, v.Node(row).Devices)
}

func TestResizeHold(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 10))
	needs := func(q int64) *Extra { return &Extra{Needs: []Need{{0, q}}} }
	slot := s.Add("h", Record{Group: Holds, Row: row, Extra: needs(6)})
	_, isTask := s.FindTask("h")
	assert.False(t, isTask, "the IDs of holds are their own")
	assert.Zero(t, s.Tasks())
	s.Resize([]uint32{slot}, []*Extra{needs(2)})
	assert.Equal(t, int64(8), s.Free(row)[0])
	s.Remove(slot)
	assert.Equal(t, int64(10), s.Free(row)[0])
	_, ok := s.FindHold("h")
	assert.False(t, ok)
}

func TestMembersKeepTheirOrder(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 10))
	g := s.testGroup("g", 0)
	var slots []uint32
	for i := range 5 {
		slots = append(slots, s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row}))
	}
	for _, i := range []int{2, 0, 4} {
		s.Remove(slots[i])
	}
	last := s.Add("t5", Record{Group: g, Row: None})
	assert.Equal(t, []uint32{slots[1], slots[3], last}, slices.Collect(s.Members(g)))
	assert.Equal(t, 2, s.Group(g).Count, "one is on no node")
	assert.Equal(t, 3, s.Tasks())
}

func TestInternerIsSafe(t *testing.T) {
	in := New().Attrs()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				text := fmt.Sprint(i)
				assert.Equal(t, text, in.Text(in.ID(text)))
			}
		})
	}
	wg.Wait()
	assert.Len(t, in.text, 500)
}

// Values that no node has any more are forgotten, and never confused with others by a view that has them.
func TestValuesOfNodesThatAreGoneAreForgotten(t *testing.T) {
	s := New()
	stays := s.testNode("stays", "a", 1)
	s.AddNode(stays)
	old := s.testNode("old", "b", 1)
	row := s.AddNode(old)
	past := s.Snapshot()
	s.RemoveNode(row)
	for i := range 50_000 {
		s.RemoveNode(s.AddNode(s.testNode("n", fmt.Sprint("value ", i), 1)))
	}
	require.LessOrEqual(t, s.values.len(), 5000)
	require.LessOrEqual(t, len(s.catalog.values[stays.Attrs[0].Key]), LowCardinality+1)
	assert.Equal(t, stays.Attrs[0].Value, s.Value(text("a")), "a value that a node has keeps its number")
	assert.NotEqual(t, old.Attrs[0].Value, s.Value(text("b")))

	f := past.Fork()
	assert.Equal(t, old.Attrs[0].Value, f.Value(text("b")), "to a view of the past nothing is gone")
	assert.Equal(t, stays.Attrs[0].Value, f.Value(text("a")))
	assert.NotEqual(t, s.Value(text("of the store")), f.Value(text("of the fork")), "numbers are of one lineage")
	for i := range 50_000 { // forks that add nodes do not fill up what they came from
		g := past.Fork()
		g.AddNode(g.testNode("m", fmt.Sprint("what if ", i), 1))
		if i%1000 == 0 {
			past = s.Snapshot()
		}
	}
	require.LessOrEqual(t, s.values.len(), 15_000)
	assert.Equal(t, stays.Attrs[0].Value, s.Value(text("a")))
}

// Views and forks of them are read while their store goes on. The race detector has the last word.
func TestViewsAreReadWhileTheStoreGoesOn(t *testing.T) {
	s := New()
	g := s.testGroup("g", 1)
	var wg sync.WaitGroup
	for i := range 60 {
		row := s.AddNode(s.testNode(fmt.Sprint("n", i*7%60), fmt.Sprint("zone", i), 5))
		s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row})
		s.Dim(fmt.Sprint("d", i))
		if i%10 == 9 {
			old, _ := s.FindTask(fmt.Sprint("t", i-5))
			s.Remove(old)
			gone := s.AddNode(s.testNode("gone", "", 5))
			s.RemoveNode(gone)
		}
		v, at := s.Snapshot(), s.Position()
		for range 2 {
			wg.Go(func() {
				f := v.Fork()
				f.Add("of the fork", Record{Group: g, Row: row})
				f.AddNode(f.testNode("m", "zone of the fork", 1))
				f.Dim("of the fork")
				assert.Len(t, f.Order(), i+2)
				assert.Len(t, v.Order(), i+1)
				_, ok := v.FindTask(fmt.Sprint("t", i))
				assert.True(t, ok)
				_, ok = v.DimOf(fmt.Sprint("d", i))
				assert.True(t, ok)
				changes, ok := f.Since(at)
				assert.True(t, ok)
				assert.Len(t, changes, 2)
			})
		}
	}
	wg.Wait()
}

// Tasks and holds share slots, and a hold may have the ID that a task had in its slot. Forks of forks merge the tables
// that find them, and must tell the two apart.
func TestForksOfForksTellTasksFromHolds(t *testing.T) {
	s := New()
	row := s.AddNode(s.testNode("n", "", 1000))
	g := s.testGroup("g", 1)
	s.Add("stays", Record{Group: g, Row: row})
	for i := range 100 {
		s.Add(fmt.Sprint("x", i), Record{Group: g, Row: row})
	}
	f := s.Snapshot().Fork()
	for i := range 100 {
		id := fmt.Sprint("x", i)
		slot, _ := f.FindTask(id)
		f.Remove(slot)
		require.Equal(t, slot, f.Add(id, Record{Group: Holds, Row: row, Extra: &Extra{}}), "the trap needs the slot again")
	}
	const forks = 100
	for i := range forks {
		f = f.Snapshot().Fork()
		f.Add(fmt.Sprint("y", i), Record{Group: g, Row: row})
	}
	require.Equal(t, 1+forks, f.Tasks())
	for i := range 100 {
		_, isTask := f.FindTask(fmt.Sprint("x", i))
		_, isHold := f.FindHold(fmt.Sprint("x", i))
		require.False(t, isTask)
		require.True(t, isHold)
	}
	_, ok := f.FindTask("stays")
	require.True(t, ok)
}
