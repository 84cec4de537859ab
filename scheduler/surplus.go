package scheduler

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// Surplus says which tasks of a group, of all its revisions, are to end where there are to be so many fewer: in the order in which to
// end them, and all there are if these are no more. It changes nothing: the host stops them.
//
// Those go first that are going or gone already: stopping ones, then lost ones. Then what is left is kept even as those rules of the
// group want it that compare domains, as group-by does, or share the tasks out to them, as targets does: each time a task goes from the
// domain that has the most of the tasks which the rule counts, or the most beyond its part; where several rules count, from those that
// have the most together. Rules that the group prefers come after those that it must keep, each as often as it weighs. Among equals
// those go that do not run yet, and then the youngest: that of the last ID, numbers in it compared as numbers. So of two zones with
// ten tasks each both lose five of ten. Marathon chooses so too, whose GROUP_BY comes before the state of tasks as well.
//
// The parts of a targets rule are of the number that is wanted, which is in the rule: hand in the revision of the group that is to be,
// with the new number. By the old one all domains lose as many, and small ones are emptied.
//
// Surplus fails if the group is at fault or a daemon, of which each node has one, and if n is less than 0. It costs O(nodes + tasks log
// tasks), of the tasks that are counted.
func Surplus(snapshot *cluster.Snapshot, g *berth.Group, n int) ([]cluster.TaskView, error) {
	switch err := g.Err(); {
	case snapshot == nil:
		return nil, errors.New("scheduler: surplus: no snapshot")
	case err != nil:
		return nil, faults.Of("scheduler: surplus", err)
	case g.Mode() == berth.Daemon:
		return nil, fmt.Errorf("scheduler: surplus: group %q is a daemon, of which each node has one", g.Name())
	case n < 0:
		return nil, fmt.Errorf("scheduler: surplus: %d tasks fewer", n)
	}
	var out, there []cluster.TaskView
	for t := range snapshot.Group(g.Name()) {
		if t.State == berth.Stopping || t.Node == "" {
			out = append(out, t)
		} else {
			there = append(there, t)
		}
	}
	slices.SortFunc(out, leaving)
	if n <= len(out) {
		return out[:n], nil
	}
	s := newSurplus(snapshot, g)
	cells, on := map[string]*cell{}, map[string]*cell{} // by domains, and by node
	for _, t := range there {
		c := on[t.Node]
		if c == nil {
			at := s.domainsOf(t.Node)
			key := fmt.Sprintf("%#v", at)
			if c = cells[key]; c == nil {
				c = &cell{at: at}
				cells[key] = c
				s.cells = append(s.cells, c)
			}
			on[t.Node] = c
		}
		c.tasks = append(c.tasks, t)
	}
	for _, c := range s.cells {
		slices.SortFunc(c.tasks, func(a, b cluster.TaskView) int { return leaving(b, a) }) // the first to go is the last
		s.weigh(c)
	}
	heap.Init(s)
	for len(out) < n && len(s.cells) > 0 {
		// What a cell weighs only falls as tasks go: so the first of the heap is the first of all if it weighs what it did.
		c := s.cells[0]
		hard, soft := c.hard, c.soft
		if s.weigh(c); c.hard != hard || c.soft != soft {
			heap.Fix(s, 0)
			continue
		}
		t := c.tasks[len(c.tasks)-1]
		out, c.tasks = append(out, t), c.tasks[:len(c.tasks)-1]
		for i := range s.rules {
			if r := &s.rules[i]; r.counts(&t) && c.at[i].in {
				r.tasks[c.at[i].value]--
			}
		}
		if len(c.tasks) == 0 {
			heap.Pop(s)
			continue
		}
		s.weigh(c)
		heap.Fix(s, 0)
	}
	return out, nil
}

// leaving orders tasks of equal weight, those to go first before the others.
func leaving(a, b cluster.TaskView) int {
	rank := func(t *cluster.TaskView) int {
		switch {
		case t.State == berth.Stopping:
			return 0
		case t.Node == "":
			return 1
		case t.State != berth.Running:
			return 2
		}
		return 3
	}
	return cmp.Or(cmp.Compare(rank(&a), rank(&b)), compareIDs(b.ID, a.ID), cmp.Compare(b.ID, a.ID))
}

// surplus is what is left of a group's tasks, in cells of those that are in the same domains: a heap, the cell with the next to go first.
type surplus struct {
	snapshot *cluster.Snapshot
	rules    []spreading
	cells    []*cell
}

