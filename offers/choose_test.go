package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
)

// A demand is offered the nodes that its scheduler would choose.
func TestNodesInTheOrderOfTheDemand(t *testing.T) {
	for _, tc := range []struct {
		order offers.NodeOrder
		count int
		want  []string
	}{
		// n1 has 8 cores and none in use, n2 has 8 and 4 in use, n3 has 4 and 1 in use.
		{offers.ByID, 4, []string{"n1: cpu 0.004"}},
		{offers.Fullest, 4, []string{"n2: cpu 0.004"}},                  // half of it is free; less, the more it has
		{offers.Fullest, 6, []string{"n2: cpu 0.004", "n3: cpu 0.002"}}, // then three quarters
		{offers.Emptiest, 1, []string{"n1: cpu 0.001"}},
		// 8, 7, 6 of 8 on n1; then 3 of 4 on n3 is as much, and n1 comes first by ID: 5 of 8. Then n3.
		{offers.Emptiest, 3, []string{"n1: cpu 0.003"}},
		{offers.Emptiest, 4, []string{"n1: cpu 0.003", "n3: cpu 0.001"}},
		{offers.Aligned, 5, []string{"n1: cpu 0.005"}}, // 8 to 4 are free, and 4 on n2
	} {
		for _, ruled := range []bool{false, true} { // with a rule about nodes, pieces are not counted
			w := newWorld(t, offers.Config{}, node("n1", 8, 0), node("n2", 8, 0), node("n3", 4, 0))
			plan := placeOn(cpus("four", "", 4).Task("four"), "n2", cpus("one", "", 1).Task("one"), "n3")
			plan.Version = snapshotOf(t, w.state).Version()
			out, err := w.state.Commit(ctx, plan)
			require.NoError(t, err)
			require.Len(t, out.Placed, 2)
			g := cpus("web", "f", 1)
			if ruled {
				g = cpus("web", "f", 1, constraints.NotIn("zone", "z"))
			}
			f := w.subscribe(wants("f", offers.Demand{Group: g, Count: tc.count, Nodes: tc.order}))
			w.offer()
			assert.Equal(t, tc.want, list(t, f), "%v, %d, %v", tc.order, tc.count, ruled)
		}
	}
	assert.ErrorContains(t, offersErr(t, offers.Demand{Group: cpus("web", "", 1), Nodes: 4}), `demand "web": NodeOrder(4) is no order of nodes`)
	for _, o := range []offers.NodeOrder{offers.ByID, offers.Fullest, offers.Emptiest, offers.Aligned} {
		text, err := o.MarshalText()
		require.NoError(t, err)
		var back offers.NodeOrder
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, o, back)
		assert.Equal(t, string(text), o.String())
	}
}

// Each framework is offered the nodes that have much of what it needs much of. With cpu 14 and memory 14 in all, a task of cpu 2 and memory 10 has the weights
// 200 and 1000 of a thousand: n1 has 2*200 + 12*1000 for it and n2 12*200 + 2*1000, and the other way round for the other.
func TestNodesThatAreAligned(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 12, 2), node("n2", 2, 12))
	want := func(name string, cpu, memory int64) *offers.Subscription {
		g := berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: res{"cpu": cpu, "memory": memory}})
		return w.subscribe(wants(name, offers.Demand{Group: g, Count: 1, Nodes: offers.Aligned}))
	}
	memory, cores := want("memory", 2, 10), want("cores", 10, 2)
	w.offer()
	assert.Equal(t, "n2", nodesOf(t, memory))
	assert.Equal(t, "n1", nodesOf(t, cores))
}

func offersErr(t *testing.T, d offers.Demand) error {
	_, err := newWorld(t, offers.Config{}).x.Subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{d}})
	return err
}

// Turns are taken over all nodes: frameworks whose shares are alike have as much, each where it would.
func TestTurnsOverChosenNodes(t *testing.T) {
	var nodes []berth.Node
	for i := range 4 {
		nodes = append(nodes, node(fmt.Sprintf("n%d", i), 4, 0))
	}
	w := newWorld(t, offers.Config{}, nodes...)
	packs := w.subscribe(wants("packs", offers.Demand{Group: cpus("packs", "packs", 1), Nodes: offers.Fullest}))
	spreads := w.subscribe(wants("spreads", offers.Demand{Group: cpus("spreads", "spreads", 1), Nodes: offers.Emptiest}))
	byID := w.subscribe(wants("zebra", offers.Demand{Group: cpus("zebra", "zebra", 1)}))
	w.offer()
	total := int64(0)
	for _, f := range []*offers.Subscription{packs, spreads, byID} {
		all, err := f.Offers(ctx)
		require.NoError(t, err)
		has := int64(0)
		for _, o := range all {
			has += o.Resources["cpu"]
		}
		assert.GreaterOrEqual(t, has, int64(5))
		assert.LessOrEqual(t, has, int64(6))
		total += has
	}
	assert.EqualValues(t, 16, total, "all is offered")
}

