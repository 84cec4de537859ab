package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// dump prints all that a view shows, in the order of its lists.
func dump(v *View) string {
	var b strings.Builder
	fmt.Fprintln(&b, v.Version().Seq, v.Nodes(), v.Tasks())
	for row := range uint32(v.Rows()) {
		n := v.Node(row)
		if n.Node == nil {
			continue
		}
		at, ok := v.FindNode(n.Node.ID)
		fmt.Fprintln(&b, row, n.Node.ID, n.Cordoned, n.Parts.Devices, n.Parts.Ports, v.Free(row)[:len(v.Dims())], n.live, ok && at == row)
		for slot := range v.On(row) {
			fmt.Fprint(&b, " ", v.ID(slot))
		}
		fmt.Fprintln(&b)
	}
	for _, name := range []string{"", "g0", "g1", "g2"} {
		g, ok := v.FindGroup(name)
		if name == "" {
			g, ok = Holds, true
		}
		if !ok {
			continue
		}
		fmt.Fprintln(&b, name, v.Group(g).Count, v.Group(g).tasks, v.Group(g).counts)
		for slot := range v.Members(g) {
			r := v.Record(slot)
			found, ok := v.FindTask(r.ID)
			if g == Holds {
				found, ok = v.FindHold(r.ID)
			}
			fmt.Fprint(&b, " ", r.ID, r.Row, r.State, r.Deadline, r.Extra, ok && found == slot)
		}
		fmt.Fprintln(&b)
	}
	changes, _ := v.Since(v.logBase)
	fmt.Fprintln(&b, v.logBase, changes)
	return b.String()
}

// Whatever was done, taking it back leaves the store, and every view that was taken before, as they were; what is told of records
// on the way adds up.
func TestUndoLeavesNothing(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := New()
		s.Undoable()
		s.Dim("cpu")
		zone := s.Attrs().ID("zone")
		var rows, slots []uint32
		node := func(i int) *Node {
			return &Node{ID: fmt.Sprint("n", i), Spec: &berth.Node{}, Capacity: []int64{r.Int64N(9)}, Devices: make([]int64, r.IntN(3)),
				Attrs: []Attr{{zone, s.Attrs().ID(fmt.Sprint(r.IntN(3)))}}}
		}
		next := 0
		step := func() {
			rows, slots = nil, nil
			for row := range uint32(s.Rows()) {
				if s.Node(row).Node != nil {
					rows = append(rows, row)
				}
			}
			for slot := range uint32(s.recs.Len()) {
				if s.Record(slot).ID != "" {
					slots = append(slots, slot)
				}
			}
			next++
			switch c := r.IntN(12); {
			case c == 0 || len(rows) == 0:
				s.AddNode(node(next))
			case c == 1:
				row := rows[r.IntN(len(rows))]
				n := node(0)
				n.ID = s.Node(row).Node.ID
				s.SetNode(row, n)
			case c == 2:
				s.SetCordoned(rows[r.IntN(len(rows))], r.IntN(2) == 0)
			case c == 3 && r.IntN(3) == 0:
				row := rows[r.IntN(len(rows))]
				for slot, rec := range s.On(row) {
					if rec.Group == Holds {
						s.Remove(slot)
					} else {
						s.Unsettle(slot)
						s.Mark(slot, 3, 0)
					}
				}
				s.RemoveNode(row)
			case c == 4:
				s.Sorted()
			case c == 5 && len(slots) > 0:
				s.Mark(slots[r.IntN(len(slots))], uint8(r.IntN(3)), r.Int64N(5))
			case c < 9 && len(slots) > 0:
				if slot := slots[r.IntN(len(slots))]; s.Record(slot).Group == Holds && r.IntN(2) == 0 {
					s.Resize(slot, &Extra{Needs: []Need{{0, r.Int64N(3)}}})
				} else {
					s.Remove(slot)
				}
			case c == 9:
				s.Add(fmt.Sprint("h", next), Record{Row: rows[r.IntN(len(rows))], Deadline: 1 + r.Int64N(9), Extra: &Extra{Needs: []Need{{0, 1}}, Ports: []uint16{uint16(next)}}})
			default:
				name := fmt.Sprint("g", r.IntN(3))
				g, ok := s.FindGroup(name)
				if !ok {
					g = s.AddGroup(Group{Name: name, Request: []Need{{0, 1}}, Keys: []uint32{zone}})
				}
				var x *Extra
				if r.IntN(2) == 0 {
					x = &Extra{Devices: []DeviceShare{{0, 10}}}
				}
				s.Add(fmt.Sprint("t", next), Record{Group: g, Row: rows[r.IntN(len(rows))], Extra: x})
			}
		}
		type kept struct {
			view *View
			want string
		}
		var views []kept
		for round := range 40 {
			for range r.IntN(12) {
				step()
			}
			if r.IntN(3) == 0 {
				s.Keep()
			}
			if r.IntN(3) == 0 {
				v := s.Snapshot()
				views = append(views, kept{v, dump(v)})
			}
			point, before := s.Point(), dump(&s.View)
			told := map[string]int{}
			note := func(by int) func() {
				return func() {
					for slot := range uint32(s.recs.Len()) {
						if rec := s.Record(slot); rec.ID != "" {
							told[fmt.Sprint(rec.ID, rec.Row, rec.State, rec.Deadline)] += by
						}
					}
				}
			}
			for range r.IntN(30) {
				if step(); r.IntN(20) == 0 {
					s.Snapshot().Fork() // as somebody does who tries something
				}
			}
			note(+1)()
			s.Undo(point, func(from, to Record) {
				if from.ID != "" {
					told[fmt.Sprint(from.ID, from.Row, from.State, from.Deadline)]--
				}
				if to.ID != "" {
					told[fmt.Sprint(to.ID, to.Row, to.State, to.Deadline)]++
				}
			})
			note(-1)()
			require.Equal(t, before, dump(&s.View), "seed %d, round %d", seed, round)
			for key, n := range told {
				require.Zero(t, n, "seed %d, round %d: %s", seed, round, key)
			}
			order := slices.Clone(s.Sorted())
			for i := 1; i < len(order); i++ {
				require.Less(t, s.Node(order[i-1]).Node.ID, s.Node(order[i]).Node.ID)
			}
			require.Len(t, order, s.Nodes())
		}
		for _, k := range views {
			require.Equal(t, k.want, dump(k.view), "seed %d", seed)
		}
	}
}
