// Gpupolicy places tasks by a policy of one's own that looks at each device: it keeps GPUs whole, above all those that training
// needs, and so chooses the node and the device. Best fit, which sees how many units a node has, leaves training without.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// whole is what GPUs of which nothing is taken are worth.
func whole(s *placement.State) (worth int64) {
	for _, d := range s.Devices() {
		if d.Free == berth.DeviceUnits {
			worth += map[string]int64{"A100": 5, "T4": 1}[d.Model]
		}
	}
	return worth
}

func node(id string, models ...string) berth.Node {
	n := berth.Node{ID: id, Capacity: berth.Resources{"cpu": 32000}}
	for _, m := range models {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: m})
	}
	return n
}

func main() {
	serve := berth.NewGroup("serve", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	train := berth.NewGroup("train", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2, Models: []string{"A100"}}}})
	for _, strategy := range []placement.Strategy{
		placement.BinPack("gpu"),
		placement.Best(placement.Change("whole", whole)).Then(placement.InUse("gpu")),
	} {
		state := must(scheduler.NewState(scheduler.StateConfig{}, node("n1", "A100", "A100"), node("n2", "A100", "T4", "A100"), node("n3", "T4", "T4", "T4", "T4")))
		s := must(scheduler.New(state, scheduler.Config{Strategy: strategy}))
		out := must(s.Schedule(context.Background(), append(serve.Tasks(7), train.Tasks(2)...)...))
		must(fmt.Println(strategy))
		for _, p := range out.Placed {
			must(fmt.Println(" ", p.Task.ID, p.Node, p.Grant))
		}
		for _, u := range out.Unplaced {
			must(fmt.Println(" ", u))
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
