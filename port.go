package berth

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Protocol is for which protocol a port is. Ports of one number and of two protocols are two ports.
type Protocol uint8

const (
	// AllProtocols is a port for all protocols together, which no task has together with one of that number for one of them. It
	// is the default.
	AllProtocols Protocol = iota
	TCP
	UDP
	SCTP
)

// Port is a port of a node: a number, for a protocol or for all, at an address of the node or at all of them. Ports compare with ==.
//
// Two ports meet, and no two tasks of a node have them, if the numbers are equal, the protocols are or one is all, and the
// addresses are or one is all: 80 meets 80/tcp, which meets 10.0.0.1:80/tcp, which meets neither 10.0.0.2:80/tcp nor 80/udp.
// That is what Kubernetes says of hostPort, protocol and hostIP.
type Port struct {
	Number   uint16
	Protocol Protocol
	// Address is an IP address in its usual form, or a name of letters, digits and "._-" for one that differs from node to node, as
	// that of a host network of Nomad does. The default is all addresses of the node; 0.0.0.0 and :: are faults, for they mean the same.
	Address string
}

// PortRange is the ports from First to Last, both included, for a protocol or for all, at an address or at all.
type PortRange struct {
	First, Last uint16
	Protocol    Protocol
	Address     string // as that of a [Port]
}

// String prints "80", "80/udp", "10.0.0.1:80/tcp" or "[fd00::1]:80".
func (p Port) String() string { return p.one().String() }

func (p Port) one() PortRange {
	return PortRange{First: p.Number, Last: p.Number, Protocol: p.Protocol, Address: p.Address}
}

// Compare orders ports by number, then by protocol, then by address.
func (p Port) Compare(o Port) int {
	return cmp.Or(cmp.Compare(p.Number, o.Number), cmp.Compare(p.Protocol, o.Protocol), cmp.Compare(p.Address, o.Address))
}

// Meets reports whether no two tasks of a node can have both ports.
func (p Port) Meets(o Port) bool {
	return p.Number == o.Number && (p.Protocol == o.Protocol || p.Protocol == AllProtocols || o.Protocol == AllProtocols) &&
		(p.Address == o.Address || p.Address == "" || o.Address == "")
}

// Covers reports whether o is p, or a part of it: who has p has o.
func (p Port) Covers(o Port) bool { return p.one().Contains(o) }

// String prints "80", "8000-8999/udp" or "10.0.0.1:8000-8999/tcp".
func (r PortRange) String() string {
	s := strconv.Itoa(int(r.First))
	if r.First != r.Last {
		s += "-" + strconv.Itoa(int(r.Last))
	}
	switch {
	case r.Address == "":
	case strings.Contains(r.Address, ":"):
		s = "[" + r.Address + "]:" + s
	default:
		s = r.Address + ":" + s
	}
	if r.Protocol != AllProtocols {
		s += "/" + r.Protocol.String()
	}
	return s
}

// Contains reports whether a port is one of the range, or a part of one of it.
func (r PortRange) Contains(p Port) bool {
	return r.First <= p.Number && p.Number <= r.Last && (r.Protocol == p.Protocol || r.Protocol == AllProtocols) &&
		(r.Address == p.Address || r.Address == "")
}

// isPlain reports whether the range is of ports for all protocols and at all addresses.
func (r PortRange) isPlain() bool { return r.Protocol == AllProtocols && r.Address == "" }

// Err says all that is wrong with the port, or returns nil.
func (p Port) Err() error { return p.one().Err() }

// Err says all that is wrong with the range, or returns nil.
func (r PortRange) Err() error {
	var faults []string
	if r.First == 0 || r.First > r.Last {
		faults = append(faults, "not a range of ports from 1 on")
	}
	if r.Protocol > SCTP {
		faults = append(faults, fmt.Sprintf("unknown %v", r.Protocol))
	}
	if fault := addressFault(r.Address); fault != "" {
		faults = append(faults, fault)
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("ports %s: %s", r, strings.Join(faults, "; "))
}

// addressFault says what is wrong with the address of a port.
func addressFault(address string) string {
	if address == "" {
		return ""
	}
	if a, err := netip.ParseAddr(address); err == nil {
		switch plain := a.Unmap().WithZone("").String(); {
		case a.IsUnspecified():
			return fmt.Sprintf("address %q: leave it out for all addresses", address)
		case plain != address:
			return fmt.Sprintf("address %q: write %q", address, plain)
		}
		return ""
	}
	for i := range len(address) {
		if c := address[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-", c) >= 0) {
			return fmt.Sprintf("address %q is neither an IP address nor a name of letters, digits and \"._-\"", address)
		}
	}
	return ""
}

// MarshalText returns what String prints.
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), p.Err() }

