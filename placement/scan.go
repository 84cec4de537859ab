package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// scan picks the best row by asking about every row of the run's lanes, for strategies and preferences
// whose order no lane keeps: O(nodes), over dense columns, in parts.
func (e *Engine) scan(r *run, t berth.Task) (uint32, bool) {
	e.build()
	rows, chunks := 0, 0
	for i := range r.lanes {
		l := e.lanes[r.lanes[i].lane]
		rows, chunks = rows+l.size, chunks+len(l.chunks)
	}
	parts, workers := split(rows)
	e.aim(workers, r, t)
	if workers == 1 {
		var best choice
		e.scanPart(r, e.cands[0], &best, 0, chunks)
		return best.row, best.found
	}
	return e.scanParts(r, parts, workers, chunks)
}

func (e *Engine) scanParts(r *run, parts, workers, chunks int) (uint32, bool) {
	bests := make([]choice, workers)
	inParts(parts, workers, func(worker, part int) {
		best := bests[worker]
		e.scanPart(r, e.cands[worker], &best, part*chunks/parts, (part+1)*chunks/parts)
		bests[worker] = best
	})
	best := bests[0]
	for _, b := range bests[1:] {
		if b.found && (!best.found || e.beats(&b, &best)) {
			best = b
		}
	}
	return best.row, best.found
}

// choice is the best row so far.
type choice struct {
	preferred, score int64
	row              uint32
	found            bool
}

// scanPart makes a choice the best of itself and of the rows in the chunks of the run's lanes, from one place on to
// before another. It changes nothing else but the candidate.
func (e *Engine) scanPart(r *run, c *Candidate, best *choice, from, to int) {
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
			cand := choice{preferred: lr.preferred, score: e.score(c, r, row), row: row, found: true}
			if r.escaped {
				cand.preferred = cluster.Preferred(r.group, e.rows[row].node.Spec)
			}
			if !best.found || e.beats(&cand, best) {
				*best = cand
			}
		}
	}
}

// beats reports whether a is a better choice than b, where scores say all that a strategy has to say.
func (e *Engine) beats(a, b *choice) bool {
	if a.preferred != b.preferred {
		return a.preferred > b.preferred
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return e.rows[a.row].rank < e.rows[b.row].rank
}

// aim makes a candidate for each worker, and sets what all candidates for a task have in common.
func (e *Engine) aim(workers int, r *run, t berth.Task) {
	for len(e.cands) < workers {
		e.cands = append(e.cands, new(Candidate))
	}
	for _, c := range e.cands[:workers] {
		c.names, c.task, c.Request = e.view.Dims(), t, r.request
	}
}

func (e *Engine) score(c *Candidate, r *run, row uint32) int64 {
	c.node = e.rows[row].id
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
