package placement

import (
	"github.com/berth-sched/berth"
)

// scan picks the best row by asking about every row of the run's lanes, for strategies and preferences
// whose order no lane keeps: O(nodes), over dense columns.
func (e *Engine) scan(r *run, t berth.Task) (uint32, bool) {
	e.aim(r, t)
	c := &e.cand
	var best laneRun
	found := false
	for i := range r.lanes {
		lr := &r.lanes[i]
		l := e.lanes[lr.lane]
		if e.full(r, lr) {
			continue
		}
		c.Capacity = l.profile.capacity
		for row := range l.all() {
			if !e.fits(r, row) || r.picky && !e.usable(r, row) || r.even && e.held(r, row) {
				continue
			}
			cand := laneRun{lane: lr.lane, row: row, preferred: lr.preferred, score: e.score(r, row)}
			if r.escaped {
				cand.preferred = r.group.Preferred(e.records[row].Payload.(*berth.Node))
			}
			if !found || cand.preferred > best.preferred || cand.preferred == best.preferred &&
				(cand.score > best.score || cand.score == best.score && e.rank[row] < e.rank[best.row]) {
				best, found = cand, true
			}
		}
	}
	return best.row, found
}

// aim sets what all candidates for a task have in common.
func (e *Engine) aim(r *run, t berth.Task) {
	e.cand.names, e.cand.task, e.cand.Request = e.view.Dims(), t, r.request
}

func (e *Engine) score(r *run, row uint32) int64 {
	c := &e.cand
	n := e.records[row]
	c.node = n.ID
	c.Free = e.freeOf(row)[:e.dims]
	c.Tasks = c.Tasks[:0]
	for _, zone := range e.zoneOf {
		if zone == onNode {
			c.Tasks = append(c.Tasks, e.hostCount(row))
			continue
		}
		d := r.tally.domains[zone]
		if v, ok := n.Attr(d.key); ok {
			c.Tasks = append(c.Tasks, d.at(d.values.slot(v)))
		} else {
			c.Tasks = append(c.Tasks, -1)
		}
	}
	return e.strategy.Score(c)
}
