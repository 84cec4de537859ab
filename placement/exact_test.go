package placement_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// history makes a random cluster and changes it, the same for the same seed.
type history struct {
	rng    *rand.Rand
	fork   *berth.Fork
	nodes  []string
	tasks  []string
	groups []*berth.Group
	nextN  int
	nextT  int
	nextG  int
}

func newHistory(seed uint64) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 1)), fork: berth.NewFork()}
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
			"rack": fmt.Sprintf("r%d", r.IntN(50)),
		},
	}
	if r.IntN(5) == 0 {
		delete(n.Attributes, "zone")
	}
	if r.IntN(3) == 0 {
		n.Attributes["ssd"] = 1 + r.IntN(2)
	}
	if r.IntN(8) == 0 {
		n.Taints = append(n.Taints, berth.Taint{Key: "dedicated", Value: "x", Effect: berth.Effect(r.IntN(2))})
	}
	if r.IntN(10) == 0 {
		n.Unschedulable = true
	}
	if r.IntN(3) == 0 {
		models := []string{"A", "B"}
		for range 1 + r.IntN(4) {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: models[r.IntN(2)]})
		}
	}
	if r.IntN(3) == 0 {
		n.Ports = []berth.PortRange{{First: 8000, Last: 8000 + uint16(r.IntN(4))}}
	}
	if r.IntN(20) == 0 {
		n.Capacity["disk"] = 10
	}
	return n
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
	pick(4, func() { spec.Rules = append(spec.Rules, constraints.UniqueNode()) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.MaxPer("zone", 1+r.IntN(3))) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.Unique("rack")) })
	pick(6, func() { spec.Rules = append(spec.Rules, constraints.GroupBy("zone")) })
	pick(10, func() { spec.Rules = append(spec.Rules, constraints.GroupBy("rack").Skew(2)) })
	pick(12, func() { spec.Rules = append(spec.Rules, constraints.GroupBy(berth.NodeID)) })
	pick(4, func() { spec.Rules = append(spec.Rules, constraints.TolerateKey("dedicated")) })
	pick(6, func() {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: int64(1 + r.IntN(3)), Rule: constraints.Eq("zone", "c")})
	})
	pick(15, func() {
		spec.Prefer = append(spec.Prefer, berth.Preference{Weight: -2, Rule: constraints.Eq("rack", "r1")})
	})
	pick(4, func() {
		d := berth.DeviceRequest{Class: "gpu"}
		if r.IntN(2) == 0 {
			d.Count = 1 + r.IntN(2)
		} else {
			d.Share = int64(1+r.IntN(4)) * 250
		}
		if r.IntN(3) == 0 {
			d.Models = []string{"B"}
		}
		spec.Devices = []berth.DeviceRequest{d}
	})
	pick(10, func() { spec.DynamicPorts = 1 })
	pick(15, func() { spec.Ports = []berth.PortRange{{First: 8001, Last: 8001}} })
	pick(8, func() { spec.Mode = berth.Daemon })
	g := berth.NewGroup(fmt.Sprintf("g%d", h.nextG), spec)
	h.groups = append(h.groups, g)
	return g
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
		for range 1 + h.rng.IntN(8) {
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
	switch r.IntN(8) {
	case 0:
		h.addNode()
	case 1:
		if len(h.nodes) > 2 {
			i := r.IntN(len(h.nodes))
			_ = h.fork.RemoveNodes(h.nodes[i])
			h.nodes = append(h.nodes[:i], h.nodes[i+1:]...)
		}
	case 2:
		_ = h.fork.UpdateNodes(h.node(some()))
	case 3:
		_ = h.fork.Drain(r.IntN(2) == 0, some())
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

// pick makes a plan with a picker, undoing a pick now and then.
func pick(p placement.Picker, s *berth.Snapshot, tasks []berth.Task, seed uint64) (ops []berth.Op, text string) {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(seed, 2))
	p.Start(s)
	for _, t := range tasks {
		if t.ID == "" {
			p.Cover(t.Group, func(op berth.Op) {
				ops = append(ops, op)
				fmt.Fprintln(&b, op)
			}, func(node string, lacks []berth.Lack) { fmt.Fprintln(&b, t.Group, "misses", node, lacks) })
			continue
		}
		op, ok := p.Place(t)
		if !ok {
			fmt.Fprintln(&b, t, "nowhere:", p.Explain(t.Group))
			continue
		}
		fmt.Fprintln(&b, op)
		ops = append(ops, op)
		if rng.IntN(10) == 0 {
			i := rng.IntN(len(ops))
			fmt.Fprintln(&b, "undo", ops[i])
			p.Undo(ops[i])
			ops = append(ops[:i], ops[i+1:]...)
		}
	}
	return ops, b.String()
}

func strategies() []placement.Strategy {
	return []placement.Strategy{
		placement.BinPack(), placement.Spread(), placement.Spread("zone", berth.NodeID), placement.Spread(berth.NodeID),
		placement.Spread("zone"), placement.Spread("rack"), placement.FirstFit(), placement.Random(1),
		placement.Func("least cpu", func(c *placement.Candidate) int64 {
			i, _ := c.Resource("cpu")
			return -c.Free[i]
		}),
	}
}

// TestExactEqualsExhaustive is the promise of that name, and cache-never-decides with it: one engine that
// lives through a random history picks what a reference picker picks, explanations and grants included,
// on the present, on snapshots of the past and on forks.
func TestExactEqualsExhaustive(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	for _, s := range strategies() {
		t.Run(s.String(), func(t *testing.T) {
			for seed := range seeds {
				compare(t, s, seed)
			}
		})
	}
}

func compare(t *testing.T, s placement.Strategy, seed uint64) {
	h := newHistory(seed)
	engine := placement.NewEngine(s)
	var past []*berth.Snapshot
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
			_ = f.Drain(true, h.nodes[0])
			on = f.Snapshot()
		}
		ops, got := pick(engine, on, tasks, seed)
		_, want := pick(placement.NewExhaustive(s), on, tasks, seed)
		require.Equal(t, want, got, "strategy %v, seed %d, round %d", s, seed, round)
		if on == snapshot {
			h.commit(ops)
		}
		for range h.rng.IntN(3) {
			h.change()
		}
	}
}
