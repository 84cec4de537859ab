package allocator_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// The example of the DRF paper: nine CPUs and 18 GB, two users with unlike tasks.
func ExampleDRF() {
	demand := map[string]berth.Resources{
		"alice": {"cpu": 1, "memory": 4},
		"bob":   {"cpu": 3, "memory": 1},
	}
	free := berth.Resources{"cpu": 9, "memory": 18}
	drf, err := allocator.New(allocator.Config{Capacity: free})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"alice", "bob"} {
		if err := drf.Add(allocator.Client{Name: name}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for {
		turn, ok := drf.Next(func(c allocator.Client) bool { return free.Covers(demand[c.Name]) })
		if !ok {
			break
		}
		task := demand[turn.Name]
		if err := drf.Charge(turn, task); err != nil {
			fmt.Println(err)
			return
		}
		free, _ = free.Minus(task)
		share, _ := drf.Share(turn)
		fmt.Println(turn, share)
	}
	// Output:
	// alice 2/9 of memory
	// bob 1/3 of cpu
	// alice 4/9 of memory
	// bob 2/3 of cpu
	// alice 2/3 of memory
}

// Frameworks in roles: a role's frameworks share what the role gets, so etl waits behind web although
// it holds nothing.
func ExampleDRF_Order() {
	drf, _ := allocator.New(allocator.Config{Capacity: berth.Resources{"cpu": 100}})
	spark := allocator.Client{Role: "data/batch", Name: "spark"}
	etl := allocator.Client{Role: "data/batch", Name: "etl"}
	web := allocator.Client{Role: "shop", Name: "web"}
	for _, c := range []allocator.Client{spark, etl, web} {
		if err := drf.Add(c); err != nil {
			fmt.Println(err)
		}
	}
	_ = drf.Charge(spark, berth.Resources{"cpu": 20})
	_ = drf.Charge(web, berth.Resources{"cpu": 10})
	for c := range drf.Order() {
		fmt.Println(c)
	}
	// Output:
	// web@shop
	// etl@data/batch
	// spark@data/batch
}

func ExampleNew() {
	_, err := allocator.New(allocator.Config{
		Capacity: berth.Resources{"cpu": -8},
		Weights:  map[berth.Role]allocator.Weight{"shop": 0},
	})
	fmt.Println(err)
	// Output:
	// allocator: capacity: resource "cpu": quantity is negative: -8
	// allocator: weight of "shop": weight 0 is not positive
}

// Twice the weight, twice the share before it is the others' turn.
func ExampleDRF_SetWeight() {
	drf, _ := allocator.New(allocator.Config{Capacity: berth.Resources{"gpu": 8}})
	eng, ops := allocator.Client{Role: "eng"}, allocator.Client{Role: "ops"}
	_ = drf.Add(eng)
	_ = drf.Add(ops)
	_ = drf.Charge(eng, berth.Resources{"gpu": 3})
	_ = drf.Charge(ops, berth.Resources{"gpu": 2})
	first, _ := drf.Next(nil)
	fmt.Println(first)

	if err := drf.SetWeight("eng", 2*allocator.DefaultWeight); err != nil {
		fmt.Println(err)
	}
	first, _ = drf.Next(nil)
	share, _ := drf.RoleShare("eng")
	fmt.Printf("%v: %v\n", first, share)
	// Output:
	// ops
	// eng: 3/8 of gpu at weight 2
}

// A shape that is charged often is compiled once.
func ExampleDRF_ChargeVector() {
	drf, _ := allocator.New(allocator.Config{Capacity: berth.Resources{"cpu": 4000}})
	ci := allocator.Client{Role: "ci"}
	_ = drf.Add(ci)
	job, err := drf.Vector(berth.Resources{"cpu": 500})
	if err != nil {
		fmt.Println(err)
	}
	for range 5 {
		_ = drf.ChargeVector(ci, job)
	}
	_ = drf.CreditVector(ci, job)
	held, _ := drf.Charged(ci)
	share, _ := drf.Share(ci)
	fmt.Println(held, share)
	// Output: cpu 2 1/2 of cpu
}

// Who wants nothing now has no turn, and costs nothing to skip; what it holds still counts.
func ExampleDRF_Deactivate() {
	drf, _ := allocator.New(allocator.Config{})
	_ = drf.Add(allocator.Client{Name: "busy"})
	_ = drf.Add(allocator.Client{Name: "idle"})
	_ = drf.Deactivate(allocator.Client{Name: "idle"})
	for c := range drf.Order() {
		fmt.Println(c, "of", drf.Len())
	}
	// Output: busy of 2
}
