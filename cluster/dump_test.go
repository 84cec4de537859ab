package cluster_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

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
		fmt.Fprintf(&b, "%s cordoned %t unschedulable %t %v %v %v %v capacity %v free %v devices %v overcommitted %t\n", n.ID(), n.Cordoned(), node.Unschedulable,
			map[string]any(node.Attributes), node.Taints, node.Devices, node.Ports, plain(n.Capacity()), plain(n.Free()), n.FreeDevices(), n.Overcommitted())
		for t := range n.Tasks() {
			fmt.Fprintf(&b, "  %s %s %v at %q grant %v until %d\n", t.ID, t.Group, t.State, t.Node, t.Grant, micros(t.Deadline))
		}
	}
	for _, g := range kindNames {
		byRevision := map[*berth.Group]string{}
		for t := range c.Group(g) {
			byRevision[t.Group] += fmt.Sprintf(" %s@%s", t.ID, t.Node)
		}
		fmt.Fprintf(&b, "group %s:%s\n", g, slices.Sorted(maps.Values(byRevision)))
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
		fmt.Fprintf(&b, "%s cordoned %t unschedulable %t %v %v %v %v capacity %v free %v devices %v overcommitted %t\n", id, n.cordoned, n.Unschedulable,
			map[string]any(n.Attributes), n.Taints, n.Devices, n.Ports, plain(n.capacity()), free, m.devices(id), m.overcommitted(id))
		for _, task := range sorted(m.tasks) {
			if t := m.tasks[task]; t.node == id {
				fmt.Fprintf(&b, "  %s %s %v at %q grant %v until %d\n", task, t.group, t.state, t.node, t.grant, t.deadline)
			}
		}
	}
	for _, g := range kindNames {
		byRevision := map[string]string{}
		for _, id := range slices.SortedFunc(maps.Keys(m.tasks), byAge) {
			if t := m.tasks[id]; t.group.Name() == g {
				byRevision[t.same] += fmt.Sprintf(" %s@%s", id, t.node)
			}
		}
		fmt.Fprintf(&b, "group %s:%s\n", g, slices.Sorted(maps.Values(byRevision)))
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

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
