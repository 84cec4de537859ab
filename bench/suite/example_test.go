package suite_test

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth/bench/suite"
	"github.com/berth-sched/berth/placement"
)

// A strategy of one's own, which fills the node that has the least of its scarcest resource left, runs through the suite beside
// the others.
func ExampleSuite() {
	tightest := placement.Additive("tightest", func(free, capacity []int64) int64 {
		least := int64(1000)
		for i := range free {
			if capacity[i] > 0 {
				least = min(least, free[i]*1000/capacity[i])
			}
		}
		return -least
	}, func(request, capacity []int64) int64 { return 0 }).Between(-1000, 0)

	s := suite.New()
	s.Policies = append(s.Policies, suite.Fixed("tightest", "the node whose scarcest resource is nearest to its end", placement.Best(tightest)))
	d, err := s.Run(context.Background(), suite.Config{Nodes: 50, Seeds: 1, Scenarios: []string{"fill"}, Policies: []string{"tightest", "random"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range d.Quality.Results {
		fmt.Printf("%s, %s: %.1f %% rejected\n", r.Workload, r.Policy, r.Metrics["rejected"])
	}
	// Output:
	// google-2011-50, random: 0.0 % rejected
	// google-2011-50, tightest: 0.0 % rejected
	// google-2011-130, random: 8.0 % rejected
	// google-2011-130, tightest: 33.0 % rejected
	// gpu-130, random: 18.9 % rejected
	// gpu-130, tightest: 19.9 % rejected
}
