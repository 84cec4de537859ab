package placement

import "math"

// contender is a class that the group may use, and what is known of its best row.
//
// A row that is found can be used, but for rules that are asked row by row, which are asked again, and for domains that are
// full. Where every row is rated, class, slots and preferred are all that is set.
type contender struct {
	class     int32
	by        verdicts // that its rows have, where classes are split
	slots     int32    // where its slots begin
	sums      int32    // where its fixed sums begin
	preferred int64    // by the group's preferences about nodes
	firstSum  int64    // in the first tier that is compared, when know noted it
	keyed     int64    // its fixed sum in the tier of the keys; of a brief search only
	noted     bool     // whether that is as it is now
	least     int64    // the least part that the request takes of a node, if it takes of all the node has
	found     bool     // whether row is the best of the class
	row       uint32
	key       int64         // of row as it is now; if none is found, what no row exceeds, or nothing where from is an end of the tree
	from      position      // no row before it can be used, but those that an even rule holds off or that have tasks of the group
	deferred  bool          // whether an even rule holds a row off
	resume    position      // where the first of those stands
	occupied  bool          // whether only rows that have tasks of the group are left, or that were listed; from is then the end of the tree
	hosts     []occupiedRow // those rows, but for some that cannot be used; a heap, with row first if it is found
}

// expect sets the key that no row from where the search stands exceeds.
func (c *contender) expect() { c.key = c.from.key }

// lose notes that the best row of a class cannot be used any more.
func (c *contender) lose() {
	c.found = false
	c.expect()
}

// bestContender finds the class with the best row, nil if there is no row. Those whose best row is known come first:
// the others are searched only as far as they could have a better one.
func (s *search) bestContender() (best *contender) {
	if s.playing() {
		return s.winner()
	}
	unknown := 0 // of how many the best row is not known
	for i := range s.contenders {
		c := &s.contenders[i]
		if len(s.ofClass) > 0 && s.full(c) {
			continue
		}
		if c.found && (len(s.ofRow) > 0 || s.split.on) {
			s.checkAgain(c)
		}
		s.know(c)
		switch {
		case !c.found:
			unknown++
		case best == nil || s.isBetter(c, best):
			best = c
		}
	}
	for i := 0; unknown > 0; i++ {
		c := &s.contenders[i]
		if c.found || len(s.ofClass) > 0 && s.full(c) {
			continue
		}
		unknown--
		if s.keyed > 0 && best != nil && c.firstSum < best.firstSum {
			continue // as find has it, but in line: of many classes most are behind
		}
		if s.find(c, best); c.found && (best == nil || s.isBetter(c, best)) {
			best = c
		}
	}
	return best
}

// find finds the best row of a contender, unless it is no better than the best of another. What know notes of both is as it
// is now.
func (s *search) find(c *contender, best *contender) {
	if c.from == treeEnd {
		return
	}
	floor := int64(math.MinInt64)
	if best != nil {
		switch s.outranks(c, best) {
		case -1:
			return
		case 0:
			keyed := &s.compared[s.keyed]
			floor = keyFor(best.key+s.sumOf(best, keyed), s.sumOf(c, keyed))
			if c.from.key < floor {
				return
			}
		}
	}
	s.classes.moveMisplaced()
	s.classes.build()
	var end position
	s.least, s.overLimit, s.split.of = c.least, false, c.by
	c.row, c.found, end = s.classes.all[c.class].find(&s.wanted, s, c.from, floor)
	s.least = 0
	if s.overLimit {
		c.deferTo(s.overLimitAt)
	}
	if c.found {
		c.from = s.classes.positionOf(c.row)
		c.key = s.mirror.rows[c.row].key
		return
	}
	c.from = end
	c.expect()
	if end == treeEnd && s.last {
		s.useOccupied(c)
		s.know(c)
	}
}

// findNext finds the best row of a contender if it is the first from where the search stands. Most are, and a look at one entry costs
// a fraction of find.
func (s *search) findNext(c *contender) bool {
	if c.from == treeEnd {
		return false
	}
	s.classes.moveMisplaced()
	s.classes.build()
	s.split.of = c.by
	next, ok := s.classes.all[c.class].at(c.from)
	if !ok || !s.accepts(next.row) {
		return false
	}
	c.row, c.found, c.from, c.key = next.row, true, next.position(), next.key
	return true
}

// checkAgain lets a contender keep its best row if it can be used although other classes have had tasks since.
func (s *search) checkAgain(c *contender) {
	if c.occupied {
		s.firstOccupied(c)
		return
	}
	s.overLimit, s.split.of = false, c.by
	if s.split.on && s.verdictsOf(c.row) != c.by || !s.acceptsPicky(c.row) {
		if s.overLimit {
			c.deferTo(s.classes.homeOf(c.row))
		}
		c.lose()
	}
}

// contenderOf returns the index of a class among the contenders, if it is one.
func (s *search) contenderOf(class int32) (int, bool) {
	lo, hi := 0, len(s.contenders) // by hand, since contenders are large and a comparing function gets copies
	for lo < hi {
		if m := (lo + hi) / 2; s.contenders[m].class < class {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < len(s.contenders) && s.contenders[lo].class == class
}

// placed notes that a task of the group has gone to the best row of a contender.
func (s *search) placed(c *contender) {
	if s.passing.on && s.passedEnough() {
		s.end()
		return
	}
	if s.split.on {
		s.placedSplit(c.row)
		return
	}
	s.recount(c)
	if c.occupied {
		s.placedOnOccupied(c)
		s.played(c)
		return
	}
	s.placedInTree(c)
	s.played(c)
}

// placedInTree notes that a task of the group has gone to the row that a search found.
func (s *search) placedInTree(c *contender) {
	// Nothing before the row can be used, so it is still the best of its class if it became no worse.
	s.split.of = c.by
	row := c.row
	now := s.classes.rate(row)
	if s.again = nil; now >= s.mirror.rows[row].key && s.accepts(row) {
		if s.plain && now >= c.key {
			s.again = c // it beat all others with less, and they are as they were
		}
		c.key = now
	} else {
		// It may stand before where the search was: it rose, was moved, and has fallen again.
		c.from = earlier(c.from, position{now, s.mirror.rows[row].rank})
		s.advance(c)
		c.lose()
	}
}

// advance moves the search of a contender that is in games to the next row there is: what it is in with is then mostly what it will be found to have, and it
// need not play twice.
func (s *search) advance(c *contender) {
	if !s.games.on {
		return
	}
	if s.classes.moveMisplaced(); !s.classes.built {
		return
	}
	if next, ok := s.classes.all[c.class].at(c.from); ok {
		c.from = next.position()
	}
}
