package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Device is a device of a node, as a term sees it. It does not tell which of the devices that are alike it is.
type Device struct {
	Class, Model string
	Free         int64 // of its [berth.DeviceUnits]; none of an unhealthy one
	Unhealthy    bool

	amounts  []int64 // what is free of its capacity, by name
	capacity berth.Resources
}

// Amount returns how much is free, and how much there is in all, of an amount that the device has beside its units; false if it
// has none of that name.
func (d *Device) Amount(name string) (free, capacity int64, ok bool) {
	if capacity, ok = d.capacity[name]; !ok {
		return 0, 0, false
	}
	place := 0
	for other := range d.capacity {
		if other < name {
			place++
		}
	}
	return d.amounts[place], capacity, true
}

// MaxGrants is how many distinct grants of a node are rated for a task. Of a node that could give more, the others are not: each
// request in turn takes devices of models it prefers first, then those of which less is free. Of equally good ones the first is given, but by [FGD].
const MaxGrants = 64

// deviceViews is the devices of the candidate that is rated, before and after it gives what a task asks for. Each is made when it
// is first looked at.
type deviceViews struct {
	node     *store.Node
	kinds    []int32 // as fit.Kinds has them; nil if that was not asked
	free     []int64
	requests *berth.Requirements // of the task's group

	options fit.Options
	set     bool // whether options are of the candidate,
	found   int  // and how many ways there are, or -1 if they were not looked for
	way     int  // that after shows, or -1 for none

	before, after           deviceList
	knowsBefore, knowsAfter bool
	looked                  bool // whether anybody has asked what is there after placing
}

// stand turns to a candidate.
func (v *deviceViews) stand(n *store.Node, kinds []int32, free []int64) {
	v.node, v.kinds, v.free = n, kinds, free
	v.set, v.found, v.way = false, -1, 0
	v.knowsBefore, v.knowsAfter, v.looked = false, false, false
}

// pool makes the options those of the candidate.
func (v *deviceViews) pool() {
	if v.set {
		return
	}
	if v.kinds == nil {
		v.kinds = fit.Kinds(v.node.Spec)
	}
	v.options.Set(v.node.Spec, v.kinds, v.free)
	v.set = true
}

// ways returns how many distinct ways there are to give what is asked for.
func (v *deviceViews) ways() int {
	if v.found < 0 {
		v.found = 0
		if len(v.requests.Devices) > 0 && len(v.node.Spec.Devices) > 0 {
			v.pool()
			v.found = v.options.Find(v.requests, MaxGrants)
		}
	}
	return v.found
}

// show makes after what is there once the devices were given in a way.
func (v *deviceViews) show(way int) { v.way, v.knowsAfter = way, false }

func (v *deviceViews) all(after bool) []Device {
	if v.node == nil || len(v.node.Spec.Devices) == 0 {
		return nil
	}
	if after {
		v.looked = true
	}
	if !after || v.ways() == 0 {
		if !v.knowsBefore {
			v.knowsBefore = true
			v.before.fill(v)
		}
		return v.before.devices
	}
	if !v.knowsAfter {
		v.knowsAfter = true
		v.after.fill(v)
		v.options.Left(v.options.Way(v.way), func(place int, units int64, amounts []int64) {
			d := &v.after.devices[place]
			if d.Free = units; len(amounts) > 0 {
				d.amounts = slices.Clone(amounts)
			}
		})
	}
	return v.after.devices
}

// deviceList is devices in the order of a pool.
type deviceList struct {
	devices []Device
	kinds   []int32 // of whose node they are: where it is the same list, so is all but what is free
}

// fill makes it the devices as they are before anything is given.
func (l *deviceList) fill(v *deviceViews) {
	v.pool()
	order := v.options.Order()
	if len(l.kinds) != len(v.kinds) || &l.kinds[0] != &v.kinds[0] {
		l.kinds, l.devices = v.kinds, l.devices[:0]
		for _, i := range order {
			d := &v.node.Spec.Devices[i]
			l.devices = append(l.devices, Device{Class: d.Class, Model: d.Model, Unhealthy: d.Unhealthy, capacity: d.Capacity})
		}
	}
	for k, i := range order {
		d := &l.devices[k]
		if d.Free = v.options.Units(i); len(d.capacity) > 0 {
			d.amounts = v.options.Amounts(i)
		}
	}
}

// preferred is the sum of the weights that the group's requests have for the models of the devices that after shows.
func (v *deviceViews) preferred() (sum int64) {
	v.looked = true
	if v.ways() == 0 {
		return 0
	}
	order := v.options.Order()
	for k, j := range v.options.Way(v.way) {
		if j != fit.NoRequest {
			sum += v.requests.Devices[j].WeightOf(v.node.Spec.Devices[order[k]].Model)
		}
	}
	return sum
}

// grant returns what a task of a group gets where devices are given in a way, given the ports in use.
func (v *deviceViews) grant(g *berth.Group, way int, used []berth.Port) *berth.Grant {
	v.ways()
	return fit.Given(g, v.node.Spec, v.options.Shares(v.options.Way(way)), used)
}
