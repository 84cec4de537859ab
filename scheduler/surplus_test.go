package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// runningOn is a fork with tasks of a group on nodes, as many as are said of each: "a:20 b:10". Nodes have a zone of their first letter and a
// rack of their last.
func runningOn(t *testing.T, g *berth.Group, on string) *cluster.Fork {
	f, id := cluster.NewFork(), 0
	for field := range strings.FieldsSeq(on) {
		node, _, _ := strings.Cut(field, ":")
		var n int
		_, err := fmt.Sscanf(field[len(node):], ":%d", &n)
		require.NoError(t, err)
		require.NoError(t, f.AddNodes(berth.Node{ID: node, Attributes: berth.Attributes{"zone": node[:1], "rack": node[len(node)-1:]}}))
		for range n {
			id++
			require.NoError(t, f.Adopt(g.Task(fmt.Sprintf("t-%d", id)), node, nil, berth.Running))
		}
	}
	return f
}

func surplusBy(t *testing.T, f *cluster.Fork, g *berth.Group, n int) map[string]int {
	tasks, err := scheduler.Surplus(f.Snapshot(), g, n)
	require.NoError(t, err)
	on := map[string]int{}
	for _, task := range tasks {
		on[task.Node]++
	}
	return on
}

// Marathon's ConstraintsTest of the tasks that are killed (M13), and what our other rules want.
func TestSurplusKeepsWhatIsLeftEven(t *testing.T) {
	spec := func(rules ...berth.Constraint) berth.GroupSpec { return berth.GroupSpec{Rules: rules} }
	for _, c := range []struct {
		name string
		spec berth.GroupSpec
		on   string
		n    int
		want map[string]int
	}{
		{"M13: 20 on two hosts evenly", spec(constraints.GroupBy(berth.NodeID)), "a:10 b:10", 10, map[string]int{"a": 5, "b": 5}},
		{"M13: 20 and 10", spec(constraints.GroupBy(berth.NodeID)), "a:20 b:10", 10, map[string]int{"a": 10}},
		{"M13: without GROUP_BY the youngest go", spec(constraints.MaxPer(berth.NodeID, 30)), "a:10 b:10", 10, map[string]int{"b": 10}},
		{"by zone, of two nodes in one", spec(constraints.GroupBy("zone")), "a1:2 a2:2 b1:2", 3, map[string]int{"a2": 2, "b1": 1}},
		{"by zone and rack", spec(constraints.GroupBy("zone"), constraints.GroupBy("rack")), "a1:2 a2:2 b1:2 b2:0", 1, map[string]int{"a1": 1}},
		{"a wish", berth.GroupSpec{Prefer: []berth.Preference{{Weight: 3, Rule: constraints.GroupBy("zone")}, {Weight: -3, Rule: constraints.GroupBy("rack")}}}, "a1:5 b2:3", 2, map[string]int{"a1": 2}},
		// 8 and 2 are the parts of 10; of 6 and 4 two are beyond theirs in b.
		{"targets", spec(constraints.Targets("zone", 10, map[any]int{"a": 80, "b": 20})), "a1:6 b1:4", 2, map[string]int{"b1": 2}},
		// By the number that is to be, of 5 the parts are 4 and 1; by the old one, of 10, both would lose as many.
		{"targets of fewer", spec(constraints.Targets("zone", 5, map[any]int{"a": 80, "b": 20})), "a1:8 b1:2", 5, map[string]int{"a1": 4, "b1": 1}},
		{"all there are", spec(constraints.GroupBy("zone")), "a1:1 b1:2", 9, map[string]int{"a1": 1, "b1": 2}},
		{"none", spec(constraints.GroupBy("zone")), "a1:1 b1:2", 0, map[string]int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := berth.NewGroup("app", c.spec)
			assert.Equal(t, c.want, surplusBy(t, runningOn(t, g, c.on), g, c.n))
		})
	}
}

