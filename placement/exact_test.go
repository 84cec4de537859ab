package placement_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// distant is when holds end that are not to end during a test.
var distant = time.Unix(1<<32, 0)

// history makes a random cluster and changes it, the same for the same seed.
type history struct {
	rng    *rand.Rand
	fork   *cluster.Fork
	nodes  []string
	tasks  []string
	holds  []string
	groups []*berth.Group
	racks  int // how many there may be; of some clusters few, of some as many as nodes
	meet   int // one group in so many has labels or rules about the tasks of others, if not 0
	rooms  int // one node in so many has something reserved, if not 0
	nextN  int
	nextT  int
	nextG  int
}

func newHistory(seed uint64) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 1)), fork: cluster.NewFork()}
	h.racks = []int{4, 50, 50, 1000}[h.rng.IntN(4)]
	h.meet = []int{0, 1, 1, 4}[h.rng.IntN(4)]
	h.rooms = []int{10, 0, 2, 0}[seed%4]
	for range 3 + h.rng.IntN(60) {
		h.addNode()
	}
	return h
}

func (h *history) node(id string) berth.Node {
	r := h.rng
	n := berth.Node{
		ID:       id,
		Capacity: berth.Resources{"cpu": int64(4+4*r.IntN(3)) * 1000, "memory": int64(8+8*r.IntN(3)) << 30},
		Attributes: berth.Attributes{
			"zone": string(rune('a' + r.IntN(3))),
			"rack": fmt.Sprintf("r%d", r.IntN(h.racks)),
		},
	}
	if r.IntN(5) == 0 {
		delete(n.Attributes, "zone")
	}
	if r.IntN(3) == 0 {
		n.Attributes["ssd"] = 1 + r.IntN(2)
	}
	if r.IntN(8) == 0 {
		n.Taints = append(n.Taints, berth.Taint{Key: "dedicated", Value: "x", Effect: berth.Effect(r.IntN(3))})
	}
	describeMore(r, &n)
	if r.IntN(10) == 0 {
		n.Unschedulable = true
	}
	if r.IntN(3) == 0 {
		models := []string{"A", "B"}
		for range 1 + r.IntN(4) {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: models[r.IntN(2)], Unhealthy: r.IntN(12) == 0})
		}
		for i := range n.Devices {
			if r.IntN(3) == 0 {
				n.Devices[i].Capacity = berth.Resources{"memory": int64(10 + 10*r.IntN(2)), "cores": 7}
			}
		}
	}
	if r.IntN(3) == 0 {
		n.Ports = []berth.PortRange{{First: 8000, Last: 8000 + uint16(r.IntN(4))}}
	}
	if r.IntN(20) == 0 {
		n.Capacity["disk"] = 10
	}
	if h.rooms > 0 && r.IntN(h.rooms) == 0 {
		n.Reserved = map[berth.Role]berth.Resources{}
		for range 1 + r.IntN(2) {
			if role := h.role(); role != "" {
				n.Reserved[role] = berth.Resources{"cpu": int64(r.IntN(4)) * 500, "memory": int64(r.IntN(3)) << 30}
			}
		}
	}
	return n
}

// reservation is of room on a node for a role, and now and then for one owner.
func (h *history) reservation(id, node string) *berth.Hold {
	r := h.rng
	hold := &berth.Hold{ID: id, Node: node, Role: h.role(), Lease: berth.Reserved, Resources: berth.Resources{"cpu": int64(r.IntN(8)) * 500}}
	if r.IntN(2) == 0 {
		hold.Resources["memory"] = int64(r.IntN(8)) << 30
	}
	if r.IntN(8) == 0 {
		hold.Owner = "other"
	}
	return hold
}

func (h *history) addNode() {
	h.nextN++
	id := fmt.Sprintf("n%d", h.nextN*7919%1000)
	if h.fork.AddNodes(h.node(id)) == nil {
		h.nodes = append(h.nodes, id)
	}
}

