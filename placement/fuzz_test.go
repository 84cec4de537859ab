package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// script is the bytes of a fuzz case, read as commands; beyond their end it reads zeros.
type script struct{ rest []byte }

func (s *script) next(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % n
}

// FuzzEngine reads a history of a cluster and compares every decision of one engine with those of the
// reference. The first byte picks the strategy; every command begins with its number:
//
//	0 add a node   1 remove one   2 update one   3 cordon or not   4 release a task   5 hold room
//	6 plan on the present and commit   7 plan on the present and forget   8 plan on the past
func FuzzEngine(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 1, 0, 2, 2, 2, 6, 5, 1, 1, 0, 9})
	f.Add([]byte{2, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 6, 9, 2, 0, 1, 4, 0, 6, 3, 3, 3, 8, 0, 2, 2})
	f.Add([]byte{5, 0, 3, 0, 1, 0, 1, 2, 1, 6, 30, 2, 2, 3, 1, 1, 6, 20, 1, 1, 4, 8, 0, 7, 4, 4, 4})
	f.Add([]byte{11, 0, 2, 2, 2, 0, 1, 1, 1, 0, 0, 0, 0, 7, 40, 5, 0, 0, 2, 0, 6, 6, 40, 3, 1, 0, 3, 1})
	f.Add([]byte{15, 0, 1, 0, 1, 0, 2, 0, 1, 0, 0, 0, 1, 5, 1, 3, 1, 6, 12, 2, 6, 1, 4, 2, 6, 12, 3, 7, 5, 0})
	f.Add([]byte{1, 0, 0, 0, 3, 0, 0, 1, 3, 6, 3, 7, 8, 0, 6, 2, 3, 8, 1, 2, 0, 6, 9, 9, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			t.Skip("longer than a history needs to be; the reference is slow")
		}
		s := &script{data}
		all := strategies()
		strategy := all[s.next(len(all))]
		engine, reference := placement.NewEngine(strategy), placement.NewExhaustive(strategy)
		fork := cluster.NewFork()
		var nodes, tasks []string
		var groups []*berth.Group
		var past []*cluster.Snapshot
		names := 0
		name := func(prefix string) string {
			names++
			return fmt.Sprint(prefix, names*37%101, "-", names)
		}
		plan := func(on *cluster.Snapshot) []berth.Op {
			if len(groups) == 0 || s.next(2) == 0 {
				groups = append(groups, groupOf(s, name("g")))
			}
			g, n := groups[s.next(len(groups))], 1+s.next(40)
			var batch []berth.Task
			for range n {
				batch = append(batch, g.Task(name("t")))
			}
			if g.Mode() == berth.Daemon {
				batch = []berth.Task{g.Everywhere()}
			}
			ops, _, err := pickBoth(engine, reference, on, batch, uint64(n))
			require.NoError(t, err, "strategy %v", strategy)
			return ops
		}
		require.NoError(t, fork.AddNodes(plain("n", 4000, 4096)))
		nodes = append(nodes, "n")
		for len(s.rest) > 0 {
			switch s.next(9) {
			case 0:
				n := nodeOf(s, name("n"))
				require.NoError(t, fork.AddNodes(n))
				nodes = append(nodes, n.ID)
			case 1:
				if i := s.next(len(nodes)); len(nodes) > 1 {
					require.NoError(t, fork.RemoveNodes(nodes[i]))
					nodes = append(nodes[:i], nodes[i+1:]...)
				}
			case 2:
				_ = fork.UpdateNodes(nodeOf(s, nodes[s.next(len(nodes))])) // refused where devices in use are gone
			case 3:
				require.NoError(t, cordon(fork, s.next(2) == 0, nodes[s.next(len(nodes))]))
			case 4:
				if len(tasks) > 0 {
					i := s.next(len(tasks))
					fork.Apply(berth.Op{Kind: berth.Release, ID: tasks[i]})
					tasks = append(tasks[:i], tasks[i+1:]...)
				}
			case 5:
				fork.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{
					ID: name("h"), Owner: "other", Node: nodes[s.next(len(nodes))], Deadline: distant,
					Resources: berth.Resources{"cpu": int64(s.next(8)) * 500},
				}})
			case 6:
				for _, op := range plan(fork.Snapshot()) {
					if _, why := fork.Apply(op); why.Code == berth.None {
						tasks = append(tasks, op.Task.ID)
					}
				}
			case 7:
				now := fork.Snapshot()
				past = append(past, now)
				plan(now)
			case 8:
				if len(past) > 0 {
					plan(past[s.next(len(past))])
				}
			}
		}
		plan(fork.Snapshot())
	})
}

func nodeOf(s *script, id string) berth.Node {
	n := plain(id, int64(1+s.next(4))*2000, int64(1+s.next(4))*2048)
	n.Attributes = berth.Attributes{}
	bits := s.next(256)
	if bits&3 > 0 {
		n.Attributes["zone"] = fmt.Sprint("z", bits&3)
	}
	if bits&4 > 0 {
		n.Attributes["rack"] = id
	}
	if bits&8 > 0 {
		n.Attributes["ssd"] = bits >> 6
	}
	if bits&16 > 0 {
		n.Devices = []berth.Device{{Class: "gpu", Model: "A"}, {Class: "gpu", Model: "B"}}
	}
	if bits&32 > 0 {
		n.Taints = []berth.Taint{{Key: "dedicated", Effect: berth.Effect(bits >> 7)}}
	}
	n.Unschedulable = bits == 255
	return n
}

func groupOf(s *script, name string) *berth.Group {
	spec := berth.GroupSpec{Request: berth.Resources{"cpu": int64(s.next(10)) * 300, "memory": int64(s.next(6)) * 400}}
	bits := s.next(256)
	rules := []berth.Constraint{
		constraints.NotEq("zone", "z1"), constraints.UniqueNode(), constraints.MaxPer("zone", 2), constraints.GroupBy("zone"),
		constraints.Unique("rack"), constraints.TolerateAll(), constraints.AtMost("ssd", 1),
	}
	if bits&1 > 0 {
		spec.Rules = append(spec.Rules, rules[bits>>1%8%len(rules)], rules[bits>>4%len(rules)])
	}
	switch bits >> 5 {
	case 1:
		spec.Prefer = []berth.Preference{{Weight: 3, Rule: constraints.Eq("zone", "z2")}}
	case 2:
		spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 300}}
	case 3:
		spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1, Models: []string{"B"}}}
	case 4:
		spec.Mode = berth.Daemon
	}
	return berth.NewGroup(name, spec)
}
