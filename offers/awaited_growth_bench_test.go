package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

// awaiting is a world of nodes of four cores, one of which is free, where daemons that take two wait, one of a framework each; and of a framework
// that declares nothing. The function frees a core of each node and takes it again, so that the next pass looks at all of them.
func awaiting(b *testing.B, nodes, daemons int) (w *world, change func()) {
	w = growing(b, nodes)
	for i := range daemons {
		name := fmt.Sprintf("ops%d", i)
		agent := berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: res{"cpu": 2, "memory": 4}, Mode: berth.Daemon})
		w.subscribe(wants(name, offers.Demand{Group: agent}))
	}
	w.subscribe(offers.Framework{Name: "aa", Role: "aa"})
	old := berth.NewGroup("old", berth.GroupSpec{Request: res{"cpu": 3, "memory": 0}})
	schedule(b, w.state, old.Tasks(nodes)...)
	more := berth.NewGroup("more", berth.GroupSpec{Request: res{"cpu": 1}})
	return w, func() {
		b.StopTimer()
		w.now = w.now.Add(time.Minute)
		for i, out := 0, schedule(b, w.state, more.Tasks(nodes)...); i < len(out.Placed); i++ {
			require.NoError(b, w.state.Release(out.Placed[i].Task.ID))
		}
		b.StartTimer()
	}
}

// growAwaiting makes passes in which room is kept anew on all nodes.
func growAwaiting(nodes, daemons int) func(b *testing.B) {
	return func(b *testing.B) {
		w, change := awaiting(b, nodes, daemons)
		w.offer()
		for b.Loop() {
			change()
			w.offer()
			require.Equal(b, nodes, offers.Awaited(w.x))
		}
	}
}

// growFreed frees the room that is kept on n nodes, for nobody wants the daemon any more, and keeps it again.
func growFreed(b *testing.B, n int) {
	w, _ := awaiting(b, n, 1)
	ops := w.subs["ops0"]
	agent := berth.NewGroup("ops0", berth.GroupSpec{Role: "ops0", Request: res{"cpu": 2, "memory": 4}, Mode: berth.Daemon})
	w.offer()
	for b.Loop() {
		require.NoError(b, ops.Want())
		w.offer()
		require.Zero(b, offers.Awaited(w.x))
		b.StopTimer()
		declineAll(b, w.subs["aa"], offers.Filter{})
		b.StartTimer()
		require.NoError(b, ops.Want(offers.Demand{Group: agent}))
		w.offer()
		require.Equal(b, n, offers.Awaited(w.x))
	}
}
