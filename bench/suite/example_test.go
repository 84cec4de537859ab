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

// The charts of a run are data for a program that draws them its own way.
func ExampleDocument_Charts() {
	d, err := suite.New().Run(context.Background(), suite.Config{Nodes: 50, Seeds: 1, Scenarios: []string{"fill"}, Policies: []string{"best-fit", "random"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range d.Charts() {
		fmt.Printf("%s: %s, %d lines, %d rows of bars\n", c.Workload, c.Title, len(c.Lines), len(c.Rows))
	}
	// Output:
	// google-2011-50: stranded by resource, %, 0 lines, 2 rows of bars
	// google-2011-130: allocated over arrived load, 2 lines, 0 rows of bars
	// google-2011-130: rejected by task size, %, 0 lines, 2 rows of bars
	// google-2011-130: stranded by resource, %, 0 lines, 2 rows of bars
	// gpu-130: allocated over arrived load, 2 lines, 0 rows of bars
	// gpu-130: rejected by task size, %, 0 lines, 2 rows of bars
	// gpu-130: stranded by resource, %, 0 lines, 2 rows of bars
}
