package rivals_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/rivals"
)

// Every scheduler places every task of the cases that it has words for, and breaks no rule.
func TestEverySchedulerPlacesAll(t *testing.T) {
	all := []rivals.Scheduler{
		rivals.Berth{}, rivals.Berth{OneByOne: true}, rivals.SwarmKit{}, rivals.Kubernetes{}, rivals.Kubernetes{Exhaustive: true},
	}
	of := map[rivals.Case]int{rivals.Fit: 5, rivals.Spread: 5, rivals.Constrained: 5, rivals.Affinity: 4, rivals.Daemon: 4}
	for _, c := range rivals.Cases() {
		w, err := rivals.NewWorkload(c, 120, 300)
		require.NoError(t, err)
		results, err := rivals.Run(context.Background(), w, 1, all...)
		require.NoError(t, err)
		require.Len(t, results, of[c], c)
		for _, r := range results {
			assert.Equal(t, w.Tasks(), r.Placed, "%s by %s", c, r.Scheduler)
			assert.Zero(t, r.Violations, "%s by %s", c, r.Scheduler)
			assert.Positive(t, r.Took)
		}
		var table bytes.Buffer
		require.NoError(t, rivals.Markdown(&table, results))
		assert.Equal(t, 2+len(results), strings.Count(table.String(), "\n"))
	}
}

// Two nodes of two cores, in two zones; the second has an SSD.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	nodes := []rivals.Node{{ID: "n0", CPU: 2000, Memory: 1 << 30, Zone: "a", Disk: "hdd"}, {ID: "n1", CPU: 2000, Memory: 1 << 30, Zone: "b", Disk: "ssd"}}
	first, second := rivals.Placement{Group: "g0", Node: "n0"}, rivals.Placement{Group: "g0", Node: "n1"}
	for _, c := range []struct {
		what   string
		groups []rivals.Group
		placed []rivals.Placement
		want   rivals.Quality
	}{
		{"nothing", []rivals.Group{{Name: "g0"}}, nil, rivals.Quality{}},
		{"room", []rivals.Group{{Name: "g0", CPU: 1000}}, []rivals.Placement{first, first}, rivals.Quality{Placed: 2, Used: 1, Cores: 2}},
		{"cpu", []rivals.Group{{Name: "g0", CPU: 1001}}, []rivals.Placement{first, first}, rivals.Quality{Placed: 2, Violations: 1, Used: 1, Cores: 2}},
		{"memory", []rivals.Group{{Name: "g0", CPU: 1, Memory: 1 << 31}}, []rivals.Placement{first}, rivals.Quality{Placed: 1, Violations: 1, Used: 1, Cores: 2}},
		{"disk", []rivals.Group{{Name: "g0", CPU: 1, SSD: true}}, []rivals.Placement{first, second}, rivals.Quality{Placed: 2, Violations: 1, Used: 2, Cores: 4}},
		{"alone", []rivals.Group{{Name: "g0", CPU: 1, Alone: true}}, []rivals.Placement{first, first, second}, rivals.Quality{Placed: 3, Violations: 1, Used: 2, Cores: 4}},
		{"near", []rivals.Group{{Name: "g0", CPU: 1}, {Name: "g1", CPU: 1, Near: "g0"}},
			[]rivals.Placement{first, {Group: "g1", Node: "n0"}, {Group: "g1", Node: "n1"}}, rivals.Quality{Placed: 3, Violations: 1, Used: 2, Cores: 4}},
		{"nobody's", []rivals.Group{{Name: "g0"}}, []rivals.Placement{{Group: "g1", Node: "n0"}, {Group: "g0", Node: "n2"}}, rivals.Quality{Placed: 2, Violations: 2}},
		{"skew", []rivals.Group{{Name: "g0", CPU: 1, Zones: true}}, []rivals.Placement{first, first, second}, rivals.Quality{Placed: 3, Used: 2, Cores: 4, Skew: 1}},
	} {
		assert.Equal(t, c.want, rivals.Check(&rivals.Workload{Nodes: nodes, Groups: c.groups}, c.placed), c.what)
	}
}

func TestNewWorkload(t *testing.T) {
	for _, c := range rivals.Cases() {
		one, err := rivals.NewWorkload(c, 600, 1200)
		require.NoError(t, err)
		two, err := rivals.NewWorkload(c, 600, 1200)
		require.NoError(t, err)
		assert.Equal(t, one, two, "the same for the same numbers")
		assert.Equal(t, 1200, one.Tasks(), c)
	}
	for _, c := range []struct{ nodes, tasks int }{{0, 1}, {1, 0}, {-1, -1}, {3, 10_000}} {
		_, err := rivals.NewWorkload(rivals.Fit, c.nodes, c.tasks)
		assert.Error(t, err)
	}
}

// What a budget is too short for is left, and the rate is of what was done, which the table tells beside it.
func TestABudget(t *testing.T) {
	w, err := rivals.NewWorkload(rivals.Fit, 60, 300)
	require.NoError(t, err)
	results, err := rivals.Run(context.Background(), w, 1, rivals.Kubernetes{Budget: time.Nanosecond})
	require.NoError(t, err)
	assert.LessOrEqual(t, results[0].Placed, 1)
	assert.Equal(t, 300, results[0].Tasks)
}

// mine is a rival of somebody else's: it puts every task on the first node.
type mine struct{ w *rivals.Workload }

func (mine) Name() string                                                        { return "mine" }
func (mine) Can(rivals.Case) bool                                                { return true }
func (mine) Close()                                                              {}
func (mine) Load(_ context.Context, w *rivals.Workload) (rivals.Instance, error) { return mine{w}, nil }

func (m mine) Place(context.Context) (placed []rivals.Placement, latencies []time.Duration, err error) {
	for g := range m.w.Groups {
		for range m.w.Groups[g].Tasks {
			placed, latencies = append(placed, rivals.Placement{Group: m.w.Groups[g].Name, Node: m.w.Nodes[0].ID}), append(latencies, time.Microsecond)
		}
	}
	return placed, latencies, nil
}

func TestAnotherRival(t *testing.T) {
	w, err := rivals.NewWorkload(rivals.Fit, 10, 100)
	require.NoError(t, err)
	results, err := rivals.Run(context.Background(), w, 3, mine{})
	require.NoError(t, err)
	require.Len(t, results, 1)
	assert.Equal(t, 3, results[0].Runs)
	assert.Equal(t, rivals.Quality{Placed: 100, Violations: 1, Used: 1, Cores: 16}, results[0].Quality)
	assert.Equal(t, time.Microsecond, results[0].P99)
}
