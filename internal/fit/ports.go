package fit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// PortRoom says which ports a task can have: those of the node that do not meet any in use or, where it draws on holds, those that
// are held for it.
type PortRoom struct {
	Back []berth.Port // ascending: what is given back of the used ones

	node []berth.PortRange // by what they are of, see bySpace
	used []berth.Port      // ascending
	held []berth.Port      // ascending; nil where the task draws on no hold
}

// Unused returns those ports of a node that are not in use; these ascend.
func Unused(n *berth.Node, used []berth.Port) PortRoom {
	return PortRoom{node: bySpace(n.Ports), used: used}
}

// Held returns those ports of a node that are held for a task; these ascend.
func Held(n *berth.Node, held []berth.Port) PortRoom {
	if held == nil {
		held = []berth.Port{}
	}
	return PortRoom{node: bySpace(n.Ports), held: held}
}

// Why says why a task cannot have a port.
func (r PortRoom) Why(p berth.Port) berth.Code {
	switch {
	case !covered(r.node, p):
		return berth.NoPort
	case r.held != nil:
		if !isHeld(r.held, p) {
			return berth.NotHeld
		}
	case store.PortsMeeting(r.used, p) > store.PortsMeeting(r.Back, p): // adopted tasks can share a port
		return berth.PortTaken
	}
	return berth.None
}

// isHeld reports whether a port is one of those held, which ascend, or a part of one.
func isHeld(held []berth.Port, p berth.Port) bool {
	for _, h := range store.PortsOf(held, p.Number) {
		if h.Covers(p) {
			return true
		}
	}
	return false
}

// portShort is a request for ports that cannot be served, and the ports that stand in the way.
type portShort struct {
	why   berth.Reason
	ports []berth.Port
	free  int // of a request for any ports: how many there are
}

// choosePorts returns the ports that a task gets, or what is short of them.
func choosePorts(r *berth.Requirements, room PortRoom) (granted []berth.Port, missing []portShort) {
	for _, asked := range r.Ports {
		s := portShort{why: berth.Reason{Subject: asked.String()}}
		for n := int(asked.First); n <= int(asked.Last); n++ {
			p := portOf(asked, n)
			switch code := room.Why(p); {
			case code == berth.None:
				granted = append(granted, p)
			case s.why.Code == berth.None:
				s.why.Code, s.ports = code, append(s.ports, p)
			case code == s.why.Code:
				s.ports = append(s.ports, p)
			case code == berth.NoPort: // of a range that is partly taken and partly not the node's the latter is the worse
				s.why.Code, s.ports = code, []berth.Port{p}
			}
		}
		if s.why.Code != berth.None {
			missing = append(missing, s)
		}
	}
	if !slices.IsSortedFunc(granted, berth.Port.Compare) { // ranges of two protocols may have numbers in common
		slices.SortFunc(granted, berth.Port.Compare)
	}
	if r.DynamicPorts == 0 {
		return granted, missing
	}
	fixed, numbers := len(granted), numbersOf(r.Ports)
	granted = room.appendOthers(granted, numbers, r.DynamicPorts)
	if free := len(granted) - fixed; free < r.DynamicPorts {
		s := portShort{why: berth.Reason{Code: berth.PortTaken, Subject: fmt.Sprintf("%d of any number", r.DynamicPorts)}, free: free}
		switch {
		case room.others(numbers) < r.DynamicPorts:
			s.why.Code = berth.NoPort
		case room.held != nil:
			s.why.Code = berth.NotHeld
		}
		missing = append(missing, s)
	}
	return granted, missing
}

// portOf returns a port of a range by its number.
func portOf(r berth.PortRange, number int) berth.Port {
	return berth.Port{Number: uint16(number), Protocol: r.Protocol, Address: r.Address}
}

// HasPorts reports whether those ports of n that are not in use are enough for a task. It looks at each of them only where
// that may not be so.
func HasPorts(r *berth.Requirements, n *berth.Node, used []berth.Port) bool {
	room := Unused(n, used)
	for _, asked := range r.Ports {
		for n := int(asked.First); n <= int(asked.Last); n++ {
			if room.Why(portOf(asked, n)) != berth.None {
				return false
			}
		}
	}
	if r.DynamicPorts == 0 {
		return true
	}
	numbers := numbersOf(r.Ports)
	return room.others(numbers)-len(used) >= r.DynamicPorts || len(room.appendOthers(nil, numbers, r.DynamicPorts)) == r.DynamicPorts
}

// others returns how many ports for all protocols and at all addresses the node has of numbers other than those, which ascend and
// overlap nowhere.
func (r PortRoom) others(numbers []berth.PortRange) int {
	n := 0
	for _, had := range plain(r.node) {
		n += int(had.Last-had.First) + 1
		for len(numbers) > 0 && numbers[0].First <= had.Last {
			if first, last := max(had.First, numbers[0].First), min(had.Last, numbers[0].Last); first <= last {
				n -= int(last-first) + 1
			}
			if numbers[0].Last > had.Last {
				break // the rest of it may be in the next range
			}
			numbers = numbers[1:]
		}
	}
	return n
}

