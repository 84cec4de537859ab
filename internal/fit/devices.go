package fit

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
)

// Choose returns the devices and ports that a task of the group would get on n, given the free units of each device
// of n.Devices and the ports in use, ascending: for a share the device with the least free units that suffice, for
// whole devices the first ones in the list, for dynamic ports the lowest numbers. Unhealthy devices are passed over. It
// returns nil and no reason for a group that asks for neither, and a reason if there is not enough.
func Choose(g *berth.Group, n *berth.Node, devices []int64, used []uint16) (*berth.Grant, berth.Reason) {
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
		shares, missing := chooseDevices(r, n, devices)
		if missing >= 0 {
			return nil, DeviceReason(&r.Devices[missing], n)
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

// choice is what was found for one request for devices.
type choice struct {
	seen   int                 // devices of the class so far
	whole  []berth.DeviceShare // for a count
	best   int                 // for a share: the index of the device with the least that suffices, or -1
	bestAt int                 // its place among those of its class
}

// chooseDevices returns the devices that serve the requests from the free units, or the index of a request that cannot be
// served; else that is -1. It looks at each device once, however many classes there are.
func chooseDevices(r *berth.Requirements, n *berth.Node, free []int64) (shares []berth.DeviceShare, missing int) {
	var few [2]choice
	choices := few[:]
	if len(r.Devices) > len(few) {
		choices = make([]choice, len(r.Devices))
	}
	choices = choices[:len(r.Devices)]
	for j := range choices {
		choices[j].best = -1
	}
	for i := range n.Devices {
		dev := &n.Devices[i]
		j := r.DeviceOf(dev.Class)
		if j < 0 {
			continue
		}
		c, d := &choices[j], &r.Devices[j]
		place := c.seen
		c.seen++
		switch {
		case i >= len(free) || !accepts(d, dev):
		case d.Count > 0:
			if free[i] == berth.DeviceUnits && len(c.whole) < d.Count {
				c.whole = append(c.whole, berth.DeviceShare{Class: dev.Class, ID: deviceID(dev, place), Units: berth.DeviceUnits})
			}
		case free[i] >= d.Share && (c.best < 0 || free[i] < free[c.best]):
			c.best, c.bestAt = i, place
		}
	}
	for j := range choices {
		c, d := &choices[j], &r.Devices[j]
		switch {
		case d.Count > 0 && len(c.whole) < d.Count || d.Count == 0 && c.best < 0:
			return nil, j
		case d.Count == 0:
			dev := &n.Devices[c.best]
			shares = append(shares, berth.DeviceShare{Class: dev.Class, ID: deviceID(dev, c.bestAt), Units: d.Share})
		case shares == nil:
			shares = c.whole
		default:
			shares = append(shares, c.whole...)
		}
	}
	return shares, -1
}

// deviceID returns the ID of a device, which by default is its place among those of its class.
func deviceID(dev *berth.Device, place int) string {
	if dev.ID != "" {
		return dev.ID
	}
	return strconv.Itoa(place)
}

// Serves reports whether the devices of n, with the free units of each, can serve the request.
func Serves(n *berth.Node, d *berth.DeviceRequest, free []int64) bool {
	if d.Count > len(n.Devices) {
		return false
	}
	whole := 0
	for i, units := range free[:min(len(free), len(n.Devices))] {
		if d.Count > 0 && units == berth.DeviceUnits && accepts(d, &n.Devices[i]) {
			if whole++; whole == d.Count {
				return true
			}
		}
		if d.Share > 0 && units >= d.Share && accepts(d, &n.Devices[i]) {
			return true
		}
	}
	return false
}

// accepts reports whether a device can serve a request, if it has room.
func accepts(d *berth.DeviceRequest, dev *berth.Device) bool {
	return !dev.Unhealthy && isAskedFor(d, dev)
}

// isAskedFor reports whether a device is of the class and a model that a request names.
func isAskedFor(d *berth.DeviceRequest, dev *berth.Device) bool {
	return dev.Class == d.Class && (len(d.Models) == 0 || slices.Contains(d.Models, dev.Model))
}

// DeviceReason says why n cannot serve a request, given that too little is free: it does not have the devices, too few of
// them are healthy, or they are taken. Which of these depends on n alone.
func DeviceReason(d *berth.DeviceRequest, n *berth.Node) berth.Reason {
	var s stock
	for i := range n.Devices {
		if dev := &n.Devices[i]; isAskedFor(d, dev) {
			if s.all++; !dev.Unhealthy {
				s.healthy++
			}
		}
	}
	return s.reason(d)
}

// stock is what a node has for a request for devices.
type stock struct {
	seen      int // devices of the class
	all       int // of them those that are asked for
	healthy   int
	whole     int      // healthy ones of which nothing is taken
	most      int64    // the most that is free of one
	others    []string // models that are not asked for
	unhealthy []string
}

// stocks returns what a node has for each request for devices, of the details only if they are wanted. It looks at each
// device once.
func stocks(r *berth.Requirements, n *berth.Node, free []int64, detail bool) []stock {
	out := make([]stock, len(r.Devices))
	for i := range n.Devices {
		dev := &n.Devices[i]
		j := r.DeviceOf(dev.Class)
		if j < 0 {
			continue
		}
		s := &out[j]
		place := s.seen
		s.seen++
		if !isAskedFor(&r.Devices[j], dev) {
			if detail && !slices.Contains(s.others, dev.Model) {
				s.others = append(s.others, dev.Model)
			}
			continue
		}
		s.all++
		switch {
		case !dev.Unhealthy:
			s.healthy++
		case detail:
			s.unhealthy = append(s.unhealthy, dev.Class+"/"+deviceID(dev, place))
		}
		if i < len(free) && !dev.Unhealthy {
			if s.most = max(s.most, free[i]); free[i] == berth.DeviceUnits {
				s.whole++
			}
		}
	}
	return out
}

// serves reports whether there is enough for a request.
func (s *stock) serves(d *berth.DeviceRequest) bool {
	return d.Count > 0 && s.whole >= d.Count || d.Count == 0 && d.Share > 0 && s.most >= d.Share
}

// reason says why there is not.
func (s *stock) reason(d *berth.DeviceRequest) berth.Reason {
	why := berth.Reason{Code: berth.DeviceTaken, Subject: d.String()}
	switch want := max(d.Count, 1); {
	case s.all < want:
		why.Code = berth.NoDevice
	case s.healthy < want:
		why.Code = berth.DeviceUnhealthy
	}
	return why
}

// lack is reason with what there is instead.
func (s *stock) lack(d *berth.DeviceRequest) berth.Lack {
	l := berth.Lack{Reason: s.reason(d)}
	switch l.Reason.Code {
	case berth.NoDevice:
		if s.all > 0 { // then whole devices are asked for: one would do for a share
			l.Short = int64(d.Count-s.whole) * berth.DeviceUnits
		}
		l.Detail = fmt.Sprintf("it has %d", s.all)
		if slices.Sort(s.others); len(s.others) > 0 {
			l.Detail += " and others: " + Few(s.others)
		}
	case berth.DeviceUnhealthy:
		l.Detail = "unhealthy: " + Few(s.unhealthy)
	default:
		if l.Detail = fmt.Sprintf("%d of %d free", s.whole, s.all); d.Share > 0 {
			l.Detail = "at most " + berth.DeviceRequest{Class: d.Class, Share: s.most}.String() + " free"
		}
		if len(s.unhealthy) > 0 {
			l.Detail += ", unhealthy: " + Few(s.unhealthy)
		}
	}
	return l
}

// Few joins the first few of a list.
func Few(list []string) string {
	const most = 3
	if more := len(list) - most; more > 0 {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(", %d more", more)
	}
	return strings.Join(list, ", ")
}

// DevicesOf yields for each share the index of its device in n.Devices, or -1 if n has none of that class and ID, and its
// units.
func DevicesOf(n *berth.Node, shares []berth.DeviceShare) iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		find := Finder(n, len(shares))
		for k := range shares {
			if !yield(find(&shares[k]), shares[k].Units) {
				return
			}
		}
	}
}