func (h *history) group() *berth.Group {
	r := h.rng
	if len(h.groups) > 0 && r.IntN(3) > 0 {
		return h.groups[r.IntN(len(h.groups))]
	}
	h.nextG++
	spec := berth.GroupSpec{Request: berth.Resources{"cpu": int64(r.IntN(8)) * 500, "memory": int64(r.IntN(6)) << 30}}
	pick := func(n int, f func()) {
		if r.IntN(n) == 0 {
			f()
		}
	}
	pick(20, func() { spec.Request["disk"] = 3 })
	pick(40, func() { spec.Request["tape"] = 1 })
	pick(4, func() { spec.Rules = append(spec.Rules, constraints.In("zone", "a", "b")) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.NotEq("rack", "r7")) })
	pick(8, func() { spec.Rules = append(spec.Rules, constraints.AtLeast("ssd", 2)) })
	pick(20, func() {
		spec.Rules = append(spec.Rules, constraints.Or(constraints.And(constraints.Everywhere(), constraints.ContainsAny("zone", "a", "c")), constraints.Version("ssd", ">= 2"), constraints.Nowhere()))
	})
	pick(8, func() { spec.Rules = append(spec.Rules, oneRuleOfNodes(r)) })
	pick(20, func() {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: int64(2 - 3*r.IntN(2)), Rule: oneRuleOfNodes(r)})
	})
	pick(8, func() { spec.Rules = append(spec.Rules, oneToleration(r)) })
	pick(20, func() { spec.Rules = append(spec.Rules, constraints.MaxPercent("zone", 20+r.IntN(60), 10)) })
	pick(4, func() { spec.Rules = append(spec.Rules, constraints.UniqueNode()) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.MaxPer("zone", 1+r.IntN(3))) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.Unique("rack")) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.GroupBy("zone")) })
	even := func(attribute string) {
		rule := constraints.GroupBy(attribute).Skew(1 + r.IntN(2))
		if r.IntN(4) == 0 {
			rule = rule.MinDomains(1 + r.IntN(60))
		}
		spec.Rules = append(spec.Rules, rule)
	}
	pick(7, func() { even("rack") })
	pick(9, func() { even(berth.NodeID) })
	pick(10, func() { spec.Rules = append(spec.Rules, constraints.In("rack", "r1", "r2", "r3", "r4", "r5", "r6")) })
	pick(15, func() { spec.Rules = append(spec.Rules, ceiling{}) })
	pick(15, func() {
		domain := []string{"zone", "rack", berth.NodeID}[r.IntN(3)]
		spec.Rules = append(spec.Rules, constraints.MaxShare(domain, 10+r.IntN(60)))
	})
	pick(4, func() { spec.Rules = append(spec.Rules, constraints.TolerateKey("dedicated")) })
	pick(6, func() {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: int64(1 + r.IntN(3)), Rule: constraints.Eq("zone", "c")})
	})
	pick(15, func() {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: -2, Rule: constraints.Eq("rack", "r1")})
	})
	soft := func(rule berth.Constraint) {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: int64(3 - 5*r.IntN(2)), Rule: rule})
	}
	pick(10, func() { soft(constraints.GroupBy("zone")) })
	pick(14, func() { soft(constraints.MaxPer("zone", 2)) })
	pick(14, func() { soft(constraints.Unique("rack")) })
	pick(14, func() { soft(constraints.Unique(berth.NodeID)) })
	pick(20, func() { soft(constraints.GroupBy(berth.NodeID)) })
	pick(20, func() { soft(ceiling{}) })
	pick(20, func() { soft(constraints.MaxShare("zone", 40)) })
	pick(4, func() {
		d := berth.DeviceRequest{Class: "gpu"}
		if r.IntN(2) == 0 {
			d.Count = 1 + r.IntN(2)
		} else {
			d.Share = int64(1+r.IntN(4)) * 250
		}
		if r.IntN(3) == 0 {
			d.Models = []string{"B"}
		} else if r.IntN(3) == 0 {
			d.Prefer = map[string]int64{"B": 5 - 8*int64(r.IntN(2))}
		}
		spec.Devices = []berth.DeviceRequest{d}
		pick(3, func() { spec.Devices = append(spec.Devices, h.request()) })
		pick(6, func() { spec.Devices = append([]berth.DeviceRequest{h.request()}, spec.Devices...) })
	})
	pick(10, func() {
		if spec.Devices == nil {
			spec.Devices = []berth.DeviceRequest{h.request()}
		}
	})
	pick(10, func() { spec.DynamicPorts = 1 })
	pick(15, func() {
		spec.Ports = []berth.PortRange{{First: 8001, Last: 8001, Protocol: berth.Protocol(r.IntN(3)), Address: []string{"", "10.0.0.1"}[r.IntN(2)]}}
	})
	pick(8, func() { spec.Mode = berth.Daemon })
	pick(2, func() { spec.Role = h.role() })
	if h.meet > 0 {
		pick(h.meet, func() { h.meets(&spec) })
	}
	name := fmt.Sprintf("g%d", h.nextG)
	if len(h.groups) > 0 {
		pick(4, func() { name = h.groups[r.IntN(len(h.groups))].Name() }) // a revision, which most likely differs in all
	}
	g := berth.NewGroup(name, spec)
	h.groups = append(h.groups, g)
	return g
}

