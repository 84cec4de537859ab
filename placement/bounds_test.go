package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// Where more is asked for than an engine keeps, it picks as the reference does all the same, and keeps no more: of
// attributes that tell classes apart, of sets of rules with verdicts, and of sets of eligible domains.
func TestExactBeyondTheBounds(t *testing.T) {
	const more = 8
	var nodes []berth.Node
	for i := range 6 {
		n := plain(fmt.Sprint("n", i), 1<<40, 1<<40)
		n.Attributes = berth.Attributes{"zone": fmt.Sprint("z", i%3)}
		for k := range placement.MaxReads + more {
			n.Attributes[fmt.Sprint("a", k)] = fmt.Sprint((i + k) % 3)
		}
		nodes = append(nodes, n)
	}
	s := snapshotOf(t, nodes...)
	for name, c := range map[string]struct {
		rules func(i int) []berth.Constraint
		kept  func(e *placement.Engine) int
		most  int
	}{
		"attributes": {
			func(i int) []berth.Constraint { return []berth.Constraint{constraints.Eq(fmt.Sprint("a", i), "1")} },
			func(e *placement.Engine) int { n, _, _ := e.Kept(); return n }, placement.MaxReads,
		},
		"verdicts": {
			func(i int) []berth.Constraint {
				return []berth.Constraint{constraints.NotEq("zone", "z1"), constraints.NotEq("a1", fmt.Sprint("x", i))}
			},
			func(e *placement.Engine) int { _, n, _ := e.Kept(); return n }, placement.MaxVerdicts,
		},
		"domains": {
			func(i int) []berth.Constraint {
				return []berth.Constraint{constraints.GroupBy("zone"), constraints.NotEq("a1", fmt.Sprint(i))}
			},
			func(e *placement.Engine) int { _, _, n := e.Kept(); return n }, placement.MaxEligible,
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, reference := placement.NewEngine(placement.Strategy{}), placement.NewExhaustive(placement.Strategy{})
			for plan := range 2 { // the second asks again for what the first asked for first
				engine.Start(s)
				reference.Start(s)
				most := 0
				for i := range c.most + more {
					if plan == 1 && i == more*2 {
						break
					}
					g := request(fmt.Sprint("g", plan, "-", i), 1, 1, c.rules(i)...)
					for k := range 2 {
						task := g.Task(fmt.Sprint(g.Name(), "-", k))
						got, ok := engine.Place(task)
						want, wantOK := reference.Place(task)
						require.Equal(t, fmt.Sprint(want, wantOK), fmt.Sprint(got, ok), "task %v of plan %d", task, plan)
						require.True(t, ok)
					}
					most = max(most, c.kept(engine))
				}
				require.NoError(t, engine.Check())
				if plan == 0 {
					assert.Equal(t, c.most, most, "the bound is reached and not passed")
				}
			}
		})
	}
}
