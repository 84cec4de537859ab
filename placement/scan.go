package placement

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// scan rates rows one by one, with a worker for each goroutine that does.
type scan struct {
	policy  *policy
	workers []*scanWorker
}

// scanWorker rates rows for one goroutine, and keeps the best, or all where a tier has a tolerance.
type scanWorker struct {
	rater
	search *search
	row    uint32
	state  uint32  // of the row, if it is known, or 0
	liked  int64   // by the group's preferences about node attributes, of the row
	places []int32 // by class: the place of its contender, or -1 if there is none or its devices never serve
	best   choice
	next   choice
	all    []uint32 // rows
	sums   []int64  // row of all x tier
}

// choice is a row and the sum of each tier.
type choice struct {
	sums  []int64
	row   uint32
	found bool
}

// aim makes workers ready for a task.
func (k *scan) aim(workers int, s *search, t berth.Task) []*scanWorker {
	for len(k.workers) < workers {
		tiers := len(k.policy.tiers)
		k.workers = append(k.workers, &scanWorker{
			rater: rater{policy: k.policy}, best: choice{sums: make([]int64, tiers)}, next: choice{sums: make([]int64, tiers)},
		})
	}
	for _, w := range k.workers[:workers] {
		w.aim(t, s.mirror.names, s.request)
		w.search, w.best.found = s, false
		w.all, w.sums = w.all[:0], w.sums[:0]
	}
	return k.workers[:workers]
}

// aimAtStates makes a worker ready to look at states for a task.
func (k *scan) aimAtStates(s *search, t berth.Task) *scanWorker {
	w := k.aim(1, s, t)[0]
	w.findPlaces()
	return w
}

// findPlaces finds the places of contenders, for many rows to be looked at.
func (w *scanWorker) findPlaces() {
	if s := w.search; s.places != nil {
		w.places = append(w.places[:0], s.places...)
	} else {
		w.places = s.placesIn(w.places[:0])
	}
}

// rateRow writes the sum of each tier for a row of a class that the group may use.
func (w *scanWorker) rateRow(row uint32, of *contender, sums []int64) {
	if w.state != 0 && w.policy.lone && w.rateLevels(row, of, sums) {
		return
	}
	w.stand(row, of)
	if w.state != 0 && w.policy.changes != nil {
		w.worths, w.shared = w.search.rankings.states.worthsOf(w.state), true
		w.levels = w.search.rankings.states.levels[w.state-1]
	}
	w.rate(w, sums)
}

// rateLevels rates a row of a known state by what is looked at where that has levels and no other term matters; false if it cannot.
func (w *scanWorker) rateLevels(row uint32, of *contender, sums []int64) bool {
	s := w.search
	states := s.rankings.states
	if w.levels = states.levels[w.state-1]; !w.isLevel() {
		return false
	}
	d, ok := w.single()
	if !ok {
		return false
	}
	w.row, w.liked = row, of.preferred
	w.cand.Free = s.mirror.resourcesOf(row)
	w.worths, w.shared = states.worthsOf(w.state), true
	liked := w.preferred()
	for i, weight := range w.policy.preferring {
		sums[i] = weight * liked
	}
	sums[w.policy.quickTier] += w.bestLeft(w.policy.quick, d)
	return true
}

// stand turns to a row of a class that the group may use.
func (w *scanWorker) stand(row uint32, of *contender) {
	s := w.search
	w.look(row)
	w.liked = of.preferred
	if s.byRow {
		w.liked = fit.Preferred(s.group, s.mirror.rows[row].node.Spec)
	}
}

// look turns to a row, whatever the group prefers.
func (w *scanWorker) look(row uint32) {
	s := w.search
	st := &s.mirror.rows[row]
	class := s.classes.all[st.class]
	w.row = row
	w.cand.Capacity = class.capacity
	w.cand.id, w.cand.node, w.cand.Free = st.id, st.node, s.mirror.resourcesOf(row)
	w.rater.stand(st.node, class.kinds, s.mirror.devicesOf(row))
}

func (w *scanWorker) tasksIn(attribute string) int {
	s := w.search
	if attribute == berth.NodeID {
		return s.counts.on(w.row)
	}
	d := s.own.domains[w.policy.place(attribute)]
	if slot := d.values.rows[w.row]; slot >= 0 {
		return d.in(slot)
	}
	return -1
}

func (w *scanWorker) targeted(t *Term) int64 {
	a := w.search.aimOf(t)
	if slot := a.domain.values.rows[w.row]; slot >= 0 {
		return a.rate(slot)
	}
	return farFromTarget
}

