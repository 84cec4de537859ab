package store

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

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
		fmt.Fprintln(&b, len(n.members), slices.Contains(slices.Collect(v.ReservedRows()), row))
		for role, need := range n.reserves.Changes(nil) {
			fmt.Fprintln(&b, role, v.Dims()[need.Dim], need.Amount, v.RoomOf(row, need.Dim, role, "f1"))
		}
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
				fmt.Fprint(&b, needs(x.Needs), needs(x.Cost), x.Devices, x.Ports, x.Stray, needs(x.Spare))
				if x.Hold != nil {
					fmt.Fprint(&b, x.Hold.Resources)
				}
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
	for row := range v.ReservedRows() {
		s := v.Fork()
		if is, want := v.Node(row).reserves, s.reservesOf(row, v.Node(row).Node, "", nil); !slices.Equal(is.used, want.used) || !slices.Equal(is.amounts, want.amounts) || !slices.Equal(is.idle, want.idle) {
			return fmt.Errorf("row %d: reserved %v, used %v, idle %v, not %v, %v, %v", row, is.amounts, is.used, is.idle, want.amounts, want.used, want.idle)
		}
	}

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
		for role, need := range v.Node(row).reserves.Changes(nil) {
			enter(role, 0, []Need{need})
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
	var reserved map[berth.Role]berth.Resources
	if r.IntN(3) == 0 {
		reserved = map[berth.Role]berth.Resources{"eng": {"cpu": r.Int64N(4), "d7": 2}, "eng/web": {"cpu": r.Int64N(3)}}
	}
	return func(s *Store) *Node {
		n := &Node{ID: id, Spec: &berth.Node{Reserved: reserved}, Attrs: []Attr{{s.Attrs().ID("zone"), s.Value(text(zone))}}}
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
				x := r.Extra.Other()
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
				return x
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
				if rec.Group == Holds && !isReservation(rec) {
					holds = append(holds, slot)
					extras = append(extras, &Extra{Hold: rec.Extra.Hold, Needs: need(s), Cost: need(s), Ports: []berth.Port{{Number: uint16(next)}, {Number: uint16(next + 1)}}})
				}
			}
			s.Resize(holds, extras)
		}
	case 10, 11:
		need := needOf(r, next)
		hold := &berth.Hold{Role: roleOf(r, next), Owner: fmt.Sprint("f", r.IntN(3))}
		return func(s *Store) {
			hold, needs := *hold, need(s)
			hold.Resources = berth.Resources{}
			for _, has := range needs {
				hold.Resources[s.Dims()[has.Dim]] = has.Amount
			}
			if yes && hold.Role != "" {
				hold.Lease, hold.Owner = berth.Reserved, []string{"", hold.Owner}[n%2]
				s.Add(fmt.Sprint("h", next), Record{Row: row, Extra: &Extra{Hold: &hold}})
				return
			}
			s.Add(fmt.Sprint("h", next), Record{Row: row, Deadline: 1 + n, Extra: &Extra{Hold: &hold, Needs: needs, Cost: slices.Clone(needs), Ports: []berth.Port{{Number: uint16(next)}}}})
		}
	case 12:
		return func(s *Store) {
			for slot, r := range s.HoldsOn(row) {
				x := r.Extra
				differs := func(has Need) bool { return x.Hold.Resources[s.Dims()[has.Dim]] != has.Amount }
				if len(x.Needs) == 0 || len(x.Devices) > 0 || !slices.Equal(x.Needs, x.Cost) || slices.ContainsFunc(x.Needs, differs) {
					continue
				}
				part := slices.Clone(x.Needs)
				for i := range part {
					part[i].Amount = 1 + n%part[i].Amount
				}
				if yes {
					part = part[:1]
				}
				s.Draw(slot, part)
				return
			}
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
			x = &Extra{Devices: []DeviceShare{{0, 10}, {1, n}}, Ports: []berth.Port{{Number: uint16(next)}}}
		}
		s.Add(fmt.Sprint("t", next), Record{Group: g, Row: on, Extra: x, Owner: s.Owner(owner)})
	}
}

// roleOf returns a role at random.
func roleOf(r *rand.Rand, next int) berth.Role {
	return []berth.Role{"", "eng", "eng/web", "eng/web/a/b", "ops", berth.Role(fmt.Sprint("eng/job-", next))}[r.IntN(6)]
}
