package placement

import "slices"

// A rule that tasks are near others by rack or node leaves few rows, which a walk through all of a class would find one by one. So
// where the domains that have any have few rows, those are listed, each class's in a heap of its own, as occupied nodes are: none
// comes to them while tasks of the group are placed, for those only go where there is one to be near.

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
	const few = 8 // of how many rows one may be listed
	if s.every || s.even || s.mixed || s.split.on || s.policy.byNode {
		return
	}
	most := len(s.mirror.rows)/few + 1
	var best []uint32
	found := false
	for i := range s.ofRow {
		if r := &s.ofRow[i]; r.near {
			if rows, ok := s.rowsNear(r, most); ok {
				best, most, found = rows, len(rows), true
			}
		}
	}
	if !found {
		return
	}
	for i := range s.contenders {
		c := &s.contenders[i]
		c.hosts, c.occupied, c.from = c.hosts[:0], true, treeEnd
	}
	for _, row := range best {
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

// rowsNear returns the rows that have a node in the domains of a near rule, each once, if they are no more than some number.
func (s *search) rowsNear(r *countRule, most int) ([]uint32, bool) {
	var rows []uint32
	for _, slot := range r.counter.inUse() {
		if r.domain.values == &s.tasks.rows {
			rows = append(rows, uint32(slot))
		} else {
			rows = append(rows, s.counts.rowsOf(r.domain.values, r.domain.key, slot)...)
		}
		if len(rows) > most {
			return nil, false
		}
	}
	return rows, true
}
