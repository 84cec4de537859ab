package placement

import "cmp"

// Where a strategy counts tasks by node, the nodes of a class that have tasks of the group, the occupied ones, come
// after those that have none. So searches pass them by, and when one has found that no other is left, they are kept in a
// heap: the one with the fewest tasks first, and of those the one with the highest key. Only a task that goes to a
// node moves it there, and then it is the first.

type occupiedRow struct {
	tasks int // of the group, as far as MostTasks
	key   int64
	row   uint32
}

func (s *search) compareOccupied(a, b occupiedRow) int {
	return cmp.Or(cmp.Compare(a.tasks, b.tasks), cmp.Compare(b.key, a.key), cmp.Compare(s.mirror.rows[a.row].rank, s.mirror.rows[b.row].rank))
}

func (s *search) occupiedRow(row uint32) occupiedRow {
	if !s.policy.byNode { // it was listed for being near others
		return occupiedRow{0, s.classes.rate(row), row}
	}
	return occupiedRow{min(s.counts.on(row), MostTasks), s.classes.rate(row), row}
}

// useOccupied turns to the occupied nodes of a class in which no other can be used: O(its nodes), or O(all that are
// occupied) if those are fewer.
func (s *search) useOccupied(c *contender) {
	c.hosts, c.occupied, c.noted = c.hosts[:0], true, false
	if k := s.classes.all[c.class]; k.members < len(s.own.hosts) {
		for row := range k.all() {
			if s.counts.on(row) > 0 {
				c.hosts = append(c.hosts, s.occupiedRow(row))
			}
		}
	} else {
		for _, h := range s.own.hosts {
			if h.tasks > 0 && s.mirror.rows[h.row].class == c.class {
				c.hosts = append(c.hosts, s.occupiedRow(h.row))
			}
		}
	}
	for i := len(c.hosts)/2 - 1; i >= 0; i-- {
		s.sift(c.hosts, i)
	}
	s.firstOccupied(c)
}

// placedOnOccupied notes that the first of the occupied nodes has one more task.
func (s *search) placedOnOccupied(c *contender) {
	c.hosts[0] = s.occupiedRow(c.row)
	s.sift(c.hosts, 0)
	s.firstOccupied(c)
}

// firstOccupied makes the first occupied node that can be used the best of its class, and drops those before it. Where an
// even rule holds some of them off at its present limit, all come back with the next.
func (s *search) firstOccupied(c *contender) {
	for len(c.hosts) > 0 {
		if h := &c.hosts[0]; (!s.split.on || s.isListed(c)) && s.fits(h.row) && s.usable(h.row) && !(s.even && s.isOverLimit(h.row)) && !(s.mixed && s.counts.on(h.row) > 0) {
			c.found, c.row, c.key = true, h.row, h.key
			return
		}
		last := len(c.hosts) - 1
		c.hosts[0] = c.hosts[last]
		c.hosts = c.hosts[:last]
		s.sift(c.hosts, 0)
	}
	c.found = false
}

// sift puts the node at i where it belongs among those below it.
func (s *search) sift(hosts []occupiedRow, i int) {
	for {
		child := 2*i + 1
		if child >= len(hosts) {
			return
		}
		if next := child + 1; next < len(hosts) && s.compareOccupied(hosts[next], hosts[child]) < 0 {
			child = next
		}
		if s.compareOccupied(hosts[i], hosts[child]) <= 0 {
			return
		}
		hosts[i], hosts[child] = hosts[child], hosts[i]
		i = child
	}
}

// tasksOnRow counts the group's tasks on the node that a class would take: none unless only occupied ones are left.
func (c *contender) tasksOnRow() int {
	if !c.occupied || !c.found {
		return 0
	}
	return c.hosts[0].tasks
}
