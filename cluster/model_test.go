package cluster_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
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

func (m *model) ports(node string) map[uint16]int {
	used := map[uint16]int{}
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

func numbers(ranges []berth.PortRange) map[uint16]bool {
	out := map[uint16]bool{}
	for _, r := range ranges {
		for p := int(r.First); p <= int(r.Last); p++ {
			out[uint16(p)] = true
		}
	}
	return out
}

func (m *model) freePorts(node string) map[uint16]bool {
	out, used := numbers(m.nodes[node].Ports), m.ports(node)
	maps.DeleteFunc(out, func(p uint16, _ bool) bool { return used[p] > 0 })
	return out
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

func (k *kind) eligible(n *modelNode) bool {
	bad := slices.ContainsFunc(n.Taints, func(t berth.Taint) bool { return t.Effect == berth.NoSchedule && t.Key != k.bears })
	return !n.Unschedulable && !bad && (k.zone == "" || zoneOf(n) == k.zone) && len(k.byDevice(n)) == 0
}

// byDevice returns what the kind asks for by amount and a node has as devices.
func (k *kind) byDevice(n *modelNode) []string {
	var out []string
	for name, q := range k.spec.Request {
		if q > 0 && n.asDevices(name) {
			out = append(out, name)
		}
	}
	return out
}

type reasons map[berth.Reason]bool

func (m *model) differs(k *kind) bool {
	for _, t := range m.tasks {
		if t.group.Name() == k.group.Name() && t.same != k.same {
			return true
		}
	}
	return false
}

// kept returns the reasons other than room that keep a kind off a node.
func (m *model) kept(k *kind, node string) reasons {
	out, n, name := reasons{}, m.nodes[node], k.group.Name()
	if m.differs(k) {
		return reasons{{Code: berth.GroupDiffers, Subject: name}: true}
	}
	if n.cordoned {
		out[berth.Reason{Code: berth.Cordoned}] = true
	}
	if n.Unschedulable {
		out[berth.Reason{Code: berth.Unschedulable}] = true
	}
	for _, t := range n.Taints {
		if t.Effect == berth.NoSchedule && t.Key != k.bears {
			out[berth.Reason{Code: berth.Tainted, Subject: t.String()}] = true
		}
	}
	for _, name := range k.byDevice(n) {
		out[berth.Reason{Code: berth.ByDevice, Subject: name}] = true
	}
	if k.zone != "" && zoneOf(n) != k.zone {
		out[berth.Reason{Code: berth.RuleBroken, Subject: constraints.Eq("zone", k.zone).String()}] = true
	}
	here := func(o *modelNode) bool { return o.ID == node }
	sameZone := func(o *modelNode) bool { return zoneOf(o) == zoneOf(n) }
	if k.spec.Mode == berth.Daemon && m.tasksIn(name, here) > 0 {
		out[berth.Reason{Code: berth.Covered}] = true
	}
	domain := func(rule fmt.Stringer, limit int) {
		switch {
		case zoneOf(n) == "":
			out[berth.Reason{Code: berth.NoDomain, Subject: rule.String()}] = true
		case m.tasksIn(name, sameZone) >= limit:
			out[berth.Reason{Code: berth.DomainFull, Subject: rule.String()}] = true
		}
	}
	if k.perZone > 0 {
		domain(constraints.MaxPer("zone", k.perZone), k.perZone)
	}
	if k.perNode > 0 && m.tasksIn(name, here) >= k.perNode {
		out[berth.Reason{Code: berth.DomainFull, Subject: constraints.MaxPer(berth.NodeID, k.perNode).String()}] = true
	}
	if k.skew > 0 {
		least := -1
		for _, o := range m.nodes {
			if z := zoneOf(o); z != "" && !o.cordoned && k.eligible(o) {
				if c := m.tasksIn(name, func(x *modelNode) bool { return zoneOf(x) == z }); least < 0 || c < least {
					least = c
				}
			}
		}
		domain(constraints.GroupBy("zone").Skew(k.skew), max(least, 0)+k.skew)
	}
	return out
}

// scalars returns which resources a kind finds too little of on a node; where its devices are missing,
// that is the reason, and not their scalar.
func (m *model) scalars(k *kind, node string) reasons {
	out, free, n := reasons{}, m.free(node), m.nodes[node]
	for name, q := range k.needs() {
		said, class := false, strings.Split(name, ".")[0]
		device := k.ofDevices()[name] > 0
		if device {
			_, why := k.chooseOf(class, n, m.devices(node))
			said = len(why) > 0
		}
		switch {
		case enough(free, name, q) || said:
		case device && class == name:
			out[berth.Reason{Code: berth.UnitsTaken, Subject: name}] = true
		case device:
			out[berth.Reason{Code: berth.Insufficient, Subject: name}] = true
		case n.asDevices(name): // not a matter of room
		case n.Capacity[name] < q:
			out[berth.Reason{Code: berth.TooSmall, Subject: name}] = true
		default:
			out[berth.Reason{Code: berth.Insufficient, Subject: name}] = true
		}
	}
	return out
}

// lacks returns every reason why a task of a kind cannot be placed on a node.
func (m *model) lacks(k *kind, node string) reasons {
	out := m.kept(k, node)
	if m.differs(k) {
		return out
	}
	_, why := k.choose(m.nodes[node], m.devices(node), m.freePorts(node))
	maps.Copy(out, why)
	maps.Copy(out, m.scalars(k, node))
	return out
}

func (m *model) ownerHolds(owner, node string) []string {
	var ids []string
	for _, id := range sorted(m.holds) {
		if h := m.holds[id]; h.Owner == owner && h.Node == node {
			ids = append(ids, id)
		}
	}
	return ids
}

// drawn returns the model after a task of a kind drew on its owner's holds, and the grant, or nil and why not.
func (m *model) drawn(k *kind, task, node, owner string, want *berth.Grant) (*model, *berth.Grant, berth.Code) {
	after, n := m.clone(), m.nodes[node]
	ids := m.ownerHolds(owner, node)
	if len(ids) == 0 {
		return nil, nil, berth.UnknownHold
	}
	var grant *berth.Grant
	if k.grants() {
		cells := n.cells()
		units, ports := make([]int64, len(cells)), map[uint16]bool{}
		for _, id := range ids {
			for _, s := range m.holds[id].Devices {
				for i, c := range cells {
					if at, healthy := n.find(s); healthy && at == c.device {
						units[i] += min(c.of(s), c.has(n.Devices[at])-units[i])
					}
				}
			}
			for _, p := range m.holds[id].Ports {
				ports[p] = numbers(n.Ports)[p]
			}
		}
		maps.DeleteFunc(ports, func(_ uint16, usable bool) bool { return !usable })
		switch {
		case want == nil:
			var why reasons
			if grant, why = k.choose(n, units, ports); len(why) > 0 {
				return nil, nil, berth.NoDevice
			}
		case k.valid(n, want, units, ports):
			grant = want
		default:
			return nil, nil, berth.NoDevice
		}
		for _, s := range grant.Clone().Devices {
			for _, id := range ids {
				h := after.holds[id]
				for i := range h.Devices {
					if h.Devices[i].Class == s.Class && h.Devices[i].ID == s.ID {
						part := min(s.Units, h.Devices[i].Units)
						h.Devices[i].Units -= part
						s.Units -= part
						for amount, q := range h.Devices[i].Amounts {
							part := min(s.Amounts[amount], q)
							if h.Devices[i].Amounts[amount] -= part; part == q {
								delete(h.Devices[i].Amounts, amount)
							}
							if part > 0 {
								s.Amounts[amount] -= part
							}
						}
					}
				}
				h.Devices = slices.DeleteFunc(h.Devices, func(s berth.DeviceShare) bool { return s.Units == 0 && len(s.Amounts) == 0 })
			}
		}
		for _, id := range ids {
			h := after.holds[id]
			h.Ports = slices.DeleteFunc(h.Ports, func(p uint16) bool { return slices.Contains(grant.Ports, p) })
		}
	}
	for name, q := range k.spec.Request {
		for _, id := range ids {
			h := after.holds[id]
			if part := min(q, h.Resources[name]); part > 0 {
				h.Resources[name] -= part
				q -= part
			}
		}
		if q > 0 {
			return nil, nil, berth.NotHeld
		}
	}
	for _, id := range ids {
		h := after.holds[id]
		left := len(h.Devices) + len(h.Ports)
		for _, q := range h.Resources {
			left += int(min(q, 1))
		}
		if left == 0 {
			delete(after.holds, id)
		}
	}
	after.add(k, task, node, grant, berth.Assumed)
	if m.worse(after, node) {
		return nil, nil, berth.NotHeld
	}
	return after, grant, berth.None
}

// worse reports whether a node is overcommitted in after, and more so than in m.
func (m *model) worse(after *model, node string) bool {
	before, zero := m.free(node), new(big.Int)
	for name, f := range after.free(node) {
		if f.Sign() < 0 && f.Cmp(cmp.Or(before[name], zero)) < 0 {
			return true
		}
	}
	for i, units := range after.devices(node) {
		if units < 0 && units < m.devices(node)[i] {
			return true
		}
	}
	used := m.ports(node)
	for p, n := range after.ports(node) {
		if n > 1 && n > used[p] {
			return true
		}
	}
	return false
}

func (m *model) add(k *kind, task, node string, grant *berth.Grant, state berth.TaskState) {
	m.made++
	m.tasks[task] = &modelTask{kind: k, node: node, state: state, grant: grant, age: m.made}
}

// take returns why a hold cannot be made, or makes it.
func (m *model) take(h *berth.Hold) reasons {
	code := func(c berth.Code) reasons { return reasons{{Code: c}: true} }
	if h == nil || h.Owner == "" || h.Deadline.IsZero() {
		return code(berth.Invalid)
	}
	if m.holds[h.ID] != nil {
		return code(berth.HoldExists)
	}
	n := m.nodes[h.Node]
	if n == nil {
		return code(berth.UnknownNode)
	}
	for name := range h.Resources {
		if n.asDevices(name) {
			return code(berth.ByDevice)
		}
	}
	c := modelHold{Hold: *h}
	c.Hold = *h.Clone()
	slices.Sort(c.Ports)
	out, free := reasons{}, m.free(h.Node)
	for name, q := range h.Resources {
		switch {
		case q == 0 || enough(free, name, q):
		case n.Capacity[name] < q:
			out[berth.Reason{Code: berth.TooSmall}] = true
		default:
			out[berth.Reason{Code: berth.Insufficient}] = true
		}
	}
	units, ports, has := m.devices(h.Node), m.freePorts(h.Node), numbers(n.Ports)
	for _, s := range h.Devices {
		at, healthy := n.find(s)
		lacks, taken := at < 0, false
		for amount := range s.Amounts {
			if at >= 0 {
				if _, has := n.Devices[at].Capacity[amount]; !has {
					lacks = true
				}
			}
		}
		for i, c := range n.cells() {
			taken = taken || c.device == at && units[i] < c.of(s)
		}
		switch {
		case lacks:
			out[berth.Reason{Code: berth.NoDevice}] = true
		case !healthy:
			out[berth.Reason{Code: berth.DeviceUnhealthy}] = true
		case taken:
			out[berth.Reason{Code: berth.DeviceTaken}] = true
		}
		if h.Lease == berth.Exclusive && !enough(free, s.Class, s.Units) {
			out[berth.Reason{Code: berth.UnitsTaken}] = true
		}
		for amount, q := range s.Amounts {
			if h.Lease == berth.Exclusive && !enough(free, s.Class+"."+amount, q) {
				out[berth.Reason{Code: berth.Insufficient}] = true
			}
		}
	}
	for _, p := range h.Ports {
		switch {
		case !has[p]:
			out[berth.Reason{Code: berth.NoPort}] = true
		case !ports[p]:
			out[berth.Reason{Code: berth.PortTaken}] = true
		}
	}
	if len(out) == 0 {
		m.made++
		c.age = m.made
		m.holds[h.ID] = &c
	}
	return out
}

const most = math.MaxInt64

func overflows(taken *big.Int, q int64) bool {
	return new(big.Int).Add(cmp.Or(taken, new(big.Int)), big.NewInt(q)).Cmp(big.NewInt(math.MaxInt64)) > 0
}