// selector returns one that chooses some of the groups.
func (h *history) selector() berth.Selector {
	some := func() string { return string(rune('a' + h.rng.IntN(3))) }
	switch h.rng.IntN(8) {
	case 0:
		return berth.Selector{}
	case 1:
		return berth.InRole("shop")
	case 2:
		return berth.InGroup(fmt.Sprintf("g%d", 1+h.rng.IntN(h.nextG+1)))
	case 3:
		return berth.Label("app", some()).Or(berth.HasLabel("tier"))
	case 4:
		return berth.Label("app", some()).And(berth.Label("tier", some()).Not())
	case 5:
		return berth.Label("app", some()).Not()
	}
	return berth.Label("app", some())
}

// meets gives a group labels, and rules about the tasks of others.
func (h *history) meets(spec *berth.GroupSpec) {
	r := h.rng
	spec.Labels = map[string]string{"app": string(rune('a' + r.IntN(3)))}
	if r.IntN(3) == 0 {
		spec.Labels["tier"] = string(rune('a' + r.IntN(3)))
	}
	if r.IntN(4) == 0 {
		spec.Role = berth.Role([]string{"shop", "shop/a", "lab"}[r.IntN(3)])
	}
	for r.IntN(3) > 0 {
		spec.Rules = append(spec.Rules, aboutTasks(r, h.selector()))
	}
	for r.IntN(3) == 0 {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: int64(3 - 5*r.IntN(2)), Rule: aboutTasks(r, h.selector())})
	}
	if r.IntN(40) == 0 {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: 2, Rule: nearOnSSD{constraints.Near("zone", h.selector())}})
	}
}

// aboutTasks returns a rule about the tasks that a selector chooses.
func aboutTasks(r *rand.Rand, of berth.Selector) berth.Constraint {
	domain := []string{"zone", "rack", berth.NodeID}[r.IntN(3)]
	switch r.IntN(7) {
	case 6:
		c := constraints.Targets(domain, 1+r.IntN(12), map[any]int{"a": r.IntN(80), "r1": r.IntN(20)})
		if r.IntN(2) == 0 {
			c = c.Others(r.IntN(100))
		}
		if r.IntN(2) == 0 {
			c = c.Of(of)
		}
		return c
	case 0:
		c := constraints.MaxPer(domain, 1+r.IntN(3)).Of(of)
		if r.IntN(3) == 0 {
			c = constraints.MaxShare(domain, 10+r.IntN(60)).Of(of)
		}
		if r.IntN(3) == 0 {
			return c.WithoutStopping()
		}
		return c
	case 1:
		c := constraints.GroupBy(domain).Of(of).Skew(1 + r.IntN(3))
		over := r.IntN(4)
		if over&1 != 0 {
			c = c.CordonedToo()
		}
		if over&2 != 0 {
			c = c.ExcludedToo()
		}
		if r.IntN(3) == 0 {
			return c.WithoutStopping().MinDomains(1 + r.IntN(4))
		}
		return c
	case 2:
		in := func(attribute string, of berth.Selector) constraints.Pair {
			return constraints.Colocate(attribute, of).Domains(2 + r.IntN(3))
		}
		return []func(string, berth.Selector) constraints.Pair{constraints.Near, constraints.Colocate, constraints.Avoid, in}[r.IntN(4)](domain, of)
	default:
		c := constraints.Apart(domain, of)
		if r.IntN(4) == 0 {
			return c.WithoutStopping()
		}
		return c
	}
}

