package allocator

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
)

// grove is a tree of roles in which policies order siblings. A host's policy may contradict itself or panic: siblings are in a heap, each
// knowing its place in it, so that whatever a policy says, nobody is in it twice or lost.
type grove struct {
	tree   Tree
	dims   map[string]int
	names  []string
	counts []wide // what there is to share out, by dimension; zero of what does not count
	root   *branch
}

// branch is a role, what a role has by itself where there are roles below it or clients in it, or a client.
type branch struct {
	parent *branch
	sib    Sibling
	policy Policy // of its children
	pool   []wide // what could serve it, by dimension, where that is not all there is
	kids   []*branch
	at     int    // in the parent's kids, or none
	now    uint64 // the largest draw that a child has won with
	stream uint64 // of its tickets
	drawn  uint64 // tickets that it has had

	has       []amount // by dimension; of those below it, too
	dominant  amount
	guarantee []amount
	lacks     int // resources of which it has less than is guaranteed
	owed      int // children in kids that are owed something
	waits     int // clients at or below it that wait, of those that no closed role keeps out
	closed    bool

	level *level // with Tree.Hierarchical, of a branch that has children
	part  part   // with Tree.Hierarchical

	// In a Queue:
	all   []*branch // all children
	child int       // in the parent's all
	own   bool      // it is what the clients of a role have
	leaf  bool      // it is a client, with
	seat  Seat      // its seat, and
	tag   int       // what the caller knows it by
}

func (g *grove) plant(t Tree) {
	g.tree = t
	g.dims = map[string]int{}
	g.root = &branch{at: none, dominant: amount{dim: none}, policy: t.policyBelow("")}
	g.root.sib = Sibling{Weight: DefaultWeight, Priority: t.Priorities[""]}
	if t.Hierarchical {
		g.root.level = new(level)
	}
}

// share sets what there is to share out. The keys of all branches lag behind until rekey.
func (g *grove) share(total berth.Resources) {
	clear(g.counts)
	for name, q := range total.All() {
		if q > 0 && !slices.Contains(g.tree.Exclude, name) {
			g.counts[g.dim(name)] = g.weighed(name, q)
		}
	}
}

// weighed returns how much of a resource there is to share out, with its factor: what counts half is as if there were twice as much.
func (g *grove) weighed(name string, q int64) wide {
	f := g.tree.Factors[name]
	if f <= 0 || f == DefaultWeight {
		return wideOf(q)
	}
	n := times(q, int(DefaultWeight))
	hi, rest := n.hi/uint64(f), n.hi%uint64(f)
	lo := div(rest, n.lo, uint64(f))
	if (hi | lo) == 0 {
		lo = 1
	}
	return wide{hi, lo}
}

// dim returns the number of a resource, a new one if it is new.
func (g *grove) dim(name string) int {
	if d, ok := g.dims[name]; ok {
		return d
	}
	d := len(g.names)
	g.dims[name] = d
	g.names = append(g.names, name)
	g.counts = append(g.counts, wide{})
	return d
}

// total returns what a resource is shared out of, for a branch; zero where it does not count.
func (g *grove) total(b *branch, dim int) wide {
	if b.pool != nil {
		if dim < len(b.pool) && g.counts[dim] != (wide{}) {
			return b.pool[dim]
		}
		return wide{}
	}
	return g.counts[dim]
}

// child makes a branch below another.
func (g *grove) child(p *branch, role berth.Role, name, path string) *branch {
	b := &branch{parent: p, at: none, dominant: amount{dim: none}, pool: p.pool}
	b.sib = Sibling{Role: role, Name: name, Weight: DefaultWeight, Priority: p.sib.Priority, path: path, share: nothing, met: nothing}
	b.stream = streamOf(g.tree.Seed, string(role)+"\x00"+path)
	if g.tree.Hierarchical && p.level == nil {
		p.level = new(level)
	}
	return b
}

var nothing = ratio{total: wide{lo: 1}, weight: 1}

