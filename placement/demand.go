package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// demand is what each task of a group takes, in the dimensions of a mirror.
type demand struct {
	wanted            // of a node's amounts: first of its resources, in the order of their names, then of its devices
	resources int     // how many of wanted.needs are of resources; the others are of devices, in their order
	request   []int64 // by dimension that the snapshot has a name for
	devices   []berth.DeviceRequest
	several   bool // whether a class has more than one request: they are served together or not at all
	ports     bool
	possible  bool // whether any node ever had all of it; if none had, the rest may be incomplete
}

// wanted is amounts that a row must have at least.
type wanted struct {
	needs   []store.Need
	least   int64 // of the dimension at leastAt
	leastAt int
}

// within reports whether amounts, of a row or the bounds of many, are enough.
func (w *wanted) within(amounts []int64) bool {
	if amounts[w.leastAt] < w.least {
		return false
	}
	for _, n := range w.needs {
		if amounts[n.Dim] < n.Amount {
			return false
		}
	}
	return true
}

// of makes it the demand of a group, in the room of what it was.
func (d *demand) of(g *berth.Group, m *mirror) {
	r := g.Requirements()
	d.needs, d.least, d.leastAt = d.needs[:0], 0, m.dims
	d.devices, d.several, d.ports, d.possible = r.Devices, r.Several, r.UsesPorts(), true
	d.request = slices.Grow(d.request[:0], m.dims)[:m.dims]
	clear(d.request)
	for i := range r.Needs {
		dim, ok := m.view.DimOf(r.Needs[i].Name)
		if !ok {
			d.possible = false
			continue
		}
		d.request[dim] = r.Needs[i].Amount
		d.needs = append(d.needs, store.Need{Dim: dim, Amount: r.Needs[i].Amount})
	}
	d.resources = len(d.needs)
	for i := range d.devices {
		d.addDevices(&d.devices[i], m)
	}
}

// addDevices adds what a request for devices needs at least: as many whole ones, or one with as much free, whichever it is.
func (d *demand) addDevices(r *berth.DeviceRequest, m *mirror) {
	c, ok := m.deviceAt[r.Class]
	if !ok {
		d.possible = false
		return
	}
	switch {
	case r.Count > 0:
		d.needs = append(d.needs, store.Need{Dim: m.wholeDevices(c), Amount: int64(r.Count)})
		return
	case r.Share > 0:
		d.needs = append(d.needs, store.Need{Dim: m.freestDevice(c), Amount: r.Share})
		return
	}
	for amount, q := range r.Amounts.All() {
		if q == 0 {
			continue
		}
		if c, ok = m.deviceAt[berth.DeviceResource(r.Class, amount)]; !ok {
			d.possible = false
			return
		}
		d.needs = append(d.needs, store.Need{Dim: m.freestDevice(c), Amount: q})
		return
	}
}
