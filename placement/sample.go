package placement

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// MostSampled is the most nodes that [Strategy.BestOf] draws.
const MostSampled = 100

// BestOf lets the strategy choose among so many nodes alone that are drawn for each task from those that can take it, from 1 to
// [MostSampled]: the power of two choices (Azar, Broder, Karlin and Upfal 1994; Mitzenmacher 2001), which is what Nomad does and, with more of them, kube-scheduler.
// One node of one is [Random] in all but the draw. Each draw begins at a place of the order of ties that follows from the seed, the
// task's ID and the number of the draw, and takes the first node from there on that can take the task and was not drawn: so the
// same nodes and tasks have the same draws. [Picker.Candidates] still ranks all nodes, and a plan's node need not be the first of these.
//
// It is never needed for speed, since an engine finds the best of all nodes as fast for most terms; a draw costs as many nodes as it
// passes by, and a full cluster a walk over all. It is for what sampling does: schedulers that plan apart on the same nodes meet seldom, and strategies that
// others sample can be compared as they are.
func (s Strategy) BestOf(nodes int) Strategy {
	s = s.given()
	if s.sample = nodes; nodes < 1 || nodes > MostSampled {
		s.fault = errors.Join(s.fault, fmt.Errorf("placement: best of %d: not within 1 to %d", nodes, MostSampled))
	}
	return s
}

// draw returns where a draw for a task begins among so many nodes.
func (p *policy) draw(t berth.Task, number, nodes int) int {
	return int(store.Mix(store.Mix(p.strategy.seed^store.LongHash(t.ID))+uint64(number)) % uint64(nodes))
}

// bestOfSample picks the best of the rows that are drawn for a task.
func (s *search) bestOfSample(t berth.Task) (uint32, bool) {
	workers := s.scan.aim(1, s, t)
	w, order := workers[0], s.mirror.tied
	for i := range s.policy.strategy.sample {
		row, c := s.drawn(s.policy.draw(t, i, max(len(order), 1)), w.all)
		if c == nil {
			break
		}
		w.rateRow(row, c, w.next.sums)
		w.all, w.sums = append(w.all, row), append(w.sums, w.next.sums...)
	}
	return s.firstOfBest(workers)
}

// drawn returns the first row from a place in the order of ties on that the group may be placed on, but for some rows, and its contender; nil if there is none.
func (s *search) drawn(from int, but []uint32) (uint32, *contender) {
	order := s.mirror.tied
	for i := range order {
		row := order[(from+i)%len(order)]
		at, ok := s.contenderOf(s.mirror.rows[row].class)
		if !ok || !s.fits(row) || slices.Contains(but, row) {
			continue
		}
		if c := &s.contenders[at]; !s.full(c) && !(s.picky && !s.usable(row)) && !(s.even && s.isOverLimit(row)) {
			return row, c
		}
	}
	return 0, nil
}

// sampled returns those of the nodes that can take a task that are drawn, given all nodes.
func (p *policy) sampled(t berth.Task, can []rated, nodes []string) (some []rated) {
	nodes = slices.SortedFunc(slices.Values(nodes), p.compareTies)
	byID := map[string]rated{}
	for _, r := range can {
		byID[r.id] = r
	}
	for i := range p.strategy.sample {
		from := p.draw(t, i, max(len(nodes), 1))
		for j := range nodes {
			id := nodes[(from+j)%len(nodes)]
			if r, ok := byID[id]; ok {
				some = append(some, r)
				delete(byID, id)
				break
			}
		}
	}
	return some
}
