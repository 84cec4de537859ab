package allocator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// Fair is the [Order] of weighted dominant resource fairness over the tree of roles: the rule of the package comment, with each
// role as one client, but that roles of equal share have their turns in the order of their paths, a role before those below
// it. So it says the same whatever was planned before. The zero value shares everything out equally. A Fair in use must not be
// changed.
//
// Begin takes time for each role that waits and each role above those, a charge for each level of the role and the logarithm
// of how many others wait there. Roles that have nothing waiting cost nothing.
type Fair struct {
	// Weights of roles, in thousandths, relative to their siblings. The default is [DefaultWeight]. The root can have none.
	Weights map[berth.Role]Weight

	// Exclude names resources that count in nobody's share, each once; see [Config].
	Exclude []string

	// Grain is what a turn is worth, in millionths of the capacity: a role whose turn it is goes on until the turn has given it
	// that part of a resource, or more, or it can use nothing. Planning is fastest where many tasks of a group come
	// one after another, and the shares of two roles that both want more may differ by the grain besides the one task that
	// they always may. The default, 0, is a turn for each task; 100, a ten-thousandth, is 32 cores of 10,000 nodes of 32.
	Grain int64
}

// wholeGrain is the grain of a turn that is worth the whole capacity.
const wholeGrain = 1_000_000

// Err returns every fault of f joined into one error, or nil: those of roles, weights and names of resources, and a grain that is
// negative or more than a million.
func (f Fair) Err() error {
	var errs []error
	for _, r := range slices.Sorted(maps.Keys(f.Weights)) {
		if err := checkWeight(r, f.Weights[r]); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, checkExcluded(f.Exclude)...)
	if f.Grain < 0 || f.Grain > wholeGrain {
		errs = append(errs, fmt.Errorf("allocator: grain: %d is not between 0 and %d", f.Grain, wholeGrain))
	}
	return errors.Join(errs...)
}

// turns is a Round of a Fair.
//
// Roles form a tree of places. A place has its children in a heap, the lowest weighted share first, as long as anything below
// them waits. Only one path changes between two turns, and it is put in order when the next turn is asked for.
type turns struct {
	dims   map[string]int // resources that count, by name
	totals []wide
	worth  []int64 // of a turn, by dimension

	places []place
	byRole map[berth.Role]int32
	claims map[*berth.Group]claim
	group  *berth.Group // that was charged or credited last, and
	claim  claim        // what a task of it takes

	at    int32  // the place whose turn it is; none before the first
	rest  []need // what is left of the turn's worth, of the resources that it has given any of
	over  bool   // the turn is over
	stale bool   // the keys from at upwards lag behind
}

const none = -1

// place is a role, or what a role has by itself where others below it wait too.
type place struct {
	role     berth.Role
	parent   int32
	own      int32 // the place of what the role has by itself; none without one
	weight   uint64
	has      []amount // by dimension; of those below it, too
	dominant amount   // the one of them with the largest share; of dimension none where there is nothing
	waits    bool     // it has turns of its own
	children []sibling
}

// sibling is a child in the heap of its parent.
type sibling struct {
	key   ratio
	place int32
}

// amount is how much there is of a dimension.
type amount struct {
	dim int
	of  wide
}

// claim is what a task of a group takes, and of which place.
type claim struct {
	place int32
	needs []need
}

type need struct {
	dim    int
	amount int64
}

// Begin begins a round.
func (f Fair) Begin(l Ledger, roles []berth.Role) Round {
	t := &turns{at: none, byRole: make(map[berth.Role]int32, len(roles)+1), claims: map[*berth.Group]claim{}}
	if l != nil {
		t.share(l.Total(), f)
	}
	t.plant(f, roles)
	for i := range t.places {
		t.order(l, int32(i))
	}
	return t
}

// share takes in what there is to share out.
func (t *turns) share(total berth.Resources, f Fair) {
	t.dims = make(map[string]int, len(total))
	for name, q := range total.All() {
		if q <= 0 || slices.Contains(f.Exclude, name) {
			continue
		}
		t.dims[name] = len(t.totals)
		t.totals = append(t.totals, wideOf(q))
		hi, lo := bits.Mul64(uint64(q), uint64(min(max(f.Grain, 0), wholeGrain)))
		worth, _ := bits.Div64(hi, lo, wholeGrain)
		t.worth = append(t.worth, int64(worth))
	}
}