// FindDevice returns the index of the device that a share is of, or -1.
type FindDevice func(*berth.DeviceShare) int

// Finder returns a way to find devices of a node that is good for about so many shares: one by one, or by an index.
func Finder(n *berth.Node, shares int) FindDevice {
	if shares <= 4 || len(n.Devices) <= 16 {
		return func(s *berth.DeviceShare) int {
			place := 0
			for i := range n.Devices {
				dev := &n.Devices[i]
				if dev.Class != s.Class {
					continue
				}
				if deviceID(dev, place) == s.ID {
					return i
				}
				place++
			}
			return -1
		}
	}
	type name struct{ class, id string }
	places, index := map[string]int{}, make(map[name]int, len(n.Devices))
	for i := range n.Devices {
		dev := &n.Devices[i]
		index[name{dev.Class, deviceID(dev, places[dev.Class])}] = i
		places[dev.Class]++
	}
	return func(s *berth.DeviceShare) int {
		if i, ok := index[name{s.Class, s.ID}]; ok {
			return i
		}
		return -1
	}
}

// checkDevices says why devices that the caller wants are not what the group asks for, or not free.
func checkDevices(g *berth.Group, n *berth.Node, want *berth.Grant, devices []int64) berth.Reason {
	r := g.Requirements()
	units := make([]int64, len(r.Devices))
	seen := make(map[int]bool, len(want.Devices))
	k := -1
	for i, amount := range DevicesOf(n, want.Devices) {
		k++
		if i < 0 || seen[i] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of a device the node does not have, or twice of one"}
		}
		seen[i] = true
		j := r.DeviceOf(want.Devices[k].Class)
		if j < 0 || !isAskedFor(&r.Devices[j], &n.Devices[i]) || amount != min(r.Devices[j].Units(), berth.DeviceUnits) {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		}
		switch {
		case n.Devices[i].Unhealthy:
			return berth.Reason{Code: berth.DeviceUnhealthy, Subject: r.Devices[j].String()}
		case i >= len(devices) || devices[i] < amount:
			return berth.Reason{Code: berth.DeviceTaken, Subject: r.Devices[j].String()}
		}
		units[j] += amount
	}
	for j, d := range r.Devices {
		if units[j] != d.Units() {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		}
	}
	return berth.Reason{}
}

// CheckGrant says why a grant that the caller wants is not what the group asks for, or not free.
func CheckGrant(g *berth.Group, n *berth.Node, want *berth.Grant, devices []int64, ports PortRoom) berth.Reason {
	if why := checkDevices(g, n, want, devices); why.Code != berth.None {
		return why
	}
	return checkPorts(g, want, ports)
}

// Grants reports whether a task of the group gets particular devices or ports.
func Grants(g *berth.Group) bool {
	r := g.Requirements()
	return len(r.Devices) > 0 || r.UsesPorts()
}
