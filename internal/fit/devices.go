package fit

import (
	"slices"
	"strconv"

	"github.com/berth-sched/berth"
)

// What is free of a node's devices is in one list: the units of each device in the order of [berth.Node].Devices, and behind
// them the amounts of those that have a capacity of their own, device by device, those of one device by name.

// Choose returns the devices and ports that a task of the group would get on n, given what is free of its devices, in the
// order of cluster.NodeView.FreeDevices, and the ports in use, ascending. Each request in turn gets the best devices that leave the others
// enough. Those of preferred models are better; for a share then those of which the least is free, units first and then
// the amounts that are asked for, by name; among equals the first ones in the list. For dynamic ports it is the lowest numbers. Unhealthy
// devices are passed over. It
// returns nil and no reason for a group that asks for neither, and a reason if there is not enough.
func Choose(g *berth.Group, n *berth.Node, devices []int64, used []berth.Port) (*berth.Grant, berth.Reason) {
	if err := g.Err(); err != nil {
		return nil, berth.Reason{Code: berth.Invalid, Subject: err.Error()}
	}
	if n == nil {
		return nil, berth.Reason{Code: berth.UnknownNode}
	}
	if !Grants(g) {
		return nil, berth.Reason{}
	}
	return ChooseIn(g, n, devices, Unused(n, used))
}

// ChooseIn is Choose for a group that asks for devices or ports, out of such room for ports.
func ChooseIn(g *berth.Group, n *berth.Node, devices []int64, ports PortRoom) (*berth.Grant, berth.Reason) {
	r := g.Requirements()
	out := new(berth.Grant)
	if len(r.Devices) > 0 {
		shares, ok := chooseDevices(r, n, devices)
		if !ok {
			return nil, devicesReason(r, n, devices)
		}
		out.Devices = shares
	}
	if r.UsesPorts() {
		granted, short := choosePorts(r, ports)
		if len(short) > 0 {
			return nil, short[0].why
		}
		out.Ports = granted
	}
	return out, berth.Reason{}
}

// chooseDevices returns the devices that serve the requests, given what is free.
func chooseDevices(r *berth.Requirements, n *berth.Node, free []int64) (shares []berth.DeviceShare, ok bool) {
	if r.Choosy {
		return chooseBest(r, n, free)
	}
	return chooseFirst(r, n, free)
}

// choice is what was found for one request for devices.
type choice struct {
	seen   int                 // devices of the class so far
	whole  []berth.DeviceShare // for a count
	best   int                 // for a share: the index of the device with the least that suffices, or -1
	bestAt int                 // its place among those of its class
}

// chooseFirst is chooseDevices where no class has two requests, and no device is better than another for its model or its
// amounts. It looks at each device once, however many classes there are.
func chooseFirst(r *berth.Requirements, n *berth.Node, free []int64) (shares []berth.DeviceShare, ok bool) {
	var few [2]choice
	choices := few[:]
	if len(r.Devices) > len(few) {
		choices = make([]choice, len(r.Devices))
	}
	choices = choices[:len(r.Devices)]
	for j := range choices {
		choices[j].best = -1
	}
	for i, amounts := 0, len(n.Devices); i < len(n.Devices); i++ {
		dev := &n.Devices[i]
		at := amounts
		amounts += len(dev.Capacity)
		j, to := r.RequestsOf(dev.Class)
		if j == to {
			continue
		}
		c, d := &choices[j], &r.Devices[j]
		place := c.seen
		c.seen++
		switch {
		case i >= len(free) || !accepts(d, dev) || !fits(d, dev, free, i, at):
		case d.Count > 0:
			if len(c.whole) < d.Count {
				c.whole = append(c.whole, share(d, dev, place))
			}
		case c.best < 0 || free[i] < free[c.best]:
			c.best, c.bestAt = i, place
		}
	}
	for j := range choices {
		c, d := &choices[j], &r.Devices[j]
		switch {
		case d.Count > 0 && len(c.whole) < d.Count || d.Count == 0 && c.best < 0:
			return nil, false
		case d.Count == 0:
			shares = append(shares, share(d, &n.Devices[c.best], c.bestAt))
		case shares == nil:
			shares = c.whole
		default:
			shares = append(shares, c.whole...)
		}
	}
	return shares, true
}

// share returns what a request takes of a device at a place among those of its class.
func share(d *berth.DeviceRequest, dev *berth.Device, place int) berth.DeviceShare {
	s := berth.DeviceShare{Class: dev.Class, ID: deviceID(dev, place), Units: min(d.Units(), berth.DeviceUnits)}
	for amount, all := range dev.Capacity {
		if q := d.Takes(amount, all); q > 0 {
			if s.Amounts == nil {
				s.Amounts = make(berth.Resources, len(dev.Capacity))
			}
			s.Amounts[amount] = q
		}
	}
	return s
}

// deviceID returns the ID of a device, which by default is its place among those of its class.
func deviceID(dev *berth.Device, place int) string {
	if dev.ID != "" {
		return dev.ID
	}
	return strconv.Itoa(place)
}

// accepts reports whether a device can serve a request, if it has room.
func accepts(d *berth.DeviceRequest, dev *berth.Device) bool {
	return !dev.Unhealthy && isAskedFor(d, dev)
}

// isAskedFor reports whether a device is of the class and a model that a request names, and has the amounts in all.
func isAskedFor(d *berth.DeviceRequest, dev *berth.Device) bool {
	if dev.Class != d.Class || len(d.Models) > 0 && !slices.Contains(d.Models, dev.Model) {
		return false
	}
	for amount, q := range d.Amounts {
		if dev.Capacity[amount] < q {
			return false
		}
	}
	return true
}

// fits reports whether the device at an index, which accepts a request, has room for it. Its amounts stand among what is free from at on.
func fits(d *berth.DeviceRequest, dev *berth.Device, free []int64, index, at int) bool {
	if free[index] < min(d.Units(), berth.DeviceUnits) {
		return false
	}
	if len(dev.Capacity) == 0 {
		return true
	}
	if at+len(dev.Capacity) > len(free) {
		return false
	}
	for amount, all := range dev.Capacity {
		if free[at+placeOf(amount, dev.Capacity)] < d.Takes(amount, all) {
			return false
		}
	}
	return true
}

// placeOf returns the place of an amount among those of a device.
func placeOf(amount string, capacity berth.Resources) (place int) {
	for name := range capacity {
		if name < amount {
			place++
		}
	}
	return place
}

// Serves reports whether the devices of n, given what is free of them, can serve the request by itself.
func Serves(n *berth.Node, d *berth.DeviceRequest, free []int64) bool {
	if d.Count > len(n.Devices) {
		return false
	}
	found := 0
	for i, amounts := 0, len(n.Devices); i < min(len(free), len(n.Devices)); i++ {
		dev := &n.Devices[i]
		at := amounts
		amounts += len(dev.Capacity)
		if accepts(d, dev) && fits(d, dev, free, i, at) {
			if found++; found >= d.Count {
				return true
			}
		}
	}
	return false
}

// ServesAll reports whether the devices of n, given what is free of them, can serve all requests of a group at once.
func ServesAll(n *berth.Node, g *berth.Group, free []int64) bool {
	r := g.Requirements()
	for from := 0; from < len(r.Devices); {
		_, to := r.RequestsOf(r.Devices[from].Class)
		if to-from == 1 && !Serves(n, &r.Devices[from], free) || to-from > 1 && !servesTogether(r.Devices[from:to], n, free, withRoom) {
			return false
		}
		from = to
	}
	return true
}
