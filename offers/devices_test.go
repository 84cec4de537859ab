package offers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

// A device that goes away, in another order or under a task, is nobody's trouble but its task's: the Book shows what the
// source shows, and what is offered is what is there.
func TestFault23DevicesOfABook(t *testing.T) {
	gpus := func(ids ...string) berth.Node {
		n := node("n1", 8000, 0)
		for _, id := range ids {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", ID: id})
		}
		return n
	}
	one := berth.NewGroup("gpu", berth.GroupSpec{Role: "shop", Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		w := newWorld(t, offers.Config{Lease: lease}, gpus("a", "b", "c"))
		f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
		w.offer()
		out := schedule(t, f.Book(), one.Task("gpu-1"))
		require.Len(t, out.Placed, 1)
		require.Equal(t, "gpu/a:1000", out.Placed[0].Grant.String())
		require.NoError(t, w.state.UpdateNodes(gpus("c", "b")))
		w.offer()
		n, ok := snapshotOf(t, f.Book()).Node("n1")
		require.True(t, ok)
		assert.True(t, n.Overcommitted(), "a task has what is gone")
		assert.Equal(t, []int64{1000, 1000}, n.FreeDevices())
		out = schedule(t, f.Book(), one.Task("gpu-2"), one.Task("gpu-3"), one.Task("gpu-4"))
		require.Len(t, out.Placed, 2, "%v", out.Unplaced)
		assert.Equal(t, "gpu/c:1000", out.Placed[0].Grant.String())
		assert.Equal(t, "gpu/b:1000", out.Placed[1].Grant.String())
		require.NoError(t, w.state.UpdateNodes(gpus("b", "a", "c")))
		n, _ = snapshotOf(t, f.Book()).Node("n1")
		assert.False(t, n.Overcommitted())
		assert.Equal(t, []int64{0, 0, 0}, n.FreeDevices())
	}
}
