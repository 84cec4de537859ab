package placement

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
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
	byGroup map[*berth.Requirements]*ranking // those of byShape, by what groups asked for of late: to put a shape in words takes a while
	byTaken map[ratesKey]*rates              // of states, by what is taken
	key     []byte                           // of the last shape; kept for its room
	asked   uint64                           // how often a ranking was
	changes []uint32                         // rows that changed, in order, for rankings to be told
	seen    []uint32                         // by row: the last telling in which it was met
	telling uint32
	rated   int        // states of all rates
	tuned   int        // how often terms have come to go by something else
	made    []madeRate // by number of a state
	tops    []int64    // of the ranking that is made; kept for its room
	making  uint32     // how often a ranking of states was made
	direct  direct
}

// madeRate is the number of a state's sums, and that of the last tier, when a ranking was last made that has rows of it.
type madeRate struct {
	making, number uint32
	last           int64
}

// ranking is the sums for one shape, and the best row.
type ranking struct {
	mirror *mirror
	// How many of the changes it knows, never more than there are: what was rated stands as it was when there were so
	// many. -1 until all rows were rated once.
	told   int
	tuned  int      // what terms went by: rankings.tuned then
	epoch  uint64   // states.epoch then
	used   uint64   // when it was last asked for: rankings.asked then, so no two are alike
	ties   []uint32 // the mirror's, when all were rated
	*rates          // of states or, where rows of one state are not alike, of rows: the number is then that of the row, plus one
	rows   ladder   // by rank in ties: the number of its sums
	alike  bool     // whether numbers are those of states
	direct bool     // whether it has the sums of one tier, which are in
	ramp   ramp     // by rank in ties; nothing of rates and rows is meant then
	enough []int64  // kept for its room

	shape string // what stands for it,
	taken string // and for what its tasks take, whichever nodes they may go to
}

// ratesKey tells rates apart: by what stands for what is taken, or for a whole shape.
type ratesKey struct {
	text  string
	whole bool
}

const (
	fewRankings  = 32      // shapes kept; beyond it, and beyond rankedRows, the one not asked for longest goes
	manyRankings = 1 << 10 // the most that are kept
	rankedRows   = 1 << 21 // rows of all rankings
	maxChanges   = 1 << 20 // changes kept; beyond it all rankings go
	maxRates     = 1 << 21 // states of all rates; beyond it all rankings go
)

// most returns how many rankings are kept of so many rows.
func (k *rankings) most() int {
	return min(max(fewRankings, rankedRows/max(len(k.mirror.rows), 1)), manyRankings)
}

// forget throws all rankings away.
func (k *rankings) forget() {
	k.changes, k.rated = k.changes[:0], 0
	clear(k.byShape)
	clear(k.byGroup)
	clear(k.byTaken)
}

