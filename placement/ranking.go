package placement

import (
	"encoding/binary"
	"fmt"

	"github.com/berth-sched/berth"
)

// rankings serve strategies of Shape for which no order of a class serves: of each shape that was asked for, every
// row's score, kept from plan to plan.
//
// A ranking becomes invalid row by row, as rows change: it is told of those when it is next asked for. When the rows
// are made anew, or too many have changed, rankings are thrown away.
type rankings struct {
	mirror  *mirror
	byShape map[string]*ranking
	key     []byte   // of the last shape; kept for its room
	asked   uint64   // how often a ranking was
	changes []uint32 // rows that changed, in order, for rankings to be told
}

// ranking is the scores for one shape, and the best row.
type ranking struct {
	mirror *mirror
	// How many of the changes it knows, never more than there are: what was rated stands as it was when there were so
	// many. -1 until all rows were rated once.
	told  int
	used  uint64 // when it was last asked for: rankings.asked then, so no two are alike
	tree  winnerTree
	rows  int     // when all were rated
	tiers int     // sums of a row
	sums  []int64 // row x tier, right for those that stand in the tree
}

func (r *ranking) sumsOf(row uint32) []int64 { return r.sums[int(row)*r.tiers : (int(row)+1)*r.tiers] }

const (
	maxRankings = 32      // shapes kept; beyond it the one not asked for longest goes
	maxChanges  = 1 << 20 // changes kept; beyond it all rankings go
)

// forget throws all rankings away.
func (k *rankings) forget() {
	k.changes = k.changes[:0]
	clear(k.byShape)
}

// changed notes that a row has changed.
func (k *rankings) changed(row uint32) {
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
	row := k.of(s, t).tree.top()
	return uint32(row), row != nobody
}

// of returns the ranking of the search's shape, brought up to date.
func (k *rankings) of(s *search, t berth.Task) *ranking {
	key := k.keyOf(s)
	r := k.byShape[string(key)]
	if r == nil {
		if len(k.byShape) >= maxRankings {
			k.dropOne()
		}
		r = &ranking{mirror: k.mirror, tiers: len(s.policy.tiers), told: -1}
		k.byShape[string(key)] = r
	}
	k.asked++
	r.used = k.asked
	rows := len(k.mirror.rows)
	if r.told < 0 || len(k.changes)-r.told > rows/4 || r.rows != rows {
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
	rows := len(r.mirror.rows)
	r.tree.reset(rows)
	r.rows, r.sums = rows, make([]int64, rows*r.tiers)
	batches, count := split(rows)
	workers := s.scan.aim(count, s, t)
	inBatches(batches, count, func(worker, batch int) {
		for row := batch * rows / batches; row < (batch+1)*rows/batches; row++ {
			if r.rate(workers[worker], uint32(row)) {
				r.tree.set(row, int32(row))
			}
		}
	})
	r.tree.play(r)
}

// rateAgain puts a row that has changed where it belongs: O(log rows).
func (r *ranking) rateAgain(w *scanWorker, row uint32) {
	who := nobody
	if r.rate(w, row) {
		who = int32(row)
	}
	r.tree.set(int(row), who)
	r.tree.replay(r, int(row))
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
	w.cand.Capacity = s.classes.all[st.class].capacity
	w.rateRow(row, &s.contenders[i], r.sumsOf(row))
	return true
}

// better is the judge of rows.
func (r *ranking) better(a, b int32) bool {
	if c := compareSums(r.sumsOf(uint32(a)), r.sumsOf(uint32(b))); c != 0 {
		return c > 0
	}
	return r.mirror.rows[a].rank < r.mirror.rows[b].rank
}
