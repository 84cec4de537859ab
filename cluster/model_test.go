package cluster_test

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// model is what a Fork must be, kept in the most obvious way: everything that can be derived is derived
// anew, from maps, each time it is asked for, and free amounts are sums that cannot overflow.
type model struct {
	nodes map[string]*modelNode
	tasks map[string]*modelTask
	holds map[string]*modelHold
	made  int // tasks and holds so far: their age
}

type modelNode struct {
	berth.Node
	cordoned bool
}

type modelTask struct {
	*kind
	node     string // empty when lost
	state    berth.TaskState
	grant    *berth.Grant
	deadline int64
	age      int
}

type modelHold struct {
	berth.Hold
	age int
}

// kind is a group and what it was made of, in the model's terms.
type kind struct {
	group   *berth.Group
	same    string // equal for groups that are equal
	zone    string // the zone it must be in
	perZone int    // the most tasks in a zone
	perNode int    // the most tasks on a node
	skew    int    // of the tasks over zones
	bears   string // the taint it tolerates
	spec    berth.GroupSpec
}

func newKind(name string, k kind) *kind {
	if k.zone != "" {
		k.spec.Rules = append(k.spec.Rules, constraints.Eq("zone", k.zone))
	}
	if k.perZone > 0 {
		k.spec.Rules = append(k.spec.Rules, constraints.MaxPer("zone", k.perZone))
	}
	if k.perNode > 0 {
		k.spec.Rules = append(k.spec.Rules, constraints.MaxPer(berth.NodeID, k.perNode))
	}
	if k.skew > 0 {
		k.spec.Rules = append(k.spec.Rules, constraints.GroupBy("zone").Skew(k.skew))
	}
	if k.bears != "" {
		k.spec.Rules = append(k.spec.Rules, constraints.TolerateKey(k.bears))
	}
	k.group = berth.NewGroup(name, k.spec)
	k.same = fmt.Sprintf("%s %d %d %d %s %#v %#v %#v %d %d", k.zone, k.perZone, k.perNode, k.skew, k.bears,
		map[string]int64(k.spec.Request), k.spec.Devices, k.spec.Ports, k.spec.DynamicPorts, k.spec.Mode)
	return &k
}

func newModel() *model {
	return &model{nodes: map[string]*modelNode{}, tasks: map[string]*modelTask{}, holds: map[string]*modelHold{}}
}