// role makes the branch of a role below that of its parent, with the data of the tree.
func (g *grove) role(p *branch, r berth.Role) *branch {
	b := g.child(p, r, "", lastSegment(r))
	if w := g.tree.Weights[r]; w > 0 {
		b.sib.Weight = w
	}
	if n, ok := g.tree.Priorities[r]; ok {
		b.sib.Priority = n
	}
	if pool, ok := g.tree.Pools[r]; ok {
		b.pool = []wide{}
		for name, q := range pool.All() {
			if q > 0 {
				d := g.dim(name)
				for len(b.pool) <= d {
					b.pool = append(b.pool, wide{})
				}
				b.pool[d] = g.weighed(name, q)
			}
		}
	}
	if g.tree.Usage != nil {
		b.sib.Usage = g.tree.Usage.Of(r)
	}
	b.policy = g.tree.policyBelow(r)
	return b
}

// guaranteed sets what is guaranteed to a branch.
func (g *grove) guaranteed(b *branch, r berth.Resources) {
	b.guarantee = b.guarantee[:0]
	for name, q := range r.All() {
		if q > 0 {
			b.guarantee = append(b.guarantee, amount{g.dim(name), wideOf(q)})
		}
	}
	slices.SortFunc(b.guarantee, func(x, y amount) int { return cmp.Compare(x.dim, y.dim) })
}

func inList(list []amount, dim int) (int, bool) {
	return slices.BinarySearchFunc(list, dim, func(a amount, d int) int { return cmp.Compare(a.dim, d) })
}

// add charges a branch alone, without those above it.
func (g *grove) add(b *branch, dim int, q wide) {
	i, known := inList(b.has, dim)
	if !known {
		b.has = slices.Insert(b.has, i, amount{dim: dim})
	}
	b.has[i].of = b.has[i].of.plus(q)
	g.rival(b, b.has[i])
}

// take credits a branch alone with what it has at most.
func (g *grove) take(b *branch, dim int, q wide) {
	i, known := inList(b.has, dim)
	if !known {
		return
	}
	if q.compare(b.has[i].of) > 0 {
		q = b.has[i].of
	}
	if b.has[i].of = b.has[i].of.minus(q); b.has[i].of == (wide{}) {
		b.has = slices.Delete(b.has, i, i+1)
	}
	if b.dominant.dim == dim {
		g.dominate(b)
	}
}

func (g *grove) dominate(b *branch) {
	b.dominant = amount{dim: none}
	for _, a := range b.has {
		g.rival(b, a)
	}
}

// rival makes an amount the dominant one if its share is larger, of equal ones the first by name.
func (g *grove) rival(b *branch, a amount) {
	total := g.total(b, a.dim)
	if total == (wide{}) {
		return
	}
	if d := b.dominant; d.dim != none && d.dim != a.dim {
		x, y := ratio{a.of, total, 1}, ratio{d.of, g.total(b, d.dim), 1}
		if c := x.compare(&y); c < 0 || c == 0 && g.names[a.dim] > g.names[d.dim] {
			return
		}
	}
	b.dominant = a
}

// rate makes what policies see of a branch follow what it has.
func (g *grove) rate(b *branch) {
	s := &b.sib
	s.share, s.top = ratio{total: wide{lo: 1}, weight: uint64(s.Weight)}, ""
	if d := b.dominant; d.dim != none {
		s.share.used, s.share.total, s.top = d.of, g.total(b, d.dim), g.names[d.dim]
	}
	if g.tree.Hierarchical {
		g.rescale(b)
	}
	b.lacks, s.met = 0, nothing
	for _, least := range b.guarantee {
		var has wide
		if i, ok := inList(b.has, least.dim); ok {
			has = b.has[i].of
		}
		if has.compare(least.of) < 0 {
			b.lacks++
		}
		if r := (ratio{has, least.of, 1}); r.compare(&s.met) > 0 {
			s.met = r
		}
	}
	s.Owed = b.lacks > 0 || b.owed > 0
	if len(b.kids) > 0 {
		s.Arrived = b.kids[0].sib.Arrived
	}
}