// nearOnSSD is a rule of a host's own that is about a node and the tasks near it.
type nearOnSSD struct{ constraints.Pair }

func (n nearOnSSD) String() string             { return "on-ssd-" + n.Pair.String() }
func (n nearOnSSD) Reads() []string            { return []string{"ssd"} }
func (n nearOnSSD) Allows(on *berth.Node) bool { _, ok := on.Attributes["ssd"]; return ok }
func (n nearOnSSD) Why(*berth.Node) string     { return "no ssd" }

// request asks for a device in one of the ways that are not the plainest.
func (h *history) request() berth.DeviceRequest {
	r := h.rng
	d := berth.DeviceRequest{Class: "gpu"}
	switch r.IntN(4) {
	case 0:
		d.Count = 1
	case 1:
		d.Share = int64(1+r.IntN(4)) * 250
	case 2:
		d.Share, d.Amounts = int64(1+r.IntN(3))*100, berth.Resources{"memory": int64(1 + r.IntN(12))}
	default:
		d.Amounts = berth.Resources{"memory": int64(r.IntN(12)), "cores": int64(1 + r.IntN(5))}
	}
	if r.IntN(3) == 0 {
		d.Models = []string{"A"}
	} else if r.IntN(2) == 0 {
		d.Prefer = map[string]int64{string(rune('A' + r.IntN(2))): int64(1+r.IntN(3)) * 5}
	}
	return d
}

// ceiling is an even rule of a host's own whose limit falls as the emptiest domain fills, and rises again.
type ceiling struct{}

func (ceiling) String() string            { return "ceiling" }
func (ceiling) Err() error                { return nil }
func (ceiling) Domain() string            { return "rack" }
func (ceiling) Counts() berth.Counting    { return berth.Counting{Even: true} }
func (ceiling) Limit(d berth.Domains) int { return 2 + d.Least*3%4 + d.Number%2 }

func (h *history) role() berth.Role {
	return []berth.Role{"", "a", "a/b", "a/b/c", "a/d", "e"}[h.rng.IntN(6)]
}

// quotas sets limits that leave some room, or less than there is taken, or takes limits away.
func (h *history) quotas() {
	q := berth.Quota{Role: h.role()}
	if h.rng.IntN(3) > 0 {
		q.Limits = berth.Resources{}
		used := h.fork.Used(q.Role)
		for _, name := range []string{"cpu", "memory", "gpu", "tape"} {
			if unit := max(used[name]/8, 1000); h.rng.IntN(2) == 0 {
				q.Limits[name] = max(0, used[name]+unit*int64(h.rng.IntN(12)-2))
			}
		}
	}
	if err := h.fork.SetQuotas(q); err != nil {
		panic(err)
	}
}

// batch returns tasks for one plan.
func (h *history) batch() []berth.Task {
	var tasks []berth.Task
	for range 1 + h.rng.IntN(6) {
		g := h.group()
		if g.Mode() == berth.Daemon {
			tasks = append(tasks, g.Everywhere())
			continue
		}
		n := 1 + h.rng.IntN(8)
		if h.rng.IntN(12) == 0 {
			n = 50 // often more than there are domains
		}
		for range n {
			h.nextT++
			tasks = append(tasks, g.Task(fmt.Sprintf("t%d", h.nextT)))
		}
	}
	if h.rng.IntN(2) == 0 {
		h.rng.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	}
	return tasks
}

