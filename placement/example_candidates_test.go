package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

// A picker tells which nodes could take a task, as its plan stands, without picking one.
func ExampleEngine_Candidates() {
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 6000, "memory": 8 << 30}})
	e := placement.NewEngine(placement.BinPack())
	e.Start(halfFull())
	found := e.Candidates(web.Task("web-1"), placement.Ask{Misfits: true})
	for c := range found.All() {
		fmt.Println(c)
	}
	for _, m := range found.Misfits {
		fmt.Println(m)
	}

	// Without what runs there, and in the room of the last answer.
	found = e.Candidates(web.Task("web-1"), placement.Ask{Gone: []string{"db"}, Among: []string{"n2"}, Into: found})
	fmt.Println(found.At(0).Node, found.Fit)
	// Output:
	// 1. n1: 0 = preferences 0; 524288 = in-use() 524288
	// 2. n3: 0 = preferences 0; 262144 = in-use() 262144
	// n2: lacks 2 cpu
	// n2 1
}
