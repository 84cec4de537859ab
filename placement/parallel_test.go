package placement_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// manyRows is enough nodes for four goroutines to be started.
const manyRows = 8192

// withProcs runs a test with so many goroutines at once.
func withProcs(t *testing.T, procs int, test func(t *testing.T)) {
	t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
		was := runtime.GOMAXPROCS(procs)
		defer runtime.GOMAXPROCS(was)
		test(t)
	})
}

// TestSamePlanAtAnyParallelism makes one plan with one, two and four goroutines, by strategies that are asked about
// every row, and makes it with the reference.
func TestSamePlanAtAnyParallelism(t *testing.T) {
	var tasks []berth.Task
	for i, rules := range [][]berth.Constraint{
		nil, {constraints.UniqueNode(), constraints.NotEq("rack", "r3")}, {constraints.GroupBy("rack")}, {constraints.MaxPer("zone", 2)},
	} {
		spec := berth.GroupSpec{Request: berth.Resources{"cpu": 500 << i, "memory": 1 << 30}, Rules: rules}
		if i == 1 {
			spec.Prefer = []berth.Preference{{Weight: 2, Rule: constraints.Eq("rack", "r5")}}
		}
		if i == 3 {
			spec.DynamicPorts = 1
		}
		tasks = append(tasks, berth.NewGroup(fmt.Sprint("g", i), spec).Tasks(6)...)
	}
	nodes := benchNodes(manyRows)
	for i := range nodes {
		nodes[i].Ports = []berth.PortRange{{First: 8000, Last: 8001}}
	}
	s := snapshotOf(t, nodes...)
	left := placement.Change("left", func(s *placement.State) int64 { return s.Free[0] % 7000 })
	counting := placement.Func("counting", func(c *placement.Candidate) int64 { return int64(-c.Tasks[0]*3 - c.Tasks[1]) })
	for _, strategy := range []placement.Strategy{
		placement.Random(3), placement.Best(left), placement.Best(left).Within(500).Seed(5),
		placement.Best(counting.Counts("rack", berth.NodeID)).Then(placement.InUse()),
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			plan := func(p placement.Picker) (nodes []string) {
				p.Start(s)
				for _, task := range tasks {
					op, _ := p.Place(task)
					nodes = append(nodes, op.Node)
				}
				return nodes
			}
			var want []string
			if !testing.Short() {
				want = plan(placement.NewExhaustive(strategy))
			}
			for _, procs := range []int{1, 2, 4} {
				withProcs(t, procs, func(t *testing.T) {
					got := plan(placement.NewEngine(strategy))
					if want == nil {
						want = got
					}
					require.Equal(t, want, got)
				})
			}
		})
	}
}

// TestBestOfAllParts knows the order of the nodes: the nearer to the middle the better, so that the tasks, one to a
// node, go to it, then to those one away, the lower ID first, and so on.
func TestBestOfAllParts(t *testing.T) {
	for _, middle := range []int{0, 1499, 1500, 2999, 3000, manyRows - 1} {
		near := ofFunc("near", func(c *placement.Candidate) int64 {
			i, err := strconv.Atoi(c.Node()[len("node-"):])
			assert.NoError(t, err)
			return -abs(int64(i - middle))
		})
		want := []string{fmt.Sprintf("node-%06d", middle)}
		for away := 1; len(want) < 9; away++ {
			for _, i := range []int{middle - away, middle + away} {
				if 0 <= i && i < manyRows {
					want = append(want, fmt.Sprintf("node-%06d", i))
				}
			}
		}
		withProcs(t, 4, func(t *testing.T) {
			engine := placement.NewEngine(near)
			engine.Start(snapshotOf(t, benchNodes(manyRows)...))
			var got []string
			for _, task := range request("g", 1, 1, constraints.UniqueNode()).Tasks(9) {
				op, ok := engine.Place(task)
				require.True(t, ok)
				got = append(got, op.Node)
			}
			require.Equal(t, want[:9], got)
		})
	}
}

// A panic of a host's Score is the caller's, the first in the order in which one goroutine would have met it; and an
// engine that was recovered from one works on.
func TestPanicsAreTheCallers(t *testing.T) {
	s := snapshotOf(t, func() (nodes []berth.Node) {
		for i := range manyRows { // one class, in the order of IDs
			nodes = append(nodes, plain(fmt.Sprintf("node-%06d", i), 1000, 1<<30))
		}
		return nodes
	}()...)
	for _, bad := range [][]string{{"node-000000"}, {"node-008191"}, {"node-001700", "node-004000"}, {"node-003100", "node-003200", "node-008191"}} {
		withProcs(t, 4, func(t *testing.T) {
			armed := true
			engine := placement.NewEngine(ofFunc("mined", func(c *placement.Candidate) int64 {
				for _, id := range bad {
					if armed && c.Node() == id {
						panic(id)
					}
				}
				return 0
			}))
			engine.Start(s)
			task := request("g", 1, 1).Task("t")
			require.PanicsWithValue(t, bad[0], func() { engine.Place(task) })
			armed = false
			op, ok := engine.Place(task)
			require.True(t, ok)
			require.Equal(t, "node-000000", op.Node)
		})
	}
}

// A Score that ends its goroutine, as the FailNow of a test does, ends the caller's.
func TestExitIsTheCallers(t *testing.T) {
	withProcs(t, 4, func(t *testing.T) {
		for _, strategy := range []func(string) bool{
			func(id string) bool { return id == "node-000001" },
			func(id string) bool { return id == "node-008190" },
		} {
			returned, done := false, make(chan bool)
			go func() {
				defer close(done)
				engine := placement.NewEngine(ofFunc("exit", func(c *placement.Candidate) int64 {
					if strategy(c.Node()) {
						runtime.Goexit()
					}
					return 0
				}))
				engine.Start(snapshotOf(t, benchNodes(manyRows)...))
				engine.Place(request("g", 1, 1).Task("t"))
				returned = true
			}()
			<-done
			assert.False(t, returned)
		}
	})
}

// ofFunc is the strategy of a function alone, lowest IDs first.
func ofFunc(name string, rate func(c *placement.Candidate) int64) placement.Strategy {
	return placement.Best(placement.Func(name, rate)).TiesByID()
}
