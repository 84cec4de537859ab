package store

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// dump prints all that a view shows, in the order of its lists. Dimensions and values go by their names: numbers are given
// that nothing has any more when what they were given for was taken back.
func dump(v *View) string {
	var b strings.Builder
	needs := func(list []Need) (out []string) {
		for _, n := range list {
			if n.Amount != 0 {
				out = append(out, fmt.Sprint(v.Dims()[n.Dim], ":", n.Amount))
			}
		}
		slices.Sort(out)
		return out
	}
	all := func(amounts []int64) []string {
		var list []Need
		for d, q := range amounts {
			if q != 0 {
				list = append(list, Need{int32(d), q})
			}
		}
		return needs(list)
	}
	texts := map[uint32]string{}
	for text, n := range v.values.ids {
		texts[n] = text
	}
	fmt.Fprintln(&b, v.seq, v.Nodes(), v.Tasks(), v.Lost(), v.Withheld())
	for _, row := range v.Order() {
		n := v.Node(row)
		at, ok := v.FindNode(n.Node.ID)
		fmt.Fprintln(&b, row, n.Node.ID, n.Cordoned, n.Withheld, n.Devices, n.Ports, n.Stray, all(n.Node.Capacity()), all(v.Free(row)),
			slices.ContainsFunc(n.rare, func(n Need) bool { return n.Amount == 0 }), n.live, ok && at == row, v.Order()[v.Rank()[row]] == row)
		for slot, r := range v.On(row) {
			fmt.Fprint(&b, " ", v.ID(slot), " ", r.Row == row)
		}
		fmt.Fprintln(&b, len(n.members))
	}
	for id := range uint32(v.groups.Len()) {
		g := v.Group(id)
		if g.Name == "" && id != Holds {
			continue
		}
		found, ok := v.FindGroup(g.Name)
		fmt.Fprintln(&b, id, g.Name, g.Count, g.tasks, g.members.len(), needs(g.Request), ok && found == id)
		for _, counts := range g.counts {
			by := map[string]int32{}
			for _, c := range counts {
				by[texts[c.Value]] = c.Tasks
			}
			fmt.Fprintln(&b, by)
		}
		for slot := range v.Members(id) {
			r := v.Record(slot)
			found, ok := v.FindTask(r.ID)
			if id == Holds {
				found, ok = v.FindHold(r.ID)
			}
			fmt.Fprint(&b, " ", slot, r.ID, r.Row, r.State, r.Deadline, ok && found == slot)
			if x := r.Extra; x != nil {
				fmt.Fprint(&b, needs(x.Needs), x.Devices, x.Ports, x.Stray, needs(x.Spare))
			}
		}
		fmt.Fprintln(&b)
	}
	sums := func(list Sums) (out []string) {
		for _, sum := range list {
			out = append(out, fmt.Sprint(v.Dims()[sum.Dim], ":", sum.Hi, ":", sum.Lo))
		}
		slices.Sort(out)
		return out
	}
	quotaOf := func(q *Quota) (text []string) {
		if q != nil {
			text = append(needs(q.Limits), q.Spec.String())
		}
		return text
	}
	for _, at := range v.Roles() {
		a := v.Account(at)
		found, ok := v.FindRole(berth.Role(a.Name))
		fmt.Fprintln(&b, "role", a.Name, sums(a.Used), sums(a.Own), a.refs, quotaOf(a.Quota), ok && found == at)
	}
	var owners []string
	for at := range uint32(v.accounts.Len()) {
		if a := v.Account(at); a.owner && a.refs > 0 {
			found, ok := v.FindOwner(a.Name)
			owners = append(owners, fmt.Sprintln("owner", a.Name, sums(a.Used), a.refs, ok && found == at))
		}
	}
	slices.Sort(owners)
	fmt.Fprintln(&b, owners)
	fmt.Fprintln(&b, v.log, v.Limited(), sums(v.Capacity()))
	b.WriteString(dumpCounters(v, texts))
	return b.String()
}

