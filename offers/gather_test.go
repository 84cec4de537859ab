package offers_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
)

// comeAndGo is a cluster of six nodes of four cores on which a framework runs as many tasks of a core as it is offered, each of them for five
// to nine seconds. It returns a second of it: a pass, what is placed on what was offered, and the end of what is over.
func comeAndGo(t *testing.T, cfg offers.Config) (w *world, second func(more ...*offers.Subscription)) {
	var nodes []berth.Node
	for i := range 6 {
		nodes = append(nodes, node(fmt.Sprintf("n%d", i), 4, 4))
	}
	cfg.LeaseFor = time.Hour
	w = newWorld(t, cfg, nodes...)
	g := cpus("small", "small", 1)
	small := w.subscribe(wants("small", offers.Demand{Group: g}))
	started, now, ends := 0, 0, map[int][]string{}
	return w, func(more ...*offers.Subscription) {
		w.offer()
		all, err := small.Offers(ctx)
		require.NoError(t, err)
		for _, o := range all {
			plan := &cluster.Plan{}
			for range o.Resources["cpu"] {
				started++
				id := fmt.Sprintf("small-%d", started)
				plan.Place(g.Task(id), o.Node)
				lasts := now + 5 + started%5
				ends[lasts] = append(ends[lasts], id)
			}
			out, err := small.Accept(ctx, []string{o.ID}, plan, offers.Filter{})
			require.NoError(t, err)
			require.Empty(t, out.Refused)
		}
		for _, id := range ends[now] {
			require.NoError(t, w.state.Release(id))
		}
		delete(ends, now)
		now++
		w.now = w.now.Add(time.Second)
	}
}

// Section 5 of the faults of Mesos, 6: large tasks. A role that has nothing and wants three whole nodes gets none where tasks of a core come
// and go, though it is always first: no node is ever free. Where nodes are kept for it, it has all three as soon as what runs there has ended.
func TestLargeTasksAreGatheredFor(t *testing.T) {
	three := cpus("large", "large", 4)
	for _, tc := range []struct {
		group   *berth.Group
		gather  int
		seconds int // until it has all, at most; 0 is never
	}{
		{three, 0, 0},
		{three, 1, 31}, // one node after the other: what is offered in the second in which one begins to be kept ends nine seconds after it
		{three, 3, 11}, // all at once
		{gangOf("gang", "large", 3, 4), 0, 0},
		{gangOf("gang", "large", 3, 4), 2, 0}, // two are kept, and the third is never free
		{gangOf("gang", "large", 3, 4), 3, 11},
	} {
		w, second := comeAndGo(t, offers.Config{Gather: tc.gather})
		for range 20 {
			second()
		}
		large := w.subscribe(wants("large", offers.Demand{Group: tc.group, Count: 3}))
		took := 0
		for range 300 {
			second()
			if took++; len(list(t, large)) == 3 {
				break
			}
		}
		if tc.seconds == 0 {
			assert.Empty(t, list(t, large))
			continue
		}
		assert.Len(t, list(t, large), 3, "gather %d", tc.gather)
		assert.LessOrEqual(t, took, tc.seconds, "gather %d", tc.gather)
		for range 20 { // and nothing is kept any more
			second()
		}
		running := 0
		for n := range snapshotOf(t, w.state).Nodes() {
			for range n.Tasks() {
				running++
			}
		}
		assert.Equal(t, 12, running+int(w.free("cpu")), "gather %d: small ones have all of the other nodes", tc.gather)
	}
}

// free returns how much of a resource is free on all nodes.
func (w *world) free(resource string) (sum int64) {
	for n := range snapshotOf(w.t, w.state).Nodes() {
		sum += n.Free()[resource]
	}
	return sum
}

// What is gathered is let go when it is no longer wanted, and told meanwhile.
func TestGatheredNodes(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, large *offers.Subscription){
		"wants something else": func(t *testing.T, w *world, large *offers.Subscription) { require.NoError(t, large.Want()) },
		"suppressed":           func(t *testing.T, w *world, large *offers.Subscription) { require.NoError(t, large.Suppress()) },
		"gone":                 func(t *testing.T, w *world, large *offers.Subscription) { require.NoError(t, large.Unsubscribe(ctx)) },
		"it fits elsewhere": func(t *testing.T, w *world, large *offers.Subscription) {
			require.NoError(t, w.state.AddNodes(node("n9", 4, 4)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{Gather: 1}, node("n1", 4, 4), node("n2", 4, 4))
			schedule(t, w.state, cpus("old", "old", 2).Tasks(2)...)
			schedule(t, w.state, cpus("older", "old", 1).Task("older"))
			large := w.subscribe(wants("large", offers.Demand{Group: cpus("large", "large", 4), Count: 1}))
			w.offer()
			small := w.subscribe(wants("small", offers.Demand{Group: cpus("small", "small", 1)}))
			greedy := w.subscribe(offers.Framework{Name: "greedy", Role: "greedy"})
			w.offer()
			kept := ""
			for _, id := range []string{"n1", "n2"} {
				why, err := small.WhyNode(ctx, id)
				require.NoError(t, err)
				if why.Cause == offers.Gathered {
					kept += id
				}
			}
			require.Contains(t, []string{"n1", "n2"}, kept, "the emptier of the two")
			for _, s := range []*offers.Subscription{small, greedy} {
				require.NotContains(t, nodesOf(t, s), kept)
			}
			require.NotZero(t, freeOn(t, w.state, kept)["cpu"])
			end(t, w, large)
			w.offer()
			w.offer()
			require.Zero(t, freeOn(t, w.state, kept)["cpu"], "it is offered to others")
		})
	}
}

