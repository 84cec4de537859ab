package fit

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// The ports that are chosen are those that asking about each port by itself finds, the lowest first.
func TestPortsAreChosenAsEachIsAsked(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	space := func(p *berth.PortRange) {
		if rng.IntN(3) == 0 {
			p.Protocol, p.Address = berth.Protocol(rng.IntN(3)), []string{"", "", "a", "b"}[rng.IntN(4)]
		}
	}
	someRanges := func(spaces bool) (ranges []berth.PortRange) {
		for p := 1 + rng.IntN(4); p < 40 && rng.IntN(5) > 0; p++ {
			last := p + rng.IntN(12)
			r := berth.PortRange{First: uint16(p), Last: uint16(last)}
			if spaces {
				if space(&r); r.Protocol == berth.TCP && rng.IntN(2) == 0 { // the same numbers for another protocol
					ranges = append(ranges, berth.PortRange{First: r.First, Last: r.Last, Protocol: berth.UDP})
				}
			}
			ranges = append(ranges, r)
			p = last + rng.IntN(5)
		}
		slices.SortFunc(ranges, func(a, b berth.PortRange) int {
			return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Protocol, b.Protocol))
		})
		return ranges
	}
	somePorts := func(n int, spaces bool) []berth.Port {
		ports := make([]berth.Port, rng.IntN(n))
		for i := range ports {
			r := berth.PortRange{First: uint16(1 + rng.IntN(50))}
			if spaces {
				space(&r)
			}
			ports[i] = berth.Port{Number: r.First, Protocol: r.Protocol, Address: r.Address}
		}
		slices.SortFunc(ports, berth.Port.Compare)
		return ports
	}
	for i := range 20_000 {
		spaces := i%2 == 0
		n := &berth.Node{Ports: someRanges(spaces)}
		used, asked, dynamic := somePorts(30, spaces), someRanges(spaces), rng.IntN(8) // used ones may be there twice, or not be the node's
		if rng.IntN(2) == 0 {
			asked = nil
		}
		room := Unused(n, used)
		switch rng.IntN(3) {
		case 0:
			room.Back = slices.Compact(somePorts(10, spaces))
		case 1:
			room = Held(n, somePorts(20, spaces))
		}
		var fixed, want []berth.Port
		all := 0
		for number := uint16(1); number < 100; number++ {
			isAsked := false
			for _, r := range asked {
				if p := (berth.Port{Number: number, Protocol: r.Protocol, Address: r.Address}); r.Contains(p) {
					if isAsked = true; room.Why(p) == berth.None {
						fixed = append(fixed, p)
					}
				}
			}
			p := berth.Port{Number: number}
			if !isAsked && slices.ContainsFunc(n.Ports, func(r berth.PortRange) bool { return r.Contains(p) }) {
				all++
			}
			if !isAsked && room.Why(p) == berth.None && len(want) < dynamic {
				want = append(want, p)
			}
		}
		r := &berth.Requirements{Ports: asked, DynamicPorts: dynamic}
		granted, missing := choosePorts(r, room)
		require.Equal(t, append(fixed, want...), granted, "%v of %v, %+v", asked, n.Ports, room)
		require.Equal(t, all, room.others(numbersOf(asked)), "%v of %v", asked, n.Ports)
		if _, missing := choosePorts(r, Unused(n, used)); true {
			require.Equal(t, len(missing) == 0, HasPorts(r, n, used), "%v and %d of %v, used %v", asked, dynamic, n.Ports, used)
		}
		short := slices.ContainsFunc(missing, func(s portShort) bool { return s.ports == nil })
		require.Equal(t, len(want) < dynamic, short)
		for range 5 { // the port that the ranges have by looking at each
			p := somePorts(2, spaces)
			for _, p := range p {
				require.Equal(t, slices.ContainsFunc(n.Ports, func(r berth.PortRange) bool { return r.Contains(p) }), covered(bySpace(n.Ports), p))
			}
		}
	}
}
