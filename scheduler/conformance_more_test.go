package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// order says which nodes a task of a group would go to, the best first, each found with those before it excluded: "x b a y".
func (w *scenario) order(spec berth.GroupSpec, name string) string {
	w.t.Helper()
	var all []any
	var names []string
	for {
		with := spec
		if len(all) > 0 {
			with.Rules = append(slices.Clone(spec.Rules), constraints.NotIn(berth.NodeID, all...))
		}
		g := berth.NewGroup(name, with)
		require.NoError(w.t, g.Err())
		w.tasks++
		out, err := w.s.Schedule(context.Background(), g.Task(fmt.Sprintf("%s:%d", name, w.tasks)))
		require.NoError(w.t, err)
		if len(out.Placed) == 0 {
			return strings.Join(names, " ")
		}
		require.NoError(w.t, w.state.Release(out.Placed[0].Task.ID))
		all, names = append(all, out.Placed[0].Node), append(names, out.Placed[0].Node)
	}
}

// What Kubernetes' NodePorts and HostPortInfo say of pods on one node; Nomad's networks are addresses by name.
func TestConformanceOfPorts(t *testing.T) {
	for _, c := range []struct {
		name, has, wants string
		fits             bool
	}{
		{"Kubernetes: the same port, protocol and address", "127.0.0.1:8080/udp", "127.0.0.1:8080/udp", false},
		{"Kubernetes: another port", "127.0.0.1:8080/udp", "127.0.0.1:9090/udp", true},
		{"Kubernetes: another protocol", "127.0.0.1:8080/tcp", "127.0.0.1:8080/udp", true},
		{"Kubernetes: another address", "127.0.0.1:8080/tcp", "127.0.0.2:8080/tcp", true},
		{"Kubernetes: all addresses after one", "127.0.0.1:8080/tcp", "8080/tcp", false},
		{"Kubernetes: one address after all", "8080/tcp", "127.0.0.1:8080/tcp", false},
		{"Kubernetes: one address after all of another protocol", "8080/tcp", "127.0.0.1:8080/udp", true},
		{"Nomad: a static port is for both protocols", "8080", "8080/udp", false},
		{"Nomad: of two host networks", "public:8080", "private:8080", true},
		{"SwarmKit: host ports by protocol", "80/sctp", "80/tcp", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			node := berth.Node{ID: "n", Ports: []berth.PortRange{{First: 1, Last: 65535}}}
			w := newScenario(t, placement.BinPack(), node)
			asks := func(text string) berth.GroupSpec {
				var r berth.PortRange
				require.NoError(t, r.UnmarshalText([]byte(text)))
				return berth.GroupSpec{Ports: []berth.PortRange{r}}
			}
			out, err := w.s.Schedule(context.Background(), berth.NewTask("has", asks(c.has)))
			require.NoError(t, err)
			require.Len(t, out.Placed, 1)
			want := "n"
			if !c.fits {
				want = "n(port-taken)"
			}
			assert.Equal(t, want, w.verdicts(berth.NewGroup("wants", asks(c.wants))))
		})
	}
}

func TestConformanceOfOrders(t *testing.T) {
	none := berth.GroupSpec{Labels: labelsOf("app=web")}
	t.Run("K20: soft spread by hostname of 2/1/0/3 scores 20, 60, 100, 0", func(t *testing.T) {
		w := newScenario(t, placement.Spread(berth.NodeID), nodesOf("a", "b", "x", "y")...)
		w.put("app", "app=web", "a a b y y y")
		assert.Equal(t, "x b a y", w.order(none, "app"))
	})
	t.Run("K21: soft spread by zone, y not feasible, its pods count: a and b 75, x 100", func(t *testing.T) {
		w := newScenario(t, placement.Spread("zone"), nodesOf("a zone=1", "b zone=1", "x zone=2", "y zone=2")...)
		w.put("app", "app=web", "a a a a b b x y y y") // zone 1 has 6 and zone 2 has 4
		order := w.order(berth.GroupSpec{Labels: none.Labels, Rules: []berth.Constraint{constraints.NotEq(berth.NodeID, "y")}}, "app")
		assert.Contains(t, []string{"x a b", "x b a"}, order)
	})
	t.Run("N15: affinities of both signs add up: 150, 100, 0, -50, -100", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("n1 dc=dc1 kernel=4.9", "n2 dc=dc2", "n3 dc=dc2 class=large", "n4 dc=dc1", "n5")...)
		assert.Equal(t, "n1 n4 n5 n3 n2", w.order(berth.GroupSpec{Prefer: []berth.Preference{
			{Weight: 100, Rule: constraints.Eq("dc", "dc1")}, {Weight: -100, Rule: constraints.Eq("dc", "dc2")},
			{Weight: 50, Rule: constraints.Version("kernel", "> 4.0")}, {Weight: 50, Rule: constraints.Eq("class", "large")},
		}}, "app"))
	})
	t.Run("N18: even spread by data centre", func(t *testing.T) {
		w := newScenario(t, placement.Spread("dc"), nodesOf("a dc=1", "b dc=2")...)
		w.put("app", "app=web", "a a")
		assert.Equal(t, "b a", w.order(none, "app"))
		w.put("app", "app=web", "b b b")
		assert.Equal(t, "a b", w.order(none, "app"))
		w.put("app", "app=web", "a")
		require.NoError(t, w.state.AddNodes(nodesOf("c dc=3")...))
		assert.Equal(t, "c", strings.Fields(w.order(none, "app"))[0])
	})
}

