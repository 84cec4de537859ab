package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// Where a preferred rule about the tasks in domains counts by rack or node, rows of one class differ in what it says. So a class
// contends once for each set of verdicts: a search through its tree passes by rows with others. Of rules with few domains that
// differ from those without tasks, the rows of these are listed instead, in heaps, as occupied nodes are.
//
// While tasks of the group are placed, a verdict on a domain can change but once. Its rows then join the heap of those that have
// the same verdicts now: the search of these may have gone past them. A row that both a tree and a heap have is harmless: it is the
// same row, and a heap looks at the key again before it says what its best is.

// verdicts has a bit for each preferred rule that is asked row by row: whether it holds.
type verdicts uint8

// maxSplit is how many such rules there may be; with more, every row is rated.
const maxSplit = 4

// splitting is what a search knows of preferred rules that are asked row by row.
type splitting struct {
	on    bool
	rules []int         // their places among the soft rules
	of    verdicts      // that a row must have for a search in course to accept it
	bases []contender   // by class, ascending: what its contenders have in common
	heaps map[int64]int // by class and verdicts: the contender that has a heap
	rated []contender   // what rows have in common that are rated one by one,
	alike map[int64]int // by class and verdicts
}

// verdictsOf returns what the rules say of a row.
func (s *search) verdictsOf(row uint32) (v verdicts) {
	for b, i := range s.split.rules {
		if s.holdsAt(&s.soft[i], row) {
			v |= 1 << b
		}
	}
	return v
}

// canSplit reports whether classes can contend by the verdicts on their rows.
func (s *search) canSplit() bool {
	if len(s.split.rules) > maxSplit {
		return false
	}
	for _, rules := range [][]countRule{s.ofClass, s.ofRow} {
		for i := range rules {
			if rules[i].isEven() {
				return false
			}
		}
	}
	return !slices.ContainsFunc(s.soft, func(r softRule) bool { return r.isEven() })
}

// forget makes it one of no rules, and keeps the room.
func (k *splitting) forget() {
	*k = splitting{rules: k.rules[:0], bases: k.bases[:0], rated: k.rated[:0]}
}

// splitClasses makes contenders of the classes by the verdicts on their rows, and lists rows of rules with few, or lets searches pass by others.
func (s *search) splitClasses() {
	k := &s.split
	k.bases, k.heaps = append(k.bases[:0], s.contenders...), map[int64]int{}
	var usual, searched verdicts // of domains without tasks, and those that searches tell apart
	var lists [maxSplit]int      // by rule: how many rows are to be listed
	all := 0
	for b, i := range k.rules {
		r := &s.soft[i]
		if !r.closed(noSlot, 0) { // what a limit by value says of one is found out row by row
			usual |= 1 << b
		}
		// Rows without the attribute are like those without tasks where a rule is about whether there are any.
		if r.counter != nil && r.rule == nil {
			if n, ok := s.countNear(&r.countRule, len(s.mirror.rows)/listedPart+1-all); ok {
				lists[b] = n
				all += n
				continue
			}
		}
		searched |= 1 << b
	}
	for !s.listsAtOnce(all) {
		longest := 0
		for b := range lists {
			if lists[b] > lists[longest] {
				longest = b
			}
		}
		searched |= 1 << longest
		all -= lists[longest]
		s.passing.most += passesByRow * lists[longest]
		lists[longest] = 0
	}
	s.contenders = s.contenders[:0]
	for i := range k.bases {
		for v := searched; ; v = (v - 1) & searched {
			if by := usual&^searched | v; s.mayHave(by) {
				s.contenders = append(s.contenders, s.contenderBy(&k.bases[i], by))
			}
			if v == 0 {
				break
			}
		}
	}
	s.listRows(lists)
}

// listRows lists the rows of rules of which any are to be listed.
func (s *search) listRows(lists [maxSplit]int) {
	var rows []uint32
	several := false
	for b, n := range lists {
		if n > 0 {
			several = several || len(rows) > 0
			near, _ := s.rowsNear(&s.soft[s.split.rules[b]].countRule, n)
			rows = append(rows, near...)
		}
	}
	if several {
		slices.Sort(rows)
		rows = slices.Compact(rows)
	}
	from := len(s.contenders)
	for _, row := range rows {
		s.list(row)
	}
	for i := from; i < len(s.contenders); i++ {
		c := &s.contenders[i]
		for k := len(c.hosts)/2 - 1; k >= 0; k-- {
			s.sift(c.hosts, k)
		}
		s.firstOccupied(c)
	}
}

// mayHave reports whether a row can have some verdicts: those of two rules that count the same tasks depend on each other. To search for one
// that there cannot be is to pass by all rows.
func (s *search) mayHave(v verdicts) bool {
	for b, i := range s.split.rules {
		for c, j := range s.split.rules[:b] {
			p, q := &s.soft[i], &s.soft[j]
			if p.domain == q.domain && p.attribute == q.attribute && !canBe(p, q, v>>b&1 == 1, v>>c&1 == 1) {
				return false
			}
		}
	}
	return true
}

// canBe reports whether there can be a domain in which one of two rules that count the same tasks holds, or does not, while the other does, or
// does not.
func canBe(p, q *softRule, holds, otherHolds bool) bool {
	if p.limits != nil || q.limits != nil || p.lenient == holds && q.lenient == otherHolds {
		return true // limits by value are another in each domain; where there is no domain, rules that are lenient hold
	}
	for _, tasks := range []int{0, 1, p.limit - 1, p.limit, q.limit - 1, q.limit} {
		if tasks >= 0 && p.closed(noSlot, tasks) != holds && q.closed(noSlot, tasks) != otherHolds {
			return true
		}
	}
	return false
}

