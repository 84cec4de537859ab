package scheduler_test

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// Cores that others have and do not use are lent to tasks that may be ended at any time. When the host's estimate falls, the youngest
// of them go, and nobody who has cores for good is touched.
func ExampleScheduler_Revoke() {
	ctx := context.Background()
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}})
	_ = state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{})

	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 4000}})
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "lab", Request: berth.Resources{berth.Revocable("cpu"): 1500}})
	out, _ := s.Schedule(ctx, append(web.Tasks(2), batch.Tasks(3)...)...)
	fmt.Println(len(out.Placed), "placed;", out.Unplaced[0])

	_ = state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 2000}})
	snapshot, _ := state.Snapshot(ctx)
	revoked, _ := s.Revoke(ctx, snapshot, scheduler.Reclaim{})
	fmt.Println(revoked.Nodes[0])
	_, _ = state.Commit(ctx, revoked.Plan)
	snapshot, _ = state.Snapshot(ctx)
	fmt.Println("lab has", snapshot.Used("lab"), "and shop", snapshot.Used("shop"))
	// Output:
	// 4 placed; 0/1 nodes for batch-3: 1 insufficient revocable.cpu; nearest n1: lacks 0.5 revocable.cpu; 0.5 more revocable.cpu on n1 would do
	// n1 is over by revocable.cpu 1: ends batch-2
	// lab has revocable.cpu 1.5 and shop cpu 8
}
