package constraints

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Everywhere allows every node.
func Everywhere() Comparison { return Comparison{op: anyNode} }

// Nowhere allows no node, and so is a term of a Kubernetes node affinity without expressions.
func Nowhere() Comparison { return Comparison{op: noNode} }

// ContainsAll allows nodes whose attribute, read as a list with commas between its items, has all of the items, of which
// there must be at least one. Spaces around an item do not count (set_contains_all in Nomad).
func ContainsAll(attribute string, items ...string) Comparison {
	return compareItems(attribute, containsAll, items)
}

// ContainsAny allows nodes whose attribute, read as a list with commas between its items, has at least one of the items
// (set_contains_any in Nomad).
func ContainsAny(attribute string, items ...string) Comparison {
	return compareItems(attribute, containsAny, items)
}

func compareItems(attribute string, op operator, items []string) Comparison {
	values := make([]any, len(items))
	for i, item := range items {
		values[i] = strings.TrimSpace(item)
	}
	c := compareAny(attribute, op, values)
	var bad []string
	for _, item := range items {
		if strings.Contains(item, ",") {
			bad = append(bad, fmt.Sprintf("item %q has a comma, which no item of a list can have", item))
		}
	}
	c.faults.add(bad...)
	return c
}

// contains reports whether a list has what the rule asks for.
func (c Comparison) contains(list string) bool {
	has := map[string]bool{}
	for item := range strings.SplitSeq(list, ",") {
		has[strconv.Quote(strings.TrimSpace(item))] = true
	}
	for item := range strings.SplitSeq(strings.Trim(c.operands, "\n"), "\n") {
		if has[item] != (c.op == containsAll) {
			return c.op == containsAny
		}
	}
	return c.op == containsAll
}

// InNetwork allows nodes whose attribute is an IP address in one of the networks, of which there must be at least one:
// "10.0.0.0/8", "fd00::/8", or one address, "10.1.2.3". An IPv4 address is the same written as IPv6, ::ffff:10.1.2.3; zones are
// not looked at. What reads as neither a network nor an address is a fault (node.ip in SwarmKit).
func InNetwork(attribute string, networks ...string) Comparison {
	values := make([]any, 0, len(networks))
	var parsed []netip.Prefix
	var bad []string
	for _, text := range networks {
		network, ok := parseNetwork(text)
		if !ok {
			bad = append(bad, fmt.Sprintf("%q is neither a network nor an address", text))
			values = append(values, text)
			continue
		}
		parsed = append(parsed, network)
		values = append(values, network.String())
	}
	c := compareAny(attribute, inNetwork, values)
	c.faults.add(bad...)
	c.encoded = encodeNetworks(parsed)
	return c
}

// parseNetwork reads a network or the one of a single address. Bits of the address beyond the prefix are of no account.
func parseNetwork(text string) (netip.Prefix, bool) {
	if address, ok := parseAddress(text); ok {
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

func parseAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}

// inNetwork reports whether a text is an address in one of the networks: O(log networks).
func (c Comparison) inNetwork(text string) bool {
	address, ok := parseAddress(text)
	if !ok {
		return false
	}
	key := encodeAddress(address)
	after := sort.Search(len(c.encoded)/encodedNetwork, func(i int) bool { // the first that begins beyond the address
		return c.encoded[i*encodedNetwork:i*encodedNetwork+encodedAddress] > string(key[:])
	})
	return after > 0 && string(key[:]) <= c.encoded[after*encodedNetwork-encodedAddress:after*encodedNetwork]
}

// Networks are encoded as their first and last addresses, in ascending order. None of them overlap: of two networks one is within
// the other, or they have nothing in common.
const (
	encodedAddress = 1 + 16 // the family and the address, so that the order of bytes is that of addresses
	encodedNetwork = 2 * encodedAddress
)

func encodeAddress(a netip.Addr) (key [encodedAddress]byte) {
	key[0] = '6'
	if a.Is4() {
		key[0] = '4'
	}
	all := a.As16()
	copy(key[1:], all[:])
	return key
}

func encodeNetworks(networks []netip.Prefix) string {
	slices.SortFunc(networks, netip.Prefix.Compare) // one network before those within it
	encoded := make([]byte, 0, len(networks)*encodedNetwork)
	for i, network := range networks {
		if at := len(encoded) - encodedAddress; i > 0 {
			if first := encodeAddress(network.Addr()); string(first[:]) <= string(encoded[at:]) {
				continue // within the one before
			}
		}
		first := encodeAddress(network.Addr())
		last := first
		for bit := 8*encodedAddress - (network.Addr().BitLen() - network.Bits()); bit < 8*encodedAddress; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		encoded = append(append(encoded, first[:]...), last[:]...)
	}
	return string(encoded)
}