// change does something to the cluster that no plan did.
func (h *history) change() {
	r := h.rng
	some := func() string { return h.nodes[r.IntN(len(h.nodes))] }
	switch r.IntN(15) {
	case 13, 14:
		h.quotas()
	case 0:
		h.addNode()
	case 8:
		if len(h.tasks) > 0 {
			_ = h.fork.Mark(h.tasks[r.IntN(len(h.tasks))], []berth.TaskState{berth.Stopping, berth.Running}[r.IntN(2)], time.Time{})
		}
	case 1:
		if len(h.nodes) > 2 {
			i := r.IntN(len(h.nodes))
			_ = h.fork.RemoveNodes(h.nodes[i])
			h.nodes = append(h.nodes[:i], h.nodes[i+1:]...)
		}
	case 2:
		_ = h.fork.UpdateNodes(h.node(some()))
	case 3:
		_ = cordon(h.fork, r.IntN(2) == 0, some())
	case 4:
		h.nextT++
		hold := &berth.Hold{
			ID: fmt.Sprintf("h%d", h.nextT), Owner: "other", Node: some(), Deadline: distant, Role: h.role(),
			Resources: berth.Resources{"cpu": int64(1+r.IntN(8)) * 500}, Lease: berth.Lease(r.IntN(2)),
		}
		if h.rooms > 0 && r.IntN(3) > 0 {
			hold = h.reservation(hold.ID, hold.Node)
		}
		if _, why := h.fork.Apply(berth.Op{Kind: berth.Take, Hold: hold}); why.Code == berth.None {
			h.holds = append(h.holds, hold.ID)
		}
	case 5:
		if len(h.holds) > 0 {
			i := r.IntN(len(h.holds))
			h.fork.Apply(berth.Op{Kind: berth.Drop, ID: h.holds[i]})
			h.holds = append(h.holds[:i], h.holds[i+1:]...)
		}
	case 6: // a task that runs already, whether there is room or not
		h.nextT++
		if t := h.group().Task(fmt.Sprintf("t%d", h.nextT)); h.fork.Adopt(t, some(), nil, berth.Running) == nil {
			h.tasks = append(h.tasks, t.ID)
		}
	case 7: // a dimension that no node had
		h.nextN++
		n := h.node(fmt.Sprintf("m%d", h.nextN))
		n.Capacity[fmt.Sprintf("licence%d", h.nextN)] = 5
		if h.fork.AddNodes(n) == nil {
			h.nodes = append(h.nodes, n.ID)
		}
	default:
		for range min(len(h.tasks), 1+r.IntN(10)) {
			i := r.IntN(len(h.tasks))
			h.fork.Apply(berth.Op{Kind: berth.Release, ID: h.tasks[i]})
			h.tasks = append(h.tasks[:i], h.tasks[i+1:]...)
		}
	}
}

// commit does some or all of what was picked.
func (h *history) commit(ops []berth.Op) {
	all := h.rng.IntN(3) > 0
	for _, op := range ops {
		if all || h.rng.IntN(2) == 0 {
			if _, why := h.fork.Apply(op); why.Code == berth.None {
				h.tasks = append(h.tasks, op.Task.ID)
			}
		}
	}
}

