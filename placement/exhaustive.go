package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Exhaustive is the reference Picker: it asks about every node for every task. It places on a [cluster.Fork], by the
// checks that a commit makes, and reads beneath it only what a [Candidate] shows. It keeps nothing from task to task,
// so it is slow and stays as the measure of what is right. The zero value is one for BinPack.
type Exhaustive struct {
	policy  *policy // nil in the zero value
	fork    *cluster.Fork
	store   *store.Store
	cand    Candidate
	picked  map[string]bool // tasks placed by this plan
	inCover bool            // whether Cover is under way, whose caller may not call from within
}

// NewExhaustive returns a reference picker for a strategy; nil is BinPack.
func NewExhaustive(s Strategy) *Exhaustive {
	e := &Exhaustive{policy: policyOf(s)}
	e.Start(nil)
	return e
}

// Start begins a plan on a snapshot.
func (e *Exhaustive) Start(s *cluster.Snapshot) {
	if e.inCover {
		return
	}
	if e.policy == nil {
		e.policy = policyOf(nil)
	}
	e.store = (*store.View)(orEmpty(s)).Shown().Fork()
	e.fork = (*cluster.Fork)(checked.Over(e.store))
	e.picked = map[string]bool{}
}

// ready begins a plan without nodes where none was begun.
func (e *Exhaustive) ready() {
	if e.fork == nil {
		e.Start(nil)
	}
}

// Place picks the best node for a task: O(nodes).
func (e *Exhaustive) Place(t berth.Task) (berth.Op, bool) {
	if e.ready(); e.inCover || t.Group.Err() != nil {
		return berth.Op{}, false
	}
	var best cluster.NodeView
	var bestPreferred, bestScore int64
	found := false
	e.begin(t)
	for n := range e.fork.Nodes() {
		if !e.fork.Fits(t.Group, n) {
			continue
		}
		node := n.Node()
		preferred := fit.Preferred(t.Group, &node)
		score := e.score(n, t)
		if !found || preferred > bestPreferred || preferred == bestPreferred && score > bestScore {
			best, bestPreferred, bestScore, found = n, preferred, score, true
		}
	}
	if !found {
		return berth.Op{}, false
	}
	return e.take(t, best.ID())
}

func (e *Exhaustive) take(t berth.Task, node string) (berth.Op, bool) {
	op, why := e.fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: node})
	if why.Code != berth.None {
		return berth.Op{}, false
	}
	e.picked[t.ID] = true
	return op, true
}

func (e *Exhaustive) begin(t berth.Task) {
	e.cand.names = e.store.Dims()
	e.cand.task = t
	e.cand.Request = make([]int64, len(e.cand.names))
	for name, q := range t.Group.Cost() {
		if d, ok := e.store.DimOf(name); ok {
			e.cand.Request[d] = q
		}
	}
}

func (e *Exhaustive) score(n cluster.NodeView, t berth.Task) int64 {
	row, _ := e.store.FindNode(n.ID())
	dims := len(e.cand.names)
	e.cand.node = n.ID()
	e.cand.Free = e.store.Free(row)[:dims]
	e.cand.Capacity = append(e.cand.Capacity[:0], e.store.Node(row).Node.Capacity()...)
	for len(e.cand.Capacity) < dims {
		e.cand.Capacity = append(e.cand.Capacity, 0)
	}
	e.cand.Tasks = e.cand.Tasks[:0]
	for _, key := range e.policy.depends.Domains {
		e.cand.Tasks = append(e.cand.Tasks, e.tasksIn(n, t.Group, key))
	}
	return e.policy.strategy.Score(&e.cand)
}

// tasksIn counts the group's tasks in a node's domain by walking them all.
func (e *Exhaustive) tasksIn(n cluster.NodeView, g *berth.Group, key string) int {
	here, ok := n.Attribute(key)
	if !ok {
		return -1
	}
	count := 0
	for t := range e.fork.Group(g.Name()) {
		if t.Node == "" {
			continue
		}
		on, _ := e.fork.Node(t.Node)
		if v, ok := on.Attribute(key); ok && v == here {
			count++
		}
	}
	return count
}

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Exhaustive) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	if e.ready(); e.inCover || g.Err() != nil {
		return
	}
	e.inCover = true
	defer func() { e.inCover = false }()
	placed, missed = orNobody(placed, missed)
	for n := range e.fork.Nodes() {
		node := n.Node()
		if n.Cordoned() || !fit.Eligible(g, &node) || e.covered(g, n) {
			continue
		}
		instance := g.On(node.ID)
		var lacks []berth.Lack
		if slot, ok := e.store.FindTask(instance.ID); ok {
			lacks = append(lacks, existing(&e.store.View, slot))
		}
		if lacks == nil && e.fork.Fits(g, n) {
			if op, ok := e.take(instance, node.ID); ok {
				placed(op)
				continue
			}
		}
		missed(node.ID, append(lacks, e.fork.Lacks(g, n)...))
	}
}

func (e *Exhaustive) covered(g *berth.Group, n cluster.NodeView) bool {
	for t := range n.Tasks() {
		if t.Group.Name() == g.Name() {
			return true
		}
	}
	return false
}

// Undo gives back what was picked by an operation of this plan; any other is passed over.
func (e *Exhaustive) Undo(op berth.Op) {
	if id := op.Task.ID; !e.inCover && e.picked[id] {
		delete(e.picked, id)
		e.fork.Apply(berth.Op{Kind: berth.Release, ID: id})
	}
}

// Explain says why no node can take a task of the group now: O(nodes).
func (e *Exhaustive) Explain(g *berth.Group) *berth.Explanation {
	if e.ready(); e.inCover {
		return nil
	}
	return e.fork.Explain(g)
}
