package offers_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// growOperations makes many the operations of one answer, which places a task on each of the nodes that are offered and reserves room there, and
// of the next, which gives it back.
func growOperations(b *testing.B, n int) {
	w := growing(b, n)
	f := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	g := cpus("g", "eng", 1)
	for b.Loop() {
		b.StopTimer()
		require.Equal(b, n, w.offer())
		all, err := f.Offers(ctx)
		require.NoError(b, err)
		p, back := new(cluster.Plan), new(cluster.Plan)
		var given, tasks []string
		for i, o := range all {
			given, tasks = append(given, o.ID), append(tasks, fmt.Sprint("t", i))
			p.Place(g.Task(tasks[i]), o.Node)
			p.Take(reservation(fmt.Sprint("r", i), "eng", o.Node, 2))
			back.Drop(fmt.Sprint("r", i))
		}
		b.StartTimer()
		for _, p := range []*cluster.Plan{p, back} {
			out, err := f.Accept(ctx, given, p, offers.Filter{})
			require.NoError(b, err)
			require.Empty(b, out.Refused)
			given = nil
		}
		b.StopTimer()
		require.NoError(b, w.state.Release(tasks...))
		b.StartTimer()
	}
}
