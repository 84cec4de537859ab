package offers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// Rules about domains see the framework's tasks on nodes that are not offered now; and, as ever, those
// placed earlier in the same plan (marathon#3867 was about that).
func TestUniqueSeesTasksOnOtherNodes(t *testing.T) {
	zoned := func(id, zone string) berth.Node {
		n := node(id, 2, 0)
		n.Attributes = berth.Attributes{"zone": zone}
		return n
	}
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("blind=%v", blind), func(t *testing.T) {
			w := newWorld(t, offers.Config{}, zoned("n1", "a"), zoned("n2", "a"), zoned("n3", "b"))
			f := w.subscribe(offers.Framework{Name: "f", Role: "shop", Blind: blind})
			other := w.subscribe(offers.Framework{Name: "zoo", Role: "zoo"})
			w.offer()
			g := cpus("web", "shop", 1, constraints.Unique("zone"))
			require.Equal(t, "n1 n3", nodesOf(t, f))
			require.Equal(t, "n2", nodesOf(t, other))
			out := schedule(t, f.Book(), g.Task("web-1"))
			require.Len(t, out.Placed, 1)
			require.Equal(t, "n1", out.Placed[0].Node)
			require.NoError(t, f.Decline(ctx, ids(t, f), offers.Filter{For: time.Hour}))
			require.NoError(t, other.Decline(ctx, ids(t, other), offers.Filter{For: time.Hour}))
			require.NoError(t, other.Suppress())
			w.offer()
			require.Equal(t, "n2", nodesOf(t, f), "n1 and n3 are filtered")

			out = schedule(t, f.Book(), g.Task("web-2"))
			require.Len(t, out.Unplaced, 1, "zone a has web-1 on n1, which is not offered now")
			assert.Contains(t, out.Unplaced[0].String(), "2 unique(zone)")
			assert.Equal(t, map[bool]int{false: 3, true: 2}[blind], out.Unplaced[0].Why.Nodes)

			require.NoError(t, f.Revive())
			w.offer()
			out = schedule(t, f.Book(), g.Task("web-2"), g.Task("web-3"))
			assert.Len(t, out.Placed, 1)
			assert.Len(t, out.Unplaced, 1, "web-3 sees web-2 of the same plan")
		})
	}
}

// A framework without tasks on a node that is not offered still knows the node, with nothing free.
func TestBookShowsWhatIsNotOffered(t *testing.T) {
	gpu := node("n1", 4, 0)
	gpu.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu"}}
	gpu.Ports = []berth.PortRange{{First: 80, Last: 90}}
	w := newWorld(t, offers.Config{}, gpu, node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	require.NoError(t, w.state.Adopt(scheduler.Running{Task: cpus("job", "else", 1).Task("job-1"), Node: "n2"}))
	for n := range snapshotOf(t, f.Book()).Nodes() {
		assert.Empty(t, n.Free(), n.ID())
		assert.False(t, n.Overcommitted())
		assert.Zero(t, len(berthTasks(n)), "another tenant's tasks are not shown")
	}
	require.NoError(t, w.state.Cordon("n2"))
	n, _ := snapshotOf(t, f.Book()).Node("n2")
	assert.True(t, n.Cordoned())
	share := berth.NewGroup("gpu", berth.GroupSpec{Role: "shop", Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}, DynamicPorts: 1})
	require.NoError(t, f.Want(offers.Demand{Group: share, Count: 2}))
	w.offer()
	n, _ = snapshotOf(t, f.Book()).Node("n1")
	assert.Equal(t, []int64{600, 0}, n.FreeDevices(), "two shares of one device, cut to the demand")
	assert.Equal(t, res{"gpu": 600}, n.Free())
	out := schedule(t, f.Book(), share.Tasks(3)...)
	require.Len(t, out.Placed, 2)
	assert.Equal(t, "gpu/0:300 ports [80]", out.Placed[0].Grant.String())
	assert.Equal(t, "gpu/0:300 ports [81]", out.Placed[1].Grant.String())
	w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"gpu-1": "f", "gpu-2": "f"})
}

func berthTasks(n cluster.NodeView) (ids []string) {
	for t := range n.Tasks() {
		ids = append(ids, t.ID)
	}
	return ids
}

// The Book follows tasks that are confirmed, and nodes that leave with their tasks and come back.
func TestBookFollowsTheSource(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	schedule(t, f.Book(), cpus("web", "", 1).Tasks(1)...)
	require.NoError(t, w.state.Confirm("web-1"))
	task, ok := snapshotOf(t, f.Book()).Task("web-1")
	require.True(t, ok)
	assert.Equal(t, berth.Running, task.State)
	require.Equal(t, "n1", task.Node)

	require.NoError(t, w.state.RemoveNodes("n1"))
	task, ok = snapshotOf(t, f.Book()).Task("web-1")
	require.True(t, ok)
	assert.Equal(t, berth.Lost, task.State)
	require.NoError(t, w.state.AddNodes(node("n0", 8, 0), node("n1", 4, 0)))
	require.NoError(t, w.state.Release("web-1"))
	s := snapshotOf(t, f.Book())
	_, ok = s.Task("web-1")
	assert.False(t, ok)
	assert.Equal(t, 3, s.Len())
	w.offer()
	assert.Equal(t, res{"cpu": 8}, freeOn(t, f.Book(), "n0"))
	w.check(map[string]berth.Role{"f": ""}, nil)
}

