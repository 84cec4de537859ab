package fit

import (
	"iter"
	"sort"

	"github.com/berth-sched/berth"
)

// DevicesOf yields the shares, each with the index of its device in n.Devices, or -1 if n has none of that class and ID.
func DevicesOf(n *berth.Node, shares []berth.DeviceShare) iter.Seq2[int, *berth.DeviceShare] {
	return func(yield func(int, *berth.DeviceShare) bool) {
		if areFew(n, len(shares)) { // a function that finds them would be memory of its own, for each task that is placed
			for k := range shares {
				if !yield(indexOf(n, &shares[k]), &shares[k]) {
					return
				}
			}
			return
		}
		find := Finder(n, len(shares))
		for k := range shares {
			if !yield(find(&shares[k]), &shares[k]) {
				return
			}
		}
	}
}

// Cells yields what a share takes of the device at an index of n.Devices, by the places in the list of what is free: its units, and
// those of its amounts that the device has.
func Cells(n *berth.Node, index int, s *berth.DeviceShare) iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		if index < 0 || s.Units > 0 && !yield(index, s.Units) || len(s.Amounts) == 0 {
			return
		}
		at := len(n.Devices)
		for i := range index {
			at += len(n.Devices[i].Capacity)
		}
		capacity := n.Devices[index].Capacity
		for amount, q := range s.Amounts.All() {
			if _, ok := capacity[amount]; ok && !yield(at+placeOf(amount, capacity), q) {
				return
			}
		}
	}
}

// IsFree reports whether a share of the device at an index is free, given what is free of the node's devices.
func IsFree(n *berth.Node, index int, s *berth.DeviceShare, free []int64) bool {
	for cell, q := range Cells(n, index, s) {
		if cell >= len(free) || free[cell] < q {
			return false
		}
	}
	return true
}

// FindDevice returns the index of the device that a share is of, or -1.
type FindDevice func(*berth.DeviceShare) int

// Finder returns a way to find devices of a node that is good for about so many shares: one by one, or by an index.
func Finder(n *berth.Node, shares int) FindDevice {
	if areFew(n, shares) {
		return func(s *berth.DeviceShare) int { return indexOf(n, s) }
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

// areFew reports whether to look for each of so many shares among the devices of a node takes no longer than to make an index.
func areFew(n *berth.Node, shares int) bool { return shares <= 4 || len(n.Devices) <= 16 }

// indexOf returns the index of the device that a share is of, or -1, by looking at one device after another.
func indexOf(n *berth.Node, s *berth.DeviceShare) int {
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

// checkDevices says why devices that the caller wants are not what the group asks for, or not free.
func checkDevices(g *berth.Group, n *berth.Node, want *berth.Grant, devices []int64) berth.Reason {
	r := g.Requirements()
	serves := make([]uint64, len(want.Devices)) // which requests of its class each share serves
	seen := make(map[int]bool, len(want.Devices))
	k := -1
	for i, s := range DevicesOf(n, want.Devices) {
		k++
		if i < 0 || seen[i] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of a device the node does not have, or twice of one"}
		}
		seen[i] = true
		from, to := r.RequestsOf(s.Class)
		first := -1
		for j := from; j < to; j++ {
			if d := &r.Devices[j]; isAskedFor(d, &n.Devices[i]) && isShareFor(d, &n.Devices[i], s) {
				if serves[k] |= 1 << (j - from); first < 0 {
					first = j
				}
			}
		}
		switch {
		case first < 0:
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		case n.Devices[i].Unhealthy:
			return berth.Reason{Code: berth.DeviceUnhealthy, Subject: r.Devices[first].String()}
		case !IsFree(n, i, s, devices):
			return berth.Reason{Code: berth.DeviceTaken, Subject: r.Devices[first].String()}
		}
	}
	for from := 0; from < len(r.Devices); {
		_, to := r.RequestsOf(r.Devices[from].Class)
		var of []uint64
		for k := range want.Devices {
			if want.Devices[k].Class == r.Devices[from].Class {
				of = append(of, serves[k])
			}
		}
		if !servesExactly(r.Devices[from:to], of) {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of devices the group did not ask for"}
		}
		from = to
	}
	return berth.Reason{}
}

// isShareFor reports whether a share is what a request takes of a device.
func isShareFor(d *berth.DeviceRequest, dev *berth.Device, s *berth.DeviceShare) bool {
	if s.Units != min(d.Units(), berth.DeviceUnits) || len(s.Amounts) > len(dev.Capacity) {
		return false
	}
	for amount, all := range dev.Capacity {
		if s.Amounts[amount] != d.Takes(amount, all) {
			return false
		}
	}
	for amount := range s.Amounts {
		if _, ok := dev.Capacity[amount]; !ok {
			return false
		}
	}
	return true
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

// OfDevices returns what one task of the group takes of a resource that it asks for as devices.
func OfDevices(g *berth.Group, resource string) int64 {
	needs := g.Requirements().Needs
	i := sort.Search(len(needs), func(i int) bool { return needs[i].Name >= resource })
	if i == len(needs) || needs[i].Name != resource || needs[i].Class == "" {
		return 0
	}
	return needs[i].Amount
}

// All returns what a node has of devices, as if all were healthy, in the order of what is free of them.
func All(n *berth.Node) []int64 {
	all := make([]int64, len(n.Devices))
	for i := range n.Devices {
		all[i] = berth.DeviceUnits
	}
	for i := range n.Devices {
		for _, q := range n.Devices[i].Capacity.All() {
			all = append(all, q)
		}
	}
	return all
}

// DeviceName names a device on its node.
type DeviceName struct{ Class, ID string }

// NameOf returns the name of the device that a share is of.
func NameOf(share berth.DeviceShare) DeviceName { return DeviceName{share.Class, share.ID} }