// gathered returns the nodes that are kept from a framework.
func gathered(t *testing.T, w *world, from *offers.Subscription) (out []string) {
	t.Helper()
	for n := range snapshotOf(t, w.state).Nodes() {
		why, err := from.WhyNode(ctx, n.ID())
		require.NoError(t, err)
		if why.Cause == offers.Gathered {
			out = append(out, n.ID())
		}
	}
	return out
}

// No node is kept for a framework to which it would not be offered: what is free there would be idle, and nobody's.
func TestNothingIsGatheredInVain(t *testing.T) {
	for name, tc := range map[string]struct {
		terms offers.Terms
		later *offers.Terms // that it has once a node is kept
		spare bool          // it has declined n1
		kept  []string
	}{
		"n1 lacks least":                   {kept: []string{"n1"}},
		"n1 was declined":                  {spare: true, kept: []string{"n2"}},
		"more than its terms allow":        {terms: offers.Terms{MaxPercent: 49}},                                         // of 8 cores
		"as much as its terms allow":       {terms: offers.Terms{MaxPercent: 50}, kept: []string{"n1"}},                   // 4 of 8
		"more than its terms allow later":  {later: &offers.Terms{MaxPercent: 49}},                                        // and n1 is let go
		"its terms exclude the node later": {later: &offers.Terms{Nodes: []berth.Constraint{constraints.Exists("disk")}}}, // which no node has
		"all excluded from the beginning":  {terms: offers.Terms{Nodes: []berth.Constraint{constraints.Exists("disk")}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{Gather: 1, LeaseFor: time.Hour}, node("n1", 4, 4), node("n2", 4, 4))
			onN2 := placeOn(cpus("full", "old", 4).Task("full"), "n2")
			onN2.Version = snapshotOf(t, w.state).Version()
			_, err := w.state.Commit(ctx, onN2)
			require.NoError(t, err)
			large := w.subscribe(offers.Framework{Name: "large", Role: "large", Demand: []offers.Demand{{Group: cpus("large", "large", 4), Count: 1}}, Terms: tc.terms})
			if tc.spare {
				w.offer()
				require.Equal(t, "n1", nodesOf(t, large))
				declineAll(t, large, offers.Filter{For: 24 * time.Hour})
			}
			schedule(t, w.state, cpus("old", "old", 2).Task("old"))
			w.offer()
			small := w.subscribe(wants("small", offers.Demand{Group: cpus("small", "small", 1)}))
			if tc.later != nil {
				require.Equal(t, []string{"n1"}, gathered(t, w, small))
				require.NoError(t, large.SetTerms(*tc.later))
			}
			w.offer()
			w.offer()
			if slices.Contains(tc.kept, "n1") {
				assert.Empty(t, list(t, small))
			} else {
				assert.Equal(t, []string{"n1: cpu 0.002"}, list(t, small))
			}
			assert.Equal(t, tc.kept, gathered(t, w, small))
		})
	}
}

// What is kept for one framework is not another's that wants the same group, gangs too, and a node of as good as no end has room for all.
func TestWhoseIsGathered(t *testing.T) {
	w := newWorld(t, offers.Config{Gather: 1, LeaseFor: time.Hour}, node("n1", 4, 4))
	schedule(t, w.state, cpus("old", "old", 4).Task("old"))
	g := gangOf("gang", "r", 1, 4)
	b := w.subscribe(offers.Framework{Name: "b", Role: "r", Demand: []offers.Demand{{Group: g, Count: 1}}})
	w.offer()
	a := w.subscribe(offers.Framework{Name: "a", Role: "r", Demand: []offers.Demand{{Group: g, Count: 1}}})
	require.NoError(t, w.state.Release("old"))
	w.offer()
	assert.Empty(t, list(t, a), "though its turn is first")
	assert.Equal(t, "n1", nodesOf(t, b))

	w = newWorld(t, offers.Config{Gather: 3}, node("n1", math.MaxInt64, 0), node("n2", math.MaxInt64, 0))
	schedule(t, w.state, cpus("old", "old", math.MaxInt64).Tasks(2)...)
	w.subscribe(wants("large", offers.Demand{Group: cpus("large", "large", 1), Count: 2}))
	small := w.subscribe(wants("small", offers.Demand{Group: cpus("small", "small", 1), Count: 1}))
	w.offer()
	assert.Equal(t, []string{"n1"}, gathered(t, w, small))
}