// appendOthers appends the lowest ports for all protocols and at all addresses that a task can have besides those numbers, up to so
// many. It walks the ports and those that are in use side by side.
func (r PortRoom) appendOthers(granted []berth.Port, numbers []berth.PortRange, most int) []berth.Port {
	if r.held != nil {
		for i, p := range r.held {
			isPlain := p.Protocol == berth.AllProtocols && p.Address == ""
			if most > 0 && isPlain && (i == 0 || r.held[i-1] != p) && covered(r.node, p) && !hasNumber(numbers, p.Number) {
				granted, most = append(granted, p), most-1
			}
		}
		return granted
	}
	used := r.used
	for _, had := range plain(r.node) {
		used = used[store.FirstPort(used, had.First):]
		for p := int(had.First); p <= int(had.Last) && most > 0; p++ {
			if len(r.Back) == 0 { // a long run of ports that are in use is passed by at once
				i := 0
				for i < len(used) && int(used[i].Number) == p && p < int(had.Last) {
					if i++; i == len(used) || int(used[i].Number) != p {
						p++
					}
				}
				used = used[i:]
			}
			taken := 0
			for len(used) > 0 && int(used[0].Number) == p {
				used, taken = used[1:], taken+1
			}
			port := berth.Port{Number: uint16(p)}
			if taken > 0 && taken > store.PortsMeeting(r.Back, port) || len(numbers) > 0 && hasNumber(numbers, port.Number) {
				continue
			}
			granted, most = append(granted, port), most-1
		}
	}
	return granted
}

// checkPorts says why ports that the caller wants are not what the group asks for, or not free.
func checkPorts(g *berth.Group, want *berth.Grant, room PortRoom) berth.Reason {
	ports := slices.SortedFunc(slices.Values(want.Ports), berth.Port.Compare) // there can be 65,535 good ones
	for i, p := range ports {
		if p.Number == 0 || i > 0 && p == ports[i-1] {
			return berth.Reason{Code: berth.Invalid, Subject: "grant of port 0, or of one port twice"}
		}
	}
	fixed, dynamic, strange := 0, 0, false
	spaces, numbers := bySpace(g.Requirements().Ports), numbersOf(g.Requirements().Ports)
	for _, p := range want.Ports {
		if code := room.Why(p); code != berth.None {
			return berth.Reason{Code: code, Subject: p.String()}
		}
		switch isPlain := p.Protocol == berth.AllProtocols && p.Address == ""; {
		case isOf(spaces, p):
			fixed++
		case isPlain && !hasNumber(numbers, p.Number):
			dynamic++
		default: // it is part of one that is asked for, or meets one
			strange = true
		}
	}
	asked := 0
	for _, r := range g.Requirements().Ports {
		asked += int(r.Last-r.First) + 1
	}
	if strange || fixed != asked || dynamic != g.Requirements().DynamicPorts {
		return berth.Reason{Code: berth.Invalid, Subject: "grant of ports the group did not ask for"}
	}
	return berth.Reason{}
}

// bySpace returns ranges in the order of their protocols, addresses and numbers: the plain ones, for all protocols and at all addresses,
// come first. Those of one protocol and address overlap nowhere.
func bySpace(ranges []berth.PortRange) []berth.PortRange {
	compare := func(a, b berth.PortRange) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Address, b.Address), cmp.Compare(a.First, b.First))
	}
	if slices.IsSortedFunc(ranges, compare) {
		return ranges
	}
	return slices.SortedFunc(slices.Values(ranges), compare)
}

// plain returns those of ranges, which are by space, that are for all protocols and at all addresses.
func plain(ranges []berth.PortRange) []berth.PortRange {
	if n := len(ranges); n == 0 || ranges[n-1].Protocol == berth.AllProtocols && ranges[n-1].Address == "" {
		return ranges
	}
	n, _ := slices.BinarySearchFunc(ranges, 0, func(r berth.PortRange, _ int) int {
		if r.Protocol == berth.AllProtocols && r.Address == "" {
			return -1
		}
		return 1
	})
	return ranges[:n]
}

// isOf reports whether a port is one of ranges of its own protocol and address. They are by space.
func isOf(ranges []berth.PortRange, p berth.Port) bool {
	i, found := slices.BinarySearchFunc(ranges, p, func(r berth.PortRange, p berth.Port) int {
		return cmp.Or(cmp.Compare(r.Protocol, p.Protocol), cmp.Compare(r.Address, p.Address), cmp.Compare(r.First, p.Number))
	})
	return found || i > 0 && portOf(ranges[i-1], int(p.Number)) == p && ranges[i-1].Contains(p)
}

// covered reports whether a port is one of ranges, which are by space, or a part of one.
func covered(ranges []berth.PortRange, p berth.Port) bool {
	number := berth.Port{Number: p.Number}
	if isOf(ranges, number) {
		return true
	}
	if n := len(ranges); n == 0 || ranges[n-1].Protocol == berth.AllProtocols && ranges[n-1].Address == "" {
		return false // all of them are plain
	}
	ofProtocol, atAddress := p, p
	ofProtocol.Address, atAddress.Protocol = "", berth.AllProtocols
	return isOf(ranges, ofProtocol) || isOf(ranges, atAddress) || isOf(ranges, p)
}

// numbersOf returns the numbers of ranges, which ascend by their numbers, as ranges that ascend and overlap nowhere.
func numbersOf(ranges []berth.PortRange) []berth.PortRange {
	overlaps := false
	for i := 1; i < len(ranges); i++ {
		overlaps = overlaps || ranges[i].First <= ranges[i-1].Last
	}
	if !overlaps {
		return ranges
	}
	var out []berth.PortRange
	for _, r := range ranges {
		if last := len(out) - 1; last >= 0 && r.First <= out[last].Last {
			out[last].Last = max(out[last].Last, r.Last)
		} else {
			out = append(out, berth.PortRange{First: r.First, Last: r.Last})
		}
	}
	return out
}

// hasNumber reports whether a number is in one of ranges that ascend and overlap nowhere.
func hasNumber(ranges []berth.PortRange, number uint16) bool {
	i, found := slices.BinarySearchFunc(ranges, number, func(r berth.PortRange, n uint16) int { return cmp.Compare(r.First, n) })
	return found || i > 0 && number <= ranges[i-1].Last
}