// retune throws away what terms have said, since they go by something else now. Which rows can be used, and which are alike, stays.
func (k *rankings) retune() {
	k.tuned++
	clear(k.states.worths)
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

// best returns the best row for a task, the way in which it gives devices, and whether that is known.
func (k *rankings) best(s *search, t berth.Task) (row uint32, way int, known, found bool) {
	r := k.of(s, t)
	if r.direct {
		top := r.ramp.top()
		if top == unusable {
			return 0, 0, false, false
		}
		return k.mirror.tied[r.ramp.first(s.policy.tiers[s.policy.directTier].least(top))], 0, false, true
	}
	top := r.rows.top(r.rates)
	if top == 0 {
		return 0, 0, false, false
	}
	last := r.tiers - 1
	r.enough = append(r.enough[:0], r.rates.of(top)...)
	r.enough[last] = s.policy.tiers[last].least(r.enough[last])
	rank := r.rows.first(r.rates, r.enough)
	row = k.mirror.tied[rank]
	if s.alike {
		way = int(r.ways[r.rows.at(rank)])
	}
	return row, way, s.alike, true
}

// of returns the ranking of the search's shape, brought up to date.
func (k *rankings) of(s *search, t berth.Task) *ranking {
	k.states.ready()
	if k.rated > maxRates {
		k.forget()
	}
	r := k.shapeOf(s)
	k.asked++
	r.used = k.asked
	ties := k.mirror.ties
	switch {
	case r.told < 0 || r.epoch != k.states.epoch || r.tuned != k.tuned || r.alike != s.alike || r.direct != s.direct || len(k.changes)-r.told > len(ties) || !sameRanks(r.ties, ties):
		r.rateAll(s, t)
	case r.told < len(k.changes):
		k.tell(r, s, t)
	}
	r.told, r.tuned = len(k.changes), k.tuned
	return r
}

// shapeOf returns the ranking of the search's shape as it is.
func (k *rankings) shapeOf(s *search) *ranking {
	const mostGroups = 1 << 12
	asks := s.group.Requirements()
	if r := k.byGroup[asks]; r != nil {
		return r
	}
	key := k.keyOf(s)
	r := k.byShape[string(key)]
	if r == nil {
		if len(k.byShape) >= k.most() {
			k.dropOne()
		}
		r = &ranking{mirror: k.mirror, told: -1, shape: string(key)}
		r.taken = string(k.keyOfTaken(s))
		k.byShape[r.shape] = r
	}
	if k.byGroup == nil || len(k.byGroup) >= mostGroups {
		k.byGroup = map[*berth.Requirements]*ranking{}
	}
	k.byGroup[asks] = r
	return r
}

// tell tells a ranking of the rows that have changed since it was last told, of each once.
func (k *rankings) tell(r *ranking, s *search, t berth.Task) {
	var w *scanWorker
	if s.direct {
		k.direct.aim(s)
	} else {
		w = s.scan.aimAtStates(s, t)
	}
	k.meet()
	for _, row := range k.changes[r.told:] {
		if k.seen[row] != k.telling && k.mirror.rows[row].node != nil { // without a node it has no rank any more
			k.seen[row] = k.telling
			if r.direct {
				r.ramp.set(int(r.ties[row]), k.direct.sum(row))
			} else {
				r.rateAgain(w, row)
			}
		}
	}
}

// meet begins a telling, in which no row was met yet.
func (k *rankings) meet() {
	if k.telling++; k.telling == 0 {
		clear(k.seen)
		k.telling = 1
	}
	if n := len(k.mirror.rows) - len(k.seen); n > 0 {
		k.seen = append(k.seen, make([]uint32, n)...)
	}
}

// sameRanks reports whether two lists are one.
func sameRanks(a, b []uint32) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// keyOf returns what stands for the search's shape, until it is asked for the next.
func (k *rankings) keyOf(s *search) []byte {
	key := k.keyOfTaken(s)
	for i := range s.devices {
		key = fmt.Appendf(key, " of %q", s.devices[i].Models)
	}
	rules := s.group.Requirements().Eligibility
	key = append(key, rules...)
	k.key = key
	return key
}

// keyOfTaken returns what stands for what is taken by tasks of the search's shape, whichever nodes they may go to, until it is asked for the next.
func (k *rankings) keyOfTaken(s *search) []byte {
	key := binary.AppendUvarint(k.key[:0], uint64(len(s.needs)))
	for _, n := range s.needs {
		key = binary.AppendUvarint(key, uint64(n.Dim))
		key = binary.AppendVarint(key, n.Amount)
	}
	for i := range s.devices {
		d := &s.devices[i]
		key = binary.AppendUvarint(binary.AppendVarint(key, d.Share), uint64(d.Count))
		key = fmt.Appendf(key, "%q", d.Class)
		for _, model := range slices.Sorted(maps.Keys(d.Prefer)) {
			key = fmt.Appendf(key, " prefer %q %d", model, d.Prefer[model])
		}
		for amount, q := range d.Amounts.All() {
			key = fmt.Appendf(key, " %q %d", amount, q)
		}
	}
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
	r := k.byShape[key]
	if r == nil {
		return
	}
	k.share(r, nil)
	delete(k.byShape, key)
	for asks, of := range k.byGroup {
		if of == r {
			delete(k.byGroup, asks)
		}
	}
}

// share makes a ranking go by rates, or by none. Those that nobody goes by are dropped.
func (k *rankings) share(r *ranking, of *rates) {
	if was := r.rates; was != nil && was != of {
		if was.users--; was.users == 0 && k.byTaken[was.key] == was {
			k.rated -= was.known.n
			delete(k.byTaken, was.key)
		}
	}
	if r.rates != of {
		if r.rates = of; of != nil {
			of.users++
		}
	}
}

// ratesOf returns the rates of states for a ranking, as terms go now. Two that differ in which nodes their tasks may go to, and of which models their devices are to
// be, have the same, if no preference tells nodes apart, and the devices of each node are of one kind: then whoever may go to a node at all is given of the
// same devices.
func (k *rankings) ratesOf(r *ranking, s *search) *rates {
	key := ratesKey{r.shape, true}
	if k.states.uniform && !s.prefers() {
		key = ratesKey{r.taken, false}
	}
	of := k.byTaken[key]
	if of == nil {
		if k.byTaken == nil {
			k.byTaken = map[ratesKey]*rates{}
		}
		of = &rates{tiers: len(s.policy.tiers), key: key}
		k.byTaken[key] = of
	}
	if of.sums == nil || of.epoch != k.states.epoch || of.tuned != k.tuned {
		k.rated -= of.known.n
		of.beginStates()
		of.epoch, of.tuned = k.states.epoch, k.tuned
	}
	return of
}

// prefers reports whether some nodes that the group may use are preferred to others.
func (s *search) prefers() bool {
	for i := range s.contenders {
		if s.contenders[i].preferred != 0 {
			return true
		}
	}
	return false
}

// rateAll makes a ranking anew: O(rows). Of states each is rated once; else rows are rated in batches.
func (r *ranking) rateAll(s *search, t berth.Task) {
	k := s.rankings
	r.ties, r.epoch = r.mirror.ties, k.states.epoch
	rows := len(r.ties)
	if r.direct, r.alike = s.direct, s.alike; r.direct {
		k.share(r, nil)
		r.rateDirect(s)
		return
	}
	r.rows.reset(rows)
	if s.alike {
		k.share(r, k.ratesOf(r, s))
		k.rateStates(r, s.scan.aimAtStates(s, t))
		return
	}
	k.share(r, &rates{tiers: len(s.policy.tiers)})
	r.begin()
	r.sums = slices.Grow(r.sums, rows*r.tiers)[:(rows+1)*r.tiers]
	r.differ = true // for all that is known
	batches, count := split(rows)
	workers := s.scan.aim(count, s, t)
	for _, w := range workers {
		w.findPlaces()
	}
	inBatches(batches, count, func(worker, batch int) {
		for row := batch * rows / batches; row < (batch+1)*rows/batches; row++ {
			if r.mirror.rows[row].node != nil && r.rate(workers[worker], uint32(row), r.rates.of(uint32(row+1))) {
				r.rows.put(int(r.ties[row]), uint32(row+1))
			}
		}
	})
	r.rows.build(r.rates, 1)
}

// rateStates gives each row the number of its state's sums. What is looked up of a state is looked up once.
func (k *rankings) rateStates(r *ranking, w *scanWorker) {
	k.states.numberAll()
	if k.making++; k.making == 0 {
		clear(k.made)
		k.making = 1
	}
	if n := len(k.states.numbers) + 1 - len(k.made); n > 0 {
		k.made = append(k.made, make([]madeRate, n)...)
	}
	making, made, ties := k.making, k.made, r.ties
	made[0] = madeRate{making: making}
	rungs := r.rows.rungs
	rung, next := rungs[0], rungs[min(1, len(rungs)-1)]
	tops := slices.Grow(k.tops[:0], len(next))[:len(next)] // the greatest sum of the last tier, by place on the next rung
	for i := range tops {
		tops[i] = math.MinInt64
	}
	k.tops = tops
	for row, state := range k.states.of[:len(ties)] {
		m := &made[state]
		if m.making != making {
			number := r.ofState(w, uint32(row))
			*m = madeRate{making, number, r.last(number)}
		}
		if m.number == 0 {
			continue
		}
		rank := ties[row]
		rung[rank] = m.number
		if i := rank / rungWidth; m.last > tops[i] {
			tops[i] = m.last
			if len(rungs) > 1 {
				next[i] = m.number
			}
		}
	}
	if r.differ { // the last tier is not all that is compared
		r.rows.build(r.rates, 1)
	} else {
		r.rows.build(r.rates, 2)
	}
}

// rateDirect makes a ranking of one tier anew: O(rows), which are rated one after another.
func (r *ranking) rateDirect(s *search) {
	d := &s.rankings.direct
	d.aim(s)
	r.ramp.reset(len(r.ties))
	for row, rank := range r.ties {
		if r.mirror.rows[row].node != nil {
			r.ramp.put(int(rank), d.sum(uint32(row)))
		}
	}
	r.ramp.build()
}

// rateAgain puts a row that has changed where it belongs.
func (r *ranking) rateAgain(w *scanWorker, row uint32) {
	rank := int(r.ties[row])
	if w.search.alike {
		r.rows.set(r.rates, rank, r.ofState(w, row))
		return
	}
	r.rows.set(r.rates, rank, 0) // before its sums are others
	if r.rate(w, row, r.rates.of(row+1)) {
		r.rows.set(r.rates, rank, row+1)
	}
}

// rate rates a row; false means that it cannot be used.
func (r *ranking) rate(w *scanWorker, row uint32, sums []int64) bool {
	s, class := w.search, r.mirror.rows[row].class
	if class < 0 || w.places[class] < 0 || !s.fits(row) || s.picky && !s.usable(row) {
		return false
	}
	w.rateRow(row, &s.contenders[w.places[class]], sums)
	return true
}

// ofState returns the number of the sums of a row's state, rated if it is the first of it; 0 if it cannot be used.
func (r *ranking) ofState(w *scanWorker, row uint32) uint32 {
	s, class := w.search, r.mirror.rows[row].class
	if class < 0 || w.places[class] < 0 || !s.fits(row) {
		return 0
	}
	states := s.rankings.states
	state := states.of[row]
	if state == 0 {
		state = states.number(row)
	}
	if s.picky && !s.usable(row) { // by which models it has, which others that share the rates do not ask
		return 0
	}
	number, known := r.known.find(state)
	if !known {
		w.state = state
		w.rateRow(row, &s.contenders[w.places[class]], w.next.sums)
		w.state = 0
		number = r.add(w.next.sums)
		r.ways = append(r.ways, int16(w.way))
		r.known.add(state, number)
		s.rankings.rated++
	}
	return number
}