// Small tasks are kept off nodes with what is scarce, as a preference or as a rule, so that who needs it finds a core beside it.
func TestScarceNodes(t *testing.T) {
	gpu := node("a-gpu", 4, 0)
	gpu.Devices = []berth.Device{{Class: "gpu"}}
	train := berth.NewGroup("train", berth.GroupSpec{Role: "train", Request: res{"cpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	world := func(scarce ...offers.Scarce) *world {
		return newWorld(t, offers.Config{Scarce: scarce}, gpu, node("b", 4, 0))
	}
	small := func(count int) offers.Framework {
		return wants("small", offers.Demand{Group: cpus("small", "small", 1), Count: count})
	}
	last, only := offers.Scarce{Resource: "gpu"}, offers.Scarce{Resource: "gpu", Only: true}

	w := world()
	assert.Equal(t, "a-gpu", first(t, w, small(4)), "as if it were any other")
	w = world(last)
	assert.Equal(t, "b", first(t, w, small(4)))
	assert.Equal(t, "a-gpu", first(t, w, wants("train", offers.Demand{Group: train, Count: 1})), "a core is free beside it")
	w = world(last)
	f := w.subscribe(small(6))
	w.offer()
	assert.Equal(t, []string{"b: cpu 0.004", "a-gpu: cpu 0.002"}, list(t, f), "what others have no room for")
	w = world(only)
	f = w.subscribe(small(6))
	w.offer()
	assert.Equal(t, []string{"b: cpu 0.004"}, list(t, f), "not even then")
	why, err := f.WhyNode(ctx, "a-gpu")
	require.NoError(t, err)
	assert.Equal(t, "a-gpu: spared", why.String())

	// Who declares nothing says what it uses in its terms.
	w = world(only)
	f = w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	assert.Equal(t, "b", nodesOf(t, f))
	why, err = f.WhyNode(ctx, "a-gpu")
	require.NoError(t, err)
	assert.Equal(t, offers.Spared, why.Cause)
	declineAll(t, f, offers.Filter{For: time.Hour})
	require.NoError(t, f.SetTerms(offers.Terms{Uses: []string{"gpu"}}))
	w.offer()
	assert.Equal(t, "a-gpu", nodesOf(t, f))
	w = world(last)
	f = w.subscribe(offers.Framework{Name: "f", Terms: offers.Terms{MaxOutstanding: 1}})
	w.offer()
	assert.Equal(t, "b", nodesOf(t, f))
	require.NoError(t, f.SetTerms(offers.Terms{}))
	w.offer()
	assert.Equal(t, "b a-gpu", nodesOf(t, f))

	_, err = offers.NewExchange(w.state, offers.Config{Order: w.drf.Turns(), Scarce: []offers.Scarce{{}, {Resource: "a\x00"}, last, only}})
	assert.ErrorContains(t, err, `resource "" of Scarce: no name`)
	assert.ErrorContains(t, err, `resource "gpu" of Scarce: given twice`)
	_, err = w.x.Subscribe(offers.Framework{Name: "g", Terms: offers.Terms{Uses: []string{""}}})
	assert.ErrorContains(t, err, "resource 1 of Uses: no name")
}

// first subscribes a framework and returns the first node that it is offered.
func first(t *testing.T, w *world, f offers.Framework) string {
	s := w.subscribe(f)
	w.offer()
	all, err := s.Offers(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all[0].Node
}

// A gang that is given room makes nodes fuller as well. n1 and n2 have 8 cores each: after the first task, on n1, the gang takes 6 of n2, of which 2 of 8
// are free then, and of n1 7 of 8.
func TestNodesInOrderBesideGangs(t *testing.T) {
	for order, want := range map[offers.NodeOrder][]string{
		offers.Fullest:  {"n1: cpu 0.001", "n2: cpu 0.001"},
		offers.Emptiest: {"n1: cpu 0.002"},
	} {
		there := func(id, zone string) berth.Node {
			n := node(id, 8, 0)
			n.Attributes = berth.Attributes{"zone": zone}
			return n
		}
		w := newWorld(t, offers.Config{}, there("n1", "x"), there("n2", "y"))
		one := w.subscribe(wants("a", offers.Demand{Group: cpus("one", "a", 1), Count: 2, Nodes: order}))
		gang := w.subscribe(wants("b", offers.Demand{Group: gangOf("gang", "b", 2, 3, constraints.In("zone", "y")), Count: 2}))
		w.offer()
		assert.Equal(t, []string{"n2: cpu 0.006"}, list(t, gang))
		assert.Equal(t, want, list(t, one), order)
	}
}
