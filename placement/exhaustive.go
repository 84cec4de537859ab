package placement

import (
	"iter"
	"math"
	"slices"

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
	version cluster.Version // of the snapshot
	store   *store.Store
	rater   rater
	group   *berth.Group            // of the task that is placed, and
	here    cluster.NodeView        // the node that is rated
	chosen  map[string]*chosenTasks // by rule that prefers by them, of those that the task was rated by
	picked  map[string]bool         // tasks placed by this plan
	saves   checked.Saves[exhaustiveSave]
	inCover bool // whether Cover is under way, whose caller may not call from within
}

// NewExhaustive returns a reference picker for a strategy. Of one with a fault, which [Strategy.Err] tells and a scheduler refuses, it
// may pick any node that fits.
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
		e.policy = policyOf(Strategy{})
	}
	s = orEmpty(s)
	e.version = s.Version()
	e.store = (*store.View)(s).Shown().Fork()
	e.fork = (*cluster.Fork)(checked.Over(e.store))
	e.picked = map[string]bool{}
	e.saves.Clear()
}

// ready begins a plan without nodes where none was begun.
func (e *Exhaustive) ready() {
	if e.fork == nil {
		e.Start(nil)
	}
}

// Place picks the best node for a task: O(nodes).
func (e *Exhaustive) Place(t berth.Task) (berth.Op, bool) { return e.place(t, domain{}) }

// PlaceWithin picks the best node of a domain: O(nodes).
func (e *Exhaustive) PlaceWithin(t berth.Task, attribute string, value any) (berth.Op, bool) {
	in, ok := domainOf(attribute, value)
	if !ok {
		return berth.Op{}, false
	}
	return e.place(t, in)
}

func (e *Exhaustive) place(t berth.Task, in domain) (berth.Op, bool) {
	if e.ready(); e.inCover || t.Group.Err() != nil {
		return berth.Op{}, false
	}
	node, ok := e.bestOf(t, in, false)
	if !ok {
		return berth.Op{}, false
	}
	n, _ := e.fork.Node(node)
	return e.take(t, n)
}

// bestOf returns the best node for a task; if it is told so, among those alone of which something is reserved.
func (e *Exhaustive) bestOf(t berth.Task, in domain, reserved bool) (node string, ok bool) {
	all := e.candidates(t, in, reserved)
	if len(all) == 0 {
		return "", false
	}
	if e.policy.strategy.sample > 0 {
		var nodes []string
		for n := range e.fork.Nodes() {
			nodes = append(nodes, n.ID())
		}
		all = e.policy.sampled(t, all, nodes)
	}
	return e.policy.first(all).id, true
}

// rated is a node that can take a task, and the sum of each tier.
type rated struct {
	id    string
	sums  []int64
	place uint32
}

// reserved yields the nodes of which something is reserved.
func (e *Exhaustive) reserved() iter.Seq[cluster.NodeView] {
	return func(yield func(cluster.NodeView) bool) {
		for row := range e.store.ReservedRows() {
			if !yield(cluster.NodeView(store.RefTo(&e.store.View, row))) {
				return
			}
		}
	}
}

// candidates rates every node of a domain that can take a task.
func (e *Exhaustive) candidates(t berth.Task, in domain, reserved bool) (all []rated) {
	e.begin(t)
	nodes := e.fork.Nodes()
	if reserved {
		nodes = e.reserved()
	}
	for n := range nodes {
		if in.has(n) && e.fork.Fits(t.Group, n) {
			sums := make([]int64, len(e.policy.tiers))
			e.stand(n)
			e.rater.rate(e, sums)
			all = append(all, rated{id: n.ID(), sums: sums})
		}
	}
	return all
}

// first returns the best of some nodes, of which there must be one.
func (p *policy) first(all []rated) rated {
	all = slices.Clone(all)
	for i := range p.tiers {
		all = best(all, i, &p.tiers[i])
	}
	return slices.MinFunc(all, func(a, b rated) int { return p.compareTies(a.id, b.id) })
}

// best returns those that count as the best of a tier.
func best(all []rated, i int, of *tier) []rated {
	most := int64(math.MinInt64)
	for _, r := range all {
		most = max(most, r.sums[i])
	}
	return slices.DeleteFunc(all, func(r rated) bool { return r.sums[i] < of.least(most) })
}

// take places a task on a node, with the devices that the strategy likes best.
func (e *Exhaustive) take(t berth.Task, n cluster.NodeView) (berth.Op, bool) {
	op, why := e.fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: n.ID(), Grant: e.grantOn(n)})
	if why.Code != berth.None {
		return berth.Op{}, false
	}
	e.picked[t.ID] = true
	return op, true
}

// grantOn returns what a task of the group gets on a node that can take it; nil if that is what [fit.Choose] says.
func (e *Exhaustive) grantOn(n cluster.NodeView) *berth.Grant {
	if !e.policy.grants || len(e.group.Requirements().Devices) == 0 {
		return nil
	}
	e.stand(n)
	if e.rater.settle(); e.rater.way < 0 {
		return nil
	}
	row, _ := e.store.FindNode(n.ID())
	return e.rater.devices.grant(e.group, e.rater.way, e.store.Node(row).Ports)
}

// begin turns to a task, and stand to a node for it.
func (e *Exhaustive) begin(t berth.Task) {
	names := e.store.Dims()
	request := make([]int64, len(names))
	for name, q := range t.Group.Cost() {
		if d, ok := e.store.DimOf(name); ok {
			request[d] = q
		}
	}
	e.rater.policy, e.group, e.chosen = e.policy, t.Group, map[string]*chosenTasks{}
	e.rater.aim(t, names, request)
}

