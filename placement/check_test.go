package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// check holds every part of an engine between two calls against what it is made of, and returns all that is wrong.
func (e *Engine) check() error {
	if e.parts == nil {
		return nil
	}
	var c checker
	if e.busy {
		return nil // torn: the next call makes all anew
	}
	c.mirror(e.policy, e.mirror)
	c.classes(e.classes)
	c.counts(e)
	c.tasks(e)
	c.search(e.search)
	c.rankings(e.search)
	c.columns(&e.explainer.columns)
	c.steps(e)
	return errors.Join(c.faults...)
}

type checker struct{ faults []error }

func (c *checker) that(ok bool, format string, args ...any) {
	if !ok && len(c.faults) < 20 {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

// mirror: rows are those of the view, but for what the plan took from those it touched.
func (c *checker) mirror(p *policy, m *mirror) {
	view := m.view
	c.that(len(m.rows) == view.Rows() && len(m.free) == len(m.rows)*m.width && m.width == m.dims+1+2*len(m.deviceClasses), "mirror: sizes")
	var ties []uint32
	touched := map[uint32]bool{}
	for _, row := range m.touched {
		c.that(!touched[row], "mirror: row %d is touched twice", row)
		touched[row] = true
	}
	for row := range uint32(len(m.rows)) {
		st, ns := &m.rows[row], view.Node(row)
		c.that(st.node == ns.Node && st.cordoned == (ns.Node != nil && ns.Cordoned), "mirror: row %d is another node", row)
		if st.node == nil {
			c.that(st.class == -1, "mirror: row %d has a class and no node", row)
			continue
		}
		c.that(m.order[m.ranks[row]] == row && m.ranks[row] == view.Rank()[row], "mirror: rank of row %d", row)
		c.that(st.rank == m.ties[row], "mirror: rank of row %d among ties", row)
		ties = append(ties, row)
		c.that((st.visited == m.visit) == touched[row], "mirror: row %d is touched or not", row)
		if !touched[row] {
			c.that(m.isLoaded(row, ns), "mirror: amounts of row %d", row)
		}
	}
	c.ties(p, m, ties)
}

// ties: the ranks of the rows with a node are the order of their IDs, or of the hashes of those.
func (c *checker) ties(p *policy, m *mirror, rows []uint32) {
	slices.SortFunc(rows, func(a, b uint32) int { return p.compareTies(m.rows[a].node.ID, m.rows[b].node.ID) })
	for rank, row := range rows {
		c.that(int(m.ties[row]) == rank, "mirror: row %d is %d of ties, not %d", row, m.ties[row], rank)
	}
}

// classes: membership, derived amounts, order, bounds.
func (c *checker) classes(x *classIndex) {
	if !x.assigned {
		return
	}
	misplaced := map[uint32]bool{}
	if x.built {
		for _, row := range x.misplaced {
			c.that(!misplaced[row], "classes: row %d is misplaced twice", row)
			misplaced[row] = true
		}
	}
	members := make([]int, len(x.all))
	for row := range uint32(len(x.mirror.rows)) {
		st := &x.mirror.rows[row]
		if st.node == nil {
			continue
		}
		if st.class < 0 || int(st.class) >= len(x.all) {
			c.that(false, "classes: row %d has class %d", row, st.class)
			continue
		}
		k := x.all[st.class]
		members[st.class]++
		c.that(x.isOf(st.node, st.cordoned, k), "classes: row %d is of another class", row)
		c.that(st.id == st.node.ID, "classes: ID of row %d", row)
		was := slices.Clone(x.mirror.amountsOf(row))
		x.mirror.derive(row, k)
		c.that(slices.Equal(was, x.mirror.amountsOf(row)), "classes: derived amounts of row %d", row)
		c.that(!x.built || st.misplaced == misplaced[row], "classes: row %d is misplaced or not", row)
		if x.built && !misplaced[row] {
			c.that(st.key == x.rate(row), "classes: key of row %d", row)
		}
	}
	for i, k := range x.all {
		c.that(members[i] == k.members, "classes: class %d has %d members, not %d", i, members[i], k.members)
		for j, o := range x.all[:i] {
			same := o.kind == k.kind && o.cordoned == k.cordoned && slices.Equal(o.attrs, k.attrs)
			c.that(!same, "classes: %d and %d are alike", j, i)
		}
		if !x.built {
			continue
		}
		c.that(k.size == members[i], "classes: tree %d has %d rows", i, k.size)
		c.tree(&k.tree, func(a entry, amounts []int64) error {
			if a != x.entryOf(a.row) || x.mirror.rows[a.row].class != int32(i) {
				return fmt.Errorf("row %d stands as %v", a.row, a)
			}
			for d, f := range x.mirror.amountsOf(a.row) {
				if f != amounts[d] && !misplaced[a.row] {
					return fmt.Errorf("row %d: amount %d", a.row, d)
				}
				if d < x.mirror.dims && f > amounts[d] {
					return fmt.Errorf("row %d has more of %d than its tree knows", a.row, d)
				}
			}
			return nil
		})
	}
	for _, v := range x.verdicts {
		for i, k := range v.known {
			c.that(k || !v.ok[i], "classes: verdict on %d that was not asked", i)
		}
	}
}

// tree: order, counts, and bounds that nothing exceeds; those of blocks are exact.
func (c *checker) tree(t *tree, good func(entry, []int64) error) {
	var all []entry
	c.that(len(t.first) == len(t.chunks), "tree: sizes")
	bound := slices.Repeat([]int64{-1 << 63}, t.pool.width)
	for ci, k := range t.chunks {
		if k.filled == 0 || k.filled > chunkBlocks {
			c.that(false, "tree: a chunk of %d blocks", k.filled)
			continue
		}
		c.that(t.first[ci] == k.entries[0][0].key, "tree: first of chunk %d", ci)
		if ci < t.known {
			c.that(int(t.before[ci]) == len(all), "tree: %d before chunk %d, not %d", len(all), ci, t.before[ci])
		}
		from := len(all)
		most := slices.Repeat([]int64{-1 << 63}, t.pool.width)
		amountsAt := func(b, i int) []int64 {
			if k.unread {
				return t.pool.amountsOf(k.entries[b][i].row)
			}
			return k.amountsAt(b, i, 1)
		}
		for b := range k.filled {
			c.that(k.count[b] > 0 && k.count[b] <= blockEntries && k.first[b] == k.entries[b][0].key, "tree: block %d of %d", b, ci)
			own := slices.Repeat([]int64{-1 << 63}, t.pool.width)
			for i, a := range k.block(b) {
				if err := good(a, amountsAt(b, i)); err != nil {
					c.that(false, "tree: %w", err)
				}
				raise(own, amountsAt(b, i))
				all = append(all, a)
			}
			c.that(k.unread || slices.Equal(own, k.mostOf(b)), "tree: bounds of block %d of %d", b, ci)
			raise(most, own)
		}
		c.that(k.size == len(all)-from, "tree: chunk %d has %d entries", ci, k.size)
		if k.unread {
			most = slices.Repeat([]int64{1<<63 - 1}, t.pool.width)
		}
		c.that(k.slack && within(most, k.bound) || slices.Equal(most, k.bound), "tree: bounds of chunk %d", ci)
		raise(bound, k.bound)
	}
	c.that(t.size == len(all), "tree: %d entries, not %d", len(all), t.size)
	c.that(slices.IsSortedFunc(all, compareEntries), "tree: order")
	if len(t.chunks) > 0 {
		c.that(within(bound, t.bound), "tree: bounds")
	}
}

func within(low, high []int64) bool {
	for d := range low {
		if low[d] > high[d] {
			return false
		}
	}
	return true
}

// counts: against the tasks of the view and of the plan, and histograms against the counts.
func (c *checker) counts(e *Engine) {
	k, view := e.counts, e.mirror.view
	for name, t := range k.groups {
		on := map[uint32]int{}
		for slot := range view.Named(name) {
			if row := view.Record(slot).Row; row != store.None {
				on[row]++
			}
		}
		for i := range e.steps.size {
			switch st := e.steps.at(i); {
			case st.task.Group.Name() != name:
			case st.undone:
				on[st.row]--
			default:
				on[st.row]++
			}
		}
		seen := map[uint32]bool{}
		for i, h := range t.hosts {
			c.that(!seen[h.row] && h.tasks == on[h.row], "counts of %s: %d on row %d, not %d", name, on[h.row], h.row, h.tasks)
			seen[h.row] = true
			if t == k.active {
				c.that(int(e.mirror.rows[h.row].host) == i+1, "counts of %s: host %d", name, h.row)
			}
		}
		for row, n := range on {
			c.that(n == 0 || seen[row], "counts of %s: row %d is missing", name, row)
		}
		c.histogram(t.histogram, func(slot int) int { return on[uint32(slot)] })
		for _, d := range t.domains {
			want := map[int]int{}
			for row, n := range on {
				if v, ok := e.mirror.rows[row].node.Attr(d.key); ok {
					want[int(d.values.slots[v])] += n
				}
			}
			for slot := range max(len(d.tasks), len(d.values.slots)) {
				c.that(d.in(int32(slot)) == want[slot], "counts of %s: domain %d of %d", name, slot, d.key)
			}
			c.histogram(d.histogram, func(slot int) int { return want[slot] })
		}
	}
	for row := range e.mirror.rows {
		i := e.mirror.rows[row].host
		c.that(i == 0 || k.active != nil && int(i) <= len(k.active.hosts) && k.active.hosts[i-1].row == uint32(row), "counts: host of row %d", row)
	}
	for key, v := range k.numberings {
		if !k.knowsRows(v) {
			continue
		}
		for row, slot := range v.rows {
			want := int32(-1)
			if n := e.mirror.rows[row].node; n != nil {
				if value, ok := n.Attr(key); ok {
					want = v.slots[value]
				}
			}
			c.that(slot == want, "counts: slot of row %d under %d", row, key)
		}
	}
	if l := k.layout; l != nil && l.version == e.classes.version && e.classes.assigned {
		fresh := k.newLayout()
		c.that(slices.Equal(l.slots, fresh.slots), "counts: slots of classes")
	}
}

// tasks: counters against the tasks of the view and of the plan.
func (c *checker) tasks(e *Engine) {
	view := e.mirror.view
	for _, k := range e.tasks.all {
		want, total := map[int]int{}, 0
		add := func(g *berth.Group, row uint32, by int) {
			counted := k.key.Of.Matches(g)
			if k.key.Refusing {
				counted = false
				for i := range g.Requirements().Counted {
					r := &g.Requirements().Counted[i]
					counted = counted || r.Relation == berth.Apart && r.Of == k.key.Of && r.WithoutStopping == k.key.WithoutStopping &&
						(r.Attribute == berth.NodeID && k.key.Attribute == store.ByNode || r.Attribute != berth.NodeID && e.mirror.attrs.ID(r.Attribute) == k.key.Attribute)
				}
			}
			if !counted {
				return
			}
			slot := int(row)
			if k.key.Attribute != store.ByNode {
				v, ok := e.mirror.rows[row].node.Attr(k.key.Attribute)
				if !ok {
					return
				}
				slot = int(k.values.slots[v])
			}
			want[slot] += by
			total += by
		}
		for id := range view.AllGroups() {
			for slot := range view.Members(id) {
				if r := view.Record(slot); r.Row != store.None && !(k.key.WithoutStopping && berth.TaskState(r.State) == berth.Stopping) {
					add(view.Group(id).Spec, r.Row, 1)
				}
			}
		}
		for i := range e.steps.size {
			by := 1
			if e.steps.at(i).undone {
				by = -1
			}
			add(e.steps.at(i).task.Group, e.steps.at(i).row, by)
		}
		slots := len(k.tasks)
		if k.onNodes != nil {
			slots = len(e.mirror.rows)
		}
		for slot := range slots {
			c.that(k.in(int32(slot)) == want[slot], "tasks: %v has %d in %d, not %d", k.key, k.in(int32(slot)), slot, want[slot])
		}
		c.that(k.total == total, "tasks: %v has %d, not %d", k.key, k.total, total)
		c.histogram(k.histogram, func(slot int) int { return want[slot] })
	}
}

func (c *checker) histogram(h *histogram, tasks func(slot int) int) {
	for ; h != nil; h = h.next {
		c.oneHistogram(h, tasks)
	}
}

func (c *checker) oneHistogram(h *histogram, tasks func(slot int) int) {
	with := make([]int, len(h.with))
	least, n, total := -1, 0, 0
	for slot, in := range h.of.in {
		if !in {
			continue
		}
		n++
		if k := tasks(slot); k >= len(with) {
			c.that(false, "histogram: %d tasks in %d", k, slot)
		} else {
			with[k]++
			total += k
			if least < 0 || k < least {
				least = k
			}
		}
	}
	c.that(n == h.of.size && slices.Equal(with, h.with), "histogram: %v, not %v", with, h.with)
	c.that(n == 0 || least == h.least, "histogram: least %d, not %d", least, h.least)
	c.that(total == h.total, "histogram: %d tasks, not %d", total, h.total)
}

// search: what it says of classes holds, and the games are won by who is best.
func (c *checker) search(s *search) {
	if s.group == nil || !s.possible || s.every || s.split.on {
		return
	}
	for i := range s.contenders {
		k := &s.contenders[i]
		c.that(i == 0 || s.contenders[i-1].class < k.class, "search: order of contenders")
		c.that(!k.noted || k.firstSum == s.sumOf(k, &s.compared[0]), "search: sum of class %d in the first tier", k.class)
		if k.found {
			c.that(s.mirror.rows[k.row].class == k.class, "search: row %d is not of class %d", k.row, k.class)
			c.that(s.fits(k.row) && (len(s.ofRow) > 0 || s.usable(k.row)), "search: row %d cannot be used", k.row)
			c.that(k.key == s.classes.rate(k.row), "search: key of row %d", k.row)
		}
		if k.occupied {
			c.that(k.from == treeEnd && (!k.found || k.hosts[0].row == k.row), "search: occupied rows of class %d", k.class)
		}
	}
	for row := range uint32(len(s.mirror.rows)) {
		if s.mirror.rows[row].node == nil {
			continue
		}
		i, ok := s.contenderOf(s.mirror.rows[row].class)
		if !ok || s.contenders[i].found && s.contenders[i].row == row {
			continue
		}
		k := &s.contenders[i]
		// A row that is misplaced is moved home before its class is searched again.
		if s.classes.homeOf(row).before(k.from) && s.fits(row) && s.usable(row) {
			held := s.even && s.isOverLimit(row)
			listed := k.occupied && slices.ContainsFunc(k.hosts, func(h occupiedRow) bool { return h.row == row })
			c.that(listed || held && k.deferred || (s.policy.nodesLast || s.mixed) && s.counts.on(row) > 0, "search: row %d is before where class %d stands", row, k.class)
		}
	}
	for _, rules := range [][]countRule{s.ofClass, s.ofRow} {
		for i := range rules {
			if h := rules[i].histogram; h != nil {
				fresh := s.findDomains(rules[i].rule.Domain(), rules[i].over)
				c.that(h.of.at == fresh.at && h.of.size == fresh.size, "search: %d domains of %v, not %d", h.of.size, rules[i].rule, fresh.size)
				for slot := range max(len(h.of.in), len(fresh.in)) {
					c.that(h.of.has(int32(slot)) == fresh.has(int32(slot)), "search: domain %d of %v", slot, rules[i].rule)
				}
			}
		}
	}
	if s.games.on {
		leaf := func(i int) int32 { return int32(i) }
		in := map[int32]bool{}
		for _, i := range s.games.tree.winner[s.games.tree.leaves:] {
			if i != nobody {
				c.that(!in[i], "games: contender %d is in twice", i)
				in[i] = true
			}
		}
		for i := range s.contenders {
			if in[leaf(i)] {
				at := s.games.tree.leaves + int(s.games.leafOf[i])
				c.that(s.games.tree.winner[at] == leaf(i), "games: leaf of contender %d", i)
			}
		}
		c.winners(&s.games.tree, s, "games")
	}
}

// winners: every game is won by the better one.
func (c *checker) winners(w *winnerTree, j judge, of string) {
	for i := 1; i < w.leaves; i++ {
		c.that(w.winner[i] == match(j, w.winner[2*i], w.winner[2*i+1]), "%s: winner %d", of, i)
	}
}

// rankings: the games of those that know all changes, and the scores of the one that is searched in, but of rows that it is
// to be told of.
func (c *checker) rankings(s *search) {
	k, m := s.rankings, s.mirror
	if s.group != nil && s.possible && s.ranked {
		if r := k.byShape[string(k.keyOf(s))]; r != nil && r.told >= 0 && sameRanks(r.ties, m.ties) && r.epoch == k.states.epoch && r.tuned == k.tuned && r.alike == s.alike && r.direct == s.direct {
			kept := k.byTaken
			k.byTaken = nil // all is rated anew, not to be found again
			rated := k.rated
			fresh := &ranking{mirror: m, shape: r.shape, taken: r.taken}
			fresh.rateAll(s, s.group.Task("check"))
			k.byTaken, k.rated = kept, rated
			changed := map[uint32]bool{}
			for _, row := range k.changes[r.told:] {
				changed[row] = true
			}
			for row := range m.rows {
				if changed[uint32(row)] || m.rows[row].node == nil {
					continue
				}
				rank := int(m.ties[row])
				if r.direct {
					c.that(r.ramp.rungs[0][rank] == fresh.ramp.rungs[0][rank], "ranking: row %d, directly", row)
					continue
				}
				is, want := r.rows.at(rank), fresh.rows.at(rank)
				c.that((is == 0) == (want == 0) && slices.Equal(r.rates.of(is), fresh.rates.of(want)), "ranking: row %d", row)
				if s.alike {
					c.that(r.ways[is] == fresh.ways[want], "ranking: row %d gives devices as %d", row, r.ways[is])
				}
			}
		}
	}
	rated, users := 0, map[*rates]int{}
	for _, r := range k.byTaken {
		rated += r.known.n
	}
	for _, r := range k.byShape {
		switch {
		case r.direct:
			c.ramp(&r.ramp)
		case r.rates != nil && (!r.alike || r.epoch == r.rates.epoch && r.tuned == r.rates.tuned): // else others go on with the rates, and it is made anew before it is asked
			c.ladder(&r.rows, r.rates)
		}
		users[r.rates]++
		c.that(r.told <= len(k.changes), "ranking: told %d of %d changes", r.told, len(k.changes))
	}
	c.that(len(k.byShape) <= k.most(), "ranking: %d", len(k.byShape))
	for _, r := range k.byTaken {
		c.that(r.users == users[r] && r.users > 0, "rates: %d rankings go by them, of which %d are counted", users[r], r.users)
	}
	c.that(rated == k.rated, "rankings: %d states, of which %d are counted", rated, k.rated)
}

// ladder: what stands on a rung is as good as the best below it, and one of those.
func (c *checker) ladder(l *ladder, by *rates) {
	for k := range max(len(l.rungs)-1, 0) {
		for i, best := range l.rungs[k+1] {
			part := below(l.rungs[k], i)
			c.that(slices.Contains(part, best) && !by.isBetter(by.best(part), best), "ladder: %d of rung %d", i, k+1)
		}
	}
}

// ramp: what stands on a rung is the greatest below it.
func (c *checker) ramp(l *ramp) {
	for k := range max(len(l.rungs)-1, 0) {
		for i, most := range l.rungs[k+1] {
			c.that(most == slices.Max(step32(l.rungs[k], i)), "ramp: %d of rung %d", i, k+1)
		}
	}
}

// columns: against a sort, as far as they were told.
func (c *checker) columns(k *columns) {
	if !k.watching || len(k.ranks) == 0 || &k.ranks[0] != &k.mirror.ranks[0] {
		return
	}
	for _, col := range k.byDim {
		if col == nil {
			continue
		}
		var want, got []entry
		for rank, row := range k.mirror.order {
			if !k.isChanged[row] {
				want = append(want, entry{k.mirror.amountsOf(row)[col.dim], uint32(rank), row})
			}
		}
		slices.SortFunc(want, func(a, b entry) int { return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.rank, b.rank)) })
		c.tree(&col.tree, func(a entry, amounts []int64) error {
			if k.isChanged[a.row] {
				return nil
			}
			got = append(got, a)
			if !slices.Equal(amounts, k.mirror.amountsOf(a.row)) {
				return fmt.Errorf("column %d: amounts of row %d", col.dim, a.row)
			}
			return nil
		})
		c.that(slices.Equal(want, got), "column %d: order", col.dim)
	}
}

