package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// growReserved makes the nodes many of which something is reserved: a call for a role that has that and one for a role that has not turn the
// engine's rows of those nodes each time.
func growReserved(b *testing.B, n int) {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%05d", i), 8000)
		nodes[i].Reserved = map[berth.Role]berth.Resources{"eng": {"cpu": 2000}}
	}
	state := newState(b, scheduler.StateConfig{}, nodes...)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(b, err)
	eng := berth.NewGroup("web", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 500}})
	lab := berth.NewGroup("batch", berth.GroupSpec{Role: "lab", Request: berth.Resources{"cpu": 500}})
	for b.Loop() {
		for _, g := range []*berth.Group{eng, lab} {
			out, err := s.Schedule(b.Context(), g.Task(g.Name()+"-1"))
			require.NoError(b, err)
			require.Len(b, out.Placed, 1)
			require.NoError(b, state.Release(g.Name()+"-1"))
		}
	}
}

// growReservations makes many the reservations of one node that are for one role, made and given back one by one while as many tasks use them.
func growReservations(b *testing.B, n int) {
	state := newState(b, scheduler.StateConfig{}, node("n1", int64(n)*1000))
	eng := berth.NewGroup("web", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 500}})
	snapshot, err := state.Snapshot(b.Context())
	require.NoError(b, err)
	place := &cluster.Plan{Version: snapshot.Version()}
	for _, t := range eng.Tasks(n) {
		place.Place(t, "n1")
	}
	out, err := state.Commit(b.Context(), place)
	require.NoError(b, err)
	require.Empty(b, out.Refused)
	for b.Loop() {
		for _, sign := range []int{1, -1} {
			for i := range n {
				p := &cluster.Plan{Version: snapshot.Version()}
				if id := fmt.Sprint("r", i); sign > 0 {
					p.Take(berth.Hold{ID: id, Role: "eng", Node: "n1", Lease: berth.Reserved, Resources: berth.Resources{"cpu": 1000}})
				} else {
					p.Drop(id)
				}
				out, err := state.Commit(b.Context(), p)
				require.NoError(b, err)
				require.Empty(b, out.Refused)
			}
		}
	}
}

// growRevoke makes many the tasks that have what may be taken back on one node of which half of it is.
func growRevoke(b *testing.B, n int) {
	state := newState(b, scheduler.StateConfig{}, node("n1", 1))
	require.NoError(b, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": int64(n)}}))
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(b, err)
	out, err := s.Schedule(b.Context(), berth.NewGroup("batch", berth.GroupSpec{Request: revocable(1)}).Tasks(n)...)
	require.NoError(b, err)
	require.Empty(b, out.Unplaced)
	require.NoError(b, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": int64(n) / 2}}))
	snapshot, err := state.Snapshot(b.Context())
	require.NoError(b, err)
	for b.Loop() {
		revoked, err := s.Revoke(b.Context(), snapshot, scheduler.Reclaim{})
		require.NoError(b, err)
		require.Len(b, revoked.Plan.Ops, n-n/2)
	}
}
