package cluster_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

func (k *kind) eligible(n *modelNode) bool {
	bad := slices.ContainsFunc(n.Taints, func(t berth.Taint) bool { return t.Effect != berth.PreferNoSchedule && t.Key != k.bears })
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

// kept returns the reasons other than room that keep a kind off a node.
func (m *model) kept(k *kind, node string) reasons {
	out, n, name := reasons{}, m.nodes[node], k.group.Name()
	if n.cordoned {
		out[berth.Reason{Code: berth.Cordoned}] = true
	}
	if n.Unschedulable {
		out[berth.Reason{Code: berth.Unschedulable}] = true
	}
	for _, t := range n.Taints {
		if t.Effect != berth.PreferNoSchedule && t.Key != k.bears {
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
	_, why := k.choose(m.nodes[node], m.devices(node), m.freePorts(node))
	maps.Copy(out, why)
	maps.Copy(out, m.scalars(k, node))
	return out
}
