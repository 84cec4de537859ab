package offers

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// hasRoom reports whether anything is free on a node that anybody could be offered, if only those for whom it is reserved.
func hasRoom(v *store.View, row uint32) bool {
	n := v.Node(row)
	switch {
	case n.Node == nil || n.Cordoned:
		return false
	case len(n.Node.Devices) > 0 || len(n.Node.Spec.Ports) > 0:
		return true // it would take a closer look
	}
	idle := v.ReservesOn(row)
	for d, q := range v.Free(row) {
		if q > 0 || idle.Total(int32(d)) > 0 {
			return true
		}
	}
	return false
}

// free is all that is free on a node of a fork, kept while one framework after another does not want it.
type free struct {
	fork *cluster.Fork
	site *site
	hold berth.Hold
	all  berth.Resources // devices by class
}

// behind returns where a node of a fork is.
func behind(f *cluster.Fork, node string) (*store.View, uint32) {
	n, _ := f.Node(node)
	return store.Ref(n).At()
}

// freeOn returns all that is free on a node as a hold without a name: as much of its devices as is free of their
// class, of which a task that came by another door can have more than it has devices.
func freeOn(v *store.View, row uint32) berth.Hold {
	h := freeAmounts(v, row)
	h.Ports = freePorts(v.Node(row).Node.Spec.Ports, v.Node(row).Ports)
	return h
}

// freeAmounts is freeOn without ports, of which there can be many.
func freeAmounts(v *store.View, row uint32) berth.Hold {
	state := v.Node(row)
	node := state.Node.Spec
	h := berth.Hold{Node: node.ID, Resources: berth.Resources{}}
	classes := map[string]int64{} // what the devices count as
	for _, d := range node.Devices {
		classes[d.Class] = 0
		for amount := range d.Capacity {
			classes[berth.DeviceResource(d.Class, amount)] = 0
		}
	}
	free := v.Free(row)
	for d, name := range v.Dims() {
		if free[d] <= 0 {
			continue
		}
		if _, class := classes[name]; class {
			classes[name] = free[d]
		} else {
			h.Resources[name] = free[d]
		}
	}
	at := len(node.Devices)
	for i := range node.Devices {
		d := &node.Devices[i]
		share := berth.DeviceShare{Class: d.Class, ID: node.DeviceID(i), Units: max(min(state.Devices[i], classes[d.Class]), 0)}
		classes[d.Class] -= share.Units
		for amount := range d.Capacity.All() {
			name := berth.DeviceResource(d.Class, amount)
			if q := min(state.Devices[at], classes[name]); q > 0 {
				share.Amounts = with(share.Amounts, amount, q)
				classes[name] -= q
			}
			at++
		}
		if share.Units > 0 || len(share.Amounts) > 0 {
			h.Devices = append(h.Devices, share)
		}
	}
	return h
}

// freePorts returns a node's ports without those that meet the taken ones, which ascend.
func freePorts(ports []berth.PortRange, taken []berth.Port) []berth.Port {
	var free []berth.Port
	for _, r := range ports {
		for number := int(r.First); number <= int(r.Last); number++ {
			port := berth.Port{Number: uint16(number), Protocol: r.Protocol, Address: r.Address}
			if store.PortsMeeting(taken, port) == 0 {
				free = append(free, port)
			}
		}
	}
	return free
}
