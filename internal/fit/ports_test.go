package fit

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// The ports that are chosen are those that asking about each port by itself finds, the lowest first.
func TestPortsAreChosenAsEachIsAsked(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	someRanges := func() (ranges []berth.PortRange) {
		for p := 1 + rng.IntN(4); p < 40 && rng.IntN(5) > 0; p++ {
			last := p + rng.IntN(12)
			ranges = append(ranges, berth.PortRange{First: uint16(p), Last: uint16(last)})
			p = last + rng.IntN(5)
		}
		return ranges
	}
	somePorts := func(n int) []uint16 {
		ports := make([]uint16, rng.IntN(n))
		for i := range ports {
			ports[i] = uint16(1 + rng.IntN(50))
		}
		slices.Sort(ports)
		return ports
	}
	for range 20_000 {
		n := &berth.Node{Ports: someRanges()}
		used, asked, dynamic := somePorts(30), someRanges(), rng.IntN(8) // used ones may be there twice, or not be the node's
		if rng.IntN(2) == 0 {
			asked = nil
		}
		room := Unused(n, used)
		switch rng.IntN(3) {
		case 0:
			room.Back = slices.Compact(somePorts(10))
		case 1:
			room = Held(n, somePorts(20))
		}
		var fixed, want []uint16
		all := 0
		for p := uint16(1); p < 100; p++ {
			isAsked := slices.ContainsFunc(asked, func(r berth.PortRange) bool { return r.Contains(p) })
			free := room.Why(p) == berth.None
			if isAsked && free {
				fixed = append(fixed, p)
			}
			if !isAsked && slices.ContainsFunc(n.Ports, func(r berth.PortRange) bool { return r.Contains(p) }) {
				all++
			}
			if !isAsked && free && len(want) < dynamic {
				want = append(want, p)
			}
		}
		r := &berth.Requirements{Ports: asked, DynamicPorts: dynamic}
		granted, missing := choosePorts(r, room)
		require.Equal(t, append(fixed, want...), granted, "%v of %v, %+v", asked, n.Ports, room)
		require.Equal(t, all, room.others(asked), "%v of %v", asked, n.Ports)
		if _, missing := choosePorts(r, Unused(n, used)); true {
			require.Equal(t, len(missing) == 0, HasPorts(r, n, used), "%v and %d of %v, used %v", asked, dynamic, n.Ports, used)
		}
		short := slices.ContainsFunc(missing, func(s portShort) bool { return s.ports == nil })
		require.Equal(t, len(want) < dynamic, short)
	}
}
