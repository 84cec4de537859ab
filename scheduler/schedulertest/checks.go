package schedulertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// threeNodes is three nodes of four cores each, handed over out of order.
func threeNodes() []berth.Node {
	node := func(id, zone string) berth.Node {
		return berth.Node{
			ID:         id,
			Capacity:   berth.Resources{"cpu": 4000, "memory": 8 << 30},
			Attributes: berth.Attributes{"zone": zone},
			Devices:    []berth.Device{{Class: "gpu", Model: "T4"}},
			Ports:      []berth.PortRange{{First: 8000, Last: 8001}},
		}
	}
	return []berth.Node{node("n2", "b"), node("n3", "a"), node("n1", "a")}
}

// cores returns a group whose tasks take that many cores each.
func cores(name string, n int64) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": 1000 * n, "memory": 1 << 30}})
}

func (f Fixture) snapshot(t testing.TB) *cluster.Snapshot {
	t.Helper()
	if f.Offer != nil {
		f.Offer(t)
	}
	s, err := f.Source.Snapshot(context.Background())
	require.NoError(t, err)
	require.NotNil(t, s)
	return s
}

func (f Fixture) plan(t testing.TB) *cluster.Plan {
	t.Helper()
	return &cluster.Plan{Version: f.snapshot(t).Version()}
}

func (f Fixture) commit(t testing.TB, p *cluster.Plan) *cluster.Outcome {
	t.Helper()
	out, err := f.Source.Commit(context.Background(), p)
	require.NoError(t, err)
	require.NotNil(t, out)
	for _, r := range out.Refused {
		assert.NotEqual(t, berth.None, r.Reason.Code, "%v is refused without a reason", r.Op)
	}
	return out
}

// picture prints all that a snapshot shows of nodes and tasks.
func picture(s *cluster.Snapshot) string {
	var b strings.Builder
	for n := range s.Nodes() {
		fmt.Fprintf(&b, "%s: %v free, devices %v\n", n.ID(), n.Free(), n.FreeDevices())
		for t := range n.Tasks() {
			fmt.Fprintf(&b, "  %v %v %v\n", t.Task, t.State, t.Grant)
		}
	}
	return b.String()
}

func placed(out *cluster.Outcome) []string {
	ids := []string{}
	for _, op := range out.Placed {
		ids = append(ids, op.Task.ID+" on "+op.Node)
	}
	return ids
}

func refused(out *cluster.Outcome) []string {
	ids := []string{}
	for _, r := range out.Refused {
		ids = append(ids, r.Op.Task.ID+r.Op.ID)
	}
	return ids
}

func ordered(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	var ids []string
	for n := range f.snapshot(t).Nodes() {
		ids = append(ids, n.ID())
	}
	assert.Equal(t, []string{"n1", "n2", "n3"}, ids)
}

func immutable(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	s := f.snapshot(t)
	before := picture(s)
	p := &cluster.Plan{Version: s.Version()}
	p.Place(cores("web", 1).Task("web-1"), "n1")
	f.commit(t, p)
	assert.Equal(t, before, picture(s), "a commit changed a snapshot")

	fork := s.Fork()
	_, why := fork.Apply(p.Ops[0])
	require.Equal(t, berth.Reason{}, why)
	assert.Equal(t, before, picture(s), "a fork changed its snapshot")
}

func seen(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	p.Place(cores("web", 1).Task("web-1"), "n1")
	f.commit(t, p)
	s, err := f.Source.Snapshot(context.Background())
	require.NoError(t, err)
	task, ok := s.Task("web-1")
	require.True(t, ok, "a snapshot does not have the task committed before")
	assert.Equal(t, "n1", task.Node)
	assert.Equal(t, berth.Assumed, task.State)
	n, ok := s.Node("n1")
	require.True(t, ok)
	assert.LessOrEqual(t, n.Free()["cpu"], int64(3000))
	assert.Equal(t, 1, s.Tasks())
}

func partial(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	p.Place(cores("small", 3).Task("fits"), "n1")
	p.Place(cores("large", 3).Task("too-large"), "n1") // 3 + 3 > 4
	p.Place(cores("lost", 1).Task("nowhere"), "n9")
	p.Release("nobody")
	p.Place(cores("last", 1).Task("also-fits"), "n1")
	out := f.commit(t, p)
	assert.Equal(t, []string{"fits on n1", "also-fits on n1"}, placed(out))
	assert.Equal(t, []string{"too-large", "nowhere", "nobody"}, refused(out))
	assert.True(t, out.Version.SameLineage(p.Version))
}