// Marathon's ScalingPropositionTest (M14): unreachable, staging, running; of equal state the younger first; of four running ones of which the
// second is on its way out and the rule picks the third, one is to stay: {2, 3, 4}.
func TestSurplusByState(t *testing.T) {
	g := berth.NewGroup("app", berth.GroupSpec{Rules: []berth.Constraint{constraints.GroupBy("zone")}})
	ids := func(f *cluster.Fork, n int) (ids []string) {
		tasks, err := scheduler.Surplus(f.Snapshot(), g, n)
		require.NoError(t, err)
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		return ids
	}
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "a", Attributes: berth.Attributes{"zone": "a"}}, berth.Node{ID: "b", Attributes: berth.Attributes{"zone": "b"}}, berth.Node{ID: "gone"}))
	for _, on := range []struct {
		id, node string
		state    berth.TaskState
	}{{"t-1", "a", berth.Running}, {"t-2", "a", berth.Stopping}, {"t-3", "b", berth.Running}, {"t-4", "b", berth.Running}} {
		require.NoError(t, f.Adopt(g.Task(on.id), on.node, nil, on.state))
	}
	assert.Equal(t, []string{"t-2", "t-4", "t-3"}, ids(f, 3))
	require.NoError(t, f.Adopt(g.Task("t-10"), "b", nil, berth.Running))
	assert.Equal(t, []string{"t-2", "t-10", "t-4"}, ids(f, 3), "b has the most, and t-10 is younger than t-4")
	require.NoError(t, f.Adopt(g.Task("t-9"), "gone", nil, berth.Running))
	require.NoError(t, f.RemoveNodes("gone"))
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task("t-0"), Node: "b"})
	require.Equal(t, berth.DomainFull, why.Code)
	plain := berth.NewGroup("app", berth.GroupSpec{})
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: plain.Task("t-0"), Node: "b"})
	require.Equal(t, berth.None, why.Code)
	assert.Equal(t, []string{"t-2", "t-9", "t-0", "t-10", "t-4", "t-3", "t-1"}, ids(f, 99), "the assumed one first, though it is the oldest")
}

// What it says is what a slow twin says that looks at every task each time.
func TestSurplusAsOneByOne(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		g := berth.NewGroup("app", berth.GroupSpec{
			Labels: map[string]string{"app": "web"},
			Rules:  []berth.Constraint{constraints.GroupBy("zone"), constraints.GroupBy("rack").Of(berth.Label("app", "web"))}[:1+r.IntN(2)],
			Prefer: []berth.Preference{{Weight: 2, Rule: constraints.Targets("zone", 20, map[any]int{"a": 30})}, {Weight: 1, Rule: constraints.GroupBy(berth.NodeID)}}[:r.IntN(3)],
		})
		other := berth.NewGroup("other", berth.GroupSpec{Labels: map[string]string{"app": "web"}})
		f := runningOn(t, other, "a1:1 a2:0 b1:2 b2:1 c1:0 c3:3")
		nodes := []string{"a1", "a2", "b1", "b2", "c1", "c3"}
		all := map[string]string{}
		for i := range 30 {
			id, node := fmt.Sprintf("app-%d", i), nodes[r.IntN(len(nodes))]
			require.NoError(t, f.Adopt(g.Task(id), node, nil, berth.Running))
			all[id] = node
		}
		got, err := scheduler.Surplus(f.Snapshot(), g, 12)
		require.NoError(t, err)
		count := func(attribute string, own bool) map[string]int64 {
			n := map[string]int64{}
			add := func(node string) {
				n[map[string]string{"zone": node[:1], "rack": node[1:], berth.NodeID: node}[attribute]]++
			}
			for _, node := range all {
				add(node)
			}
			if !own {
				for _, node := range []string{"a1", "b1", "b1", "b2", "c3", "c3", "c3"} {
					add(node)
				}
			}
			return n
		}
		for _, task := range got {
			zones, racks, hosts := count("zone", true), count("rack", false), count(berth.NodeID, true)
			weigh := func(node string) (w [2]int64) {
				w[0] = zones[node[:1]]
				if len(g.Spec().Rules) > 1 {
					w[0] += racks[node[1:]]
				}
				if len(g.Spec().Prefer) > 0 { // 6 of 20 for a, 14 for each other
					w[1] = 2 * (zones[node[:1]] - map[bool]int64{true: 6, false: 14}[node[0] == 'a'])
				}
				if len(g.Spec().Prefer) > 1 {
					w[1] += hosts[node]
				}
				return w
			}
			var ids []string
			for id := range all {
				ids = append(ids, id)
			}
			slices.SortFunc(ids, func(a, b string) int {
				x, y := weigh(all[a]), weigh(all[b])
				if x != y {
					return slices.Compare(y[:], x[:])
				}
				var i, j int
				fmt.Sscanf(a, "app-%d", &i)
				fmt.Sscanf(b, "app-%d", &j)
				return j - i
			})
			require.Equal(t, ids[0], task.ID, "seed %d", seed)
			delete(all, ids[0])
		}
	}
}

