package constraints

import (
	"fmt"
	"net/netip"
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
	var bad []string
	for _, text := range networks {
		network, ok := parseNetwork(text)
		if !ok {
			bad = append(bad, fmt.Sprintf("%q is neither a network nor an address", text))
			values = append(values, text)
			continue
		}
		values = append(values, network.String())
	}
	c := compareAny(attribute, inNetwork, values)
	c.faults.add(bad...)
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

// inNetwork reports whether a text is an address in one of the networks.
func (c Comparison) inNetwork(text string) bool {
	address, ok := parseAddress(text)
	if !ok {
		return false
	}
	for line := range strings.SplitSeq(strings.Trim(c.operands, "\n"), "\n") {
		network, err := strconv.Unquote(line)
		if p, ok := parseNetwork(network); err == nil && ok && p.Contains(address) {
			return true
		}
	}
	return false
}