func untouched(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	gpu := berth.NewGroup("gpu", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 500}}})
	p.Place(gpu.Task("gpu-1"), "n1")
	p.Place(cores("huge", 5).Task("huge-1"), "n1")
	p.Place(cores("web", 1).Task("web-1"), "n2")
	p.Unplaced = []cluster.Unplaced{{Task: cores("none", 1).Task("none-1"), Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}}}
	ops := slices.Clone(p.Ops)
	out := f.commit(t, p)
	assert.Equal(t, ops, p.Ops, "the commit wrote to the plan")
	assert.Equal(t, p.Unplaced, out.Unplaced, "the outcome does not hand on what the plan left unplaced")
}

func stale(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	first := f.plan(t)
	second := &cluster.Plan{Version: first.Version}
	third := &cluster.Plan{Version: first.Version}
	first.Place(cores("a", 2).Task("a-1"), "n1")
	second.Place(cores("b", 2).Task("b-1"), "n1")
	third.Place(cores("c", 2).Task("c-1"), "n1") // 3 * 2 > 4
	assert.Len(t, f.commit(t, first).Placed, 1)
	assert.Len(t, f.commit(t, second).Placed, 1, "a plan was refused for its age alone")
	assert.Len(t, f.commit(t, third).Refused, 1)
}

func lineage(t testing.TB, newSource maker) {
	f, other := newSource(t, threeNodes()), newSource(t, threeNodes())
	before := picture(f.snapshot(t))
	for _, p := range []*cluster.Plan{other.plan(t), {}} {
		p.Place(cores("web", 1).Task("web-1"), "n1")
		_, err := f.Source.Commit(context.Background(), p)
		require.ErrorIs(t, err, berth.ErrLineage)
	}
	assert.Equal(t, before, picture(f.snapshot(t)))
}

func empty(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	ch := f.Source.Changed()
	out := f.commit(t, p)
	assert.Empty(t, out.Placed)
	assert.Empty(t, out.Refused)
	assert.True(t, out.Version.SameLineage(p.Version))
	assertOpen(t, ch)
}

func noPlan(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	_, err := f.Source.Commit(context.Background(), nil)
	assert.Error(t, err)
}

func cancelled(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	p.Place(cores("web", 1).Task("web-1"), "n1")
	cause := errors.New("the host goes home")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	_, err := f.Source.Snapshot(ctx)
	require.ErrorIs(t, err, cause)
	_, err = f.Source.Commit(ctx, p)
	require.ErrorIs(t, err, cause)
	_, ok := f.snapshot(t).Task("web-1")
	assert.False(t, ok, "a commit with an ended context placed a task")
}

func duplicates(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	g := cores("web", 1)
	p := f.plan(t)
	p.Place(g.Task("web-1"), "n1")
	p.Place(g.Task("web-1"), "n2")
	out := f.commit(t, p)
	assert.Equal(t, []string{"web-1 on n1"}, placed(out))
	assert.Equal(t, []string{"web-1"}, refused(out))
	again := f.plan(t)
	again.Place(g.Task("web-1"), "n3")
	assert.Empty(t, f.commit(t, again).Placed)
	assert.Equal(t, 1, f.snapshot(t).Tasks())
}

func badOps(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	bad := berth.NewGroup("bad", berth.GroupSpec{Request: berth.Resources{"cpu": -1}})
	p := f.plan(t)
	p.Ops = []berth.Op{
		{Kind: berth.Place, Node: "n1"},
		{Kind: berth.Place, Node: "n1", Task: bad.Task("bad-1")},
		{Kind: berth.Place, Node: "n1", Task: cores("web", 1).Task("")},
		{Kind: berth.Place, Task: cores("web", 1).Task("web-1")},
		{Kind: berth.Place, Node: "n1", From: "nobody", Task: cores("web", 1).Task("web-2")},
		{Kind: berth.Place, Node: "n1", Task: cores("none", 0).Task("none-1")},
		{Kind: berth.Take},
		{Kind: berth.Drop},
		{Kind: berth.Release},
		{Kind: berth.Evict},
		{Kind: 200},
	}
	out := f.commit(t, p)
	assert.Equal(t, []string{"none-1 on n1"}, placed(out), "a wrong hint is no fault, everything else is")
	assert.Len(t, out.Refused, len(p.Ops)-1)
}

