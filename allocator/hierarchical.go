package allocator

import "math/bits"

// Hierarchical DRF: what children have is rescaled before it is added up. Of the children that wait, each that has something counts as if
// its dominant share over its weight were that of the least of them. So a role that holds a lot of what nobody else in it wants is not
// passed over for what the others want.
//
// What the other children have, those that want nothing or can get nothing now, counts as it is in the resources of which a waiting sibling
// has some, and elsewhere for no more than the least. The paper counts it as it is everywhere; then a child that holds all of one
// resource, and so can get no more of it, starves its siblings of another as soon as one of their tasks ends.
//
// A vector is what a branch counts for, by dimension, in parts of oneWhole of what there is. The sum of rescaled vectors is that of the
// vectors at a share of one, each by its weight, times the least share over weight: so a change of one child costs as much as there
// are dimensions, and not children.

const (
	wholeBits = 40
	unitBits  = 24 // of a vector at a share of one
	// mostParts bounds a vector where there is less to share out than is held.
	mostParts  = 1 << (wholeBits + 8)
	mostWeight = 1 << 30
)

// part is what a branch counts for.
type part struct {
	of    []partOf // by dimension
	share uint64   // the largest of them
	waits bool     // how it was added to the parent's level:
	added []partOf // at a share of one and by weight if it waits, else as it is
	low   int      // in the parent's level.low, or none
	known bool     // low is set
}

type partOf struct {
	dim   int
	parts uint64
}

// level is what the children of a branch add up to.
type level struct {
	units []wide   // of those that wait, at a share of one and by weight, by dimension
	parts []uint64 // of the others
	low   []*branch
}

func weightOf(b *branch) uint64 { return uint64(min(b.sib.Weight, mostWeight)) }

// rescale works out what a branch counts for.
func (g *grove) rescale(b *branch) {
	p := &b.part
	p.of, p.share = p.of[:0], 0
	if b.level == nil {
		for _, a := range b.has {
			if total := g.total(b, a.dim); total != (wide{}) {
				p.add(a.dim, partsOf(a.of, total))
			}
		}
	} else {
		l := b.level
		for d, sum := range l.parts {
			switch {
			case len(b.kids) == 0: // nobody waits
			case len(l.low) == 0: // nobody who waits has anything
				sum = 0
			case l.units[d] == (wide{}):
				sum = min(sum, l.low[0].part.share)
			default:
				least := l.low[0]
				sum += scaled(l.units[d], least.part.share, weightOf(least)<<unitBits)
			}
			p.add(d, sum)
		}
	}
	s := &b.sib
	s.share = ratio{wide{lo: p.share}, wide{lo: 1 << wholeBits}, uint64(s.Weight)}
	s.top = ""
	for _, x := range p.of {
		if x.parts == p.share && p.share > 0 && (s.top == "" || g.names[x.dim] < s.top) {
			s.top = g.names[x.dim]
		}
	}
}

func (p *part) add(dim int, parts uint64) {
	if parts > 0 {
		parts = min(parts, mostParts)
		p.of = append(p.of, partOf{dim, parts})
		p.share = max(p.share, parts)
	}
}

// contribute makes a level follow what a child of it counts for.
func (g *grove) contribute(parent, b *branch, waits bool) {
	l, p := parent.level, &b.part
	if !p.known {
		p.known, p.low = true, none
	}
	for _, x := range p.added {
		if p.waits {
			l.units[x.dim] = l.units[x.dim].minus(wideOf(int64(x.parts)))
		} else {
			l.parts[x.dim] -= x.parts
		}
	}
	p.added, p.waits = p.added[:0], waits
	for _, x := range p.of {
		for len(l.units) <= x.dim {
			l.units, l.parts = append(l.units, wide{}), append(l.parts, 0)
		}
		if !waits {
			p.added = append(p.added, x)
			l.parts[x.dim] += x.parts
			continue
		}
		q := partOf{x.dim, div(x.parts>>(64-unitBits), x.parts<<unitBits, p.share) * weightOf(b)}
		p.added = append(p.added, q)
		l.units[x.dim] = l.units[x.dim].plus(wideOf(int64(q.parts)))
	}
	switch counts := waits && p.share > 0; {
	case counts && p.low != none:
		l.fix(p.low)
	case counts:
		p.low = len(l.low)
		l.low = append(l.low, b)
		l.fix(p.low)
	case p.low != none:
		i, last := p.low, len(l.low)-1
		l.swap(i, last)
		l.low[last] = nil
		l.low = l.low[:last]
		if p.low = none; i < last {
			l.fix(i)
		}
	}
}

// before orders children by share over weight.
func (l *level) before(i, j int) bool {
	x, y := &l.low[i].sib.share, &l.low[j].sib.share
	return x.compare(y) < 0
}

func (l *level) swap(i, j int) {
	l.low[i], l.low[j] = l.low[j], l.low[i]
	l.low[i].part.low, l.low[j].part.low = i, j
}

// fix puts a child where it belongs in the heap.
func (l *level) fix(i int) {
	for i > 0 && l.before(i, (i-1)/2) {
		l.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		c := 2*i + 1
		if c+1 < len(l.low) && l.before(c+1, c) {
			c++
		}
		if c >= len(l.low) || !l.before(c, i) {
			return
		}
		l.swap(i, c)
		i = c
	}
}

// partsOf returns used/total in parts of a whole, rounded up.
func partsOf(used, total wide) uint64 {
	if n := max(used.bits(), total.bits()) - 63; n > 0 {
		used, total = used.over(n), total.over(n)
	}
	hi, lo := bits.Mul64(used.lo, 1<<wholeBits)
	lo, carry := bits.Add64(lo, total.lo-1, 0)
	if hi += carry; hi >= total.lo {
		return mostParts
	}
	return div(hi, lo, total.lo)
}

// scaled returns units*share/by.
func scaled(units wide, share, by uint64) uint64 {
	hi, lo := bits.Mul64(units.lo, share)
	hi += units.hi * share
	if hi >= by {
		return mostParts
	}
	return div(hi, lo, by)
}

// div returns the quotient of a number of two words, of which the first is less than the divisor.
func div(hi, lo, by uint64) uint64 {
	q, _ := bits.Div64(hi, lo, by)
	return q
}