// resum checks the ledger of a view against its records, added up one by one.
func resum(v *View) error {
	type account struct{ used, own map[int32]int64 }
	want := map[string]account{}
	entry := func(name string) account {
		if _, ok := want[name]; !ok {
			want[name] = account{map[int32]int64{}, map[int32]int64{}}
		}
		return want[name]
	}
	enter := func(role berth.Role, owner uint32, needs []Need) {
		for _, n := range needs {
			entry("role " + string(role)).own[n.Dim] += n.Amount
			for up := role; ; up = up.Parent() {
				entry("role " + string(up)).used[n.Dim] += n.Amount
				if up == "" {
					break
				}
			}
			if owner != 0 {
				entry("owner " + v.OwnerName(owner)).used[n.Dim] += n.Amount
			}
		}
	}
	for slot := range uint32(v.recs.Len()) {
		r := v.Record(slot)
		switch {
		case r.ID == "" || r.Row == None:
		case r.Group == Holds && r.Extra.Hold != nil:
			owner, _ := v.FindOwner(r.Extra.Hold.Owner)
			enter(r.Extra.Hold.Role, owner, r.Extra.Cost)
		case r.Group == Holds:
			enter("", 0, r.Extra.Cost)
		default:
			g := v.Group(r.Group)
			enter(g.Spec.Role(), r.Owner, g.Request)
		}
	}
	capacity := map[int32]int64{}
	for _, row := range v.Order() {
		for d, q := range v.Node(row).Node.Capacity() {
			capacity[int32(d)] += q
		}
	}
	same := func(what string, got Sums, want map[int32]int64) error {
		for _, sum := range got {
			if sum.Hi != 0 || sum.Lo == 0 || int64(sum.Lo) != want[sum.Dim] {
				return fmt.Errorf("%s: %s is %d %d, not %d", what, v.Dims()[sum.Dim], sum.Hi, sum.Lo, want[sum.Dim])
			}
			delete(want, sum.Dim)
		}
		maps.DeleteFunc(want, func(_ int32, q int64) bool { return q == 0 })
		if len(want) > 0 {
			return fmt.Errorf("%s: %v is missing", what, want)
		}
		return nil
	}
	for at := range uint32(v.accounts.Len()) {
		a := v.Account(at)
		name := "role " + a.Name
		if a.owner {
			name = "owner " + a.Name
		}
		if at != Root && a.Name == "" {
			if a.refs != 0 || a.Used != nil || a.Own != nil {
				return fmt.Errorf("%d is free and has something", at)
			}
			continue
		}
		w := entry(name)
		if err := cmp.Or(same(name, a.Used, w.used), same(name+" alone", a.Own, w.own)); err != nil {
			return err
		}
		delete(want, name)
	}
	if len(want) > 0 {
		return fmt.Errorf("no account: %v", want)
	}
	return same("capacity", v.Capacity(), capacity)
}

// A change is something that is done to a store, the same to every store that is in the same state.
type change func(*Store)

// nodeOf returns how to make a node at random, with some of many dimensions.
func nodeOf(r *rand.Rand, id string, next int) func(*Store) *Node {
	capacity := map[string]int64{"cpu": r.Int64N(9)}
	for range r.IntN(4) {
		capacity[fmt.Sprint("d", r.IntN(2*denseDims))] = r.Int64N(5)
	}
	if r.IntN(2) == 0 {
		capacity[fmt.Sprint("licence ", next)] = 1 + r.Int64N(5)
	}
	devices, zone := r.IntN(3), fmt.Sprint(r.IntN(4))
	return func(s *Store) *Node {
		n := &Node{ID: id, Spec: &berth.Node{}, Attrs: []Attr{{s.Attrs().ID("zone"), s.Value(zone)}}}
		for _, name := range slices.Sorted(maps.Keys(capacity)) {
			n.SetCapacity(s.Dim(name), capacity[name])
		}
		for i := range devices {
			n.Devices = append(n.Devices, int64(1000+i))
		}
		return n
	}
}

// needOf returns how to make needs at random.
func needOf(r *rand.Rand, next int) func(*Store) []Need {
	name, amount, other, second := fmt.Sprint("d", r.IntN(2*denseDims)), 1+r.Int64N(3), fmt.Sprint("only ", next), r.IntN(3) == 0
	return func(s *Store) []Need {
		out := []Need{{s.Dim("cpu"), 1}, {s.Dim(name), amount}}
		if second {
			out = append(out, Need{s.Dim(other), 2})
		}
		slices.SortFunc(out, func(a, b Need) int { return cmp.Compare(a.Dim, b.Dim) })
		return out
	}
}

