package placement

import (
	"math"
	"slices"
)

// Where one tier alone tells rows of a search apart, and what its terms say follows from what is free of a row's resources, what
// a class's rows have alike and the request, a ranking keeps the sum of that tier by row and nothing else: such a sum costs less than
// to look up what was said of an equal state.

// direct rates the rows of one search in that tier.
type direct struct {
	of       *search
	tier     int
	at       []int32 // by class: the place of its contender, or -1
	sums     []int64 // of each contender: what its rows have alike
	additive []directTerm
	formulas []directTerm
	places   []int   // of the resources that formulas name: where they are among all, one formula's after another's, but once for those that name the same
	width    int     // how many these are
	capacity []int64 // of each contender, what there is of those
	request  []int64 // and what is asked for
	free     []int64 // and what is free of a row; kept for its room

	// What formulas said last of a row of each contender: many rows are as the one before.
	last  []int64 // of each contender, what was free of those
	said  []int64 // of each contender, the sum
	known []bool
	whole bool // whether a formula looks at all resources, which is not noted here
}

// directTerm is a term of the tier and, if it is a formula, the place of its first resource among those that are named.
type directTerm struct {
	bound *resources
	scale *scale
	from  int
}

// unusable is the sum of a row that cannot be used: less than any tier's.
const unusable = math.MinInt64

// isDirect reports whether one tier has all that can tell nodes of a class apart, and that follows from amounts alone. That
// tier is noted.
func (p *policy) isDirect() bool {
	found := false
	for i := range p.tiers {
		here := false
		for j := range p.tiers[i].terms {
			switch t := &p.tiers[i].terms[j]; t.kind {
			case amountsTerm, additiveTerm, inUseTerm:
				here = true
			case classTerm, preferencesTerm:
			default:
				return false
			}
		}
		if here && found {
			return false
		}
		if here {
			found, p.directTier = true, i
		}
	}
	return found
}

// agree reports whether contenders are alike in all tiers but that one.
func (s *search) agree(tier int) bool {
	if len(s.contenders) == 0 {
		return false
	}
	first := s.fixed[s.contenders[0].sums:]
	for i := range s.contenders {
		sums := s.fixed[s.contenders[i].sums:]
		for t := range s.policy.tiers {
			if t != tier && sums[t] != first[t] {
				return false
			}
		}
	}
	return true
}

// aim makes it ready for a search.
func (d *direct) aim(s *search) {
	d.of, d.tier = s, s.policy.directTier
	if s.scales == nil || !sameNames(s.scaled, s.mirror.names) {
		s.scaled, s.scales = s.mirror.names, s.policy.bindScales(s.mirror.names)
	}
	d.bind()
	d.at = append(d.at[:0], make([]int32, len(s.classes.all))...)
	for i := range d.at {
		d.at[i] = -1
	}
	d.sums, d.capacity, d.request = d.sums[:0], d.capacity[:0], d.request[:0]
	for _, at := range d.places {
		d.request = append(d.request, amountAt(s.request, at))
	}
	d.width = len(d.request)
	d.free = append(d.free[:0], d.request...)
	d.last = append(d.last[:0], make([]int64, d.width*len(s.contenders))...)
	d.said = append(d.said[:0], make([]int64, len(s.contenders))...)
	d.known = append(d.known[:0], make([]bool, len(s.contenders))...)
	for i := range s.contenders {
		c := &s.contenders[i]
		d.at[c.class] = int32(i)
		d.sums = append(d.sums, s.fixed[int(c.sums)+d.tier])
		capacity := s.classes.all[c.class].capacity
		for _, at := range d.places {
			d.capacity = append(d.capacity, amountAt(capacity, at))
		}
	}
}

// bind finds the terms of the tier among those of all tiers, which stand in order.
func (d *direct) bind() {
	s := d.of
	d.additive, d.formulas, d.places, d.whole = d.additive[:0], d.formulas[:0], d.places[:0], false
	bound, scales := 0, 0
	for i := range s.policy.tiers {
		for j := range s.policy.tiers[i].terms {
			switch t := &s.policy.tiers[i].terms[j]; {
			case t.isAdditive():
				d.additive = append(d.additive, directTerm{bound: &s.asked[bound]})
				bound++
			case t.kind == amountsTerm:
				d.formulas = append(d.formulas, d.formulaOf(&s.scales[scales]))
				scales++
			}
		}
	}
}

// formulaOf takes in a formula.
func (d *direct) formulaOf(b *scale) directTerm {
	d.whole = d.whole || b.all
	for i := range d.formulas {
		if f := &d.formulas[i]; slices.Equal(f.scale.at, b.at) {
			return directTerm{scale: b, from: f.from}
		}
	}
	from := len(d.places)
	d.places = append(d.places, b.at...)
	return directTerm{scale: b, from: from}
}

