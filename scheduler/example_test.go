package scheduler_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func twoZones() []berth.Node {
	return []berth.Node{
		{ID: "n1", Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"zone": "a"}},
		{ID: "n2", Capacity: berth.Resources{"cpu": 2000}, Attributes: berth.Attributes{"zone": "b"}},
	}
}

func ExampleNew() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: placement.Spread("zone"), Attempts: 5})
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 500}})
	outcome, err := s.Schedule(context.Background(), web.Tasks(2)...)
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range outcome.Placed {
		fmt.Println(op)
	}

	_, err = scheduler.New(nil, scheduler.Config{Attempts: -1})
	fmt.Println(err)
	// Output:
	// place web-1 on n1
	// place web-2 on n2
	// scheduler: no source
	// scheduler: attempts: -1 is negative
}

// Schedule returns what became of each task; that some could not be placed is no error.
func ExampleScheduler_Schedule() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	db := berth.NewGroup("db", berth.GroupSpec{
		Request: berth.Resources{"cpu": 1000},
		Rules:   []berth.Constraint{constraints.Unique("zone")},
	})
	outcome, err := s.Schedule(context.Background(), db.Tasks(3)...)
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range outcome.Placed {
		fmt.Println(op)
	}
	for _, u := range outcome.Unplaced {
		fmt.Println(u)
	}
	// Output:
	// place db-1 on n2
	// place db-2 on n1
	// 0/2 nodes for db-3: 2 unique(zone); nearest n1: unique(zone) (zone=a has db-2); a node in another domain of unique(zone) would do
}

// Plan answers what if: here, whether a gang that does not fit would fit with one more node.
func ExampleScheduler_Plan() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := state.Snapshot(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	larger := snapshot.Fork()
	if err := larger.AddNodes(berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 4000}}); err != nil {
		log.Fatal(err)
	}
	train := berth.NewGroup("train", berth.GroupSpec{Mode: berth.Gang, GangSize: 3, Request: berth.Resources{"cpu": 2000}})
	for _, of := range []*cluster.Snapshot{snapshot, larger.Snapshot()} {
		plan, err := s.Plan(context.Background(), of, train.Tasks(4)...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(of.Len(), "nodes:", len(plan.Ops), "placed,", len(plan.Unplaced), "not")
	}
	// Output:
	// 2 nodes: 3 placed, 1 not
	// 3 nodes: 4 placed, 0 not
}

// A daemon group has its instance on every eligible node, and coverage is a fact one can ask for.
func ExampleCoverageOf() {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
	outcome, err := s.Schedule(ctx, agent.Everywhere())
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range outcome.Placed {
		if err := state.Confirm(op.Task.ID); err != nil {
			log.Fatal(err)
		}
	}
	if err := state.AddNodes(berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 100}}); err != nil {
		log.Fatal(err)
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	coverage, err := scheduler.CoverageOf(snapshot, agent)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(coverage)
	// Output:
	// agent: 2 running, 0 pending, 0 blocked, 1 impossible, 0 not eligible; n3: lacks 0.4 cpu (it has 0.1 in all)
}

// A queue takes each name once, and all that it is given or nothing.
func ExampleQueue() {
	var q scheduler.Queue
	web := berth.NewGroup("web", berth.GroupSpec{})
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
	fmt.Println(q.Submit(append(web.Tasks(2), agent.Everywhere())...))
	fmt.Println(q.Submit(web.Task("web-3"), web.Task("web-1")))
	q.Cancel("web-2", "agent")
	fmt.Println(q.Waiting())
	// Output:
	// <nil>
	// scheduler: submit: task "web-1": a task of that ID exists
	// [web-1]
}

// An admission hook sees what each role uses, and refuses in its own words.
func ExampleStateConfig_admit() {
	limit := berth.Resources{"cpu": 1000}
	state, err := scheduler.NewState(scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
		if sum, err := a.Used(a.Role()).Plus(a.Cost()); err != nil || !limit.Covers(sum) {
			return berth.Reason{Subject: "quota of " + string(a.Role())}
		}
		return berth.Reason{}
	}}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 600}})
	outcome, err := s.Schedule(context.Background(), web.Tasks(2)...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outcome.Placed, outcome.Refused)
	// Output:
	// [place web-1 on n2] [place web-2 on n2: denied quota of shop]
}

// A host that learns of all its nodes every minute tells them as they are.
func ExampleState_UpsertNodes() {
	state, _ := scheduler.NewState(scheduler.StateConfig{})
	inventory := []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": 4000}}}
	fmt.Println(state.UpsertNodes(inventory...))
	before := state.Version()
	fmt.Println(state.UpsertNodes(inventory...), state.Version() == before)
	n1, _ := state.Node("n1")
	fmt.Println(n1.Free())
	// Output:
	// <nil>
	// <nil> true
	// cpu 4
}

// A service of ten instances gets a new version one by one: each new one takes the place of an old one or, if there is none for it, the
// old one stays. All through it, no two share a node.
func ExampleScheduler_Replace() {
	var nodes []berth.Node
	for i := range 10 {
		nodes = append(nodes, berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": 2000}})
	}
	state, _ := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	s, _ := scheduler.New(state, scheduler.Config{})
	web := func(cpu int64) *berth.Group {
		return berth.NewGroup("web", berth.GroupSpec{
			Request: berth.Resources{"cpu": cpu}, Rules: []berth.Constraint{constraints.UniqueNode()},
		})
	}
	v1, v2 := web(1000), web(1500)
	ctx := context.Background()
	_, _ = s.Schedule(ctx, v1.Tasks(10)...)

	for _, t := range v2.Tasks(10) {
		out, err := s.Replace(ctx, t)
		if err != nil || len(out.Placed) == 0 {
			fmt.Println("the old one stays:", err, out.Unplaced, out.Refused)
			break
		}
		// Here the host stops the old one, starts the new one on out.Placed[0].Node, and waits until it is healthy.
		_ = state.Confirm(t.ID)
	}
	snapshot, _ := state.Snapshot(ctx)
	running, on := 0, map[string]bool{}
	for t := range snapshot.Group("web") {
		if t.Group.Equal(v2) && t.State == berth.Running {
			running++
		}
		on[t.Node] = true
	}
	fmt.Println(running, "of the new version on", len(on), "nodes")
	// Output: 10 of the new version on 10 nodes
}

// A job is a gang of servers and a gang of workers, of which neither makes sense without the other.
func ExampleScheduler_ScheduleWhole() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{})
	gang := func(name string, size int) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: size})
	}
	servers := gang("servers", 2)
	for _, workers := range []int{3, 2} {
		out, err := s.ScheduleWhole(context.Background(), append(servers.Tasks(2), gang("workers", workers).Tasks(workers)...)...)
		fmt.Println(len(out.Placed), "placed", err)
		for _, u := range out.Unplaced {
			fmt.Println(u.Task, u.Reason)
		}
	}
	// Output:
	// 0 placed <nil>
	// workers-3 gang incomplete 2 of 3
	// workers-1 gang incomplete 2 of 3
	// workers-2 gang incomplete 2 of 3
	// servers-1 not whole: workers-3: gang incomplete 2 of 3
	// servers-2 not whole: workers-3: gang incomplete 2 of 3
	// 4 placed <nil>
}
