package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// The walks over lost tasks, tasks of a role and holds of an owner tell what a walk over everything finds, after any history.
func TestWalksTellWhatIsThere(t *testing.T) {
	roles := []berth.Role{"", "eng", "eng/search", "engine", "ops"}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		f := cluster.NewFork()
		type placed struct {
			role berth.Role
			node string
		}
		tasks, owners := map[string]placed{}, map[string]string{}
		nodes := map[string]bool{}
		groups := make([]*berth.Group, len(roles))
		for i, r := range roles {
			groups[i] = berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Role: r, Request: berth.Resources{"cpu": 1}})
		}
		for step := range 80 {
			node := fmt.Sprint("n", rng.IntN(4))
			switch id := fmt.Sprint("t", step); rng.IntN(6) {
			case 0:
				if !nodes[node] {
					require.NoError(t, f.AddNodes(berth.Node{ID: node, Capacity: berth.Resources{"cpu": 50}}))
					nodes[node] = true
				}
			case 1:
				if nodes[node] && rng.IntN(3) == 0 {
					require.NoError(t, f.RemoveNodes(node))
					delete(nodes, node)
					for id, p := range tasks {
						if p.node == node {
							tasks[id] = placed{p.role, ""}
						}
					}
					for id := range owners {
						if strings.HasSuffix(id, "@"+node) {
							delete(owners, id)
						}
					}
				}
			case 2, 3:
				g := groups[rng.IntN(len(groups))]
				if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(id), Node: node}); why.Code == berth.None {
					tasks[id] = placed{g.Role(), node}
				}
			case 4:
				owner := fmt.Sprint("o", rng.IntN(2))
				h := &berth.Hold{ID: id + "@" + node, Owner: owner, Node: node, Resources: berth.Resources{"cpu": 1}, Deadline: time.Unix(9, 0)}
				if _, why := f.Apply(berth.Op{Kind: berth.Take, Hold: h}); why.Code == berth.None {
					owners[h.ID] = owner
				}
			case 5:
				for id := range tasks {
					if rng.IntN(4) == 0 {
						_, why := f.Apply(berth.Op{Kind: berth.Release, ID: id})
						require.Equal(t, berth.None, why.Code)
						delete(tasks, id)
					}
				}
			}
			if rng.IntN(5) == 0 {
				f = f.Snapshot().Fork()
			}
			ids := func(want func(placed) bool) (out []string) {
				for id, p := range tasks {
					if want(p) {
						out = append(out, id)
					}
				}
				slices.Sort(out)
				return out
			}
			var lost []string
			for task := range f.Lost() {
				assert.Equal(t, berth.Lost, task.State)
				lost = append(lost, task.ID)
			}
			require.Equal(t, ids(func(p placed) bool { return p.node == "" }), lost, "seed %d step %d", seed, step)
			for _, role := range roles {
				var got, names []string
				for task := range f.Snapshot().TasksOf(role) {
					got, names = append(got, task.ID), append(names, task.Group.Name())
				}
				assert.True(t, slices.IsSorted(names), "groups in order of their names")
				slices.Sort(got)
				require.Equal(t, ids(func(p placed) bool {
					return role == "" || p.role == role || strings.HasPrefix(string(p.role), string(role)+"/")
				}), got, "seed %d step %d role %q", seed, step, role)
			}
			for _, owner := range []string{"o0", "o1", "nobody"} {
				var got, want []string
				for h := range f.HoldsOf(owner) {
					got = append(got, h.ID)
				}
				for id, o := range owners {
					if o == owner {
						want = append(want, id)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				require.Equal(t, want, got, "seed %d step %d", seed, step)
			}
		}
	}
}

// A walk may be ended early, and a fork changed during one.
func TestWalksMayEndAndTheForkChange(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"}))
	g := berth.NewGroup("g", berth.GroupSpec{Role: "eng"})
	for _, task := range g.Tasks(4) {
		f.Apply(berth.Op{Task: task, Node: "n1"})
	}
	require.NoError(t, f.RemoveNodes("n1"))
	n := 0
	for task := range f.Lost() {
		_, why := f.Apply(berth.Op{Kind: berth.Release, ID: task.ID})
		require.Equal(t, berth.None, why.Code)
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 1, f.Snapshot().Tasks())
	for range f.Snapshot().TasksOf("eng") {
		break
	}
	var none *cluster.Snapshot
	for range none.Lost() {
		t.Error("no snapshot has lost tasks")
	}
	_, ok := none.Hold("h")
	assert.False(t, ok)
}

