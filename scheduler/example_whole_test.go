package scheduler_test

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// A task that somebody else resized where it runs is a fact: it is told in one step, and the task is never gone.
func ExampleState_Readopt() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	web := func(cpu int64) berth.Task {
		return berth.NewTask("web-1", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
	}
	_ = state.Adopt(scheduler.Running{Task: web(1000), Node: "n1"})
	fmt.Println(state.Readopt(scheduler.Running{Task: web(3000), Node: "n1"}))
	n1, _ := state.Node("n1")
	fmt.Println("free:", n1.Free())
	// Output:
	// <nil>
	// free: cpu 1
}

// A slow start is given more time before its place goes to others.
func ExampleState_Renew() {
	now := time.Unix(0, 0)
	state, _ := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }, AssumeFor: time.Minute},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{})
	_, _ = s.Schedule(context.Background(), berth.NewTask("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}))

	fmt.Println(state.Renew(now.Add(time.Hour), "web"))
	now = now.Add(2 * time.Minute)
	snapshot, _ := state.Snapshot(context.Background())
	_, there := snapshot.Task("web")
	fmt.Println(there)
	// Output:
	// <nil>
	// true
}

// What a plan for all or nothing would be, before it is handed to anybody.
func ExampleScheduler_PlanWhole() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{})
	snapshot, _ := state.Snapshot(context.Background())
	task := func(id string, cpu int64) berth.Task {
		return berth.NewTask(id, berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
	}
	for _, cpu := range []int64{2000, 3000} {
		plan, err := s.PlanWhole(context.Background(), snapshot, task("db", 2000), task("web", cpu))
		fmt.Println(len(plan.Ops), "placements, whole:", plan.Whole, err)
		for _, u := range plan.Unplaced {
			fmt.Println(u.Task, u.Reason)
		}
	}
	// Output:
	// 2 placements, whole: true <nil>
	// 0 placements, whole: false <nil>
	// web insufficient cpu
	// db not whole: web: insufficient cpu
}

// How long the line is goes to the host's metrics.
func ExampleQueue_Len() {
	var queue scheduler.Queue
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	_ = queue.Submit(web.Tasks(3)...)
	queue.Cancel("web-2")
	fmt.Println(queue.Len())
	// Output: 2
}
