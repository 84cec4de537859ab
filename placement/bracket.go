package placement

import (
	"cmp"
	"math/bits"
	"slices"
)

// Where lanes are many, as they are if a strategy spreads over racks, a run does not look at each for each task: it
// plays a knockout among them. Each lane is in it with its best row, or with a row that does not exist and is at
// least as good as any it has; such a lane, if it wins, is searched, and plays again. What a task changes is the
// lane it went to, and how the lanes of its domains compare with others. In the bracket the lanes of one domain
// stand side by side, so that only the games at the ends of their span are played again: those between lanes of
// one domain end as before.

// manyLanes is how many lanes a run has before a knockout is cheaper than looking at each.
const manyLanes = 16

// bracket is the order in which lanes stand, the same for all runs as long as lanes are the same: by their domains
// under the strategy's attributes, that of the fewest domains first, so that spans are few although domains cross.
type bracket struct {
	lanes []int32    // in order
	slots []int32    // by lane: its slots in the strategy's domains, -1 for none
	spans [][][]span // by attribute and slot: where the lanes of the domain stand
}

type span struct{ from, to int32 }

// lanesInOrder returns the bracket of the engine's lanes.
func (e *Engine) lanesInOrder() *bracket {
	if e.bracket != nil {
		return e.bracket
	}
	zones := len(e.zoneKeys)
	b := &bracket{spans: make([][][]span, zones)}
	order := make([]int, zones)
	for z := range order {
		order[z] = z
	}
	for i, l := range e.lanes {
		b.lanes = append(b.lanes, int32(i))
		for _, key := range e.zoneKeys {
			slot := int32(-1)
			if v, ok := l.profile.attr(key); ok {
				slot = e.numbers(key).slot(v)
			}
			b.slots = append(b.slots, slot)
		}
	}
	slices.SortStableFunc(order, func(a, c int) int {
		return cmp.Compare(len(e.numbers(e.zoneKeys[a]).slots), len(e.numbers(e.zoneKeys[c]).slots))
	})
	slotsOf := func(lane int32) []int32 { return b.slots[int(lane)*zones : int(lane+1)*zones] }
	slices.SortStableFunc(b.lanes, func(a, c int32) int {
		for _, z := range order {
			if c := cmp.Compare(slotsOf(a)[z], slotsOf(c)[z]); c != 0 {
				return c
			}
		}
		return 0
	})
	for z := range zones {
		for at, lane := range b.lanes {
			slot := slotsOf(lane)[z]
			if slot < 0 {
				continue
			}
			for int(slot) >= len(b.spans[z]) {
				b.spans[z] = append(b.spans[z], nil)
			}
			spans := b.spans[z][slot]
			if k := len(spans); k > 0 && int(spans[k-1].to) == at {
				spans[k-1].to++
			} else {
				b.spans[z][slot] = append(spans, span{int32(at), int32(at + 1)})
			}
		}
	}
	e.bracket = b
	return b
}

// knockout is a run's games: a tree in which each lane that can still be used is a leaf, and the winner of each
// pair goes up.
type knockout struct {
	on     bool    // whether the run has one and it is up to date
	leaves int     // a power of two
	winner []int32 // places in the run's lanes, or -1
	leafOf []int32 // by place in the run's lanes
	before []int32 // by place in the bracket: how many of the run's lanes stand before it
	shut   bool    // whether lanes are out because a domain of theirs is full
}

// play makes the games of a run anew: O(lanes).
func (e *Engine) play(r *run) {
	e.flush() // what a lane is in with must not be worse than a row that is out of place
	e.build()
	b, k := e.lanesInOrder(), &r.games
	k.on, k.shut = true, false
	k.leaves = 1 << bits.Len(uint(len(r.lanes)-1))
	k.winner = append(k.winner[:0], make([]int32, 2*k.leaves)...)
	k.leafOf = append(k.leafOf[:0], make([]int32, len(r.lanes))...)
	k.before = k.before[:0]
	place := make([]int32, len(e.lanes)) // of a lane in the run's, plus one
	for i := range r.lanes {
		place[r.lanes[i].lane] = int32(i + 1)
	}
	for i := range k.winner {
		k.winner[i] = -1
	}
	n := int32(0)
	for _, lane := range b.lanes {
		k.before = append(k.before, n)
		i := place[lane] - 1
		if i < 0 {
			continue
		}
		lr := &r.lanes[i]
		k.leafOf[i] = n
		if e.full(r, lr) {
			k.shut = true
		} else if lr.found || lr.from != laneEnd {
			if lr.from == laneStart {
				lr.from = e.lanes[lane].chunks[0].places[0][0].position()
			}
			if !lr.found {
				lr.expect()
			}
			k.winner[k.leaves+int(n)] = i
		}
		n++
	}
	k.before = append(k.before, n)
	for i := k.leaves - 1; i > 0; i-- {
		k.winner[i] = e.game(r, k.winner[2*i], k.winner[2*i+1])
	}
}

