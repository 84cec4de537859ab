package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/placement"
)

// Devices that break, go, come back and change places, under tasks that have them: the engine picks and explains as the
// reference does, whether it is warm or new, and so it does of amounts no node has, of gangs and of resources that some
// nodes have as devices and others by amount.
func TestDevicesAndReasonsAsTheReference(t *testing.T) {
	runs := 36
	if testing.Short() {
		runs = 12
	}
	codes := map[berth.Code]int{}
	for seed := range runs {
		rng := rand.New(rand.NewPCG(uint64(seed), 23))
		node := func(i int) berth.Node {
			n := plain(fmt.Sprintf("n%02d", i), int64(1+rng.IntN(4))*1000, int64(1+rng.IntN(3))<<30)
			n.Attributes = berth.Attributes{"zone": fmt.Sprint("z", rng.IntN(3))}
			for _, k := range rng.Perm(4)[:rng.IntN(4)] {
				n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: string(rune('A' + k%2)), ID: fmt.Sprint("card", k), Unhealthy: rng.IntN(5) == 0})
			}
			if rng.IntN(5) == 0 {
				n.Devices, n.Capacity["gpu"] = nil, int64(rng.IntN(4))*500
			}
			if rng.IntN(4) == 0 {
				delete(n.Attributes, "zone")
			}
			n.Ports = []berth.PortRange{{First: 80, Last: 82}}
			return n
		}
		group := func(name string) *berth.Group {
			spec := berth.GroupSpec{Request: berth.Resources{"cpu": int64(rng.IntN(6)) * 500, "memory": int64(rng.IntN(4)) << 29}}
			switch rng.IntN(8) {
			case 4:
				share := func() berth.DeviceRequest {
					d := berth.DeviceRequest{Class: "gpu", Share: int64(1+rng.IntN(10)) * 100}
					if rng.IntN(2) == 0 {
						d.Models = []string{string(rune('A' + rng.IntN(2)))}
					}
					return d
				}
				spec.Devices = []berth.DeviceRequest{share(), share()}
				if rng.IntN(3) == 0 {
					spec.Devices = append(spec.Devices, berth.DeviceRequest{Class: "gpu", Count: 1})
				}
			case 0:
				spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1 + rng.IntN(2)}}
			case 1:
				spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: int64(1+rng.IntN(10)) * 100, Models: []string{"A"}}}
			case 2:
				spec.Request["gpu"] = 500
			case 3:
				spec.Ports = []berth.PortRange{{First: 80, Last: 80}}
			}
			switch rng.IntN(6) {
			case 0:
				spec.Rules = []berth.Constraint{constraints.MaxPer("zone", 1+rng.IntN(3))}
			case 1:
				spec.Rules = []berth.Constraint{constraints.GroupBy(berth.NodeID)}
			case 2:
				spec.Rules = []berth.Constraint{constraints.NotEq("zone", "z1")}
			}
			switch rng.IntN(5) {
			case 0:
				spec.Mode, spec.GangSize = berth.Gang, 1+rng.IntN(6)
			case 1:
				spec.Mode = berth.Daemon
			}
			return berth.NewGroup(name, spec)
		}
		st := store.New()
		f := (*cluster.Fork)(checked.Over(st))
		// withhold makes all that is free of a node others', and the node one that is not offered, as a Book does.
		withhold := func(i int) {
			n, _ := f.Node(fmt.Sprintf("n%02d", i))
			node := n.Node()
			h := berth.Hold{ID: fmt.Sprint("rest", i), Owner: "others", Node: n.ID(), Resources: n.Free(), Deadline: time.Unix(1, 0), Ports: []berth.Port{{Number: 80}, {Number: 81}, {Number: 82}}}
			for k, units := range n.FreeDevices() {
				delete(h.Resources, "gpu")
				if units > 0 {
					h.Devices = append(h.Devices, berth.DeviceShare{Class: "gpu", ID: node.DeviceID(k), Units: units})
				}
			}
			if _, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &h}); why.Code == berth.None {
				row, _ := st.FindNode(n.ID())
				st.Withhold(row, true)
			}
		}
		for i := range 12 {
			require.NoError(t, f.AddNodes(node(i)))
		}
		warm := pairOf([]placement.Strategy{placement.BinPack(), placement.Spread("zone")}[seed%2])
		tasks := 0
		for round := range 8 {
			s := f.Snapshot()
			fresh := placement.NewEngine(warm.strategy)
			for _, p := range []placement.Picker{warm.engine, warm.reference, fresh} {
				p.Start(s)
			}
			var ops []berth.Op
			for k := range 6 {
				g := group(fmt.Sprint("g", round, "-", k))
				var picked []berth.Op
				for range 4 {
					if g.Mode() == berth.Daemon {
						break
					}
					tasks++
					task := g.Task(fmt.Sprint("t", tasks))
					want, wantOK := warm.reference.Place(task)
					for _, p := range []placement.Picker{warm.engine, fresh} {
						got, ok := p.Place(task)
						require.Equal(t, wantOK, ok, "seed %d", seed)
						require.Equal(t, want.String(), got.String(), "seed %d", seed)
					}
					if wantOK {
						picked = append(picked, want)
					}
				}
				e := warm.reference.Explain(g)
				for _, c := range e.Counts {
					codes[c.Reason.Code]++
				}
				require.Equal(t, e, warm.engine.Explain(g), "seed %d: %+v", seed, g.Spec())
				require.Equal(t, e, fresh.Explain(g), "seed %d: %+v", seed, g.Spec())
				if g.Mode() == berth.Daemon {
					var missed [3][]string
					for i, p := range []placement.Picker{warm.reference, warm.engine, fresh} {
						p.Cover(g, func(op berth.Op) { missed[i] = append(missed[i], op.String()) }, func(node string, lacks []berth.Lack) {
							missed[i] = append(missed[i], fmt.Sprint(node, lacks))
						})
					}
					require.Equal(t, missed[0], missed[1], "seed %d", seed)
					require.Equal(t, missed[0], missed[2], "seed %d", seed)
				}
				if g.Mode() == berth.Gang && rng.IntN(2) == 0 {
					for _, op := range picked {
						for _, p := range []placement.Picker{warm.engine, warm.reference, fresh} {
							p.Undo(op)
						}
					}
					e := warm.reference.Explain(g)
					require.Equal(t, g.GangSize(), e.Missing)
					require.Equal(t, e, warm.engine.Explain(g), "seed %d", seed)
					require.Equal(t, e, fresh.Explain(g), "seed %d", seed)
					continue
				}
				ops = append(ops, picked...)
			}
			apply(f, ops)
			if tasks++; rng.IntN(3) == 0 {
				g := group(fmt.Sprint("adopted", tasks))
				grant := &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: fmt.Sprint("card", rng.IntN(5)), Units: 500}}}
				require.NoError(t, f.Adopt(g.Task(fmt.Sprint("t", tasks)), fmt.Sprintf("n%02d", rng.IntN(12)), grant, berth.Running))
			}
			if i := rng.IntN(12); rng.IntN(2) == 0 {
				withhold(i)
			}
			for range rng.IntN(4) {
				n := node(rng.IntN(12))
				if row, _ := st.FindNode(n.ID); !st.Node(row).Withheld {
					require.NoError(t, f.UpdateNodes(n))
				}
			}
		}
	}
	for _, c := range []berth.Code{
		berth.Insufficient, berth.TooSmall, berth.ByDevice, berth.NoDevice, berth.DeviceUnhealthy, berth.DeviceTaken, berth.PortTaken,
		berth.NoDomain, berth.DomainFull, berth.RuleBroken, berth.NotOffered,
	} {
		assert.Positive(t, codes[c], "%v", c)
	}
}
