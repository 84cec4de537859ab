package placement

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// rankings serve strategies of which all terms follow from a node's state, its class and the request, where no order of a
// class serves: of each shape that was asked for, the sums of every row, kept from plan to plan.
//
// A ranking becomes invalid row by row, as rows change: it is told of those when it is next asked for. When the rows
// are made anew, or too many have changed, rankings are thrown away.
type rankings struct {
	mirror  *mirror
	states  *states
	byShape map[string]*ranking
	key     []byte   // of the last shape; kept for its room
	asked   uint64   // how often a ranking was
	changes []uint32 // rows that changed, in order, for rankings to be told
}

// ranking is the sums for one shape, and the best row.
type ranking struct {
	mirror *mirror
	// How many of the changes it knows, never more than there are: what was rated stands as it was when there were so
	// many. -1 until all rows were rated once.
	told  int
	used  uint64     // when it was last asked for: rankings.asked then, so no two are alike
	ties  []uint32   // the mirror's, when all were rated
	tree  winnerTree // a row stands at its rank in ties, so that of equal ones the left one is the better
	tiers int        // sums of a row
	sums  []int64    // row x tier, right for those that stand in the tree

	epoch  uint64            // states.epoch of the numbers below
	rated  map[uint32]uint32 // by the number of a state, the place of its sums
	rates  []int64           // place x tier
	enough []int64           // kept for its room
}

func (r *ranking) sumsOf(row uint32) []int64 { return r.sums[int(row)*r.tiers : (int(row)+1)*r.tiers] }

const (
	fewRankings  = 32      // shapes kept; beyond it, and beyond rankedRows, the one not asked for longest goes
	manyRankings = 1 << 10 // the most that are kept
	rankedRows   = 1 << 21 // rows of all rankings
	maxChanges   = 1 << 20 // changes kept; beyond it all rankings go
)

// most returns how many rankings are kept of so many rows.
func (k *rankings) most() int {
	return min(max(fewRankings, rankedRows/max(len(k.mirror.rows), 1)), manyRankings)
}

// forget throws all rankings away.
func (k *rankings) forget() {
	k.changes = k.changes[:0]
	clear(k.byShape)
}

// changed notes that a row has changed.
func (k *rankings) changed(row uint32) {
	k.states.changed(row)
	if len(k.byShape) == 0 {
		return
	}
	if len(k.changes) > maxChanges {
		k.forget()
	}
	k.changes = append(k.changes, row)
}

// best returns the best row for a task.
func (k *rankings) best(s *search, t berth.Task) (uint32, bool) {
	r := k.of(s, t)
	row := r.tree.top()
	if row != nobody && s.policy.tolerant {
		row = r.firstOfBest(&s.policy.tiers[r.tiers-1])
	}
	return uint32(row), row != nobody
}

// of returns the ranking of the search's shape, brought up to date.
func (k *rankings) of(s *search, t berth.Task) *ranking {
	key := k.keyOf(s)
	r := k.byShape[string(key)]
	if r == nil {
		if len(k.byShape) >= k.most() {
			k.dropOne()
		}
		r = &ranking{mirror: k.mirror, tiers: len(s.policy.tiers), told: -1}
		k.byShape[string(key)] = r
	}
	k.asked++
	r.used = k.asked
	k.states.ready()
	if r.epoch != k.states.epoch {
		r.epoch, r.rates = k.states.epoch, r.rates[:0]
		clear(r.rated)
	}
	if ties := k.mirror.ties; r.told < 0 || len(k.changes)-r.told > len(ties)/4 || !sameRanks(r.ties, ties) {
		r.rateAll(s, t)
	} else {
		w := s.scan.aim(1, s, t)[0]
		for _, row := range k.changes[r.told:] {
			r.rateAgain(w, row)
		}
	}
	r.told = len(k.changes)
	return r
}

// sameRanks reports whether two lists are one.
func sameRanks(a, b []uint32) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// keyOf returns what stands for the search's shape, until it is asked for the next.
func (k *rankings) keyOf(s *search) []byte {
	key := binary.AppendUvarint(k.key[:0], uint64(len(s.needs)))
	for _, n := range s.needs {
		key = binary.AppendUvarint(key, uint64(n.Dim))
		key = binary.AppendVarint(key, n.Amount)
	}
	for i := range s.devices {
		d := &s.devices[i]
		key = binary.AppendUvarint(binary.AppendVarint(key, d.Share), uint64(d.Count))
		key = fmt.Appendf(key, "%q %q", d.Class, d.Models)
		for _, p := range d.Prefer {
			key = fmt.Appendf(key, " prefer %q %d", p.Model, p.Weight)
		}
		for amount, q := range d.Amounts.All() {
			key = fmt.Appendf(key, " %q %d", amount, q)
		}
	}
	rules := s.group.Requirements().Eligibility
	key = append(key, rules...)
	k.key = key
	return key
}

