package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/placement"
)

// forked returns a history that goes on from a snapshot of h, and leaves h as it is.
func (h *history) forked(from *cluster.Snapshot) *history {
	f := *h
	f.fork = from.Fork()
	f.nodes, f.tasks, f.holds, f.groups = nil, nil, nil, slices.Clone(h.groups)
	for n := range from.Nodes() {
		f.nodes = append(f.nodes, n.ID())
		for t := range n.Tasks() {
			f.tasks = append(f.tasks, t.ID)
		}
	}
	for hold := range from.Holds() {
		f.holds = append(f.holds, hold.ID)
	}
	return &f
}

// TestExactOnForks is the promise of TestExactEqualsExhaustive for one engine that is handed the present, the past,
// forks of either, forks of forks and their siblings in any order, while all of them go on.
func TestExactOnForks(t *testing.T) {
	for _, s := range someStrategies() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range seeds(4) {
				first := newHistory(seed)
				r := first.rng
				type moment struct {
					of *history
					at *cluster.Snapshot
				}
				worlds := []*history{first}
				var past []moment
				engine, reference := placement.NewEngine(s), placement.NewExhaustive(s)
				for round := range 40 {
					var on moment
					if w := worlds[r.IntN(len(worlds))]; round == 0 || r.IntN(3) > 0 {
						on = moment{w, w.fork.Snapshot()}
						past = append(past, on)
					} else {
						on = past[r.IntN(len(past))]
					}
					if r.IntN(3) == 0 {
						w := on.of.forked(on.at)
						if len(worlds) == 6 {
							worlds = slices.Delete(worlds, 1, 3)
						}
						worlds = append(worlds, w)
						for range r.IntN(3) {
							w.change()
						}
						on = moment{w, w.fork.Snapshot()}
					}
					tasks := on.of.batch()
					if r.IntN(2) == 0 {
						tasks = tasks[:1]
					}
					ops, _, err := pickBoth(engine, reference, on.at, tasks, seed)
					require.NoError(t, err, "strategy %v, seed %d, round %d", s, seed, round)
					if r.IntN(2) == 0 && on.of.fork.Version() == on.at.Version() {
						on.of.commit(ops)
					}
					if r.IntN(2) == 0 {
						worlds[r.IntN(len(worlds))].change()
					}
				}
			}
		})
	}
}

// A cluster that was large, and whose rows were given up, is one like any other.
func TestExactOnClustersThatShrink(t *testing.T) {
	f := cluster.NewFork()
	ids := []string{}
	grow := func(n int) {
		nodes := make([]berth.Node, n)
		for i := range nodes {
			nodes[i] = plain(fmt.Sprint("n", len(ids)), int64(4000+len(ids)%5*1000), 8000)
			ids = append(ids, nodes[i].ID)
		}
		require.NoError(t, f.AddNodes(nodes...))
	}
	engine, reference := placement.NewEngine(placement.Strategy{}), placement.NewExhaustive(placement.Strategy{})
	round := 0
	compare := func() {
		round++
		g := request(fmt.Sprint("g", round), 900, 100)
		_, _, err := pickBoth(engine, reference, f.Snapshot(), g.Tasks(3), 1)
		require.NoError(t, err)
	}
	rows := func() int { return (*store.View)(f.Snapshot()).Rows() }
	const many = 30_000 // rows are not given up of a few thousand
	grow(10)
	compare()
	grow(many)
	compare()
	require.Equal(t, 10+many, rows())
	large := f.Snapshot()
	require.NoError(t, f.RemoveNodes(ids[10:]...))
	require.Less(t, rows(), many/2, "rows are given up")
	compare()
	grow(5)
	compare()
	grow(many) // and back, with no plan between
	require.NoError(t, f.RemoveNodes(ids[len(ids)-many:]...))
	require.Less(t, rows(), many/2, "rows are given up again")
	compare()
	f = large.Fork()
	compare()
}

// Nodes of many resources, of which each has some, are placed on as nodes of few are.
func TestExactWithManyResources(t *testing.T) {
	for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread("zone"), placement.FirstFit()} {
		h := newHistory(7)
		name := func() string { return fmt.Sprint("r", h.rng.IntN(60)) }
		for i := range 60 {
			n := h.node(fmt.Sprint("rich", i))
			for range 3 {
				n.Capacity[name()] = int64(1 + h.rng.IntN(5))
			}
			require.NoError(t, h.fork.AddNodes(n))
			h.nodes = append(h.nodes, n.ID)
		}
		engine, reference := placement.NewEngine(s), placement.NewExhaustive(s)
		for round := range 40 {
			tasks := h.batch()
			for range 3 {
				h.nextT++
				tasks = append(tasks, berth.NewTask(fmt.Sprintf("t%d", h.nextT), berth.GroupSpec{
					Request: berth.Resources{"cpu": 100, name(): 1, name(): 1},
				}))
			}
			for i := range 70 { // resources that come and go, so that others take their places
				n := h.node("passes")
				n.Capacity[fmt.Sprint("passes", round, i)] = 1
				require.NoError(t, h.fork.AddNodes(n))
				require.NoError(t, h.fork.RemoveNodes(n.ID))
			}
			ops, _, err := pickBoth(engine, reference, h.fork.Snapshot(), tasks, 3)
			require.NoError(t, err, "%v, round %d", s, round)
			h.commit(ops)
			h.change()
		}
	}
}