// pickBoth makes a plan with the engine and with a reference picker, step by step, and stops at the first
// step in which they differ. It undoes a pick now and then, and all of a gang that did not get far. It
// returns what was picked, and how many decisions were compared: placements, refusals, and instances of daemons.
func pickBoth(engine, reference placement.Picker, s *cluster.Snapshot, tasks []berth.Task, seed uint64) (ops []berth.Op, decisions int, err error) {
	rng := rand.New(rand.NewPCG(seed, 2))
	explained := map[*berth.Group]bool{}
	engine.Start(s)
	reference.Start(s)
	undo := func(i int) {
		engine.Undo(ops[i])
		reference.Undo(ops[i])
		ops = append(ops[:i], ops[i+1:]...)
	}
	type save struct {
		engine, reference placement.Savepoint
		ops               []berth.Op
	}
	var saves []save
	rollback := func(to save) error {
		clear(explained)
		ops = slices.Clone(to.ops)
		return errors.Join(engine.Rollback(to.engine), reference.Rollback(to.reference))
	}
	questions, within := newAsker(s, seed), newConfiner(s, seed)
	nodes, calls := 0, 0
	for range s.Nodes() {
		nodes++
	}
	check := func() error { // of all parts of the engine, after every step where nodes are few
		const few = 40
		if calls++; nodes > few && calls%(nodes/few) != 0 {
			return nil
		}
		return partsOf(engine)
	}
	if err := check(); err != nil {
		return nil, 0, fmt.Errorf("start: %w", err)
	}
	for _, t := range tasks {
		if err := check(); err != nil {
			return nil, decisions, fmt.Errorf("before %v: %w", t, err)
		}
		if t.ID == "" {
			if questions.due() {
				if err := questions.both(engine, reference, t, ops); err != nil {
					return nil, decisions, fmt.Errorf("of %v of %+v: %w", t, t.Group.Spec(), err)
				}
			}
			covered, got := cover(engine, t.Group)
			_, want := cover(reference, t.Group)
			if got != want {
				return nil, decisions, fmt.Errorf("cover %v:\n%s\nreference:\n%s", t.Group, got, want)
			}
			decisions += strings.Count(want, "\n")
			ops = append(ops, covered...)
			continue
		}
		if rng.IntN(12) == 0 {
			if err := within.both(engine, reference, t); err != nil {
				return nil, decisions, fmt.Errorf("of %+v: %w", t.Group.Spec(), err)
			}
			decisions++
		}
		first, asked := "", questions.due()
		if asked {
			if err := questions.both(engine, reference, t, ops); err != nil {
				return nil, decisions, fmt.Errorf("of %v of %+v: %w", t, t.Group.Spec(), err)
			}
			first = engine.Candidates(t, placement.Ask{Top: 1}).At(0).Node
			decisions++
		}
		got, gotOK := engine.Place(t)
		want, wantOK := reference.Place(t)
		decisions++
		if gotOK != wantOK || gotOK && (got.Node != want.Node || got.Task != want.Task || !reflect.DeepEqual(got.Grant, want.Grant)) {
			return nil, decisions, fmt.Errorf("place %v of %+v: %v %v, reference: %v %v", t, t.Group.Spec(), got, gotOK, want, wantOK)
		}
		if asked && first != got.Node && !placement.Samples(engine) {
			return nil, decisions, fmt.Errorf("place %v of %+v: %v, but the first candidate is %q", t, t.Group.Spec(), got, first)
		}
		if gotOK {
			ops = append(ops, got)
		}
		if !gotOK && !explained[t.Group] || rng.IntN(50) == 0 {
			explained[t.Group] = true
			if got, want := engine.Explain(t.Group), reference.Explain(t.Group); !reflect.DeepEqual(got, want) {
				return nil, decisions, fmt.Errorf("explain %v: %v, reference: %v", t.Group, got, want)
			}
		}
		if rng.IntN(15) == 0 {
			saves = append(saves, save{engine.Savepoint(), reference.Savepoint(), slices.Clone(ops)})
		}
		if len(saves) > 0 && rng.IntN(25) == 0 {
			saves = saves[:1+rng.IntN(len(saves))]
			if err := rollback(saves[len(saves)-1]); err != nil {
				return nil, decisions, err
			}
		}
		if len(ops) > 0 && rng.IntN(10) == 0 {
			undo(rng.IntN(len(ops)))
		}
		if rng.IntN(60) == 0 {
			for i := len(ops) - 1; i >= 0; i-- {
				if ops[i].Task.Group == t.Group {
					undo(i)
				}
			}
		}
	}
	return ops, decisions, partsOf(engine)
}

// partsOf returns what is wrong with the parts of an engine, or nil for another picker.
func partsOf(p placement.Picker) error {
	if e, ok := p.(*placement.Engine); ok {
		return e.Check()
	}
	return nil
}

