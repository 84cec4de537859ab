package allocator

import (
	"slices"

	"github.com/berth-sched/berth"
)

// treeRound is a Round of a Tree.
type treeRound struct {
	grove
	byRole map[berth.Role]*standing
	order  []*standing // in the order of their paths
	claims map[*berth.Group]taking
	group  *berth.Group // that was charged or credited last
	taking taking
	turn   *branch
	head   func(berth.Role) int64
}

// standing is what a round has of a role.
type standing struct {
	role  *branch
	turns *branch // what has the turns of the role, if it waits: role, or what it has by itself where others below it wait
	rest  *branch // with Tree.Hierarchical, where others below it wait: what those below it have that do not wait
	above *standing
	below []amount // with Tree.Hierarchical: what is in the branches below role, but for rest
	waits bool
	inner bool // others below it wait
}

// taking is what a task of a group takes, and whose it is.
type taking struct {
	of    *branch
	needs []need
}

// Begin begins a round.
func (t Tree) Begin(l Ledger, roles []berth.Role) Round {
	r := &treeRound{byRole: map[berth.Role]*standing{}, claims: map[*berth.Group]taking{}}
	total := berth.Resources{}
	if l != nil {
		total = l.Total()
		t.Seed = streamOf(t.Seed, l.Time().UTC().String()+total.String()+l.Used("").String())
		if h, ok := l.(Heads); ok {
			r.head = h.Head
		}
	}
	r.plant(t)
	r.share(total)
	r.enter("")
	for _, role := range slices.SortedFunc(slices.Values(roles), comparePaths) {
		r.enter(role).waits = true
	}
	for _, s := range r.order {
		r.open(s)
	}
	for i := len(r.order) - 1; i >= 0; i-- { // children before parents
		r.load(l, r.order[i])
	}
	return r
}

// enter returns what the round has of a role, made with all roles above it if need be.
func (r *treeRound) enter(role berth.Role) *standing {
	if s := r.byRole[role]; s != nil {
		return s
	}
	s := &standing{role: r.root}
	if role != "" {
		above := r.enter(role.Parent())
		above.inner = true
		s.above = above
		s.role = r.grove.role(above.role, role)
	}
	r.byRole[role] = s
	r.order = append(r.order, s)
	return s
}

// open makes what a role has beside its children, and lets it wait.
func (r *treeRound) open(s *standing) {
	b := s.role
	if s.inner && r.tree.Hierarchical {
		s.rest = r.child(b, b.sib.Role, "", ".rest")
	}
	if !s.waits {
		return
	}
	if s.turns = b; s.inner || b.parent == nil { // so that the root has no turn itself
		s.inner = true
		s.turns = r.child(b, b.sib.Role, "", "") // the first of its siblings by path
		if r.tree.Usage != nil {
			s.turns.sib.Usage = r.tree.Usage.own(b.sib.Role)
		}
	}
	if r.head != nil {
		s.turns.sib.Arrived = r.head(b.sib.Role)
	}
	for at := s.turns; at != nil; at = at.parent {
		at.waits++
	}
}

// load takes in what a role has, and files it with its parent. Those below it have been loaded.
func (r *treeRound) load(l Ledger, s *standing) {
	b := s.role
	own := s.turns != nil && s.turns != b
	if l != nil {
		r.fill(b, l.Used(b.sib.Role))
		r.guaranteed(b, l.Quota(b.sib.Role).Guarantees)
		if own {
			r.fill(s.turns, l.Own(b.sib.Role))
		}
	}
	if own {
		s.contain(s.turns.has)
		r.refile(s.turns)
	}
	if s.rest != nil {
		for _, a := range b.has {
			left := a.of
			if i, ok := inList(s.below, a.dim); ok {
				if s.below[i].of.compare(left) >= 0 {
					continue
				}
				left = left.minus(s.below[i].of)
			}
			r.add(s.rest, a.dim, left)
		}
		r.refile(s.rest)
	}
	r.refile(b)
	if s.above != nil && s.above.rest != nil {
		s.above.contain(b.has)
	}
}

// contain counts what a branch below has.
func (s *standing) contain(has []amount) {
	if s.rest == nil {
		return
	}
	for _, a := range has {
		i, known := inList(s.below, a.dim)
		if !known {
			s.below = slices.Insert(s.below, i, amount{dim: a.dim})
		}
		s.below[i].of = s.below[i].of.plus(a.of)
	}
}

func (r *treeRound) fill(b *branch, has berth.Resources) {
	for name, q := range has {
		if q > 0 {
			r.add(b, r.dim(name), wideOf(q))
		}
	}
}

// Next returns the role whose turn it is.
func (r *treeRound) Next(can func(berth.Role) bool) (berth.Role, bool) {
	if can == nil {
		can = func(berth.Role) bool { return true }
	}
	switch b := r.turn; {
	case b == nil:
	case !can(b.sib.Role): // at once, for with Hierarchical it matters to others who waits
		r.wait(b, -1)
	case r.head != nil:
		if at := r.head(b.sib.Role); at != b.sib.Arrived {
			b.sib.Arrived = at
			r.changed(b)
		}
	}
	for {
		r.turn = r.first()
		if r.turn == nil {
			return "", false
		}
		if can(r.turn.sib.Role) {
			return r.turn.sib.Role, true
		}
		r.wait(r.turn, -1)
	}
}

// takingOf returns what a task of a group takes.
func (r *treeRound) takingOf(g *berth.Group) taking {
	if r.group == g && g != nil {
		return r.taking
	}
	t, ok := r.claims[g]
	if !ok {
		for role := g.Role(); ; role = role.Parent() {
			s := r.byRole[role]
			if s == nil {
				continue // the root is known
			}
			switch t.of = s.role; {
			case role == g.Role() && s.turns != nil:
				t.of = s.turns
			case s.rest != nil:
				t.of = s.rest
			}
			break
		}
		for _, n := range g.Requirements().Needs {
			if n.Amount > 0 {
				t.needs = append(t.needs, need{r.dim(n.Name), n.Amount})
			}
		}
		r.claims[g] = t
	}
	r.group, r.taking = g, t
	return t
}

// Charged tells that tasks of a group were given a place.
func (r *treeRound) Charged(g *berth.Group, tasks int) {
	if tasks <= 0 {
		return
	}
	t := r.takingOf(g)
	for at := t.of; at != nil; at = at.parent {
		for _, n := range t.needs {
			r.add(at, n.dim, times(n.amount, tasks))
		}
	}
	if t.of == r.turn {
		t.of.won()
	}
	r.changed(t.of)
}

// Credited tells that tasks of a group have lost their places. More than were given them are as many as there were.
func (r *treeRound) Credited(g *berth.Group, tasks int) {
	if tasks <= 0 {
		return
	}
	t := r.takingOf(g)
	for at := t.of; at != nil; at = at.parent {
		for _, n := range t.needs {
			r.take(at, n.dim, times(n.amount, tasks))
		}
	}
	r.changed(t.of)
}
