package placement_test

import (
	"encoding/json"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

func withGPUs(id string, cpu int64, n int) berth.Node {
	node := berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}}
	for range n {
		node.Devices = append(node.Devices, berth.Device{Class: "gpu"})
	}
	return node
}

// share and train are tasks of a cluster: most take 300 thousandths of a GPU, some two whole ones.
var (
	share = berth.NewGroup("share", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	train = berth.NewGroup("train", berth.GroupSpec{Request: berth.Resources{"cpu": 8000}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}})
)

// placeShare places a share where one GPU is free alone and where two are.
func placeShare(by placement.Strategy) {
	snapshot, _ := cluster.NewSnapshot(withGPUs("alone", 16000, 1), withGPUs("pair", 16000, 2))
	engine := placement.NewEngine(by)
	engine.Start(snapshot)
	op, _ := engine.Place(share.Task("t"))
	fmt.Println(op.Node)
}

// A share goes where it keeps the pair for those who need two.
func ExampleFGD() {
	placeShare(placement.FGD(placement.NewMix(append(share.Tasks(8), train.Tasks(2)...)...)))
	// Output: alone
}

func ExampleRoomLoss() {
	placeShare(placement.RoomLoss(placement.NewMix(append(share.Tasks(8), train.Tasks(2)...)...)))
	// Output: alone
}

func ExamplePricedGaps() {
	by := placement.PricedGaps(placement.NewMix(append(share.Tasks(8), train.Tasks(2)...)...))
	fmt.Println(by)
	placeShare(by)
	// Output:
	// priced-gaps(; 8 of (cpu 2000; gpu 1 x 300), 2 of (cpu 8000; gpu 2 x 1000))
	// alone
}

func ExampleParseMix() {
	mix, err := placement.ParseMix("8 of (cpu 2000; gpu 1 x 300), 2 of (cpu 8000; gpu 2 x 1000 A100|H100)")
	fmt.Println(mix, err)
	_, err = placement.ParseMix("8 of (cpu)")
	fmt.Println(err)
	// Output:
	// 8 of (cpu 2000; gpu 1 x 300), 2 of (cpu 8000; gpu 2 x 1000 A100|H100) <nil>
	// placement: offset 9, between "8 of (cpu" and ")": want a whole number
}

// Who works with a picker advances what a strategy learns, and writes it down.
func ExampleLearned() {
	by := placement.PricedGaps(placement.Mix{})
	snapshot, _ := cluster.NewSnapshot(withGPUs("alone", 16000, 1), withGPUs("pair", 16000, 2))
	engine, learned := placement.NewEngine(by), placement.NewLearned(by)
	for _, task := range append(train.Tasks(1), share.Tasks(2)...) {
		if next := learned.Foresee(snapshot, task); next != nil {
			learned = next
		} else {
			learned.Arrived(task)
		}
		engine.Tune(learned)
		engine.Start(snapshot)
		op, _ := engine.Place(task)
		fmt.Println(op.Task, op.Node)
	}
	text, _ := json.Marshal(learned)
	again, err := placement.ReadLearned(by, text)
	fmt.Println(again.Mix(), err)
	// Output:
	// train-1 pair
	// share-1 alone
	// share-2 alone
	// 2048 of (cpu 2000; gpu 1 x 300), 1024 of (cpu 8000; gpu 2 x 1000) <nil>
}
