package placement

import (
	"encoding/binary"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// A ranking is every row's score for one shape, in a tournament: the winner of each pair goes up, and the
// best row stands at the top. It serves strategies of Shape whose order no lane keeps. It is kept from plan to
// plan, and before it is asked it is told the rows that have changed since.
type ranking struct {
	told   int    // how many of the engine's changes it knows
	used   uint64 // when it was last asked
	leaves int    // a power of two
	winner []uint32
	score  []int64 // by row
	prefer []int64
}

const (
	noRow       = ^uint32(0)
	maxRankings = 32 // shapes kept; beyond it the one not asked for longest goes
)

// rankingOf returns the ranking of the run's shape, brought up to date.
func (e *Engine) rankingOf(r *run, t berth.Task) *ranking {
	key := binary.AppendUvarint(e.shapeKey[:0], uint64(len(r.needs)))
	for _, n := range r.needs {
		key = binary.AppendUvarint(key, uint64(n.Dim))
		key = binary.AppendVarint(key, n.Amount)
	}
	for i := range r.devices {
		d := &r.devices[i]
		key = binary.AppendUvarint(binary.AppendVarint(key, d.Share), uint64(d.Count))
		key = fmt.Appendf(key, "%q %q", d.Class, d.Models)
	}
	eligibility := r.group.Requirements().Eligibility
	key = append(key, eligibility...)
	e.shapeKey = key

	k := e.rankings[string(key)]
	if k == nil {
		if e.rankings == nil {
			e.rankings = map[string]*ranking{}
		}
		if len(e.rankings) >= maxRankings {
			e.dropRanking()
		}
		k = &ranking{told: -1}
		e.rankings[string(key)] = k
	}
	e.asked++
	k.used = e.asked
	rows := len(e.rows)
	if k.told < 0 || len(e.changes)-k.told > rows/4 || len(k.score) != rows {
		e.rankAll(k, r, t)
	} else {
		e.aim(1, r, t)
		for _, row := range e.changes[k.told:] {
			e.rerank(k, r, row)
		}
	}
	k.told = len(e.changes)
	return k
}

func (e *Engine) dropRanking() {
	oldest, key := e.asked+1, ""
	for name, k := range e.rankings { // used is unique, so the order of the map does not matter
		if k.used < oldest {
			oldest, key = k.used, name
		}
	}
	delete(e.rankings, key)
}

// changed notes that a row has changed, for sorted columns and rankings to be told.
func (e *Engine) changed(row uint32) {
	e.sorted.note(row)
	if len(e.rankings) == 0 {
		return
	}
	if len(e.changes) > maxChanges {
		e.changes = e.changes[:0]
		clear(e.rankings)
	}
	e.changes = append(e.changes, row)
}

const maxChanges = 1 << 20

// rankAll makes a ranking anew: O(rows), which are rated in parts.
func (e *Engine) rankAll(k *ranking, r *run, t berth.Task) {
	rows := len(e.rows)
	k.leaves = 1
	for k.leaves < rows {
		k.leaves *= 2
	}
	k.winner = make([]uint32, 2*k.leaves)
	k.score, k.prefer = make([]int64, rows), make([]int64, rows)
	for i := range k.leaves {
		k.winner[k.leaves+i] = noRow
	}
	parts, workers := split(rows)
	e.aim(workers, r, t)
	if workers == 1 {
		e.rankPart(k, r, e.cands[0], 0, rows)
	} else {
		inParts(parts, workers, func(worker, part int) {
			e.rankPart(k, r, e.cands[worker], part*rows/parts, (part+1)*rows/parts)
		})
	}
	for i := k.leaves - 1; i > 0; i-- {
		k.winner[i] = e.win(k, k.winner[2*i], k.winner[2*i+1])
	}
}

// rankPart rates the rows from one on to before another.
func (e *Engine) rankPart(k *ranking, r *run, c *Candidate, from, to int) {
	for row := from; row < to; row++ {
		if e.rateRow(k, r, c, uint32(row)) {
			k.winner[k.leaves+row] = uint32(row)
		}
	}
}

// rerank puts a row that has changed where it belongs: O(log rows).
func (e *Engine) rerank(k *ranking, r *run, row uint32) {
	i := k.leaves + int(row)
	k.winner[i] = noRow
	if e.rateRow(k, r, e.cands[0], row) {
		k.winner[i] = row
	}
	for i /= 2; i > 0; i /= 2 {
		k.winner[i] = e.win(k, k.winner[2*i], k.winner[2*i+1])
	}
}

// rateRow scores a row; false means that it cannot be used.
func (e *Engine) rateRow(k *ranking, r *run, c *Candidate, row uint32) bool {
	if e.rows[row].lane < 0 {
		return false
	}
	lr := r.laneOf(e.rows[row].lane)
	if lr == nil || !e.fits(r, row) || r.picky && !e.usable(r, row) {
		return false
	}
	k.prefer[row] = lr.preferred
	if r.escaped {
		k.prefer[row] = cluster.Preferred(r.group, e.rows[row].node.Spec)
	}
	c.Capacity = e.lanes[lr.lane].profile.capacity
	k.score[row] = e.score(c, r, row)
	return true
}

func (e *Engine) win(k *ranking, a, b uint32) uint32 {
	switch {
	case b == noRow:
		return a
	case a == noRow:
		return b
	case k.prefer[a] != k.prefer[b]:
		if k.prefer[a] > k.prefer[b] {
			return a
		}
		return b
	case k.score[a] != k.score[b]:
		if k.score[a] > k.score[b] {
			return a
		}
		return b
	case e.rows[a].rank < e.rows[b].rank:
		return a
	}
	return b
}

// ranked picks a task's row by the ranking of its shape.
func (e *Engine) ranked(r *run, t berth.Task) (uint32, bool) {
	row := e.rankingOf(r, t).winner[1]
	return row, row != noRow
}