// randomChange returns something that can be done to s.
func randomChange(r *rand.Rand, s *Store, next int) change {
	rows := s.Order()
	var slots []uint32
	for slot := range uint32(s.recs.Len()) {
		if s.ID(slot) != "" {
			slots = append(slots, slot)
		}
	}
	if r.IntN(12) == 0 {
		_, asks := counted(r, "x")
		return func(s *Store) { s.Ask(asks(s)) }
	}
	c := r.IntN(18)
	if len(rows) == 0 && c < 16 {
		c = 0
	}
	if len(slots) == 0 && c > 4 && c < 9 {
		c = 15
	}
	var row, slot uint32
	if len(rows) > 0 {
		row = rows[r.IntN(len(rows))]
	}
	if len(slots) > 0 {
		slot = slots[r.IntN(len(slots))]
	}
	yes, n := r.IntN(2) == 0, r.Int64N(5)
	switch c {
	case 0:
		node := nodeOf(r, fmt.Sprint("n", next), next)
		return func(s *Store) { s.AddNode(node(s)) }
	case 1:
		node := nodeOf(r, s.Node(row).Node.ID, next)
		return func(s *Store) {
			n := node(s)
			s.SetNode(row, n, func(r *Record) *Extra {
				if len(r.Extra.Devices) == 0 && r.Extra.Stray == 0 {
					return r.Extra
				}
				x := *r.Extra
				x.Devices = nil
				for _, d := range r.Extra.Devices {
					if d.Index < len(n.Devices) {
						x.Devices = append(x.Devices, d)
					} else {
						x.Stray += d.Units
					}
				}
				if yes {
					x.Stray, x.Spare = 0, nil
				} else if x.Stray > 0 && r.Group != Holds {
					x.Spare = s.Group(r.Group).Request
				}
				return &x
			})
		}
	case 2:
		return func(s *Store) { s.SetCordoned(row, yes) }
	case 3:
		return func(s *Store) { s.Withhold(row, yes) }
	case 4:
		if n > 1 {
			return func(s *Store) { s.Order() }
		}
		return func(s *Store) {
			for slot, rec := range s.On(row) {
				if rec.Group == Holds {
					s.Remove(slot)
				} else {
					s.Detach(slot)
					s.Mark(slot, 3, 0)
				}
			}
			s.RemoveNode(row)
		}
	case 5:
		return func(s *Store) { s.Mark(slot, uint8(n), n) }
	case 6:
		if n == 0 {
			return func(s *Store) { s.Detach(slot) }
		}
		fallthrough
	case 7:
		return func(s *Store) { s.Remove(slot) }
	case 8, 9:
		need := needOf(r, next)
		return func(s *Store) {
			var holds []uint32
			var extras []*Extra
			for slot, rec := range s.On(row) {
				if rec.Group == Holds {
					holds = append(holds, slot)
					extras = append(extras, &Extra{Hold: rec.Extra.Hold, Needs: need(s), Cost: need(s), Ports: []uint16{uint16(next), uint16(next + 1)}})
				}
			}
			s.Resize(holds, extras)
		}
	case 10, 11:
		need := needOf(r, next)
		hold := &berth.Hold{Role: roleOf(r, next), Owner: fmt.Sprint("f", r.IntN(3))}
		return func(s *Store) {
			s.Add(fmt.Sprint("h", next), Record{Row: row, Deadline: 1 + n, Extra: &Extra{Hold: hold, Needs: need(s), Cost: need(s), Ports: []uint16{uint16(next)}}})
		}
	case 16, 17:
		role, need := roleOf(r, next), needOf(r, next)
		return func(s *Store) {
			if n == 0 {
				s.SetQuota(role, nil)
				return
			}
			q := &Quota{Spec: &berth.Quota{Role: role}}
			if yes {
				q.Limits = need(s)
			}
			s.SetQuota(role, q)
		}
	}
	name := fmt.Sprint("g", r.IntN(3))
	if r.IntN(4) == 0 {
		name = fmt.Sprint("once ", next)
	}
	spec, asks := counted(r, name)
	need, on := needOf(r, next), row
	if n == 0 {
		on = None
	}
	owner := ""
	if r.IntN(3) == 0 {
		owner = fmt.Sprint("f", r.IntN(6))
	}
	return func(s *Store) {
		g, ok := s.FindGroup(name)
		if !ok {
			g = s.AddGroup(Group{Name: name, Request: need(s), Keys: []uint32{s.Attrs().ID("zone")}, Spec: spec, Asks: asks(s)})
		}
		var x *Extra
		if yes {
			x = &Extra{Devices: []DeviceShare{{0, 10}, {1, n}}, Ports: []uint16{uint16(next)}}
		}
		s.Add(fmt.Sprint("t", next), Record{Group: g, Row: on, Extra: x, Owner: s.Owner(owner)})
	}
}

// roleOf returns a role at random.
func roleOf(r *rand.Rand, next int) berth.Role {
	return []berth.Role{"", "eng", "eng/web", "eng/web/a/b", "ops", berth.Role(fmt.Sprint("eng/job-", next))}[r.IntN(6)]
}

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
	reused, known := 0, 0
	for seed := range uint64(12) {
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
		require.Equal(t, s.Node(row).Node.Attrs[0].Value, s.Value(name(i)), "values keep their numbers")
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
