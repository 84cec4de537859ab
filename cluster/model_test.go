package cluster_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
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
	charged map[string]int64 // the scalars of its devices, by the class they had when it was made or drawn upon
	age     int
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
		h.Resources, h.Devices, h.Ports = h.Resources.Clone(), slices.Clone(h.Devices), slices.Clone(h.Ports)
		h.charged = maps.Clone(h.charged)
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
		c[d.Class] += 1000
	}
	return c
}

// needs is what a task of the kind takes of every resource.
func (k *kind) needs() map[string]int64 {
	out := map[string]int64{}
	for name, q := range k.spec.Request {
		if q > 0 {
			out[name] = q
		}
	}
	for _, d := range k.spec.Devices {
		out[d.Class] = int64(d.Count)*1000 + d.Share
	}
	return out
}

func (m *model) taken(node string) map[string]*big.Int {
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
			add(t.needs())
		}
	}
	for _, h := range m.holds {
		if h.Node == node && h.Lease == berth.Exclusive {
			add(h.Resources)
			add(h.charged)
		}
	}
	return sum
}

func (m *model) free(node string) map[string]*big.Int {
	free := map[string]*big.Int{}
	for name, q := range m.nodes[node].capacity() {
		free[name] = big.NewInt(q)
	}
	for name, q := range m.taken(node) {
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
	units := make([]int64, len(m.nodes[node].Devices))
	for i := range units {
		units[i] = 1000
	}
	take := func(shares []berth.DeviceShare) {
		for _, s := range shares {
			if s.Index < len(units) {
				units[s.Index] -= s.Units
			}
		}
	}
	for _, t := range m.tasks {
		if t.node == node && t.grant != nil {
			take(t.grant.Devices)
		}
	}
	for _, h := range m.holds {
		if h.Node == node && h.Lease == berth.Exclusive {
			take(h.Devices)
		}
	}
	return units
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
	return !n.Unschedulable && !bad && (k.zone == "" || zoneOf(n) == k.zone)
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
			out[berth.Reason{Code: berth.RuleBroken, Subject: rule.String()}] = true
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

func (d *wish) accepts(dev berth.Device) bool {
	return dev.Class == d.Class && (len(d.Models) == 0 || slices.Contains(d.Models, dev.Model))
}

type wish struct{ berth.DeviceRequest }

// choose returns the grant that the documentation promises: shares on the fullest device that suffices,
// whole devices and dynamic ports from the lowest number on.
func (k *kind) choose(n *modelNode, units []int64, ports map[uint16]bool) (*berth.Grant, reasons) {
	out, why := new(berth.Grant), reasons{}
	for _, r := range k.spec.Devices {
		d := wish{r}
		var fit []int
		for i, dev := range n.Devices {
			if d.accepts(dev) && (d.Count > 0 && units[i] == 1000 || d.Share > 0 && units[i] >= d.Share) {
				fit = append(fit, i)
			}
		}
		if len(fit) < max(d.Count, 1) {
			why[berth.Reason{Code: berth.NoDevice, Subject: r.String()}] = true
			continue
		}
		if d.Share > 0 {
			slices.SortStableFunc(fit, func(a, b int) int { return cmp.Compare(units[a], units[b]) })
			out.Devices = append(out.Devices, berth.DeviceShare{Index: fit[0], Units: d.Share})
			continue
		}
		for _, i := range fit[:d.Count] {
			out.Devices = append(out.Devices, berth.DeviceShare{Index: i, Units: 1000})
		}
	}
	fixed := slices.Sorted(maps.Keys(numbers(k.spec.Ports)))
	for _, p := range fixed {
		if ports[p] {
			out.Ports = append(out.Ports, p)
			continue
		}
		for _, r := range k.spec.Ports {
			if r.First <= p && p <= r.Last {
				why[berth.Reason{Code: berth.NoPort, Subject: r.String()}] = true
			}
		}
		return nil, why // the first port that is missing is the one that is told
	}
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		if !slices.Contains(fixed, p) && len(out.Ports) < len(fixed)+k.spec.DynamicPorts {
			out.Ports = append(out.Ports, p)
		}
	}
	if len(out.Ports) < len(fixed)+k.spec.DynamicPorts {
		why[berth.Reason{Code: berth.NoPort, Subject: fmt.Sprintf("%d of any number", k.spec.DynamicPorts)}] = true
	}
	if len(why) > 0 {
		return nil, why
	}
	return out, nil
}

func (k *kind) grants() bool {
	return len(k.spec.Devices)+len(k.spec.Ports)+k.spec.DynamicPorts > 0
}

// valid reports whether a grant is exactly what the kind asks for and no more than there is.
func (k *kind) valid(n *modelNode, g *berth.Grant, units []int64, ports map[uint16]bool) bool {
	byClass := map[string][]berth.DeviceShare{}
	seen := map[int]bool{}
	for _, s := range g.Devices {
		if s.Index < 0 || s.Index >= len(n.Devices) || seen[s.Index] || s.Units <= 0 || s.Units > units[s.Index] {
			return false
		}
		seen[s.Index] = true
		byClass[n.Devices[s.Index].Class] = append(byClass[n.Devices[s.Index].Class], s)
	}
	for _, r := range k.spec.Devices {
		d, shares := wish{r}, byClass[r.Class]
		delete(byClass, r.Class)
		if len(shares) != max(d.Count, 1) {
			return false
		}
		for _, s := range shares {
			if !d.accepts(n.Devices[s.Index]) || s.Units != cmp.Or(d.Share, 1000) {
				return false
			}
		}
	}
	if len(byClass) > 0 {
		return false
	}
	fixed, count := numbers(k.spec.Ports), map[uint16]int{}
	missing := len(fixed)
	for _, p := range g.Ports {
		if count[p]++; count[p] > 1 || !ports[p] {
			return false
		}
		if fixed[p] {
			missing--
		}
	}
	return missing == 0 && len(g.Ports) == len(fixed)+k.spec.DynamicPorts
}

// scalars returns which resources a kind finds too little of on a node; where its devices are missing,
// that is the reason, and not their scalar.
func (m *model) scalars(k *kind, node string, noDevice reasons) reasons {
	out, free := reasons{}, m.free(node)
	for name, q := range k.needs() {
		said := slices.ContainsFunc(k.spec.Devices, func(d berth.DeviceRequest) bool {
			return d.Class == name && noDevice[berth.Reason{Code: berth.NoDevice, Subject: d.String()}]
		})
		if !said && !enough(free, name, q) {
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
	maps.Copy(out, m.scalars(k, node, why))
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
		units, ports := make([]int64, len(n.Devices)), map[uint16]bool{}
		for _, id := range ids {
			for _, s := range m.holds[id].Devices {
				if s.Index < len(units) {
					units[s.Index] = min(1000, units[s.Index]+s.Units)
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
		for _, s := range grant.Devices {
			for _, id := range ids {
				h := after.holds[id]
				for i := range h.Devices {
					if h.Devices[i].Index == s.Index {
						part := min(s.Units, h.Devices[i].Units)
						h.Devices[i].Units -= part
						s.Units -= part
					}
				}
				h.Devices = slices.DeleteFunc(h.Devices, func(s berth.DeviceShare) bool { return s.Units == 0 })
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
		if h.charge(n); left == 0 {
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

func (h *modelHold) charge(n *modelNode) {
	h.charged = map[string]int64{}
	for _, s := range h.Devices {
		if s.Index < len(n.Devices) {
			h.charged[n.Devices[s.Index].Class] += s.Units
		}
	}
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
	for _, d := range n.Devices {
		if _, ok := h.Resources[d.Class]; ok {
			return code(berth.Invalid)
		}
	}
	c := modelHold{Hold: *h}
	c.Resources, c.Devices, c.Ports = h.Resources.Clone(), slices.Clone(h.Devices), slices.Sorted(slices.Values(h.Ports))
	c.charge(n)
	out, free := reasons{}, m.free(h.Node)
	for name, q := range h.Resources {
		if q > 0 && !enough(free, name, q) {
			out[berth.Reason{Code: berth.Insufficient}] = true
		}
	}
	units, ports := m.devices(h.Node), m.freePorts(h.Node)
	for _, s := range h.Devices {
		if s.Index >= len(units) || units[s.Index] < s.Units {
			out[berth.Reason{Code: berth.NoDevice}] = true
		}
	}
	for class, q := range c.charged {
		if h.Lease == berth.Exclusive && !enough(free, class, q) {
			out[berth.Reason{Code: berth.Insufficient}] = true
		}
	}
	for _, p := range h.Ports {
		if !ports[p] {
			out[berth.Reason{Code: berth.NoPort}] = true
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

// readable is what Snapshot and Fork have in common.
type readable interface {
	Len() int
	Nodes() iter.Seq[cluster.NodeView]
	Node(string) (cluster.NodeView, bool)
	Task(string) (cluster.TaskView, bool)
	Group(string) iter.Seq[cluster.TaskView]
	Holds() iter.Seq[berth.Hold]
}

// dump prints all that can be read of a cluster.
func dump(c readable) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Len(), "nodes")
	for n := range c.Nodes() {
		node := n.Node()
		fmt.Fprintf(&b, "%s cordoned %t unschedulable %t %v %v %v %v capacity %v free %v devices %v\n", n.ID(), n.Cordoned(), node.Unschedulable,
			map[string]any(node.Attributes), node.Taints, node.Devices, node.Ports, plain(n.Capacity()), plain(n.Free()), n.FreeDevices())
		for t := range n.Tasks() {
			fmt.Fprintf(&b, "  %s %s %v at %q grant %v until %d\n", t.ID, t.Group, t.State, t.Node, t.Grant, nanos(t.Deadline))
		}
	}
	for _, g := range kindNames {
		fmt.Fprintf(&b, "group %s:", g)
		for t := range c.Group(g) {
			fmt.Fprintf(&b, " %s@%s", t.ID, t.Node)
		}
		fmt.Fprintln(&b)
	}
	for h := range c.Holds() {
		fmt.Fprintf(&b, "hold %s %s %s %v %v %v %d\n", h.ID, h.Owner, h.Node, plain(h.Resources), h.Devices, h.Ports, h.Lease)
	}
	return b.String()
}

func (m *model) dump() string {
	var b strings.Builder
	fmt.Fprintln(&b, len(m.nodes), "nodes")
	byAge := func(a, b string) int { return cmp.Compare(m.tasks[a].age, m.tasks[b].age) }
	for _, id := range sorted(m.nodes) {
		n, free := m.nodes[id], map[string]string{}
		for name, q := range m.free(id) {
			if q.Sign() != 0 {
				free[name] = q.String()
			}
		}
		fmt.Fprintf(&b, "%s cordoned %t unschedulable %t %v %v %v %v capacity %v free %v devices %v\n", id, n.cordoned, n.Unschedulable,
			map[string]any(n.Attributes), n.Taints, n.Devices, n.Ports, plain(n.capacity()), free, m.devices(id))
		for _, task := range sorted(m.tasks) {
			if t := m.tasks[task]; t.node == id {
				fmt.Fprintf(&b, "  %s %s %v at %q grant %v until %d\n", task, t.group, t.state, t.node, t.grant, t.deadline)
			}
		}
	}
	for _, g := range kindNames {
		fmt.Fprintf(&b, "group %s:", g)
		for _, id := range slices.SortedFunc(maps.Keys(m.tasks), byAge) {
			if t := m.tasks[id]; t.group.Name() == g {
				fmt.Fprintf(&b, " %s@%s", id, t.node)
			}
		}
		fmt.Fprintln(&b)
	}
	for _, id := range slices.SortedFunc(maps.Keys(m.holds), func(a, b string) int { return cmp.Compare(m.holds[a].age, m.holds[b].age) }) {
		h := m.holds[id]
		fmt.Fprintf(&b, "hold %s %s %s %v %v %v %d\n", h.ID, h.Owner, h.Node, plain(h.Resources), h.Devices, h.Ports, h.Lease)
	}
	return b.String()
}

// plain is a map that prints sorted and exactly, without its zeros.
func plain[M ~map[string]int64](r M) map[string]string {
	out := map[string]string{}
	for name, q := range r {
		if q != 0 {
			out[name] = fmt.Sprint(q)
		}
	}
	return out
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func overflows(taken *big.Int, q int64) bool {
	return new(big.Int).Add(cmp.Or(taken, new(big.Int)), big.NewInt(q)).Cmp(big.NewInt(math.MaxInt64)) > 0
}
