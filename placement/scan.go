package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// scores asks the strategy for the scores of rows. It has a candidate for each goroutine that does.
type scores struct {
	policy     *policy
	candidates []*Candidate
}

// aim makes candidates for some workers, and sets what those of a task have in common.
func (k *scores) aim(workers int, s *search, t berth.Task) {
	for len(k.candidates) < workers {
		k.candidates = append(k.candidates, new(Candidate))
	}
	for _, c := range k.candidates[:workers] {
		c.names, c.task, c.Request = s.mirror.names, t, s.request
	}
}

// of returns the score of a row whose class has the candidate's capacity.
func (k *scores) of(s *search, c *Candidate, row uint32) int64 {
	c.node = s.mirror.rows[row].id
	c.Free = s.mirror.resourcesOf(row)
	c.Tasks = c.Tasks[:0]
	for _, attribute := range k.policy.counted {
		if attribute == onNode {
			c.Tasks = append(c.Tasks, s.counts.on(row))
			continue
		}
		d := s.own.domains[attribute]
		if slot := d.values.rows[row]; slot >= 0 {
			c.Tasks = append(c.Tasks, d.in(slot))
		} else {
			c.Tasks = append(c.Tasks, -1)
		}
	}
	return k.policy.strategy.Score(c)
}

// choice is the best row so far.
type choice struct {
	preferred, score int64
	row              uint32
	found            bool
}

// rateAll picks the best row by rating every row of the contenders, for strategies and preferences for which no order
// of a class serves: O(nodes), over dense columns, in batches.
func (s *search) rateAll(t berth.Task) (uint32, bool) {
	s.classes.build()
	rows, chunks := 0, 0
	for i := range s.contenders {
		k := s.classes.all[s.contenders[i].class]
		rows, chunks = rows+k.members, chunks+len(k.chunks)
	}
	batches, workers := split(rows)
	s.scores.aim(workers, s, t)
	if workers == 1 {
		var best choice
		s.rateBatch(s.scores.candidates[0], &best, 0, chunks)
		return best.row, best.found
	}
	return s.rateBatches(batches, workers, chunks)
}

func (s *search) rateBatches(batches, workers, chunks int) (uint32, bool) {
	bests := make([]choice, workers)
	inBatches(batches, workers, func(worker, batch int) {
		best := bests[worker]
		s.rateBatch(s.scores.candidates[worker], &best, batch*chunks/batches, (batch+1)*chunks/batches)
		bests[worker] = best
	})
	best := bests[0]
	for _, b := range bests[1:] {
		if b.found && (!best.found || s.beats(&b, &best)) {
			best = b
		}
	}
	return best.row, best.found
}

// rateBatch makes a choice the best of itself and of the rows in some chunks of the contenders, from one on to before
// another. It changes nothing else but the candidate.
func (s *search) rateBatch(c *Candidate, best *choice, from, to int) {
	for i := range s.contenders {
		k := &s.contenders[i]
		class := s.classes.all[k.class]
		n := len(class.chunks)
		chunks := class.chunks[min(max(from, 0), n):min(max(to, 0), n)]
		from, to = from-n, to-n
		if len(chunks) == 0 || s.full(k) {
			continue
		}
		c.Capacity = class.capacity
		for row := range rowsOf(chunks) {
			if !s.fits(row) || s.picky && !s.usable(row) || s.even && s.isOverLimit(row) {
				continue
			}
			next := choice{preferred: k.preferred, score: s.scores.of(s, c, row), row: row, found: true}
			if s.byRow {
				next.preferred = fit.Preferred(s.group, s.mirror.rows[row].node.Spec)
			}
			if !best.found || s.beats(&next, best) {
				*best = next
			}
		}
	}
}

// beats reports whether a is a better choice than b, where scores say all that a strategy has to say.
func (s *search) beats(a, b *choice) bool {
	if a.preferred != b.preferred {
		return a.preferred > b.preferred
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return s.mirror.rows[a.row].rank < s.mirror.rows[b.row].rank
}