// MarshalText returns what String prints.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), r.Err() }

// UnmarshalText reads what String prints. It fails, and leaves p as it is, for anything else, and for a port that is at fault.
func (p *Port) UnmarshalText(text []byte) error {
	var r PortRange
	if err := r.UnmarshalText(text); err != nil {
		return err
	}
	if r.First != r.Last {
		return fmt.Errorf("ports %q: more than one port", text)
	}
	*p = Port{r.First, r.Protocol, r.Address}
	return nil
}

// UnmarshalText reads what String prints. It fails, and leaves r as it is, for anything else, and for a range that is at fault.
func (r *PortRange) UnmarshalText(text []byte) error {
	read, err := parsePorts(string(text))
	if err == nil {
		err = read.Err()
	}
	if err == nil && read.String() != string(text) {
		err = errNotPrinted
	}
	if err != nil {
		return fmt.Errorf("ports %q: %w", text, err)
	}
	*r = read
	return nil
}

func parsePorts(text string) (r PortRange, err error) {
	if at := strings.LastIndexByte(text, '/'); at >= 0 {
		if err := r.Protocol.UnmarshalText([]byte(text[at+1:])); err != nil {
			return r, err
		}
		text = text[:at]
	}
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		r.Address, text = text[:at], text[at+1:]
		if inner, ok := strings.CutPrefix(r.Address, "["); ok {
			r.Address = strings.TrimSuffix(inner, "]")
		}
	}
	first, last, many := strings.Cut(text, "-")
	if !many {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	r.First, r.Last = uint16(a), uint16(b)
	return r, errors.Join(errA, errB)
}

// checkPorts returns what is wrong with ranges that are of one node or task.
func checkPorts(ranges []PortRange) error {
	var errs []error
	sorted := sortedPorts(ranges)
	good := sorted[:0:0]
	for _, r := range sorted {
		if err := r.Err(); err != nil {
			errs = append(errs, err)
		} else {
			good = append(good, r)
		}
	}
	for r, other := range meetings(good) {
		errs = append(errs, fmt.Errorf("ports %s overlap ports %s", r, other))
	}
	return errors.Join(errs...)
}

// faultyPorts yields what is wrong with ports that one grant or hold has, in ascending order. There can be 65,535 good ones.
func faultyPorts(ports []Port) iter.Seq[error] {
	return func(yield func(error) bool) {
		good := make([]PortRange, 0, len(ports))
		for _, p := range slices.SortedFunc(slices.Values(ports), Port.Compare) {
			switch err := p.Err(); {
			case err == nil:
				good = append(good, p.one())
			case p.Number == 0:
				err = fmt.Errorf("port %v: there is none of number 0", p)
				fallthrough
			default:
				if !yield(err) {
					return
				}
			}
		}
		for r, other := range meetings(good) {
			err := fmt.Errorf("port %s: named with port %s, which is the same or a part of it", r, other)
			if r == other {
				err = fmt.Errorf("port %s: named twice", r)
			}
			if !yield(err) {
				return
			}
		}
	}
}

// meetings yields the ranges that meet one before them, and the one of those that reaches farthest. The ranges ascend. It takes time in
// proportion to their number, however many meet: of each protocol and address it is enough to know how far the ranges so far reach.
func meetings(ranges []PortRange) iter.Seq2[PortRange, PortRange] {
	return func(yield func(r, other PortRange) bool) {
		type space struct {
			protocol Protocol
			address  string
		}
		var plain PortRange              // reaches farthest of those that are plain
		var at map[space]PortRange       // of those that are not, by what they are of
		var anywhere [SCTP + 1]PortRange // and by their protocol
		farther := func(r *PortRange, o PortRange) {
			if o.Last > r.Last {
				*r = o
			}
		}
		for _, r := range ranges {
			met := plain
			for q := range SCTP + 1 {
				if r.Protocol != q && r.Protocol != AllProtocols && q != AllProtocols {
					continue
				}
				if r.Address == "" {
					farther(&met, anywhere[q])
				} else if at != nil {
					farther(&met, at[space{q, r.Address}])
					farther(&met, at[space{q, ""}])
				}
			}
			if r.First <= met.Last && !yield(r, met) {
				return
			}
			if r.isPlain() {
				farther(&plain, r)
				continue
			}
			if at == nil {
				at = map[space]PortRange{}
			}
			own := at[space{r.Protocol, r.Address}]
			farther(&own, r)
			at[space{r.Protocol, r.Address}] = own
			farther(&anywhere[r.Protocol], r)
		}
	}
}

// sortedPorts returns ranges in ascending order of their numbers.
func sortedPorts(ranges []PortRange) []PortRange {
	return slices.SortedFunc(slices.Values(ranges), func(a, b PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Address, b.Address))
	})
}