func (k *rankings) dropOne() {
	oldest, key := k.asked+1, ""
	for name, r := range k.byShape { // used is unique, so the order of the map does not matter
		if r.used < oldest {
			oldest, key = r.used, name
		}
	}
	delete(k.byShape, key)
}

// rateAll makes a ranking anew: O(rows), which are rated in batches.
func (r *ranking) rateAll(s *search, t berth.Task) {
	r.ties = r.mirror.ties
	rows := len(r.ties)
	r.tree.reset(rows)
	r.sums = slices.Grow(r.sums[:0], rows*r.tiers)[:rows*r.tiers]
	if s.alike {
		w := s.scan.aim(1, s, t)[0]
		for row := range rows {
			r.place(w, uint32(row))
		}
	} else {
		batches, count := split(rows)
		workers := s.scan.aim(count, s, t)
		inBatches(batches, count, func(worker, batch int) {
			for row := batch * rows / batches; row < (batch+1)*rows/batches; row++ {
				r.place(workers[worker], uint32(row))
			}
		})
	}
	r.tree.play(r)
}

// place puts a row at its leaf if it can be used. It leaves the leaf if the row has no node.
func (r *ranking) place(w *scanWorker, row uint32) {
	if r.mirror.rows[row].node != nil && r.rate(w, row) {
		r.tree.set(int(r.ties[row]), int32(row))
	}
}

// rateAgain puts a row that has changed where it belongs: O(log rows).
func (r *ranking) rateAgain(w *scanWorker, row uint32) {
	if r.mirror.rows[row].node == nil {
		return // it has no rank any more
	}
	who := nobody
	if r.rate(w, row) {
		who = int32(row)
	}
	leaf := int(r.ties[row])
	r.tree.set(leaf, who)
	r.tree.replay(r, leaf)
}

// rate rates a row; false means that it cannot be used.
func (r *ranking) rate(w *scanWorker, row uint32) bool {
	s, st := w.search, &r.mirror.rows[row]
	if st.class < 0 {
		return false
	}
	i, ok := s.contenderOf(st.class)
	if !ok || !s.fits(row) || s.picky && !s.usable(row) {
		return false
	}
	if s.alike {
		copy(r.sumsOf(row), r.ofState(w, row, &s.contenders[i]))
	} else {
		w.rateRow(row, &s.contenders[i], r.sumsOf(row))
	}
	return true
}

// ofState returns the sums of a row's state, rated if it is the first of it.
func (r *ranking) ofState(w *scanWorker, row uint32, of *contender) []int64 {
	state := w.search.rankings.states.number(row)
	at, known := r.rated[state]
	if !known {
		if r.rated == nil {
			r.rated = map[uint32]uint32{}
		}
		at = uint32(len(r.rates) / r.tiers)
		w.rateRow(row, of, w.next.sums)
		r.rates = append(r.rates, w.next.sums...)
		r.rated[state] = at
	}
	return r.rates[int(at)*r.tiers : (int(at)+1)*r.tiers]
}

// firstOfBest returns the first row in the order of ties that counts as the best, where only the last tier has a tolerance.
// There must be a row.
func (r *ranking) firstOfBest(last *tier) int32 {
	r.enough = append(r.enough[:0], r.sumsOf(uint32(r.tree.top()))...)
	r.enough[r.tiers-1] = last.least(r.enough[r.tiers-1])
	i := 1
	for i < r.tree.leaves {
		i *= 2
		if who := r.tree.winner[i]; who == nobody || compareSums(r.sumsOf(uint32(who)), r.enough) < 0 {
			i++
		}
	}
	return r.tree.winner[i]
}

// better is the judge of rows.
func (r *ranking) better(a, b int32) bool {
	if c := compareSums(r.sumsOf(uint32(a)), r.sumsOf(uint32(b))); c != 0 {
		return c > 0
	}
	return r.ties[a] < r.ties[b]
}