// game returns the better of two of the run's lanes.
func (e *Engine) game(r *run, i, j int32) int32 {
	if i < 0 || j < 0 {
		return max(i, j)
	}
	a, b := &r.lanes[i], &r.lanes[j]
	c := e.outranks(r, a, b)
	if c == 0 {
		if c = cmp.Compare(a.score, b.score); c == 0 {
			c = cmp.Compare(e.rankOf(b), e.rankOf(a))
		}
	}
	if c < 0 {
		return j
	}
	return i
}

// rankOf returns the rank of the row that a lane is in with.
func (e *Engine) rankOf(lr *laneRun) uint32 {
	if lr.found {
		return e.rows[lr.row].rank
	}
	return lr.from.rank
}

// replay plays the games above a leaf again.
func (e *Engine) replay(r *run, leaf int32) {
	k := &r.games
	for i := (k.leaves + int(leaf)) / 2; i > 0; i /= 2 {
		k.winner[i] = e.game(r, k.winner[2*i], k.winner[2*i+1])
	}
}

// replayLane plays again after a lane has another row, or none any more.
func (e *Engine) replayLane(r *run, i int32) {
	if lr := &r.lanes[i]; !lr.found && lr.from == laneEnd {
		e.out(r, i)
	} else {
		e.replay(r, r.games.leafOf[i])
	}
}

// out takes a lane out of the games.
func (e *Engine) out(r *run, i int32) {
	r.games.winner[r.games.leaves+int(r.games.leafOf[i])] = -1
	e.replay(r, r.games.leafOf[i])
}

// second returns the best of the run's lanes but for the winner, or nil.
func (e *Engine) second(r *run, winner int32) *laneRun {
	k, best := &r.games, int32(-1)
	for i := k.leaves + int(k.leafOf[winner]); i > 1; i /= 2 {
		best = e.game(r, best, k.winner[i^1])
	}
	if best < 0 {
		return nil
	}
	return &r.lanes[best]
}

// bestLane returns the lane with the best row of all, or nil if there is no row.
func (e *Engine) bestLane(r *run) *laneRun {
	const few = 8
	if !r.games.on {
		e.play(r)
	}
	for shut := 0; ; {
		i := r.games.winner[1]
		if i < 0 {
			return nil
		}
		lr := &r.lanes[i]
		if len(r.zones) > 0 && e.full(r, lr) {
			r.games.shut = true
			if shut++; shut > few { // a domain of many lanes: take them all out at once
				e.play(r)
			} else {
				e.out(r, i)
			}
			continue
		}
		if lr.found {
			row := lr.row
			if len(r.wide) > 0 {
				e.checkAgain(r, lr)
			}
			if lr.found && lr.row == row {
				return lr
			}
		} else {
			e.search(r, lr, e.second(r, i))
		}
		e.replayLane(r, i)
	}
}

// played plays again what a task on a row of a lane has changed.
func (e *Engine) played(r *run, lr *laneRun) {
	k := &r.games
	if !k.on {
		return
	}
	games := bits.Len(uint(k.leaves))
	for z, spans := range e.bracket.spans {
		slot := r.slots[int(lr.slots)+z]
		if slot < 0 {
			continue
		}
		if 2*games*len(spans[slot]) > k.leaves {
			k.on = false // as many games as there are: all anew
			return
		}
		for _, s := range spans[slot] {
			if from, to := k.before[s.from], k.before[s.to]; from < to {
				e.replay(r, from)
				e.replay(r, to-1)
			}
		}
	}
	if i, ok := r.find(lr.lane); ok {
		e.replayLane(r, int32(i))
	}
}
