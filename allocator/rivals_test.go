package allocator_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// divided gives two roles GPUs one by one, as many as they ask for and their limits let them have, and returns what each has, and what is left.
func divided(tree allocator.Tree, total int64, quotas map[berth.Role]berth.Quota, asks map[berth.Role]int64) string {
	l := account{book: book{res{"gpu": total}, map[berth.Role]res{}}, quotas: quotas}
	one := res{"gpu": 1}
	round := tree.Begin(l, slices.Sorted(maps.Keys(asks)))
	can := func(r berth.Role) bool {
		limit, limited := quotas[r].Limits["gpu"]
		has := l.Used(r)["gpu"]
		return has < asks[r] && (!limited || has < limit) && l.Used("")["gpu"] < total
	}
	for {
		role, ok := round.Next(can)
		if !ok {
			return fmt.Sprintf("%d/%d rest %d", l.Used("a")["gpu"], l.Used("b")["gpu"], total-l.Used("")["gpu"])
		}
		g := groupOf(role, one)
		l.move(g, 1)
		round.Charged(g, 1)
	}
}

// N25: the division of GPUs among queues of KAI's resource_division tests: first what each deserves, then by priority, then by the weights of what is
// above it. Both queues deserve 2 and ask for 6. KAI weighs what a queue has beyond what it deserves, ByShare all that it has: a host that wants
// the former writes it in three lines. What both deserve is guaranteed to them, and guarantees of more than there is are refused; KAI's shares may
// be more than there is.
func TestDivisionOfKAI(t *testing.T) {
	two := func(a, b berth.Quota) map[berth.Role]berth.Quota {
		a.Role, b.Role = "a", "b"
		a.Guarantees, b.Guarantees = res{"gpu": 2}, res{"gpu": 2}
		return map[berth.Role]berth.Quota{"a": a, "b": b}
	}
	weights := func(a, b allocator.Weight) map[berth.Role]allocator.Weight {
		return map[berth.Role]allocator.Weight{"a": a * 1000, "b": b * 1000}
	}
	for _, tc := range []struct {
		name       string
		total      int64
		quotas     map[berth.Role]berth.Quota
		weights    map[berth.Role]allocator.Weight
		priorities map[berth.Role]int
		kai, berth string
	}{
		{"enough for both", 15, two(berth.Quota{}, berth.Quota{}), weights(2, 2), nil, "6/6 rest 3", "6/6 rest 3"},
		{"by weight above what is deserved", 8, two(berth.Quota{}, berth.Quota{}), weights(1, 3), nil, "3/5 rest 0", "2/6 rest 0"},
		{"a limit", 12, two(berth.Quota{Limits: res{"gpu": 5}}, berth.Quota{}), weights(2, 2), nil, "5/6 rest 1", "5/6 rest 1"},
		{"deserved before priority", 4, two(berth.Quota{}, berth.Quota{}), weights(2, 2), map[berth.Role]int{"a": 1, "b": 2}, "2/2 rest 0", "2/2 rest 0"},
		{"priority before weight", 6, two(berth.Quota{}, berth.Quota{}), weights(100, 1), map[berth.Role]int{"a": 1, "b": 2}, "2/4 rest 0", "2/4 rest 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			beyond := func(s *allocator.Sibling) int64 { return int64(math.Round(s.Share().Float64()*float64(tc.total))) - 2 }
			for want, policy := range map[string]allocator.Policy{
				tc.berth: allocator.ByShare,
				tc.kai: func(a, b *allocator.Sibling) int {
					return cmp.Compare(beyond(a)*int64(b.Weight), beyond(b)*int64(a.Weight))
				},
			} {
				tree := allocator.Tree{Weights: tc.weights, Priorities: tc.priorities, Policy: allocator.InTurn(allocator.ByNeed, allocator.ByPriority, policy)}
				assert.Equal(t, want, divided(tree, tc.total, tc.quotas, map[berth.Role]int64{"a": 6, "b": 6}))
			}
			if tc.kai == tc.berth { // then by both
				tree := allocator.Tree{Weights: tc.weights, Priorities: tc.priorities, Policy: allocator.InTurn(allocator.ByNeed, allocator.ByPriority, allocator.ByShare)}
				assert.Equal(t, tc.berth, divided(tree, tc.total, tc.quotas, map[berth.Role]int64{"a": 6, "b": 6}))
			}
		})
	}
	err := allocator.CheckQuotas(res{"gpu": 1}, berth.Quota{Role: "a", Guarantees: res{"gpu": 3}})
	assert.ErrorContains(t, err, "3", "KAI: a queue that deserves 3 and asks for 2 has a share of 2 of a total of 1")
}

