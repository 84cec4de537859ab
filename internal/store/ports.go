package store

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
)

// Ports in use are kept as an ascending list, in which one is as often as there are tasks that have it: adopted ones can share one.

// FirstPort returns where the ports of a number or above begin.
func FirstPort(ports []berth.Port, number uint16) int {
	i, _ := slices.BinarySearchFunc(ports, number, func(p berth.Port, n uint16) int { return cmp.Compare(p.Number, n) })
	return i
}

// PortsOf returns the ports of one number.
func PortsOf(ports []berth.Port, number uint16) []berth.Port {
	ports = ports[FirstPort(ports, number):]
	n := 0
	for n < len(ports) && ports[n].Number == number {
		n++
	}
	return ports[:n]
}

// PortsMeeting returns how many of the ports meet one.
func PortsMeeting(ports []berth.Port, p berth.Port) (n int) {
	if len(ports) == 0 {
		return 0
	}
	for _, o := range PortsOf(ports, p.Number) {
		if o.Meets(p) {
			n++
		}
	}
	return n
}

// HasPort reports whether a port is one of the list.
func HasPort(ports []berth.Port, p berth.Port) bool {
	_, ok := slices.BinarySearchFunc(ports, p, berth.Port.Compare)
	return ok
}

// SortedPorts returns ports in ascending order: the same list, where they are.
func SortedPorts(ports []berth.Port) []berth.Port {
	if slices.IsSortedFunc(ports, berth.Port.Compare) {
		return ports
	}
	return slices.SortedFunc(slices.Values(ports), berth.Port.Compare)
}

// MergePorts returns the ports of two ascending lists, ascending.
func MergePorts(a, b []berth.Port) []berth.Port {
	out := make([]berth.Port, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		i, _ := slices.BinarySearchFunc(a, b[0], berth.Port.Compare)
		out = append(append(out, a[:i]...), b[0])
		a, b = a[i:], b[1:]
	}
	return append(append(out, a...), b...)
}

// WithoutPorts returns a less one occurrence of each of b, both ascending.
func WithoutPorts(a, b []berth.Port) []berth.Port {
	out := make([]berth.Port, 0, len(a))
	for _, p := range a {
		for len(b) > 0 && b[0].Compare(p) < 0 {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == p {
			b = b[1:]
			continue
		}
		out = append(out, p)
	}
	return out
}