// amountAt returns the amount at a place, or 0 where there is none.
func amountAt(amounts []int64, at int) int64 {
	if at < 0 || at >= len(amounts) {
		return 0
	}
	return amounts[at]
}

// sum returns the sum of the tier for a row, or unusable.
func (d *direct) sum(row uint32) int64 {
	s := d.of
	m := s.mirror
	class := m.rows[row].class
	if class < 0 || int(class) >= len(d.at) || d.at[class] < 0 {
		return unusable
	}
	amounts := m.amountsOf(row)
	if !s.within(amounts) || s.picky && !s.usable(row) {
		return unusable
	}
	free := amounts[:m.dims]
	contender := int(d.at[class])
	sum := d.sums[contender]
	for i := range d.additive {
		b := d.additive[i].bound
		sum += b.weight * b.node(free, s.classes.all[class].capacity)
	}
	return sum + d.formulasOf(contender, free)
}

// formulasOf returns what the formulas add for what is free of a row of a contender.
func (d *direct) formulasOf(contender int, free []int64) int64 {
	from := contender * d.width
	last := d.last[from : from+d.width]
	now := d.free[:len(last)]
	same := d.known[contender] && !d.whole
	for i, at := range d.places[:len(now)] {
		now[i] = amountAt(free, at)
		same = same && now[i] == last[i]
	}
	if same {
		return d.said[contender]
	}
	var sum int64
	for i := range d.formulas {
		f := &d.formulas[i]
		t, to := f.scale.term, f.from+len(f.scale.at)
		switch {
		case f.scale.all:
			s := d.of
			sum += t.weight * f.scale.rate(free, s.classes.all[s.contenders[contender].class].capacity, s.request)
		case t.ofAmounts != nil:
			sum += t.weight * t.clamp(t.ofAmounts(d.free[f.from:to], d.capacity[from+f.from:from+to], d.request[f.from:to]))
		}
	}
	copy(last, d.free)
	d.said[contender], d.known[contender] = sum, true
	return sum
}

// ramp is a ladder of sums themselves: of each 32 neighbours the greatest stands a rung higher.
type ramp struct {
	rungs [][]int64
}

// reset makes it one of so many, none of which can be used.
func (l *ramp) reset(n int) {
	for i := 0; ; i++ {
		if i == len(l.rungs) {
			l.rungs = append(l.rungs, nil)
		}
		if cap(l.rungs[i]) < n {
			l.rungs[i] = make([]int64, n)
		}
		l.rungs[i] = l.rungs[i][:n]
		if n <= rungWidth {
			l.rungs = l.rungs[:i+1]
			break
		}
		n = (n + rungWidth - 1) / rungWidth
	}
	for i := range l.rungs[0] {
		l.rungs[0][i] = unusable
	}
}

// put gives one a sum when build is to follow.
func (l *ramp) put(i int, sum int64) { l.rungs[0][i] = sum }

// build makes all rungs from the sums.
func (l *ramp) build() {
	for k := range l.rungs[1:] {
		for i := range l.rungs[k+1] {
			l.rungs[k+1][i] = greatest(step32(l.rungs[k], i))
		}
	}
}

// step32 returns the part of a rung that one of the next stands for.
func step32(rung []int64, i int) []int64 {
	return rung[i*rungWidth : min((i+1)*rungWidth, len(rung))]
}

func greatest(sums []int64) (most int64) {
	most = unusable
	for _, s := range sums {
		most = max(most, s)
	}
	return most
}

// set gives one a sum.
func (l *ramp) set(i int, sum int64) {
	for k := 0; ; k++ {
		rung := l.rungs[k]
		was := rung[i]
		if rung[i] = sum; was == sum || k == len(l.rungs)-1 {
			return
		}
		most := l.rungs[k+1][i/rungWidth]
		switch {
		case sum > most:
			most = sum
		case was == most:
			most = greatest(step32(rung, i/rungWidth))
		default:
			return
		}
		i, sum = i/rungWidth, most
	}
}

// top returns the greatest sum, or unusable.
func (l *ramp) top() int64 { return greatest(l.rungs[len(l.rungs)-1]) }

// first returns the first that has at least so much, which one must.
func (l *ramp) first(least int64) int {
	i := 0
	for k := len(l.rungs) - 1; k >= 0; k-- {
		if k < len(l.rungs)-1 {
			i *= rungWidth
		}
		for l.rungs[k][i] < least {
			i++
		}
	}
	return i
}