// cover returns the instances that were placed, and all it was told, one line each.
func cover(p placement.Picker, g *berth.Group) (ops []berth.Op, text string) {
	var b strings.Builder
	p.Cover(g, func(op berth.Op) {
		ops = append(ops, op)
		fmt.Fprintln(&b, op)
	}, func(node string, lacks []berth.Lack) { fmt.Fprintln(&b, g, "misses", node, lacks) })
	return ops, b.String()
}

func abs(x int64) int64 { return max(x, -x) }

var (
	exactSeeds = flag.Uint64("exact.seeds", 0, "random histories per strategy in TestExactEqualsExhaustive; 0 is a few")
	exactFrom  = flag.Uint64("exact.from", 0, "the first seed of TestExactEqualsExhaustive")
)

// seeds is of how many seeds a random test makes its histories: a quarter with -short, which is how the race detector, for which
// what one goroutine does is nothing, runs it.
func seeds(n uint64) uint64 {
	switch {
	case underRace:
		return 1
	case testing.Short():
		return (n + 3) / 4
	default:
		return n
	}
}

// TestExactEqualsExhaustive is the promise of that name, and cache-never-decides with it: one engine that
// lives through a random history picks what a reference picker picks, explanations and grants included,
// on the present, on snapshots of the past and on forks. For a long run, with the number of decisions that were compared:
//
//	go test ./placement -v -run TestExactEqualsExhaustive -exact.seeds=2000 -exact.from=1000
func TestExactEqualsExhaustive(t *testing.T) {
	histories := *exactSeeds
	if histories == 0 {
		histories = seeds(4)
	}
	var total atomic.Int64
	t.Run("strategies", func(t *testing.T) {
		for _, s := range strategies() {
			t.Run(s.String(), func(t *testing.T) {
				t.Parallel()
				for seed := *exactFrom; seed < *exactFrom+histories; seed++ {
					total.Add(int64(compare(t, s, seed)))
				}
			})
		}
	})
	t.Run("random", func(t *testing.T) {
		for part := range uint64(8) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := *exactFrom; seed < *exactFrom+histories; seed++ {
					own := seed*8 + part
					s := randomStrategy(own)
					require.NoError(t, s.Err())
					total.Add(int64(compare(t, s, own)))
				}
			})
		}
	})
	t.Logf("%d decisions compared, seeds %d to %d", total.Load(), *exactFrom, *exactFrom+histories-1)
}

// compare lives through the history of a seed and returns the number of decisions it compared.
func compare(t *testing.T, s placement.Strategy, seed uint64) (decisions int) {
	h := newHistory(seed)
	engine, reference := placement.NewEngine(s), placement.NewExhaustive(s)
	if seed%2 == 1 {
		engine.SearchFirst()
	}
	var past []*cluster.Snapshot
	again := repeater{into: map[*berth.Group]*placement.Choices{}}
	for round := range 12 {
		snapshot := h.fork.Snapshot()
		past = append(past, snapshot)
		tasks := h.batch()
		on := snapshot
		switch h.rng.IntN(6) {
		case 0:
			on = past[h.rng.IntN(len(past))]
		case 1:
			f := snapshot.Fork()
			_ = f.AddNodes(h.node("hypothetical"))
			_ = f.Cordon(h.nodes[0])
			on = f.Snapshot()
		}
		ops, n, err := pickBoth(engine, reference, on, tasks, seed)
		require.NoError(t, err, "strategy %v, round %d; repeat with -exact.from=%d -exact.seeds=1", s, round, seed)
		decisions += n
		require.NoError(t, again.both(engine, reference, h.groups), "strategy %v, round %d; repeat with -exact.from=%d -exact.seeds=1", s, round, seed)
		if on == snapshot {
			h.commit(ops)
		}
		for range h.rng.IntN(3) {
			h.change()
		}
	}
	return decisions
}

// cordon makes nodes take no new task, or take them again.
func cordon(f *cluster.Fork, on bool, nodes ...string) error {
	if on {
		return f.Cordon(nodes...)
	}
	return f.Uncordon(nodes...)
}