func (w *scanWorker) holds(t *Term) bool {
	s := w.search
	if rule, ok := t.rule.(berth.NodeRule); ok && !rule.Allows(s.mirror.rows[w.row].node.Spec) {
		return false
	}
	for i := range s.soft {
		if r := &s.soft[i]; r.term == t {
			return s.holdsAt(r, w.row)
		}
	}
	return true
}

func (w *scanWorker) preferred() int64 {
	s, sum := w.search, w.liked
	for i := range s.soft {
		r := &s.soft[i]
		if r.term != nil || r.ofNode != nil && !r.ofNode.Allows(s.mirror.rows[w.row].node.Spec) {
			continue
		}
		if s.holdsAt(r, w.row) {
			sum += r.weight
		}
	}
	return sum
}

// rateAll picks the best row by rating every row of the contenders, for what no order of a class serves: O(nodes), over
// dense columns, in batches.
func (s *search) rateAll(t berth.Task) (uint32, bool) {
	s.classes.build()
	rows, chunks := 0, 0
	for i := range s.contenders {
		k := s.classes.all[s.contenders[i].class]
		rows, chunks = rows+k.members, chunks+len(k.chunks)
	}
	batches, count := split(rows)
	workers := s.scan.aim(count, s, t)
	if count == 1 {
		workers[0].rateBatch(0, chunks)
	} else {
		inBatches(batches, count, func(worker, batch int) {
			workers[worker].rateBatch(batch*chunks/batches, (batch+1)*chunks/batches)
		})
	}
	if s.policy.tolerant {
		return s.firstOfBest(workers)
	}
	best := &workers[0].best
	for _, w := range workers[1:] {
		if w.best.found && (!best.found || s.beats(&w.best, best)) {
			best = &w.best
		}
	}
	return best.row, best.found
}

// rateBatch rates the rows in some chunks of the contenders, from one on to before another. It changes nothing but the
// worker.
func (w *scanWorker) rateBatch(from, to int) {
	s := w.search
	for i := range s.contenders {
		k := &s.contenders[i]
		class := s.classes.all[k.class]
		n := len(class.chunks)
		chunks := class.chunks[min(max(from, 0), n):min(max(to, 0), n)]
		from, to = from-n, to-n
		if len(chunks) == 0 || s.neverServes(k.class) || s.full(k) {
			continue
		}
		for row := range rowsOf(chunks) {
			if !s.fits(row) || s.picky && !s.usable(row) || s.even && s.isOverLimit(row) {
				continue
			}
			w.next.row, w.next.found = row, true
			w.rateRow(row, k, w.next.sums)
			switch {
			case s.policy.tolerant:
				w.all, w.sums = append(w.all, row), append(w.sums, w.next.sums...)
			case !w.best.found || s.beats(&w.next, &w.best):
				w.best, w.next = w.next, w.best
			}
		}
	}
}

// beats reports whether a is a better choice than b where no tier has a tolerance.
func (s *search) beats(a, b *choice) bool {
	if c := compareSums(a.sums, b.sums); c != 0 {
		return c > 0
	}
	return s.mirror.rows[a.row].rank < s.mirror.rows[b.row].rank
}

// firstOfBest returns, of all that workers have rated, the first of those that count as the best of every tier.
func (s *search) firstOfBest(workers []*scanWorker) (row uint32, found bool) {
	tiers := len(s.policy.tiers)
	for i := range s.policy.tiers {
		most := int64(math.MinInt64)
		for _, w := range workers {
			for at := i; at < len(w.sums); at += tiers {
				most = max(most, w.sums[at])
			}
		}
		least := s.policy.tiers[i].least(most)
		for _, w := range workers {
			w.keep(i, least)
		}
	}
	for _, w := range workers {
		for _, r := range w.all {
			if !found || s.mirror.rows[r].rank < s.mirror.rows[row].rank {
				row, found = r, true
			}
		}
	}
	return row, found
}

// keep drops rows with less in a tier.
func (w *scanWorker) keep(tier int, least int64) {
	tiers, n := len(w.next.sums), 0
	for i, row := range w.all {
		if sums := w.sums[i*tiers : (i+1)*tiers]; sums[tier] >= least {
			w.all[n] = row
			copy(w.sums[n*tiers:], sums)
			n++
		}
	}
	w.all, w.sums = w.all[:n], w.sums[:n*tiers]
}
