package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// Choose returns the devices and ports that a task of the group would get on n, given the free units of each device
// and the ports in use, ascending: for a share the device with the least free units that suffice, for
// whole devices the lowest indexes, for dynamic ports the lowest numbers. It returns nil and no reason
// for a group that asks for neither, and a reason if there is not enough.
func Choose(g *berth.Group, n *berth.Node, devices []int64, used []uint16) (*berth.Grant, berth.Reason) {
	if err := g.Err(); err != nil {
		return nil, berth.Reason{Code: berth.Invalid, Subject: err.Error()}
	}
	if n == nil {
		return nil, berth.Reason{Code: berth.UnknownNode}
	}
	if !grants(g) {
		return nil, berth.Reason{}
	}
	return choose(g, n, devices, unused(n, used))
}

func unused(n *berth.Node, used []uint16) func(uint16) bool {
	return func(p uint16) bool {
		_, taken := slices.BinarySearch(used, p)
		return !taken && hasPort(n.Ports, p)
	}
}

func choose(g *berth.Group, n *berth.Node, devices []int64, usable func(uint16) bool) (*berth.Grant, berth.Reason) {
	out := new(berth.Grant)
	for i := range g.Requirements().Devices {
		d := &g.Requirements().Devices[i]
		shares, ok := chooseDevices(d, n, devices)
		if !ok {
			return nil, berth.Reason{Code: berth.NoDevice, Subject: d.String()}
		}
		out.Devices = append(out.Devices, shares...)
	}
	if why := choosePorts(g, out, n, usable); why.Code != berth.None {
		return nil, why
	}
	return out, berth.Reason{}
}

func choosePorts(g *berth.Group, out *berth.Grant, n *berth.Node, usable func(uint16) bool) berth.Reason {
	for _, r := range sortedPorts(g.Requirements().Ports) {
		for p := int(r.First); p <= int(r.Last); p++ {
			if !usable(uint16(p)) {
				return berth.Reason{Code: berth.NoPort, Subject: r.String()}
			}
			out.Ports = append(out.Ports, uint16(p))
		}
	}
	k := g.Requirements().DynamicPorts
	if k == 0 {
		return berth.Reason{}
	}
	fixed := len(out.Ports)
	for _, r := range sortedPorts(n.Ports) {
		for p := int(r.First); p <= int(r.Last) && len(out.Ports) < fixed+k; p++ {
			if usable(uint16(p)) && !hasPort(g.Requirements().Ports, uint16(p)) {
				out.Ports = append(out.Ports, uint16(p))
			}
		}
	}
	if len(out.Ports) < fixed+k {
		return berth.Reason{Code: berth.NoPort, Subject: dynamicPorts(k)}
	}
	return berth.Reason{}
}

func dynamicPorts(k int) string { return fmt.Sprintf("%d of any number", k) }

// grant is Grant on a node of the fork, or, where the caller wants a particular grant, its check. It
// changes nothing. devices are the free units to choose from.
func (f *Fork) grant(g *berth.Group, row uint32, want *berth.Grant, devices []int64, usable func(uint16) bool) (*berth.Grant, berth.Reason) {
	n := f.s.Node(row).Node.Spec
	if want != nil {
		return want, checkGrant(g, n, want, devices, usable)
	}
	return choose(g, n, devices, usable)
}

// unusedOn returns which ports of a node are free.
func (f *Fork) unusedOn(row uint32) func(uint16) bool {
	n := f.s.Node(row)
	return unused(n.Node.Spec, n.Ports)
}

