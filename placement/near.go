package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// A rule that tasks are near others by rack or node leaves few rows, which a walk through all of a class would find one by one. So
// where the domains that have any have few rows, those are listed, each class's in a heap of its own, as occupied nodes are: none
// comes to them while tasks of the group are placed, for those only go where there is one to be near.
//
// To list a row takes as long as to pass by several. So where many could be listed, searches pass by rows first, as far as that costs no
// more; then the search begins anew with a list.

const (
	listedPart  = 8 // of so many rows one may be listed
	passesByRow = 8 // rows are passed by before one is listed
)

// passing is what a search knows of the rows that it passes by because of the tasks of others there.
type passing struct {
	on     bool
	near   *countRule   // that leaves few rows, if they are to be looked for; nil where classes are split
	passed int          // rows that were passed by,
	most   int          // and after how many the search begins anew with a list; 0 if it never does
	listed *berth.Group // whose rows are to be listed because of it
}

// forget makes it that of a new search for a group.
func (p *passing) forget(g *berth.Group) {
	if p.listed != g {
		p.listed = nil
	}
	*p = passing{listed: p.listed}
}

// passesBy reports whether rules about the tasks of others make a row of no use to the search in course.
func (s *search) passesBy(row uint32) bool {
	if r := s.passing.near; r != nil {
		slot := r.slots[row]
		return slot < 0 && !r.lenient || slot >= 0 && r.closed(slot, r.domain.in(slot))
	}
	return s.split.on && s.verdictsOf(row) != s.split.of
}

// passedEnough reports whether rows are to be listed now, which the next search does.
func (s *search) passedEnough() bool {
	p := &s.passing
	if p.most == 0 || p.passed <= p.most {
		return false
	}
	p.listed = s.group
	return true
}

// listsAtOnce reports whether so many rows are to be listed before any search.
func (s *search) listsAtOnce(rows int) bool {
	return s.passing.listed != nil || rows*rows <= s.atOnce*s.atOnce*len(s.mirror.rows)
}

// byDomain is the rows of each domain under an attribute, one domain after another.
type byDomain struct {
	at   uint64 // mirror.described when it was made; it is good as long as that is the same
	from []int  // by slot, and one more: where its rows begin
	rows []uint32
}

// rowsOf returns the rows in a domain: O(nodes) the first time since nodes changed.
func (c *groupCounts) rowsOf(v *numbering, key uint32, slot int32) []uint32 {
	d := c.listed(v, key)
	return d.rows[d.from[slot]:d.from[slot+1]]
}

// inDomains returns how many rows are in any domain, as rowsOf does.
func (c *groupCounts) inDomains(v *numbering, key uint32) int { return len(c.listed(v, key).rows) }

// listed returns the rows by domain.
func (c *groupCounts) listed(v *numbering, key uint32) *byDomain {
	slots := c.slotsByRow(v, key)
	d := &v.domains
	if d.from == nil || d.at != c.mirror.described || len(d.from) <= len(v.slots) {
		d.at = c.mirror.described
		d.from = zeros(d.from, len(v.slots)+1)
		for _, slot := range slots {
			if slot >= 0 {
				d.from[slot+1]++
			}
		}
		for i := range len(v.slots) {
			d.from[i+1] += d.from[i]
		}
		next := slices.Clone(d.from)
		d.rows = zeros(d.rows, d.from[len(v.slots)])
		for row, slot := range slots {
			if slot >= 0 {
				d.rows[next[slot]] = uint32(row)
				next[slot]++
			}
		}
	}
	return d
}

// listNear lists the rows of the near rule that leaves the fewest, if there is one and they are few.
func (s *search) listNear() {
	if s.every || s.even || s.mixed || s.split.on || s.policy.byNode {
		return
	}
	most := len(s.mirror.rows)/listedPart + 1
	var best *countRule
	for i := range s.ofRow {
		if r := &s.ofRow[i]; r.near {
			if n, ok := s.countNear(r, most); ok {
				best, most = r, n
			}
		}
	}
	switch {
	case best == nil:
		return
	case !s.listsAtOnce(most):
		s.passing.on, s.passing.near, s.passing.most = true, best, passesByRow*most
		return
	}
	rows, _ := s.rowsNear(best, most)
	for i := range s.contenders {
		c := &s.contenders[i]
		c.hosts, c.occupied, c.from = c.hosts[:0], true, treeEnd
	}
	for _, row := range rows {
		if i, ok := s.contenderOf(s.mirror.rows[row].class); ok && s.fits(row) && s.usable(row) {
			s.contenders[i].hosts = append(s.contenders[i].hosts, s.occupiedRow(row))
		}
	}
	for i := range s.contenders {
		c := &s.contenders[i]
		for k := len(c.hosts)/2 - 1; k >= 0; k-- {
			s.sift(c.hosts, k)
		}
		s.firstOccupied(c)
	}
}

// countNear returns how many rows have a node in the domains of a near rule, if they are no more than some number.
func (s *search) countNear(r *countRule, most int) (n int, ok bool) {
	slots := r.counter.inUse()
	if r.domain.values == &s.tasks.rows {
		return len(slots), len(slots) <= most
	}
	d := s.counts.listed(r.domain.values, r.domain.key)
	for _, slot := range slots {
		if n += d.from[slot+1] - d.from[slot]; n > most {
			return 0, false
		}
	}
	return n, true
}

// rowsNear returns these rows, each once.
func (s *search) rowsNear(r *countRule, most int) ([]uint32, bool) {
	n, ok := s.countNear(r, most)
	if !ok {
		return nil, false
	}
	rows := make([]uint32, 0, n)
	for _, slot := range r.counter.inUse() {
		if r.domain.values == &s.tasks.rows {
			rows = append(rows, uint32(slot))
		} else {
			rows = append(rows, s.counts.rowsOf(r.domain.values, r.domain.key, slot)...)
		}
	}
	return rows, true
}
