package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth/placement"
)

// A text that a strategy printed is read back: it prints alike.
func ExampleParseStrategy() {
	text := placement.Best(placement.Models()).Then(placement.InUse()).String()
	strategy, err := placement.ParseStrategy(text)
	fmt.Println(strategy.String() == text, err)
	_, err = placement.ParseStrategy("no-such-term")
	fmt.Println(err)
	for _, text := range []string{"binpack(cpu, gpu)", "3 in-use(cpu) + balanced-allocation(cpu, memory), then -1 tasks(zone)"} {
		strategy, err = placement.ParseStrategy(text)
		fmt.Println(strategy, err)
	}
	// Output:
	// true <nil>
	// placement: offset 0, between "" and "no-such-term": no term is named "no-such-term"; a host's own are read by a Reader that has them
	// binpack(cpu, gpu) <nil>
	// 3 in-use(cpu) + balanced-allocation(cpu, memory), then -1 tasks(zone) <nil>
}
