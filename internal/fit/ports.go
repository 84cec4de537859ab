package fit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// PortRoom says which ports a task can have: those of the node that are not in use or, where it draws on holds, those that
// are held for it.
type PortRoom struct {
	Back []uint16 // ascending: what is given back of the used ones

	node []berth.PortRange // ascending
	used []uint16          // ascending
	held []uint16          // ascending; nil where the task draws on no hold
}

// Unused returns those ports of a node that are not in use; these ascend.
func Unused(n *berth.Node, used []uint16) PortRoom {
	return PortRoom{node: sortedPorts(n.Ports), used: used}
}

// Held returns those ports of a node that are held for a task; these ascend.
func Held(n *berth.Node, held []uint16) PortRoom {
	if held == nil {
		held = []uint16{}
	}
	return PortRoom{node: sortedPorts(n.Ports), held: held}
}

// Why says why a task cannot have a port.
func (r PortRoom) Why(p uint16) berth.Code {
	if !hasPort(r.node, p) {
		return berth.NoPort
	}
	if r.held != nil {
		if !has(r.held, p) {
			return berth.NotHeld
		}
		return berth.None
	}
	at, taken := slices.BinarySearch(r.used, p)
	if !taken {
		return berth.None
	}
	if has(r.Back, p) && (at+1 == len(r.used) || r.used[at+1] != p) { // adopted tasks can share a port
		return berth.None
	}
	return berth.PortTaken
}

// portShort is a request for ports that cannot be served, and the ports that stand in the way.
type portShort struct {
	why   berth.Reason
	ports []uint16
	free  int // of a request for any ports: how many there are
}

// choosePorts returns the ports that a task gets, or what is short of them.
func choosePorts(r *berth.Requirements, room PortRoom) (granted []uint16, missing []portShort) {
	for _, asked := range r.Ports {
		s := portShort{why: berth.Reason{Subject: asked.String()}}
		for p := int(asked.First); p <= int(asked.Last); p++ {
			switch code := room.Why(uint16(p)); {
			case code == berth.None:
				granted = append(granted, uint16(p))
			case s.why.Code == berth.None:
				s.why.Code, s.ports = code, append(s.ports, uint16(p))
			case code == s.why.Code:
				s.ports = append(s.ports, uint16(p))
			case code == berth.NoPort: // of a range that is partly taken and partly not the node's the latter is the worse
				s.why.Code, s.ports = code, []uint16{uint16(p)}
			}
		}
		if s.why.Code != berth.None {
			missing = append(missing, s)
		}
	}
	if r.DynamicPorts == 0 {
		return granted, missing
	}
	fixed := len(granted)
	granted = room.appendOthers(granted, r.Ports, r.DynamicPorts)
	if free := len(granted) - fixed; free < r.DynamicPorts {
		s := portShort{why: berth.Reason{Code: berth.PortTaken, Subject: fmt.Sprintf("%d of any number", r.DynamicPorts)}, free: free}
		switch {
		case room.others(r.Ports) < r.DynamicPorts:
			s.why.Code = berth.NoPort
		case room.held != nil:
			s.why.Code = berth.NotHeld
		}
		missing = append(missing, s)
	}
	return granted, missing
}

// HasPorts reports whether those ports of n that are not in use are enough for a task. It looks at each of them only where
// that may not be so.
func HasPorts(r *berth.Requirements, n *berth.Node, used []uint16) bool {
	room := Unused(n, used)
	for _, asked := range r.Ports {
		for p := int(asked.First); p <= int(asked.Last); p++ {
			if room.Why(uint16(p)) != berth.None {
				return false
			}
		}
	}
	return r.DynamicPorts == 0 || room.others(r.Ports)-len(used) >= r.DynamicPorts ||
		len(room.appendOthers(nil, r.Ports, r.DynamicPorts)) == r.DynamicPorts
}

// others returns how many ports the node has that are none of those that are asked for by number.
func (r PortRoom) others(asked []berth.PortRange) int {
	n := 0
	for _, had := range r.node {
		n += int(had.Last-had.First) + 1
		for len(asked) > 0 && asked[0].First <= had.Last {
			if first, last := max(had.First, asked[0].First), min(had.Last, asked[0].Last); first <= last {
				n -= int(last-first) + 1
			}
			if asked[0].Last > had.Last {
				break // the rest of it may be in the next range
			}
			asked = asked[1:]
		}
	}
	return n
}

// appendOthers appends the lowest ports that a task can have besides those that it asks for by number, up to so many. It
// walks the ports and those that are in use side by side.
func (r PortRoom) appendOthers(granted []uint16, asked []berth.PortRange, most int) []uint16 {
	if r.held != nil {
		for i, p := range r.held {
			if most > 0 && (i == 0 || r.held[i-1] != p) && hasPort(r.node, p) && !hasPort(asked, p) {
				granted, most = append(granted, p), most-1
			}
		}
		return granted
	}
	used := r.used
	for _, had := range r.node {
		at, _ := slices.BinarySearch(used, had.First)
		used = used[at:]
		for p := int(had.First); p <= int(had.Last) && most > 0; p++ {
			if len(r.Back) == 0 { // a long run of ports that are in use is passed by at once
				i := 0
				for i < len(used) && int(used[i]) == p && p < int(had.Last) {
					if i++; i == len(used) || int(used[i]) != p {
						p++
					}
				}
				used = used[i:]
			}
			tasks := 0 // that have the port: adopted ones can share it
			for len(used) > 0 && int(used[0]) == p {
				used, tasks = used[1:], tasks+1
			}
			if tasks > 0 && (tasks > 1 || !has(r.Back, uint16(p))) || len(asked) > 0 && hasPort(asked, uint16(p)) {
				continue
			}
			granted, most = append(granted, uint16(p)), most-1
		}
	}
	return granted
}

func has(ports []uint16, p uint16) bool {
	_, ok := slices.BinarySearch(ports, p)
	return ok
}

// checkPorts says why ports that the caller wants are not what the group asks for, or not free.
func checkPorts(g *berth.Group, want *berth.Grant, room PortRoom) berth.Reason {
	ports := slices.Sorted(slices.Values(want.Ports)) // there can be 65,535 good ones
	for i, p := range ports {
		if p == 0 || i > 0 && p == ports[i-1] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of port 0, or of one port twice"}
		}
	}
	fixed, dynamic := 0, 0
	for _, p := range want.Ports {
		if code := room.Why(p); code != berth.None {
			return berth.Reason{Code: code, Subject: OnePort(p)}
		}
		if hasPort(g.Requirements().Ports, p) {
			fixed++
		} else {
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

// OnePort prints a port as a reason names it.
func OnePort(p uint16) string { return berth.PortRange{First: p, Last: p}.String() }

func sortedPorts(ranges []berth.PortRange) []berth.PortRange {
	byFirst := func(a, b berth.PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	}
	if slices.IsSortedFunc(ranges, byFirst) {
		return ranges
	}
	return slices.SortedFunc(slices.Values(ranges), byFirst)
}

// hasPort reports whether a port is in one of the ranges, which are ascending and overlap nowhere.
func hasPort(ranges []berth.PortRange, p uint16) bool {
	i, found := slices.BinarySearchFunc(ranges, p, func(r berth.PortRange, p uint16) int { return cmp.Compare(r.First, p) })
	return found || i > 0 && ranges[i-1].Contains(p)
}