func (e *Exhaustive) stand(n cluster.NodeView) {
	row, _ := e.store.FindNode(n.ID())
	c, node := &e.rater.cand, e.store.Node(row).Node
	dims := len(c.names)
	e.here, c.id, c.node = n, n.ID(), node
	e.rater.stand(node, nil, e.store.Node(row).Devices)
	c.Free = e.store.Room(row, e.group.Role())[:dims]
	c.Capacity = append(c.Capacity[:0], node.Capacity()...)
	for len(c.Capacity) < dims {
		c.Capacity = append(c.Capacity, 0)
	}
}

// preferred adds up the weights of the group's preferences that hold here.
func (e *Exhaustive) preferred() int64 {
	sum := fit.Preferred(e.group, e.rater.cand.node.Spec)
	prefer := e.group.Requirements().Prefer
	for i := range prefer {
		if p := &prefer[i]; (p.Own != nil || p.Tasks != nil) && e.allows(p.Node, p.Own, p.Tasks) {
			sum += p.Weight
		}
	}
	return sum
}

func (e *Exhaustive) holds(t *Term) bool {
	ofNode, _ := t.rule.(berth.NodeRule)
	return e.allows(ofNode, t.own, t.countedFor(e.group))
}

// allows reports whether a rule would hold for one more task of the group here, as what it is about.
func (e *Exhaustive) allows(ofNode berth.NodeRule, own berth.DomainRule, counted *berth.CountedRule) bool {
	if ofNode != nil && !ofNode.Allows(e.rater.cand.node.Spec) {
		return false
	}
	switch {
	case counted != nil:
		return e.letsIn(counted)
	case own == nil:
		return ofNode != nil
	}
	var domains berth.Domains
	if own.Counts().Even {
		domains = e.fork.Domains(e.group, own.Domain())
	}
	n := e.tasksIn(own.Domain())
	return n >= 0 && n < own.Limit(domains)
}

// letsIn reports whether the node's domain takes one of the group's tasks more, as a rule about chosen tasks has it.
func (e *Exhaustive) letsIn(r *berth.CountedRule) bool {
	here, ok := e.here.Attribute(r.Attribute)
	if !ok {
		return r.Relation.Lenient()
	}
	c, known := e.chosen[r.Text]
	if !known {
		c = e.choose(r)
		e.chosen[r.Text] = c
	}
	if r.Relation.Opens() { // whether there is one: nobody must go anywhere first
		return c.tasks[here] > 0
	}
	d := c.domains
	if r.ByValue {
		d.Value = here
	}
	return r.Allows(c.tasks[here], len(c.tasks), d)
}

// chosenTasks is the tasks that a rule counts, by domain.
type chosenTasks struct {
	tasks   map[berth.Value]int // of domains that have any
	domains berth.Domains       // that the rule compares, if it is even
}

// choose counts the tasks that a rule chooses by walking them all, and the domains that it compares by walking all nodes.
func (e *Exhaustive) choose(r *berth.CountedRule) *chosenTasks {
	c := &chosenTasks{tasks: map[berth.Value]int{}}
	compared := map[berth.Value]bool{}
	for n := range e.fork.Nodes() {
		v, ok := n.Attribute(r.Attribute)
		if !ok {
			continue
		}
		for t := range n.Tasks() {
			if r.Of.Matches(t.Group) && !(r.WithoutStopping && t.State == berth.Stopping) {
				c.tasks[v]++
			}
		}
		if node := n.Node(); fit.PopulationOf(r.Counting).Has(e.group, &node, n.Cordoned()) {
			compared[v] = true
		}
	}
	first := true
	for v := range compared {
		if first || c.tasks[v] < c.domains.Least {
			c.domains.Least, first = c.tasks[v], false
		}
		c.domains.Total += c.tasks[v]
	}
	c.domains.Number = len(compared)
	return c
}

// tasksIn counts the group's tasks in the node's domain by walking them all.
func (e *Exhaustive) tasksIn(attribute string) int {
	here, ok := e.here.Attribute(attribute)
	if !ok {
		return -1
	}
	count := 0
	for t := range e.fork.Group(e.group.Name()) {
		if t.Node == "" {
			continue
		}
		on, _ := e.fork.Node(t.Node)
		if v, ok := on.Attribute(attribute); ok && v == here {
			count++
		}
	}
	return count
}

// targeted counts the group's tasks in the node's domain, or in all that are not named, by walking them all.
func (e *Exhaustive) targeted(t *Term) int64 {
	attribute := t.attributes[0]
	here, ok := e.here.Attribute(attribute)
	if !ok {
		return farFromTarget
	}
	percent, named := t.targets.of(here)
	tasks := 0
	for member := range e.fork.Group(e.group.Name()) {
		if member.Node == "" {
			continue
		}
		on, _ := e.fork.Node(member.Node)
		if v, ok := on.Attribute(attribute); ok {
			if _, other := t.targets.of(v); named && v == here || !named && !other {
				tasks++
			}
		}
	}
	return rateTarget(tasks, percent)
}

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Exhaustive) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	if e.ready(); e.inCover || g.Err() != nil {
		return
	}
	e.inCover = true
	defer func() { e.inCover = false }()
	placed, missed = orNobody(placed, missed)
	e.begin(g.Everywhere())
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
			if op, ok := e.take(instance, n); ok {
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
func (e *Exhaustive) Explain(g *berth.Group) *cluster.Explanation {
	if e.ready(); e.inCover {
		return nil
	}
	return e.fork.Explain(g)
}