// onePerNode is the rule that no two of a group's tasks share a node.
type onePerNode struct{}

func (onePerNode) String() string          { return "one per node" }
func (onePerNode) Err() error              { return nil }
func (onePerNode) Domain() string          { return berth.NodeID }
func (onePerNode) Limit(berth.Domains) int { return 1 }
func (onePerNode) Counts() berth.Counting  { return berth.Counting{} }

// inZone is the rule that a node is in a zone.
type inZone string

func (z inZone) String() string            { return "zone is " + string(z) }
func (inZone) Err() error                  { return nil }
func (inZone) Reads() []string             { return []string{"zone"} }
func (z inZone) Allows(n *berth.Node) bool { return n.Attributes["zone"] == string(z) }
func (z inZone) Why(n *berth.Node) string  { return fmt.Sprintf("zone=%v", n.Attributes["zone"]) }

func rules(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	g := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 500},
		Rules:   []berth.Constraint{onePerNode{}, inZone("a")},
	})
	p := f.plan(t)
	late := &cluster.Plan{Version: p.Version}
	p.Place(g.Task("web-1"), "n1")
	p.Place(g.Task("web-2"), "n1") // the group has a task there from the same plan
	p.Place(g.Task("web-3"), "n2") // in zone b
	p.Place(g.Task("web-4"), "n3")
	out := f.commit(t, p)
	assert.Equal(t, []string{"web-1 on n1", "web-4 on n3"}, placed(out))
	assert.Equal(t, []string{"web-2", "web-3"}, refused(out))

	late.Place(g.Task("web-5"), "n1") // planned when n1 had none
	assert.Empty(t, f.commit(t, late).Placed, "a rule was not checked against the present state")
}

func grants(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	g := berth.NewGroup("gpu", berth.GroupSpec{
		Devices:      []berth.DeviceRequest{{Class: "gpu", Share: 400}},
		DynamicPorts: 1,
	})
	p := f.plan(t)
	for _, id := range []string{"gpu-1", "gpu-2", "gpu-3"} { // two ports: the third has none
		p.Place(g.Task(id), "n1")
	}
	out := f.commit(t, p)
	require.Equal(t, []string{"gpu-1 on n1", "gpu-2 on n1"}, placed(out))
	ports := map[berth.Port]bool{}
	for _, op := range out.Placed {
		require.NotNil(t, op.Grant, "%v has no grant", op)
		assert.Equal(t, []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 400}}, op.Grant.Devices)
		for _, port := range op.Grant.Ports {
			ports[port] = true
		}
	}
	assert.Equal(t, map[berth.Port]bool{{Number: 8000}: true, {Number: 8001}: true}, ports)
}

func release(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	p.Place(cores("web", 4).Task("web-1"), "n1")
	require.Len(t, f.commit(t, p).Placed, 1)

	p = f.plan(t)
	p.Place(cores("db", 4).Task("db-1"), "n1")
	require.Empty(t, f.commit(t, p).Placed)

	p = f.plan(t)
	p.Release("web-1")
	require.Empty(t, f.commit(t, p).Refused)
	_, ok := f.snapshot(t).Task("web-1")
	assert.False(t, ok, "a released task is still there")

	p = f.plan(t)
	p.Place(cores("db", 4).Task("db-1"), "n1")
	assert.Len(t, f.commit(t, p).Placed, 1, "the room of a released task did not come back")
}

