package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// scores asks the strategy for the scores of rows. It has a candidate for each goroutine that does.
type scores struct {
	p          *policy
	candidates []*Candidate
}

// aim makes candidates for some workers, and sets what those of a task have in common.
func (k *scores) aim(workers int, s *search, t berth.Task) {
	for len(k.candidates) < workers {
		k.candidates = append(k.candidates, new(Candidate))
	}
	for _, c := range k.candidates[:workers] {
		c.names, c.task, c.Request = s.m.names, t, s.request
	}
}

// of returns the score of a row whose class has the candidate's capacity.
func (k *scores) of(s *search, c *Candidate, row uint32) int64 {
	c.node = s.m.rows[row].id
	c.Free = s.m.resourcesOf(row)
	c.Tasks = c.Tasks[:0]
	for _, attribute := range k.p.counted {
		if attribute == onNode {
			c.Tasks = append(c.Tasks, s.c.on(row))
			continue
		}
		d := s.counts.domains[attribute]
		if slot := d.values.rows[row]; slot >= 0 {
			c.Tasks = append(c.Tasks, d.in(slot))
		} else {
			c.Tasks = append(c.Tasks, -1)
		}
	}
	return k.p.strategy.Score(c)
}

// choice is the best row so far.
type choice struct {
	preferred, score int64
	row              uint32
	found            bool
}

// rateAll picks the best row by rating every row of the contenders, for strategies and preferences for which no order
// of a class serves: O(nodes), over dense columns, in parts.
func (s *search) rateAll(t berth.Task) (uint32, bool) {
	s.x.build()
	rows, chunks := 0, 0
	for i := range s.contenders {
		k := s.x.classes[s.contenders[i].class]
		rows, chunks = rows+k.members, chunks+len(k.chunks)
	}
	parts, workers := split(rows)
	s.scores.aim(workers, s, t)
	if workers == 1 {
		var best choice
		s.ratePart(s.scores.candidates[0], &best, 0, chunks)
		return best.row, best.found
	}
	return s.rateParts(parts, workers, chunks)
}

func (s *search) rateParts(parts, workers, chunks int) (uint32, bool) {
	bests := make([]choice, workers)
	inParts(parts, workers, func(worker, part int) {
		best := bests[worker]
		s.ratePart(s.scores.candidates[worker], &best, part*chunks/parts, (part+1)*chunks/parts)
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

// ratePart makes a choice the best of itself and of the rows in some chunks of the contenders, from one on to before
// another. It changes nothing else but the candidate.
func (s *search) ratePart(c *Candidate, best *choice, from, to int) {
	for i := range s.contenders {
		k := &s.contenders[i]
		class := s.x.classes[k.class]
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
				next.preferred = cluster.Preferred(s.group, s.m.rows[row].node.Spec)
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
	return s.m.rows[a.row].rank < s.m.rows[b.row].rank
}