func TestSurplusFaults(t *testing.T) {
	g := berth.NewGroup("app", berth.GroupSpec{})
	snapshot := cluster.NewFork().Snapshot()
	for want, call := range map[string]func() ([]cluster.TaskView, error){
		"no snapshot":    func() ([]cluster.TaskView, error) { return scheduler.Surplus(nil, g, 1) },
		"-1 tasks fewer": func() ([]cluster.TaskView, error) { return scheduler.Surplus(snapshot, g, -1) },
		"is a daemon": func() ([]cluster.TaskView, error) {
			return scheduler.Surplus(snapshot, berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon}), 1)
		},
		"scheduler: surplus:": func() ([]cluster.TaskView, error) { return scheduler.Surplus(snapshot, nil, 1) },
	} {
		_, err := call()
		assert.ErrorContains(t, err, want)
	}
	tasks, err := scheduler.Surplus(snapshot, g, 5)
	require.NoError(t, err)
	assert.Empty(t, tasks)
}

// A service is to have two tasks fewer. The zones stay as even as they can be.
func ExampleSurplus() {
	web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{constraints.GroupBy("zone")}})
	state, _ := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}}, berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "b"}})
	s, _ := scheduler.New(state, scheduler.Config{})
	_, err := s.Schedule(context.Background(), web.Tasks(6)...)
	if err != nil {
		fmt.Println(err)
	}
	snapshot, _ := state.Snapshot(context.Background())
	surplus, _ := scheduler.Surplus(snapshot, web, 2)
	zones := map[string]int{}
	for _, t := range surplus {
		zones[t.Node]++
	}
	fmt.Println(len(surplus), zones["n1"], zones["n2"])
	// Output: 2 1 1
}

// fickle is a limit by value that is another each time that it is asked, and panics if that is often.
type fickle struct{ asked map[berth.Value]int }

func (fickle) String() string         { return "fickle" }
func (fickle) Err() error             { return nil }
func (fickle) Domain() string         { return "zone" }
func (fickle) Counts() berth.Counting { return berth.Counting{ByValue: true} }
func (r fickle) Limit(d berth.Domains) int {
	if r.asked[d.Value]++; r.asked[d.Value] > 100 {
		panic("asked again and again")
	}
	return r.asked[d.Value]
}

// A rule of a host that contradicts itself is asked once for each value, as Counting says, so that it comes to an end.
func TestSurplusAsksALimitByValueOnce(t *testing.T) {
	rule := fickle{map[berth.Value]int{}}
	g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{rule}})
	require.NoError(t, g.Err())
	f := runningOn(t, berth.NewGroup("web", berth.GroupSpec{}), "a:3 b:2")
	assert.Equal(t, map[string]int{"a": 2, "b": 1}, surplusBy(t, f, g, 3)) // 2 and 1 beyond the limits of 1: one of a goes, then t-5 of b, the youngest, then one of a
	for v, n := range rule.asked {
		assert.Equal(t, 1, n, "value %v", v)
	}
}