func neverOvercommit(t testing.TB, newSource maker) {
	const committers, each = 8, 5
	f := newSource(t, threeNodes())
	g := cores("web", 1)
	version := f.snapshot(t).Version()
	outcomes := make([]*cluster.Outcome, committers*each)
	errs := make([]error, len(outcomes))
	var wg sync.WaitGroup
	for c := range committers {
		wg.Go(func() {
			for i := range each {
				k := c*each + i
				p := &cluster.Plan{Version: version}
				for _, node := range []string{"n1", "n2"} {
					p.Place(g.Task(fmt.Sprintf("web-%d-%s", k, node)), node)
				}
				outcomes[k], errs[k] = f.Source.Commit(context.Background(), p)
				if s, err := f.Source.Snapshot(context.Background()); err == nil {
					picture(s) // read while others write: the race detector watches
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	on := map[string]int{}
	for _, out := range outcomes {
		for _, op := range out.Placed {
			on[op.Node]++
		}
	}
	assert.Equal(t, map[string]int{"n1": 4, "n2": 4}, on, "four tasks of one core fit on a node of four")
	for n := range f.snapshot(t).Nodes() {
		assert.False(t, n.Overcommitted(), "%s is overcommitted", n.ID())
		tasks := 0
		for range n.Tasks() {
			tasks++
		}
		assert.Equal(t, on[n.ID()], tasks, "the tasks of %s are not those that were placed", n.ID())
	}
}

func together(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	gang, web := cores("gang", 3), cores("web", 4)
	p := f.plan(t)
	p.Together = []string{"gang"}
	p.Place(gang.Task("gang-1"), "n1")
	p.Place(gang.Task("gang-2"), "n1") // 3 + 3 > 4, so none of the group is placed
	p.Place(gang.Task("gang-3"), "n2")
	p.Place(web.Task("web-1"), "n1") // has room once the group is out
	out := f.commit(t, p)
	assert.Equal(t, []string{"web-1 on n1"}, placed(out))
	assert.Equal(t, []string{"gang-1", "gang-2", "gang-3"}, refused(out))
	assert.Equal(t, 1, f.snapshot(t).Tasks())

	p = f.plan(t)
	p.Together = []string{"gang"}
	p.Place(gang.Task("gang-1"), "n2")
	p.Place(gang.Task("gang-2"), "n3")
	assert.Len(t, f.commit(t, p).Placed, 2)
}

// whole asks for nothing that a book of offers has not: a task is moved to a node with room, and kept where there is none.
func whole(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	p.Place(cores("web", 3).Task("web-1"), "n1")
	f.commit(t, p)

	p = f.plan(t)
	p.Replace(cores("web", 5).Task("web-1"), "n2") // which has four
	p.Place(cores("db", 2).Task("db-1"), "n3")
	out := f.commit(t, p)
	assert.Equal(t, []string{"db-1 on n3"}, placed(out), "what is in no part is done")
	if assert.Len(t, out.Refused, 2, "a part is refused whole") {
		assert.Equal(t, berth.NotWhole, out.Refused[0].Reason.Code)
		assert.Equal(t, "web-1", out.Refused[0].Op.ID)
		assert.NotContains(t, []berth.Code{berth.None, berth.NotWhole}, out.Refused[1].Reason.Code, "what failed says why")
	}
	task, ok := f.snapshot(t).Task("web-1")
	assert.True(t, ok && task.Node == "n1", "what is not replaced stays where it was")

	p = f.plan(t)
	p.Replace(cores("web", 4).Task("web-1"), "n2")
	assert.Equal(t, []string{"web-1 on n2"}, placed(f.commit(t, p)))
	task, ok = f.snapshot(t).Task("web-1")
	assert.True(t, ok && task.Node == "n2", "what is replaced has moved")

	p = f.plan(t)
	p.Whole = true
	p.Place(cores("cache", 1).Task("cache-1"), "n1")
	p.Release("db-1")
	p.Release("nobody")
	out = f.commit(t, p)
	assert.Empty(t, out.Placed)
	assert.Len(t, out.Refused, 3)
	assert.Equal(t, 2, f.snapshot(t).Tasks())

	p = f.plan(t)
	p.Parts = []cluster.Part{{Name: "beyond", End: 1}}
	_, err := f.Source.Commit(context.Background(), p)
	assert.ErrorContains(t, err, "beyond", "a part of operations that the plan does not have")
}

func changed(t testing.TB, newSource maker) {
	f := newSource(t, threeNodes())
	p := f.plan(t)
	ch := f.Source.Changed()
	assertOpen(t, ch)
	_, err := f.Source.Snapshot(context.Background())
	require.NoError(t, err)
	assertOpen(t, ch)

	p.Place(cores("web", 1).Task("web-1"), "n1")
	f.commit(t, p)
	assertClosed(t, ch)

	ch = f.Source.Changed()
	other := f.Source.Changed()
	assertOpen(t, ch)
	p = &cluster.Plan{Version: p.Version}
	p.Release("web-1")
	f.commit(t, p)
	assertClosed(t, ch)
	assertClosed(t, other)
}

func assertOpen(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
		t.Error("Changed's channel is closed, but nothing has changed since the call")
	default:
	}
}

func assertClosed(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(time.Second):
		t.Fatal("Changed's channel is open, although something has changed")
	}
}
