package placement

import "cmp"

// Where a strategy counts tasks by node, the nodes of a lane that have tasks of the group come after those that have
// none. So searches pass them by, and when one has found that no other is left, they stand in for the lane: in a heap,
// the one with the fewest tasks first, and of those the one with the highest score. Only a task that goes to a node
// moves it there, and then it is the first.

// hostRow is a row that stands in for its lane.
type hostRow struct {
	tasks int // of the group, as far as MostTasks
	score int64
	row   uint32
}

func (e *Engine) compareHosts(a, b hostRow) int {
	return cmp.Or(cmp.Compare(a.tasks, b.tasks), cmp.Compare(b.score, a.score), cmp.Compare(e.rows[a.row].rank, e.rows[b.row].rank))
}

func (e *Engine) hostRow(lr *laneRun, row uint32) hostRow {
	return hostRow{min(e.hostCount(row), MostTasks), e.rate(row) + lr.groupTerm, row}
}

// standIn makes the rows that have tasks of the group those of a lane in which no other can be used: O(its rows), or
// O(all that have some) if those are fewer.
func (e *Engine) standIn(r *run, lr *laneRun) {
	lr.hosts, lr.apart = lr.hosts[:0], true
	if l := e.lanes[lr.lane]; l.size < len(r.tally.hosts) {
		for row := range l.all() {
			if e.hostCount(row) > 0 {
				lr.hosts = append(lr.hosts, e.hostRow(lr, row))
			}
		}
	} else {
		for _, h := range r.tally.hosts {
			if h.tasks > 0 && e.rows[h.row].lane == lr.lane {
				lr.hosts = append(lr.hosts, e.hostRow(lr, h.row))
			}
		}
	}
	for i := len(lr.hosts)/2 - 1; i >= 0; i-- {
		e.sift(lr.hosts, i)
	}
	e.firstHost(r, lr)
}

// placedApart notes that the first of the rows that stand in for a lane has one more task.
func (e *Engine) placedApart(r *run, lr *laneRun) {
	lr.hosts[0] = e.hostRow(lr, lr.row)
	e.sift(lr.hosts, 0)
	e.firstHost(r, lr)
}

// firstHost makes the first row that can be used the best of its lane, and drops those before it. Where an even rule
// holds some of them off at its present limit, all come back with the next.
func (e *Engine) firstHost(r *run, lr *laneRun) {
	for len(lr.hosts) > 0 {
		if h := lr.hosts[0]; e.fits(r, h.row) && e.usableApart(r, h.row) {
			lr.found, lr.row, lr.score = true, h.row, h.score
			return
		}
		last := len(lr.hosts) - 1
		lr.hosts[0] = lr.hosts[last]
		lr.hosts = lr.hosts[:last]
		e.sift(lr.hosts, 0)
	}
	lr.found = false
}

func (e *Engine) usableApart(r *run, row uint32) bool {
	return e.usable(r, row) && !(r.even && e.held(r, row))
}

// sift puts the host at i where it belongs among those below it.
func (e *Engine) sift(hosts []hostRow, i int) {
	for {
		child := 2*i + 1
		if child >= len(hosts) {
			return
		}
		if next := child + 1; next < len(hosts) && e.compareHosts(hosts[next], hosts[child]) < 0 {
			child = next
		}
		if e.compareHosts(hosts[i], hosts[child]) <= 0 {
			return
		}
		hosts[i], hosts[child] = hosts[child], hosts[i]
		i = child
	}
}

// tasksApart counts the group's tasks on the node that a lane would take: none unless its rows stand apart.
func (lr *laneRun) tasksApart() int {
	if !lr.apart || !lr.found {
		return 0
	}
	return lr.hosts[0].tasks
}