// contenderBy returns a contender of a class for the rows with some verdicts.
func (s *search) contenderBy(base *contender, v verdicts) contender {
	c := *base
	c.by, c.sums = v, int32(len(s.fixed))
	s.fixed = append(s.fixed, s.fixed[base.sums:int(base.sums)+len(s.policy.tiers)]...)
	for b, i := range s.split.rules {
		r, holds := &s.soft[i], v&(1<<b) != 0
		for tier := range s.policy.tiers {
			terms, sum := s.policy.tiers[tier].terms, &s.fixed[int(c.sums)+tier]
			for j := range terms {
				switch t := &terms[j]; {
				case t == r.term && holds:
					*sum += t.weight * t.clamp(1)
				case t == r.term:
					*sum += t.weight * t.clamp(0)
				case t.kind == preferencesTerm && r.term == nil && holds:
					*sum += t.weight * r.weight
				}
			}
		}
	}
	return c
}

// list adds a row to those listed that have the same verdicts, as the last of their heap, if it can be used. It returns their contender, or nil.
func (s *search) list(row uint32) *contender {
	k, class := &s.split, s.mirror.rows[row].class
	base := s.baseOf(class)
	if base == nil || !s.fits(row) || !s.usable(row) {
		return nil
	}
	v := s.verdictsOf(row)
	key := keyOfSplit(class, v)
	at, ok := k.heaps[key]
	if !ok {
		at = len(s.contenders)
		k.heaps[key] = at
		c := s.contenderBy(base, v)
		c.hosts, c.occupied, c.from = nil, true, treeEnd
		s.contenders = append(s.contenders, c)
	}
	c := &s.contenders[at]
	c.hosts = append(c.hosts, s.occupiedRow(row))
	return c
}

// baseOf returns what the contenders of a class have in common, or nil if the group may not use it.
func (s *search) baseOf(class int32) *contender {
	bases := s.split.bases
	lo, hi := 0, len(bases) // by hand, as contenderOf is
	for lo < hi {
		if m := (lo + hi) / 2; bases[m].class < class {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == len(bases) || bases[lo].class != class {
		return nil
	}
	return &bases[lo]
}

// contenderLike returns what a row, whose class may be split, has in common with others of the same verdicts; nil if the group may not use
// its class.
func (s *search) contenderLike(row uint32) *contender {
	k, class := &s.split, s.mirror.rows[row].class
	if !k.on {
		if at, ok := s.contenderOf(class); ok {
			return &s.contenders[at]
		}
		return nil
	}
	base := s.baseOf(class)
	if base == nil {
		return nil
	}
	v := s.verdictsOf(row)
	key := keyOfSplit(class, v)
	at, ok := k.alike[key]
	if !ok {
		if k.alike == nil {
			k.alike = map[int64]int{}
		}
		at = len(k.rated)
		k.alike[key] = at
		k.rated = append(k.rated, s.contenderBy(base, v))
	}
	return &k.rated[at]
}

// keyOfSplit is what a class and verdicts are found by.
func keyOfSplit(class int32, v verdicts) int64 { return int64(class)<<8 | int64(v) }

// join puts a row among those listed that have the same verdicts, if it can be used.
func (s *search) join(row uint32) {
	c := s.list(row)
	if c == nil {
		return
	}
	for child := len(c.hosts) - 1; child > 0; {
		parent := (child - 1) / 2
		if s.compareOccupied(c.hosts[parent], c.hosts[child]) <= 0 {
			break
		}
		c.hosts[parent], c.hosts[child] = c.hosts[child], c.hosts[parent]
		child = parent
	}
	if c.hosts[0].row == row {
		s.firstOccupied(c)
	}
}

// isListed reports whether the first row of a heap belongs there as it stands. One whose verdicts have changed is in another heap;
// one with another key is put where that says.
func (s *search) isListed(c *contender) bool {
	h := &c.hosts[0]
	if s.verdictsOf(h.row) != c.by {
		return false
	}
	key := s.mirror.rows[h.row].key
	if !s.classes.built || s.mirror.rows[h.row].misplaced {
		key = s.classes.rate(h.row)
	}
	if key == h.key {
		return true
	}
	row := h.row
	h.key = key
	s.sift(c.hosts, 0)
	return c.hosts[0].row == row || s.isListed(c)
}

// placedSplit notes that a task of the group has gone to a row.
func (s *search) placedSplit(row uint32) {
	for i := range s.contenders {
		if c := &s.contenders[i]; c.found && c.row == row {
			if c.occupied {
				s.firstOccupied(c)
			} else {
				s.placedInTree(c)
			}
		}
	}
	for _, i := range s.split.rules {
		r := &s.soft[i]
		slot := r.slots[row]
		if slot < 0 || !r.countsOwn || r.closed(slot, r.domain.in(slot)) == r.closed(slot, r.domain.in(slot)-1) {
			continue
		}
		if r.attribute == berth.NodeID {
			s.join(row)
			continue
		}
		for _, other := range s.counts.rowsOf(r.domain.values, r.domain.key, slot) {
			s.join(other)
		}
	}
}
