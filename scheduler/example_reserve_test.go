package scheduler_test

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// Room is reserved for a role by the node's own description, or by a hold. Everybody below the role may use it, and nobody else; who is
// kept out is told for whom.
func Example_reservations() {
	ctx := context.Background()
	state, _ := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 8000}, Reserved: map[berth.Role]berth.Resources{"ops": {"cpu": 1000}}},
	)
	_ = state.Hold(berth.Hold{ID: "eng-1", Role: "eng", Node: "n1", Lease: berth.Reserved, Resources: berth.Resources{"cpu": 6000}})
	s, _ := scheduler.New(state, scheduler.Config{})

	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "lab", Request: berth.Resources{"cpu": 4000}})
	search := berth.NewGroup("search", berth.GroupSpec{Role: "eng/search", Request: berth.Resources{"cpu": 4000}})
	out, _ := s.Schedule(ctx, append(batch.Tasks(2), search.Tasks(2)...)...)
	for _, op := range out.Placed {
		fmt.Println(op)
	}
	for _, u := range out.Unplaced {
		fmt.Println(u)
	}
	snapshot, _ := state.Snapshot(ctx)
	fmt.Println("eng has", snapshot.Used("eng"), "and all together", snapshot.Used(""))

	_ = state.Release("search-1", "search-2") // what they used is reserved again
	snapshot, _ = state.Snapshot(ctx)
	n1, _ := snapshot.Node("n1")
	fmt.Println("n1 has", n1.Free(), "for everybody and", n1.FreeFor("eng/search"), "for eng/search")
	// Output:
	// place batch-1 on n2
	// place search-1 on n1
	// place search-2 on n1
	// 0/2 nodes for batch-2: 2 insufficient cpu; nearest n2: lacks 1 cpu (1 reserved for ops); 1 more cpu on n2 would do
	// eng has cpu 8 and all together cpu 13
	// n1 has cpu 2 for everybody and cpu 8 for eng/search
}
