package cluster_test

import (
	"cmp"
	"math"
	"math/big"
	"slices"

	"github.com/berth-sched/berth"
)

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
		units := make([]int64, len(cells))
		var held []berth.PortRange
		for _, id := range ids {
			for _, s := range m.holds[id].Devices {
				for i, c := range cells {
					if at, healthy := n.find(s); healthy && at == c.device {
						units[i] += min(c.of(s), c.has(n.Devices[at])-units[i])
					}
				}
			}
			for _, p := range m.holds[id].Ports {
				held = append(held, berth.PortRange{First: p.Number, Last: p.Number, Protocol: p.Protocol, Address: p.Address})
			}
		}
		ports := func(p berth.Port) bool { return within(n.Ports)(p) && within(held)(p) }
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
			h.Ports = slices.DeleteFunc(h.Ports, func(p berth.Port) bool {
				one := within([]berth.PortRange{{First: p.Number, Last: p.Number, Protocol: p.Protocol, Address: p.Address}})
				return slices.ContainsFunc(grant.Ports, one)
			})
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
	then := after.ports(node)
	for p := range then {
		if n := meeting(then, p); n > 1 && n > meeting(used, p) {
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
	slices.SortFunc(c.Ports, berth.Port.Compare)
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
	units, ports, has := m.devices(h.Node), m.freePorts(h.Node), within(n.Ports)
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
		case !has(p):
			out[berth.Reason{Code: berth.NoPort}] = true
		case !ports(p):
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