// cell is the tasks that are in the same domains under all rules.
type cell struct {
	at         []inDomain // by rule
	tasks      []cluster.TaskView
	hard, soft int64
}

// inDomain is the domain of a node under an attribute, if it is in one.
type inDomain struct {
	value berth.Value
	in    bool
}

// spreading is a rule that wants tasks even, or shared out.
type spreading struct {
	attribute string
	limit     berth.DomainRule
	counting  berth.Counting
	group     string // whose tasks count, where the counting does not say
	weight    int64  // of a preference; 0 of a rule that must hold
	tasks     map[berth.Value]int64
	limits    map[berth.Value]int64 // where the limit goes by the value: asked once for each
}

func newSurplus(snapshot *cluster.Snapshot, g *berth.Group) *surplus {
	s := &surplus{snapshot: snapshot}
	add := func(rule berth.Constraint, weight int64) {
		limit, ok := rule.(berth.DomainRule)
		if !ok {
			return
		}
		r := spreading{attribute: limit.Domain(), limit: limit, counting: limit.Counts(), group: g.Name(), weight: weight, tasks: map[berth.Value]int64{}}
		if r.counting.Even || r.counting.ByValue {
			s.rules = append(s.rules, r)
		}
	}
	spec := g.Spec()
	for _, rule := range spec.Rules {
		add(rule, 0)
	}
	for _, p := range spec.Prefer {
		if p.Weight > 0 {
			add(p.Rule, p.Weight)
		}
	}
	if len(s.rules) == 0 {
		return s
	}
	for n := range snapshot.Nodes() {
		at := s.domainsOn(n)
		for t := range n.Tasks() {
			for i := range s.rules {
				if r := &s.rules[i]; t.State != berth.Stopping && at[i].in && r.counts(&t) {
					r.tasks[at[i].value]++
				}
			}
		}
	}
	return s
}

// counts reports whether the rule counts a task.
func (r *spreading) counts(t *cluster.TaskView) bool {
	if r.counting.Of.IsOwn() {
		return t.Group.Name() == r.group
	}
	return r.counting.Of.Matches(t.Group)
}

// limitOf returns the limit of a rule that goes by the value. No limit is greater than that many tasks: sums must not overflow.
func (r *spreading) limitOf(v berth.Value) int64 {
	limit, known := r.limits[v]
	if !known {
		limit = int64(min(max(r.limit.Limit(berth.Domains{Value: v}), 0), math.MaxInt32))
		if r.limits == nil {
			r.limits = map[berth.Value]int64{}
		}
		r.limits[v] = limit
	}
	return limit
}

func (s *surplus) domainsOf(node string) []inDomain {
	if len(s.rules) == 0 {
		return nil
	}
	n, _ := s.snapshot.Node(node)
	return s.domainsOn(n)
}

func (s *surplus) domainsOn(n cluster.NodeView) []inDomain {
	at := make([]inDomain, len(s.rules))
	for i := range s.rules {
		at[i].value, at[i].in = n.Attribute(s.rules[i].attribute)
	}
	return at
}

// weigh sets what speaks for a task to go from a cell.
func (s *surplus) weigh(c *cell) {
	c.hard, c.soft = 0, 0
	for i := range s.rules {
		r := &s.rules[i]
		if !c.at[i].in {
			continue
		}
		tasks := r.tasks[c.at[i].value]
		if r.counting.ByValue {
			tasks -= r.limitOf(c.at[i].value)
		}
		if r.weight == 0 {
			c.hard += tasks
		} else {
			c.soft += r.weight * tasks
		}
	}
}

func (s *surplus) Len() int { return len(s.cells) }

func (s *surplus) Less(i, j int) bool {
	a, b := s.cells[i], s.cells[j]
	first := func(c *cell) cluster.TaskView { return c.tasks[len(c.tasks)-1] }
	return cmp.Or(cmp.Compare(b.hard, a.hard), cmp.Compare(b.soft, a.soft), leaving(first(a), first(b))) < 0
}

func (s *surplus) Swap(i, j int) { s.cells[i], s.cells[j] = s.cells[j], s.cells[i] }
func (s *surplus) Push(any)      {}

func (s *surplus) Pop() any {
	last := len(s.cells) - 1
	c := s.cells[last]
	s.cells = s.cells[:last]
	return c
}