func sortedPorts(ranges []berth.PortRange) []berth.PortRange {
	return slices.SortedFunc(slices.Values(ranges), func(a, b berth.PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
}

// choose returns the devices that serve the request from the free units, or false.
func chooseDevices(d *berth.DeviceRequest, n *berth.Node, free []int64) ([]berth.DeviceShare, bool) {
	if d.Count > 0 {
		var out []berth.DeviceShare
		for i, dev := range n.Devices {
			if i < len(free) && free[i] == berth.DeviceUnits && accepts(d, dev) {
				if out = append(out, berth.DeviceShare{Index: i, Units: berth.DeviceUnits}); len(out) == d.Count {
					return out, true
				}
			}
		}
		return nil, false
	}
	best := -1
	for i, dev := range n.Devices {
		if i < len(free) && free[i] >= d.Share && accepts(d, dev) && (best < 0 || free[i] < free[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return []berth.DeviceShare{{Index: best, Units: d.Share}}, true
}

// Serves reports whether the devices of n, with the free units of each, can serve the request.
func Serves(n *berth.Node, d *berth.DeviceRequest, free []int64) bool {
	if n == nil || d == nil || d.Count > len(n.Devices) {
		return false
	}
	whole := 0
	for i, units := range free[:min(len(free), len(n.Devices))] {
		if d.Count > 0 && units == berth.DeviceUnits && accepts(d, n.Devices[i]) {
			if whole++; whole == d.Count {
				return true
			}
		}
		if d.Share > 0 && units >= d.Share && accepts(d, n.Devices[i]) {
			return true
		}
	}
	return false
}

// checkGrant says why a grant that the caller wants is not what the group asks for, or not free.
func checkGrant(g *berth.Group, n *berth.Node, want *berth.Grant, devices []int64, usable func(uint16) bool) berth.Reason {
	units := make([]int64, len(g.Requirements().Devices))
	seen := make(map[int]bool, len(want.Devices))
	for _, share := range want.Devices {
		if share.Index < 0 || share.Index >= len(n.Devices) || seen[share.Index] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of a device the node does not have, or twice of one"}
		}
		seen[share.Index] = true
		i := slices.IndexFunc(g.Requirements().Devices, func(d berth.DeviceRequest) bool { return accepts(&d, n.Devices[share.Index]) })
		if i < 0 || share.Units != min(g.Requirements().Devices[i].Units(), berth.DeviceUnits) {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		}
		if share.Index >= len(devices) || devices[share.Index] < share.Units {
			return berth.Reason{Code: berth.NoDevice, Subject: g.Requirements().Devices[i].String()}
		}
		units[i] += share.Units
	}
	for i, d := range g.Requirements().Devices {
		if units[i] != d.Units() {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		}
	}
	ports := slices.Sorted(slices.Values(want.Ports)) // there can be 65,535 good ones
	for i, p := range ports {
		if p == 0 || i > 0 && p == ports[i-1] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of port 0, or of one port twice"}
		}
	}
	fixed, dynamic := 0, 0
	for _, p := range want.Ports {
		switch {
		case !usable(p):
			return berth.Reason{Code: berth.NoPort, Subject: berth.PortRange{First: p, Last: p}.String()}
		case hasPort(g.Requirements().Ports, p):
			fixed++
		default:
			dynamic++
		}
	}
	asked := 0
	for _, r := range g.Requirements().Ports {
		asked += int(r.Last-r.First) + 1
	}
	if fixed != asked || dynamic != g.Requirements().DynamicPorts {
		return berth.Reason{Code: berth.Invalid, Subject: "grant of ports the group did not ask for"}
	}
	return berth.Reason{}
}

// accepts reports whether a device can serve a request, if it has room.
func accepts(d *berth.DeviceRequest, dev berth.Device) bool {
	return dev.Class == d.Class && (len(d.Models) == 0 || slices.Contains(d.Models, dev.Model))
}

func hasPort(ranges []berth.PortRange, p uint16) bool {
	return slices.ContainsFunc(ranges, func(r berth.PortRange) bool { return r.Contains(p) })
}

// grants reports whether a task of the group gets particular devices or ports.
func grants(g *berth.Group) bool {
	r := g.Requirements()
	return len(r.Devices) > 0 || r.UsesPorts()
}
