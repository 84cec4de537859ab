package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
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
			plan := &berth.Plan{}
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