func TestConformanceOfHosts(t *testing.T) {
	t.Run("F22: 41 tasks of a core on ten hosts of 8 and ten of 4: eleven hosts, all of the small ones", func(t *testing.T) {
		var nodes []berth.Node
		for i := range 10 {
			nodes = append(nodes,
				berth.Node{ID: fmt.Sprintf("big-%d", i), Capacity: berth.Resources{"cpu": 8000, "memory": 800}},
				berth.Node{ID: fmt.Sprintf("small-%d", i), Capacity: berth.Resources{"cpu": 4000, "memory": 400}})
		}
		for _, by := range []string{"cpu", "memory"} {
			w := newScenario(t, placement.BinPack(by), nodes...)
			on := strings.Fields(w.place(berth.NewGroup("app", berth.GroupSpec{Request: berth.Resources{"cpu": 1000, "memory": 100}}), 41))
			assert.Len(t, on, 11, by)
			assert.Equal(t, 10, strings.Count(strings.Join(on, " "), "small-"), by)
		}
	})
	t.Run("F23: what had no room leaves it to the next", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 4000}})
		assert.Equal(t, "unplaced:1", w.place(berth.NewGroup("big", berth.GroupSpec{Request: berth.Resources{"cpu": 5000}}), 1))
		assert.Equal(t, "n:1", w.place(berth.NewGroup("fits", berth.GroupSpec{Request: berth.Resources{"cpu": 4000}}), 1))
	})
	t.Run("F24: a limit of 4 cores takes 4 of 5 tasks, and says so; one of 5 takes the fifth", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 8000}})
		limit := func(cores int64) {
			require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "app1", Limits: berth.Resources{"cpu": cores * 1000}}))
		}
		limit(4)
		app := berth.NewGroup("app", berth.GroupSpec{Role: "app1", Request: berth.Resources{"cpu": 1000}})
		out, err := w.s.Schedule(context.Background(), app.Tasks(5)...)
		require.NoError(t, err)
		assert.Len(t, out.Placed, 4)
		require.Len(t, out.Unplaced, 1)
		assert.Equal(t, berth.OverLimit, out.Unplaced[0].Reason.Code)
		limit(5)
		out, err = w.s.Schedule(context.Background(), out.Unplaced[0].Task)
		require.NoError(t, err)
		assert.Len(t, out.Placed, 1)
		// Fenzo denies a group without a limit where any has one; here it has none. A limit of 0 denies.
		assert.Equal(t, "n:1", w.place(berth.NewGroup("other", berth.GroupSpec{Role: "app2", Request: berth.Resources{"cpu": 1000}}), 1))
		require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "app3", Limits: berth.Resources{"cpu": 0}}))
		assert.Equal(t, "unplaced:1", w.place(berth.NewGroup("none", berth.GroupSpec{Role: "app3", Request: berth.Resources{"cpu": 1000}}), 1))
	})
	t.Run("N20: a system job that suits no node, and one for each class of nodes", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("n1 class=A", "n2 class=B")...)
		daemon := func(name string, class string) *berth.Group {
			return berth.NewGroup(name, berth.GroupSpec{Mode: berth.Daemon, Rules: []berth.Constraint{constraints.Eq("class", class)}})
		}
		coverage := func(g *berth.Group) string {
			out, err := w.s.Schedule(context.Background(), g.Everywhere())
			require.NoError(t, err)
			for _, p := range out.Placed {
				require.NoError(t, w.state.Confirm(p.Task.ID))
			}
			c, err := w.s.Coverage(context.Background(), g)
			require.NoError(t, err)
			assert.Equal(t, len(c.Running) > 0, c.Complete())
			return fmt.Sprintf("%v of %d", c.Running, len(c.Running)+len(c.Pending)+len(c.Blocked)+len(c.Impossible))
		}
		assert.Equal(t, "[] of 0", coverage(daemon("none", "C")))
		assert.Equal(t, "[n1] of 1", coverage(daemon("a", "A")))
		assert.Equal(t, "[n2] of 1", coverage(daemon("b", "B")))
		require.NoError(t, w.state.AddNodes(nodesOf("n3 class=B")...))
		assert.Equal(t, "[n2 n3] of 2", coverage(daemon("b", "B")))
		require.NoError(t, w.state.Cordon("n2"))
		assert.Equal(t, "[n2 n3] of 2", coverage(daemon("b", "B")), "what runs goes on")
	})
	t.Run("N24: of a plan with a node that is too full the rest is done, and of one that is whole nothing", func(t *testing.T) {
		for _, whole := range []bool{false, true} {
			w := newScenario(t, placement.BinPack(), nodesOf("n1", "n2")...)
			snapshot, err := w.state.Snapshot(context.Background())
			require.NoError(t, err)
			plan := &cluster.Plan{Version: snapshot.Version(), Whole: whole}
			plan.Place(berth.NewTask("fits", berth.GroupSpec{Request: berth.Resources{"cpu": 8000}}), "n1")
			plan.Place(berth.NewTask("too-much", berth.GroupSpec{Request: berth.Resources{"cpu": 8001}}), "n2")
			out, err := w.state.Commit(context.Background(), plan)
			require.NoError(t, err)
			_, placed := w.state.Task("fits")
			assert.Equal(t, !whole, placed)
			_, placed = w.state.Task("too-much")
			assert.False(t, placed)
			assert.NotEmpty(t, out.Refused)
		}
	})
}
