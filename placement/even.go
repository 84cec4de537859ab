package placement

// The limit of an even rule moves with the domains that have the fewest tasks: it rises as they are filled, and rows that
// it held off may then be used again. So searches note where the first of those stands, and go back to it.

// takeHistograms gives even rules what they ask for.
func (s *search) takeHistograms() {
	for _, rules := range [][]countRule{s.ofClass, s.ofRow} {
		for i := range rules {
			if r := &rules[i]; r.isEven() {
				r.histogram = s.histogramOf(r)
				s.even = true
			}
		}
	}
	for i := range s.soft {
		if r := &s.soft[i]; r.isEven() {
			r.histogram = s.histogramOf(&r.countRule)
			s.even = true
		}
	}
}

// setLimits sets the limits of even rules as the counts are now. Where one has risen that is asked row by row, rows that
// it held off may be used again.
func (s *search) setLimits() {
	for i := range s.ofClass {
		if r := &s.ofClass[i]; r.histogram != nil {
			was := r.limit
			r.setLimit(r.rule.Limit(r.histogram.domains()))
			s.games.on = s.games.on && !(s.games.shut && r.limit > was)
		}
	}
	for i := range s.soft {
		if r := &s.soft[i]; r.histogram != nil {
			was := r.limit
			r.setLimit(r.rule.Limit(r.histogram.domains()))
			s.games.on = s.games.on && r.limit == was // or any domain may hold it now, or no longer
		}
	}
	risen := false
	for i := range s.ofRow {
		if r := &s.ofRow[i]; r.histogram != nil {
			was := r.limit
			r.setLimit(r.rule.Limit(r.histogram.domains()))
			risen = risen || r.limit > was
		}
	}
	if risen {
		for i := range s.contenders {
			s.release(&s.contenders[i])
		}
		s.games.on = false
	}
}

// isOverLimit reports whether an even rule holds a row off at its present limit.
func (s *search) isOverLimit(row uint32) bool {
	for i := range s.ofRow {
		if r := &s.ofRow[i]; r.histogram != nil && s.tasksAt(r, row) >= r.limit {
			return true
		}
	}
	return false
}

// tasksAt counts the group's tasks in a row's domain under a rule that is asked row by row.
func (s *search) tasksAt(r *countRule, row uint32) int {
	if r.domain == nil {
		return s.counts.on(row)
	}
	return r.domain.in(r.slots[row])
}

// deferTo notes where a row stands that an even rule holds off, for the search to go back to.
func (c *contender) deferTo(p position) {
	if !c.deferred || p.before(c.resume) {
		c.resume, c.deferred = p, true
	}
}

// release sends the search of a class back to the first row that was held off. The row that was its best may have been
// moved before that, and may be its best again.
func (s *search) release(c *contender) {
	switch {
	case c.deferred:
		c.from = earlier(c.from, c.resume)
		if c.found && !c.occupied {
			c.from = earlier(c.from, s.classes.homeOf(c.row))
		}
		c.deferred, c.occupied = false, false
		c.lose()
	case c.occupied:
		s.useOccupied(c)
	}
}
