package placement

import (
	"math/bits"
	"slices"
)

// winnerTree finds the best of many, and the best again when one of them has changed: each stands at a leaf, of each
// pair of neighbours the better goes up, and the best of all is at the top. It holds numbers and knows nothing of what
// they stand for. It becomes invalid when what a number stands for changes: its leaf is then played again.
type winnerTree struct {
	leaves int     // a power of two, or 0 where there is no tree
	winner []int32 // winner[1] is the best of all, winner[i] the better of winner[2i] and winner[2i+1]; leaves from winner[leaves] on
}

// nobody stands at a leaf that is empty.
const nobody = int32(-1)

// judge says whether the first of two is the better one. Of two that differ exactly one is.
type judge interface{ better(a, b int32) bool }

// reset makes a tree of at least n empty leaves, in which nothing is played.
func (w *winnerTree) reset(n int) {
	w.leaves = 1 << bits.Len(uint(max(n, 1)-1))
	if cap(w.winner) < 2*w.leaves {
		w.winner = make([]int32, 2*w.leaves)
	}
	w.winner = w.winner[:2*w.leaves]
	for i := range w.winner {
		w.winner[i] = nobody
	}
}

// set puts a number at a leaf, or nobody. What is above is played by play or replay.
func (w *winnerTree) set(leaf int, who int32) { w.winner[w.leaves+leaf] = who }

// top returns the best of all, or nobody.
func (w *winnerTree) top() int32 { return w.winner[1] }

func match(j judge, a, b int32) int32 {
	switch {
	case b < 0:
		return a
	case a < 0 || !j.better(a, b):
		return b
	}
	return a
}

// play plays all games.
func (w *winnerTree) play(j judge) {
	for i := w.leaves - 1; i > 0; i-- {
		w.winner[i] = match(j, w.winner[2*i], w.winner[2*i+1])
	}
}

// replay plays the games above a leaf.
func (w *winnerTree) replay(j judge, leaf int) {
	for i := (w.leaves + leaf) / 2; i > 0; i /= 2 {
		w.winner[i] = match(j, w.winner[2*i], w.winner[2*i+1])
	}
}

// replayAll plays the games above several leaves, each once though it is above more than one of them. The list is used up.
func (w *winnerTree) replayAll(j judge, leaves []int32) {
	slices.Sort(leaves)
	for i := range leaves {
		leaves[i] += int32(w.leaves)
	}
	for len(leaves) > 0 && leaves[0] > 1 {
		n := 0
		for _, at := range leaves {
			if at /= 2; n > 0 && leaves[n-1] == at {
				continue
			}
			w.winner[at] = match(j, w.winner[2*at], w.winner[2*at+1])
			leaves[n] = at
			n++
		}
		leaves = leaves[:n]
	}
}

// second returns the best of all but the one that came up from a leaf, or nobody.
func (w *winnerTree) second(j judge, leaf int) int32 {
	best := nobody
	for i := w.leaves + leaf; i > 1; i /= 2 {
		best = match(j, best, w.winner[i^1])
	}
	return best
}