// changed makes a branch and those above it follow what they have now.
func (g *grove) changed(b *branch) {
	for ; b != nil; b = b.parent {
		g.refile(b)
	}
}

// refile rates a branch and puts it where it belongs among its siblings.
func (g *grove) refile(b *branch) {
	owed := b.sib.Owed
	g.rate(b)
	p := b.parent
	if p == nil {
		return
	}
	waits := b.waits > 0 && !b.closed
	was := b.at != none
	if was && owed {
		p.owed--
	}
	if waits && b.sib.Owed {
		p.owed++
	}
	switch {
	case waits && was:
		p.fix(b.at)
	case waits:
		b.draw()
		p.push(b)
	case was:
		p.drop(b.at)
	}
	if p.level != nil {
		g.contribute(p, b, waits)
	}
}

// wait changes how many clients wait at a branch, and those above it as far as no closed role is between. They are counted first, for
// a policy may panic.
func (g *grove) wait(b *branch, delta int) {
	for at := b; at != nil; at = at.parent {
		if at.waits += delta; at.closed {
			break
		}
	}
	g.changed(b)
}

// draw gives a branch a ticket: for the time that its siblings have come to, if it is new among them.
func (b *branch) draw() {
	b.sib.Draw = max(b.sib.Draw, b.parent.now) + wait(b.stream, b.drawn, b.sib.Weight)
	b.drawn++
}

// won gives a branch, and those above it, a new ticket after a turn.
func (b *branch) won() {
	for ; b.parent != nil; b = b.parent {
		b.parent.now = max(b.parent.now, b.sib.Draw)
		b.draw()
	}
}

// first returns the client whose turn it is, or nil.
func (g *grove) first() *branch {
	b := g.root
	if b.closed || len(b.kids) == 0 {
		return nil
	}
	for len(b.kids) > 0 {
		b = b.kids[0]
	}
	return b
}

// compare orders siblings.
func (b *branch) compare(x, y *branch) int {
	if b.policy != nil {
		if c := b.policy(&x.sib, &y.sib); c != 0 {
			return c
		}
	} else if c := x.sib.share.compare(&y.sib.share); c != 0 {
		return c
	}
	if c := cmp.Compare(x.sib.Charges, y.sib.Charges); c != 0 {
		return c
	}
	return cmp.Compare(x.sib.path, y.sib.path)
}

func (b *branch) push(k *branch) {
	k.at = len(b.kids)
	b.kids = append(b.kids, k)
	b.up(k.at)
}

func (b *branch) drop(i int) {
	last := len(b.kids) - 1
	b.swap(i, last)
	b.kids[last].at = none
	b.kids[last] = nil
	b.kids = b.kids[:last]
	if i < last {
		b.fix(i)
	}
}

func (b *branch) swap(i, j int) {
	b.kids[i], b.kids[j] = b.kids[j], b.kids[i]
	b.kids[i].at, b.kids[j].at = i, j
}

func (b *branch) fix(i int) {
	if !b.down(i) {
		b.up(i)
	}
}

func (b *branch) up(i int) {
	for i > 0 && b.compare(b.kids[i], b.kids[(i-1)/2]) < 0 {
		b.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (b *branch) down(i int) (moved bool) {
	for {
		c := 2*i + 1
		if c+1 < len(b.kids) && b.compare(b.kids[c+1], b.kids[c]) < 0 {
			c++
		}
		if c >= len(b.kids) || b.compare(b.kids[c], b.kids[i]) >= 0 {
			return moved
		}
		b.swap(i, c)
		i, moved = c, true
	}
}

func lastSegment(r berth.Role) string {
	for i := len(r) - 1; i >= 0; i-- {
		if r[i] == '/' {
			return string(r[i+1:])
		}
	}
	return string(r)
}
