package placement

import (
	"github.com/berth-sched/berth"
)

// scan picks the best row by asking about every row of the run's lanes, for strategies and preferences
// whose order no lane keeps: O(nodes), over dense columns, in parts.
func (e *Engine) scan(r *run, t berth.Task) (uint32, bool) {
	rows, chunks := 0, 0
	for i := range r.lanes {
		l := e.lanes[r.lanes[i].lane]
		rows, chunks = rows+l.size, chunks+len(l.chunks)
	}
	parts := partsOf(rows)
	e.aim(parts, r, t)
	if parts == 1 {
		best, found := e.scanPart(r, e.cands[0], 0, chunks)
		return best.row, found
	}
	bests, founds := make([]laneRun, parts), make([]bool, parts)
	n := chunks // a copy that the parts may share, so that a scan in one part allocates nothing
	inParts(parts, func(part int) {
		bests[part], founds[part] = e.scanPart(r, e.cands[part], part*n/parts, (part+1)*n/parts)
	})
	best, found := bests[0], founds[0]
	for part := 1; part < parts; part++ {
		if b := bests[part]; founds[part] && (!found || e.beats(&b, &best)) {
			best, found = b, true
		}
	}
	return best.row, found
}

// scanPart is scan for the chunks of the run's lanes from one place on to before another. It changes nothing but
// the candidate.
func (e *Engine) scanPart(r *run, c *Candidate, from, to int) (best laneRun, found bool) {
	for i := range r.lanes {
		lr := &r.lanes[i]
		l := e.lanes[lr.lane]
		chunks := l.chunks[min(max(from, 0), len(l.chunks)):min(max(to, 0), len(l.chunks))]
		from, to = from-len(l.chunks), to-len(l.chunks)
		if len(chunks) == 0 || e.full(r, lr) {
			continue
		}
		c.Capacity = l.profile.capacity
		for row := range rowsOf(chunks) {
			if !e.fits(r, row) || r.picky && !e.usable(r, row) || r.even && e.held(r, row) {
				continue
			}
			cand := laneRun{lane: lr.lane, row: row, preferred: lr.preferred, score: e.score(c, r, row)}
			if r.escaped {
				cand.preferred = r.group.Preferred(e.records[row].Payload.(*berth.Node))
			}
			if !found || e.beats(&cand, &best) {
				best, found = cand, true
			}
		}
	}
	return best, found
}

// beats reports whether a is a better choice than b, where scores say all that a strategy has to say.
func (e *Engine) beats(a, b *laneRun) bool {
	if a.preferred != b.preferred {
		return a.preferred > b.preferred
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return e.rank[a.row] < e.rank[b.row]
}

// aim makes a candidate for each part, and sets what all candidates for a task have in common.
func (e *Engine) aim(parts int, r *run, t berth.Task) {
	for len(e.cands) < parts {
		e.cands = append(e.cands, new(Candidate))
	}
	for _, c := range e.cands[:parts] {
		c.names, c.task, c.Request = e.view.Dims(), t, r.request
	}
}

func (e *Engine) score(c *Candidate, r *run, row uint32) int64 {
	c.node = e.records[row].ID
	c.Free = e.freeOf(row)[:e.dims]
	c.Tasks = c.Tasks[:0]
	for _, zone := range e.zoneOf {
		if zone == onNode {
			c.Tasks = append(c.Tasks, e.hostCount(row))
			continue
		}
		d := r.tally.domains[zone]
		if slot := d.values.rows[row]; slot >= 0 {
			c.Tasks = append(c.Tasks, d.at(slot))
		} else {
			c.Tasks = append(c.Tasks, -1)
		}
	}
	return e.strategy.Score(c)
}