// steps: the index of them, and that the rows have what they say.
func (c *checker) steps(e *Engine) {
	c.that(e.done == e.steps.size, "steps: %d of %d are known", e.done, e.steps.size)
	for id, i := range e.steps.last {
		for j := e.steps.told - 1; j >= 0; j-- {
			if e.steps.at(j).task.ID == id {
				c.that(i == j, "steps: last of %s", id)
				break
			}
		}
	}
	want := map[uint32][]int64{}
	for i := range e.steps.size {
		st := e.steps.at(i)
		if want[st.row] == nil {
			want[st.row] = slices.Clone(e.mirror.view.Free(st.row)[:e.mirror.dims])
		}
		for _, need := range st.task.Group.Requirements().Needs {
			name, q := need.Name, need.Amount
			if d, ok := e.mirror.view.DimOf(name); ok {
				if st.undone {
					q = -q
				}
				want[st.row][d] -= q
			}
		}
	}
	for row, free := range want {
		if e.mirror.view.ReservesOn(row) != nil { // what a step takes there goes by its role
			if e.mirror.skewed {
				continue
			}
			free = e.caughtUp().picker.store.Room(row, e.mirror.sight)[:e.mirror.dims]
		}
		c.that(slices.Equal(free, e.mirror.resourcesOf(row)), "steps: amounts of row %d", row)
	}
}
