package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// growAsked asks an engine a question about a task of a group, again and again in the room of the last answer. That was to another group of
// two that are alike, so that it is not brought up to date but made anew.
func growAsked(b *testing.B, s *cluster.Snapshot, strategy placement.Strategy, g *berth.Group, ask placement.Ask, want int) {
	require.NoError(b, g.Err())
	require.NoError(b, strategy.Err())
	e := placement.NewEngine(strategy)
	e.Start(s)
	groups := []*berth.Group{g, berth.NewGroup(g.Name(), g.Spec())}
	for i := 0; b.Loop(); i++ {
		ask.Into = e.Candidates(groups[i%2].Task("t"), ask)
		if ask.Into.Fit != want {
			b.Fatal(ask.Into.Fit)
		}
	}
}

// growCandidates asks about n nodes, all of which fit.
func growCandidates(b *testing.B, n int) {
	growAsked(b, snapshotOf(b, benchNodes(n)...), placement.BinPack(), request("g", 100, 1<<20), placement.Ask{}, n)
}

// growTolerant asks about n nodes, all of which are within a tolerance.
func growTolerant(b *testing.B, n int) {
	strategy := placement.Best(placement.InUse()).Within(placement.Resolution).Then(placement.InUse("cpu"))
	growAsked(b, snapshotOf(b, benchNodes(n)...), strategy, request("g", 100, 1<<20), placement.Ask{}, n)
}

// growMisfits asks why none of n nodes fits.
func growMisfits(b *testing.B, n int) {
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1 << 40}, Rules: []berth.Constraint{constraints.UniqueNode()}})
	growAsked(b, snapshotOf(b, benchNodes(n)...), placement.BinPack(), g, placement.Ask{Misfits: true}, 0)
}

// growNamed asks about n named nodes of many.
func growNamed(b *testing.B, n int) {
	var names []string
	nodes := benchNodes(10_000)
	for i := range n {
		names = append(names, nodes[i].ID)
	}
	growAsked(b, snapshotOf(b, nodes...), placement.BinPack(), request("g", 100, 1<<20), placement.Ask{Among: names}, n)
}

// growGone counts n tasks as gone.
func growGone(b *testing.B, n int) {
	f := snapshotOf(b, benchNodes(1000)...).Fork()
	tasks := request("old", 1, 1).Tasks(n)
	var gone []string
	for i, t := range tasks {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: t, Node: fmt.Sprintf("node-%06d", i%1000)})
		require.Equal(b, berth.None, why.Code)
		gone = append(gone, t.ID)
	}
	growAsked(b, f.Snapshot(), placement.BinPack(), request("g", 100, 1<<20), placement.Ask{Gone: gone}, 1000)
}

// growAgain asks about n nodes, one of which has changed.
func growAgain(b *testing.B, n int) {
	f, g := snapshotOf(b, benchNodes(n)...).Fork(), request("g", 100, 1<<20)
	e, into := placement.NewEngine(placement.BinPack()), new(placement.Choices)
	for i := 0; b.Loop(); i++ {
		if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint("t-", i)), Node: fmt.Sprintf("node-%06d", i%n)}); why.Code != berth.None {
			b.Fatal(why)
		}
		e.Start(f.Snapshot())
		if into = e.Candidates(g.Task("t"), placement.Ask{Misfits: true, Into: into}); into.Fit != n {
			b.Fatal(into.Fit)
		}
	}
}