func TestWhatANodeHas(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 80, Last: 99}}}))
	g := berth.NewGroup("g", berth.GroupSpec{Ports: []berth.PortRange{{First: 90, Last: 91}}})
	_, why := f.Apply(berth.Op{Task: g.Task("a"), Node: "n"})
	require.Equal(t, berth.None, why.Code)
	for _, h := range []berth.Hold{
		{ID: "h2", Owner: "fw", Node: "n", Ports: []berth.Port{{Number: 85}, {Number: 84}}, Deadline: time.Unix(1, 0)},
		{ID: "h1", Owner: "fw", Node: "n", Ports: []berth.Port{{Number: 99}}, Lease: berth.Optimistic, Deadline: time.Unix(1, 0)},
	} {
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &h})
		require.Equal(t, berth.None, why.Code)
	}
	n, _ := f.Node("n")
	assert.Equal(t, []berth.Port{{Number: 84}, {Number: 85}, {Number: 90}, {Number: 91}}, n.UsedPorts(), "optimistic holds take nothing")
	var ids []string
	for h := range n.Holds() {
		ids = append(ids, h.ID)
	}
	assert.Equal(t, []string{"h1", "h2"}, ids)
	assert.Empty(t, cluster.NodeView{}.UsedPorts())
	for range (cluster.NodeView{}).Holds() {
		t.Error("no node has holds")
	}
	h, ok := f.Snapshot().Hold("h1")
	assert.True(t, ok)
	assert.Equal(t, []berth.Port{{Number: 99}}, h.Ports)
}

// A fork keeps the time of its snapshot, can make it later, and then ends what has ended by then.
func TestForksAdvance(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	f := cluster.NewFork()
	assert.Zero(t, f.Time())
	assert.Zero(t, f.Snapshot().Time())
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 10}}))
	tasks, holds := f.Advance(at(100))
	assert.Empty(t, tasks)
	assert.Empty(t, holds)
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
	for i, id := range []string{"late", "b", "a", "never", "runs"} {
		_, why := f.Apply(berth.Op{Task: g.Task(id), Node: "n"})
		require.Equal(t, berth.None, why.Code)
		if id == "runs" {
			require.NoError(t, f.Mark(id, berth.Running, time.Time{}))
		} else if id != "never" {
			require.NoError(t, f.Mark(id, berth.Assumed, at([]int64{300, 200, 200}[i])))
		}
	}
	hold := func(id string, end int64) berth.Reason {
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: id, Owner: "o", Node: "n", Resources: berth.Resources{"cpu": 1}, Deadline: at(end)}})
		return why
	}
	require.Equal(t, berth.None, hold("h1", 150).Code)
	require.Equal(t, berth.None, hold("h2", 400).Code)
	assert.Equal(t, berth.Reason{Code: berth.Invalid, Subject: `hold "h3": its deadline has passed`}, hold("h3", 100))
	snap := f.Snapshot()
	assert.Equal(t, at(100), snap.Time())

	what := snap.Fork()
	assert.Equal(t, at(100), what.Time())
	tasks, holds = what.Advance(at(250))
	assert.Equal(t, at(250), what.Time())
	var ids []string
	for _, task := range tasks {
		ids = append(ids, task.ID)
	}
	assert.Equal(t, []string{"a", "b"}, ids)
	require.Len(t, holds, 1)
	assert.Equal(t, "h1", holds[0].ID)
	n, _ := what.Node("n")
	assert.Equal(t, berth.Resources{"cpu": 10 - 3 - 1}, n.Free(), "late, never, runs and h2 are left")
	assert.Empty(t, what.Plan().Ops, "what ends by itself is no operation")
	tasks, holds = what.Advance(at(10))
	assert.Empty(t, tasks)
	assert.Empty(t, holds)
	assert.Equal(t, at(250), what.Time(), "time does not go back")
	assert.Equal(t, at(100), snap.Time())
}

// Upserting adds what is new and describes anew what is other; what is as it is described is no change.
func TestUpsert(t *testing.T) {
	node := func(id string, cpu int64, attrs berth.Attributes) berth.Node {
		return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}, Attributes: attrs}
	}
	f := cluster.NewFork()
	require.NoError(t, f.UpsertNodes(node("a", 1, nil), node("b", 2, berth.Attributes{"zone": "x", "generation": 7})))
	before := f.Version()
	require.NoError(t, f.UpsertNodes(node("b", 2, berth.Attributes{"generation": 7.0, "zone": "x"}), node("a", 1, berth.Attributes{})))
	assert.Equal(t, before, f.Version(), "described as they are")
	require.NoError(t, f.UpsertNodes(node("a", 5, nil), node("c", 3, nil), node("a", 1, nil)))
	n, _ := f.Node("a")
	assert.Equal(t, berth.Resources{"cpu": 1}, n.Capacity(), "the last of two descriptions counts")
	assert.Equal(t, 3, f.Len())
	before = f.Version()
	err := f.UpsertNodes(node("d", 1, nil), node("", 1, nil), node("b", -1, nil))
	require.ErrorIs(t, err, berth.ErrNegative)
	assert.Len(t, strings.Split(err.Error(), "\n"), 2, "every fault of every node")
	assert.Equal(t, before, f.Version())
	assert.Equal(t, 3, f.Len())
}