func (m *model) clone() *model {
	c := newModel()
	c.made = m.made
	for id, n := range m.nodes {
		n := *n
		c.nodes[id] = &n
	}
	for id, t := range m.tasks {
		t := *t
		c.tasks[id] = &t
	}
	for id, h := range m.holds {
		h := *h
		h.Hold = *h.Hold.Clone()
		c.holds[id] = &h
	}
	return c
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// capacity is what a node has, its devices as a thousand of their class each.
func (n *modelNode) capacity() map[string]int64 {
	c := map[string]int64{}
	maps.Copy(c, n.Capacity)
	for _, d := range n.Devices {
		if !d.Unhealthy {
			c[d.Class] += 1000
			for amount, q := range d.Capacity {
				c[d.Class+"."+amount] += q
			}
		}
	}
	return c
}

// cells is the places of what is free of a node's devices: units of all first, then amounts.
func (n *modelNode) cells() (cells []cell) {
	for i := range n.Devices {
		cells = append(cells, cell{i, ""})
	}
	for i, d := range n.Devices {
		for _, amount := range sorted(d.Capacity) {
			cells = append(cells, cell{i, amount})
		}
	}
	return cells
}

// cell is the units of a device, or an amount of it.
type cell struct {
	device int
	amount string
}

// has returns what a device has of it in all.
func (c cell) has(d berth.Device) int64 {
	if c.amount == "" {
		return 1000
	}
	return d.Capacity[c.amount]
}

// of returns what a share takes of it.
func (c cell) of(s berth.DeviceShare) int64 {
	if c.amount == "" {
		return s.Units
	}
	return s.Amounts[c.amount]
}

// find returns the index of the device that a share is of, and whether it is there and healthy.
func (n *modelNode) find(s berth.DeviceShare) (index int, healthy bool) {
	place := 0
	for i, d := range n.Devices {
		if d.Class != s.Class {
			continue
		}
		if d.ID == s.ID || d.ID == "" && s.ID == fmt.Sprint(place) {
			return i, !d.Unhealthy
		}
		place++
	}
	return -1, false
}

// ofDevices is what a task of the kind takes of devices, by the resources that they count as.
func (k *kind) ofDevices() map[string]int64 {
	out := map[string]int64{}
	for _, d := range k.spec.Devices {
		if units := int64(d.Count)*1000 + d.Share; units > 0 {
			out[d.Class] += units
		}
		for amount, q := range d.Amounts {
			if q > 0 {
				out[d.Class+"."+amount] += q
			}
		}
	}
	return out
}

// stray returns what a task has of devices that are gone or unhealthy, and of amounts that its devices have no more, by the
// resources that it counts as.
func (n *modelNode) stray(g *berth.Grant) map[string]int64 {
	out := map[string]int64{}
	if g == nil {
		return out
	}
	for _, s := range g.Devices {
		i, healthy := n.find(s)
		if !healthy {
			out[s.Class] += s.Units
		}
		for amount, q := range s.Amounts {
			has := healthy
			if healthy {
				_, has = n.Devices[i].Capacity[amount]
			}
			if !has {
				out[s.Class+"."+amount] += q
			}
		}
	}
	return out
}

// asDevices reports whether a node has a resource as devices.
func (n *modelNode) asDevices(name string) bool {
	return slices.ContainsFunc(n.Devices, func(d berth.Device) bool {
		class, amount, ok := strings.Cut(name, ".")
		if !ok {
			return d.Class == name
		}
		_, has := d.Capacity[amount]
		return d.Class == class && has
	})
}

// needs is what a task of the kind takes of every resource.
func (k *kind) needs() map[string]int64 {
	out := k.ofDevices()
	for name, q := range k.spec.Request {
		if q > 0 {
			out[name] = q
		}
	}
	return out
}

// taken is what tasks and holds take of a node; with all, also what they will take of devices that are away.
func (m *model) taken(node string, all bool) map[string]*big.Int {
	sum := map[string]*big.Int{}
	add := func(needs map[string]int64) {
		for name, q := range needs {
			if sum[name] == nil {
				sum[name] = new(big.Int)
			}
			sum[name].Add(sum[name], big.NewInt(q))
		}
	}
	for _, t := range m.tasks {
		if t.node == node {
			needs, n := t.needs(), m.nodes[node]
			for name, q := range n.stray(t.grant) {
				if asked := t.ofDevices()[name]; !all && asked > 0 {
					needs[name] -= min(q, asked)
				}
			}
			add(needs)
		}
	}
	for _, h := range m.holds {
		if h.Node == node && h.Lease == berth.Exclusive {
			add(h.Resources)
			for _, s := range h.Devices {
				if i, healthy := m.nodes[node].find(s); healthy {
					add(map[string]int64{s.Class: s.Units})
					for amount := range m.nodes[node].Devices[i].Capacity {
						add(map[string]int64{s.Class + "." + amount: s.Amounts[amount]})
					}
				}
			}
		}
	}
	return sum
}

func (m *model) free(node string) map[string]*big.Int {
	free := map[string]*big.Int{}
	for name, q := range m.nodes[node].capacity() {
		free[name] = big.NewInt(q)
	}
	for name, q := range m.taken(node, false) {
		if free[name] == nil {
			free[name] = new(big.Int)
		}
		free[name].Sub(free[name], q)
	}
	return free
}

func enough(free map[string]*big.Int, name string, q int64) bool {
	f := free[name]
	return f != nil && f.Cmp(big.NewInt(q)) >= 0
}

func (m *model) devices(node string) []int64 {
	n := m.nodes[node]
	cells := n.cells()
	free := make([]int64, len(cells))
	for i, c := range cells {
		if d := n.Devices[c.device]; !d.Unhealthy {
			free[i] = c.has(d)
		}
	}
	take := func(shares []berth.DeviceShare, broken bool) {
		for _, s := range shares {
			for i, c := range cells {
				if at, healthy := n.find(s); at == c.device && (healthy || broken) {
					free[i] -= c.of(s)
				}
			}
		}
	}
	for _, t := range m.tasks {
		if t.node == node && t.grant != nil {
			take(t.grant.Devices, true)
		}
	}
	for _, h := range m.holds {
		if h.Node == node && h.Lease == berth.Exclusive {
			take(h.Devices, false)
		}
	}
	return free
}

func (m *model) overcommitted(node string) bool {
	for _, t := range m.tasks {
		if t.node == node && len(m.nodes[node].stray(t.grant)) > 0 {
			return true
		}
	}
	for _, q := range m.free(node) {
		if q.Sign() < 0 {
			return true
		}
	}
	return slices.ContainsFunc(m.devices(node), func(q int64) bool { return q < 0 })
}

func (m *model) ports(node string) map[berth.Port]int {
	used := map[berth.Port]int{}
	for _, t := range m.tasks {
		if t.node == node && t.grant != nil {
			for _, p := range t.grant.Ports {
				used[p]++
			}
		}
	}
	for _, h := range m.holds {
		if h.Node == node && h.Lease == berth.Exclusive {
			for _, p := range h.Ports {
				used[p]++
			}
		}
	}
	return used
}

// portSet says of a port whether it is one of some, or a part of one.
type portSet func(berth.Port) bool

// within is the ports of ranges: one range has all of a port.
func within(ranges []berth.PortRange) portSet {
	return func(p berth.Port) bool {
		return slices.ContainsFunc(ranges, func(r berth.PortRange) bool {
			return r.First <= p.Number && p.Number <= r.Last && slices.Contains([]berth.Protocol{berth.AllProtocols, p.Protocol}, r.Protocol) &&
				slices.Contains([]string{"", p.Address}, r.Address)
		})
	}
}

// each returns the ports of ranges in ascending order.
func each(ranges []berth.PortRange) []berth.Port {
	var out []berth.Port
	for _, r := range ranges {
		for n := int(r.First); n <= int(r.Last); n++ {
			out = append(out, berth.Port{Number: uint16(n), Protocol: r.Protocol, Address: r.Address})
		}
	}
	slices.SortFunc(out, berth.Port.Compare)
	return out
}

// meet says whether two ports exclude each other.
func meet(p, q berth.Port) bool {
	ofOne := p.Protocol == q.Protocol || min(p.Protocol, q.Protocol) == berth.AllProtocols
	atOne := p.Address == q.Address || min(p.Address, q.Address) == ""
	return p.Number == q.Number && ofOne && atOne
}

func meeting(used map[berth.Port]int, p berth.Port) (n int) {
	for q, times := range used {
		if meet(p, q) {
			n += times
		}
	}
	return n
}

func (m *model) freePorts(node string) portSet {
	of, used := within(m.nodes[node].Ports), m.ports(node)
	return func(p berth.Port) bool { return of(p) && meeting(used, p) == 0 }
}

// tasksIn counts the tasks of a group on nodes for which in is true.
func (m *model) tasksIn(group string, in func(*modelNode) bool) int {
	n := 0
	for _, t := range m.tasks {
		if t.group.Name() == group && t.node != "" && in(m.nodes[t.node]) {
			n++
		}
	}
	return n
}

func zoneOf(n *modelNode) string { z, _ := n.Attributes["zone"].(string); return z }
