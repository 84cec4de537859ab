package allocator

import (
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
)

// Next returns the role whose turn it is.
func (t *turns) Next(can func(berth.Role) bool) (berth.Role, bool) {
	if can == nil {
		can = func(berth.Role) bool { return true }
	}
	if t.at != none {
		switch waits := can(t.places[t.at].role); {
		case waits && !t.over:
			return t.places[t.at].role, true
		case waits:
			t.settle()
		default:
			t.settle()
			t.remove(t.at)
		}
	}
	for t.at = none; len(t.places[0].children) > 0; {
		at := int32(0)
		for len(t.places[at].children) > 0 {
			at = t.places[at].children[0].place
		}
		if can(t.places[at].role) {
			t.at, t.over, t.rest = at, false, t.rest[:0]
			return t.places[at].role, true
		}
		t.remove(at)
	}
	return "", false
}

// settle puts the path of the turn that is over in order.
func (t *turns) settle() {
	if t.stale {
		t.stale = false
		t.file(t.at)
	}
}

// file puts a place, and those above it, where they belong now.
func (t *turns) file(at int32) {
	for p := t.places[at].parent; p != none; at, p = p, t.places[p].parent {
		children := t.places[p].children
		if i := find(children, at); i >= 0 && len(children) > 1 {
			children[i].key = t.keyOf(at)
			t.up(children, i)
			t.down(children, i)
		}
	}
}

// remove lets a place have no more turns, nor those above it that have nothing else below.
func (t *turns) remove(at int32) {
	for p := t.places[at].parent; p != none; at, p = p, t.places[p].parent {
		children := t.places[p].children
		i, last := find(children, at), len(children)-1
		if i < 0 {
			return
		}
		children[i] = children[last]
		t.places[p].children = children[:last]
		if i < last {
			t.up(children[:last], i)
			t.down(children[:last], i)
		}
		if last > 0 {
			return
		}
	}
}

// find returns where a place is in the heap, mostly at its top, or none.
func find(children []sibling, at int32) int {
	return slices.IndexFunc(children, func(s sibling) bool { return s.place == at })
}

// before orders siblings: by weighted share, then by path.
func (t *turns) before(a, b *sibling) bool {
	if c := a.key.compare(&b.key); c != 0 {
		return c < 0
	}
	x, y := &t.places[a.place], &t.places[b.place]
	if own := t.places[x.parent].own; own != none && (own == a.place || own == b.place) {
		return own == a.place
	}
	return x.role < y.role // they differ in the last segment alone
}

func (t *turns) up(children []sibling, i int) {
	for i > 0 && t.before(&children[i], &children[(i-1)/2]) {
		children[i], children[(i-1)/2] = children[(i-1)/2], children[i]
		i = (i - 1) / 2
	}
}

func (t *turns) down(children []sibling, i int) {
	x, from := children[i], i
	for {
		child := 2*i + 1
		if child+1 < len(children) && t.before(&children[child+1], &children[child]) {
			child++
		}
		if child >= len(children) || !t.before(&children[child], &x) {
			break
		}
		children[i] = children[child]
		i = child
	}
	if i != from {
		children[i] = x
	}
}

// claimOf returns what a task of a group takes.
func (t *turns) claimOf(g *berth.Group) claim {
	if t.group == g && g != nil {
		return t.claim
	}
	c, ok := t.claims[g]
	if t.group = g; ok {
		t.claim = c
		return c
	}
	for r := g.Role(); ; r = r.Parent() {
		if at, known := t.byRole[r]; known {
			if c.place = at; r == g.Role() && t.places[at].own != none {
				c.place = t.places[at].own
			}
			break
		}
	}
	for _, n := range g.Requirements().Needs {
		if d, counts := t.dims[n.Name]; counts && n.Amount > 0 {
			c.needs = append(c.needs, need{d, n.Amount})
		}
	}
	t.claim, t.claims[g] = c, c
	return c
}

// Charged tells that tasks of a group were given a place.
func (t *turns) Charged(g *berth.Group, tasks int) {
	if tasks <= 0 {
		return
	}
	c := t.claimOf(g)
	for at := c.place; t.places[at].parent != none; at = t.places[at].parent {
		p := &t.places[at]
		for _, n := range c.needs {
			a := p.amountOf(n.dim)
			a.of = a.of.plus(times(n.amount, tasks))
			t.rival(p, *a)
		}
	}
	if c.place != t.at {
		t.file(c.place)
		return
	}
	t.stale = true
	for _, n := range c.needs {
		i := slices.IndexFunc(t.rest, func(r need) bool { return r.dim == n.dim })
		if i < 0 {
			i = len(t.rest)
			t.rest = append(t.rest, need{n.dim, t.worth[n.dim]})
		}
		r := &t.rest[i]
		r.amount -= min(r.amount, times(n.amount, tasks).int64())
		t.over = t.over || r.amount == 0
	}
}

// Credited tells that tasks of a group have lost their places. More than were given them are as many as there were.
func (t *turns) Credited(g *berth.Group, tasks int) {
	if tasks <= 0 {
		return
	}
	c := t.claimOf(g)
	for at := c.place; t.places[at].parent != none; at = t.places[at].parent {
		p := &t.places[at]
		for _, n := range c.needs {
			a, less := p.amountOf(n.dim), times(n.amount, tasks)
			if less.compare(a.of) > 0 {
				less = a.of
			}
			a.of = a.of.minus(less)
		}
		t.dominate(p)
	}
	if c.place == t.at {
		t.stale, t.over = true, true
	} else {
		t.file(c.place)
	}
}

// times returns so many times an amount.
func times(amount int64, n int) wide {
	hi, lo := bits.Mul64(uint64(amount), uint64(n))
	return wide{hi, lo}
}