// A framework may do with the source what concerns itself.
func TestBookRefusesWhatIsNotTheFrameworks(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	schedule(t, w.state, cpus("job", "else", 1).Tasks(1)...)
	w.offer()
	hold := berth.Hold{ID: "h", Owner: "f", Node: "n1", Resources: res{"cpu": 1}, Deadline: w.now.Add(time.Hour)}
	p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version(), Together: []string{"gang"}}
	p.Place(cpus("web", "else", 1).Task("web-1"), "n1")
	p.Place(cpus("gang", "shop", 1).Task("gang-1"), "n1")
	p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: cpus("gang", "shop", 1).Task("gang-2"), Node: "n1", From: "somebody"})
	p.Take(hold)
	p.Drop("nothing")
	p.Release("job-1")
	p.Evict("job-1", nil)
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Empty(t, out.Placed)
	assert.Equal(t, strings.Join([]string{
		`place web-1 on n1: denied role "else" is not at or below "shop"`,
		"place gang-1 on n1: gang incomplete gang",
		"place gang-2 on n1 from somebody: unknown hold somebody",
		"hold h for f on n1: cpu 0.001: denied a framework makes no holds",
		"drop nothing: unknown hold nothing",
		"release job-1: unknown task job-1",
		"evict job-1: unknown task job-1",
	}, "; "), refusals(out))
	p = &cluster.Plan{Version: out.Version}
	p.Place(cpus("web", "shop/x", 1).Task("web-1"), "n1")
	p.Evict("web-1", &hold)
	p.Evict("web-1", nil)
	p.Drop(ids(t, f)[0])
	out, err = f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "evict web-1 to hold h: denied a framework makes no holds", refusals(out))
	assert.Equal(t, res{"cpu": 3}, freeOn(t, w.state, "n1"))
}

// An expired lease is a refusal of what was planned on it.
func TestCommitAfterTheLease(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
	p.Place(cpus("web", "", 1).Task("web-1"), "n1")
	w.now = w.now.Add(time.Hour)
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "place web-1 on n1: unknown hold f", refusals(out))
}

// A node goes, its task is released, and another node comes, which the source may keep where it had the first: two Books of one role that were read
// before show neither the node nor the task.
func TestBooksOfOneRoleForgetANode(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	a := w.subscribe(offers.Framework{Name: "a", Role: "r"})
	b := w.subscribe(offers.Framework{Name: "b", Role: "r"})
	w.offer()
	schedule(t, a.Book(), cpus("g", "r", 1).Task("g-1"))
	for _, s := range []*offers.Subscription{a, b} {
		_, known := snapshotOf(t, s.Book()).Task("g-1")
		require.True(t, known)
	}
	gone, _ := snapshotOf(t, w.state).Task("g-1")
	require.NoError(t, w.state.RemoveNodes(gone.Node))
	require.NoError(t, w.state.Release("g-1"))
	require.NoError(t, w.state.AddNodes(node("n3", 4, 0)))
	for _, s := range []*offers.Subscription{a, b} {
		_, known := snapshotOf(t, s.Book()).Task("g-1")
		require.False(t, known)
		_, known = snapshotOf(t, s.Book()).Node(gone.Node)
		require.False(t, known)
	}
}

// What a commit has done is in the next snapshot: its version is after that of the outcome, which is after those that were shown before. A commit
// that does nothing leaves the version.
func TestVersionsOfABook(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	before := snapshotOf(t, f.Book()).Version()
	p := &cluster.Plan{Version: before}
	p.Place(cpus("web", "", 1).Task("web-1"), "n1")
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	require.Len(t, out.Placed, 1)
	after := snapshotOf(t, f.Book())
	assert.Less(t, before.Seq, out.Version.Seq)
	assert.LessOrEqual(t, out.Version.Seq, after.Version().Seq)
	assert.Equal(t, before.Branch, after.Version().Branch)
	_, known := after.Task("web-1")
	assert.True(t, known)

	p = &cluster.Plan{Version: out.Version}
	p.Place(cpus("web", "", 4).Task("web-2"), "n1")
	out, err = f.Book().Commit(ctx, p)
	require.NoError(t, err)
	require.Len(t, out.Refused, 1)
	assert.Equal(t, after.Version(), out.Version)
	assert.Equal(t, after.Version(), snapshotOf(t, f.Book()).Version())
}