// N26: the fair shares of Armada's fairness tests, of 100 CPUs: what FairnessOf calls the level. It is capped by demand; with a demand without end of
// a queue it is the uncapped share of that queue, which a new user beside one that wants everything is told, and of all queues the nominal shares.
func TestFairSharesOfArmada(t *testing.T) {
	for _, tc := range []struct {
		name                      string
		weights, demands          [2]int64
		nominal, capped, uncapped [2]float64
	}{
		{"one wants little", [2]int64{1, 1}, [2]int64{1, 1000}, [2]float64{.5, .5}, [2]float64{.01, .99}, [2]float64{.5, .99}},
		{"by weight", [2]int64{1, 3}, [2]int64{1000, 1000}, [2]float64{.25, .75}, [2]float64{.25, .75}, [2]float64{.25, .75}},
		{"both want little", [2]int64{1, 1}, [2]int64{1, 1}, [2]float64{.5, .5}, [2]float64{.01, .01}, [2]float64{.99, .99}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			levels := func(demands ...int64) (all []float64) {
				var wishes []allocator.Wish
				for i, role := range []berth.Role{"a", "b"} {
					wishes = append(wishes, allocator.Wish{Role: role, Task: res{"cpu": 1}, Weight: allocator.Weight(tc.weights[i] * 1000), Tasks: demands[i]})
				}
				got, err := allocator.FairnessOf(book{total: res{"cpu": 100}, own: map[berth.Role]res{}}, wishes...)
				require.NoError(t, err)
				for i := range got {
					all = append(all, got[i].Level)
				}
				return all
			}
			const endless = 0
			assert.InDeltaSlice(t, tc.nominal[:], levels(endless, endless), 1e-9)
			assert.InDeltaSlice(t, tc.capped[:], levels(tc.demands[0], tc.demands[1]), 1e-9)
			assert.InDelta(t, tc.uncapped[0], levels(endless, tc.demands[1])[0], 1e-9)
			assert.InDelta(t, tc.uncapped[1], levels(tc.demands[0], endless)[1], 1e-9)
		})
	}
	newcomer, err := allocator.FairnessOf(book{total: res{"cpu": 100}, own: map[berth.Role]res{"b": {"cpu": 100}}},
		allocator.Wish{Role: "a", Task: res{"cpu": 1}}, allocator.Wish{Role: "b", Task: res{"cpu": 1}})
	require.NoError(t, err)
	assert.InDelta(t, .5, newcomer[0].Level, 1e-9, "beside one that has everything")
}

// N26: the cost of Armada's DRF tests: the largest part of any resource that counts and that there is any of, over the weight of the queue.
func TestCostOfArmada(t *testing.T) {
	for _, tc := range []struct {
		name     string
		capacity res
		held     res
		exclude  []string
		weight   allocator.Weight
		want     float64
	}{
		{"the largest part", res{"foo": 1000, "bar": 2000}, res{"foo": 500, "bar": 1100}, nil, 1000, .55},
		{"the other is larger", res{"foo": 1000, "bar": 2000}, res{"foo": 500, "bar": 600}, nil, 1000, .5},
		{"one that does not count", res{"foo": 1000, "bar": 2000}, res{"foo": 500, "bar": 1100}, []string{"bar"}, 1000, .5},
		{"one that there is none of", res{"foo": 1000}, res{"foo": 500, "bar": 1100}, nil, 1000, .5},
		{"nothing held", res{"foo": 1000}, nil, nil, 1000, 0},
		{"a weight of two halves it", res{"foo": 1000, "bar": 2000}, res{"foo": 500, "bar": 1100}, nil, 2000, .275},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := allocator.New(allocator.Config{Capacity: tc.capacity, Exclude: tc.exclude, Weights: map[berth.Role]allocator.Weight{"q": tc.weight}})
			require.NoError(t, err)
			who := allocator.Client{Role: "q"}
			require.NoError(t, d.Add(who))
			require.NoError(t, d.Charge(who, tc.held))
			share, ok := d.RoleShare("q")
			require.True(t, ok)
			assert.InDelta(t, tc.want, share.Float64()*float64(allocator.DefaultWeight)/float64(tc.weight), 1e-12)
		})
	}
}