// plant makes the tree of the roles.
func (t *turns) plant(f Fair, roles []berth.Role) {
	if !slices.IsSortedFunc(roles, comparePaths) {
		roles = slices.SortedFunc(slices.Values(roles), comparePaths)
	}
	t.places = make([]place, 0, len(roles)+len(roles)/4+2)
	t.add(f, "", none)
	path := []int32{0} // from the root to the last place
	for _, r := range roles {
		for !r.Within(t.places[path[len(path)-1]].role) {
			path = path[:len(path)-1]
		}
		for at := path[len(path)-1]; t.places[at].role != r; at = path[len(path)-1] {
			path = append(path, t.add(f, below(t.places[at].role, r), at))
		}
		t.places[path[len(path)-1]].waits = true
	}
	if t.places[0].waits { // so that the root has no turn itself
		t.own(0)
	}
}

// add adds the place of a role.
func (t *turns) add(f Fair, r berth.Role, parent int32) int32 {
	at := int32(len(t.places))
	w := f.Weights[r]
	if w <= 0 || r == "" {
		w = DefaultWeight
	}
	t.places = append(t.places, place{role: r, parent: parent, own: none, dominant: amount{dim: none}, weight: uint64(w)})
	t.byRole[r] = at
	if parent != none {
		if t.places[parent].waits {
			t.own(parent)
		}
		p := &t.places[parent]
		p.children = append(p.children, sibling{place: at})
	}
	return at
}

// own makes a place for what a role has by itself: the first of those below it by its path, whichever place it has in memory.
func (t *turns) own(at int32) {
	p := &t.places[at]
	p.waits, p.own = false, int32(len(t.places))
	p.children = append(p.children, sibling{place: p.own})
	t.places = append(t.places, place{role: p.role, parent: at, own: none, dominant: amount{dim: none}, weight: uint64(DefaultWeight), waits: true})
}

// order takes in what the children of a place have, and puts them in order. An only child needs none.
func (t *turns) order(l Ledger, at int32) {
	children := t.places[at].children
	if len(children) < 2 {
		return
	}
	for i := range children {
		c := children[i].place
		if l != nil && len(t.totals) > 0 {
			t.load(l, c, t.places[at].own == c)
		}
		children[i].key = t.keyOf(c)
	}
	for i := len(children)/2 - 1; i >= 0; i-- {
		t.down(children, i)
	}
}

func (t *turns) load(l Ledger, at int32, own bool) {
	p, used := &t.places[at], berth.Resources(nil)
	if own {
		used = l.Own(p.role)
	} else {
		used = l.Used(p.role)
	}
	for name, q := range used {
		if d, ok := t.dims[name]; ok && q > 0 {
			p.has = append(p.has, amount{d, wideOf(q)})
		}
	}
	slices.SortFunc(p.has, func(a, b amount) int { return cmp.Compare(a.dim, b.dim) })
	t.dominate(p)
}

// amountOf returns what a place has of a dimension, to be changed.
func (p *place) amountOf(d int) *amount {
	i, known := slices.BinarySearchFunc(p.has, d, func(a amount, d int) int { return cmp.Compare(a.dim, d) })
	if !known {
		p.has = slices.Insert(p.has, i, amount{dim: d})
	}
	return &p.has[i]
}

// dominate finds the dominant resource of a place.
func (t *turns) dominate(p *place) {
	p.dominant = amount{dim: none}
	for _, a := range p.has {
		t.rival(p, a)
	}
}

// rival makes an amount the dominant one if its share is larger, or if it is that one anew.
func (t *turns) rival(p *place, a amount) {
	if d := p.dominant; d.dim != none && d.dim != a.dim {
		x, y := ratio{a.of, t.totals[a.dim], 1}, ratio{d.of, t.totals[d.dim], 1}
		if x.compare(&y) <= 0 {
			return
		}
	}
	p.dominant = a
}

func (t *turns) keyOf(at int32) ratio {
	p := &t.places[at]
	if p.dominant.dim == none {
		return ratio{total: wideOf(1), weight: p.weight}
	}
	return ratio{p.dominant.of, t.totals[p.dominant.dim], p.weight}
}

// comparePaths orders roles as a walk over their tree meets them, each before those below it.
func comparePaths(a, b berth.Role) int {
	n := min(len(a), len(b))
	for i := range n {
		if x, y := a[i], b[i]; x != y {
			switch {
			case x == '/':
				return -1
			case y == '/':
				return 1
			}
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// below returns the role one level below another on the way to a third.
func below(above, r berth.Role) berth.Role {
	from := 1 // a segment has a character at least
	if above != "" {
		from = len(above) + 2
	}
	if from < len(r) {
		if i := strings.IndexByte(string(r[from:]), '/'); i >= 0 {
			return r[:from+i]
		}
	}
	return r
}
