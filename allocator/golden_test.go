package allocator_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// The paper's example with weight 2 for A: after A, B, A, A both are at 1/3 (A holds 12 of 18 GB at
// weight 2, B 3 of 9 CPUs), and whoever is next fills the cluster. The divisible answer, 4.15 and 1.38
// tasks, lies between the two. Fewer charges win the tie, so it is B's turn; if B has had turns before
// and returned them, it is A's, as it would be if names alone broke ties.
func TestWeightedTieGoesToFewerCharges(t *testing.T) {
	for _, tc := range []struct {
		name     string
		returned int // charges of B, returned before the start
		want     map[string]int
	}{
		{"B has had fewer turns", 0, map[string]int{"A": 3, "B": 2}},
		{"B has had more turns", 3, map[string]int{"A": 4, "B": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDRF(t, allocator.Config{
				Capacity: res{"cpu": 9, "memory": 18},
				Weights:  map[berth.Role]allocator.Weight{"A": 2000},
			})
			require.NoError(t, d.Add(client("B")))
			for range tc.returned {
				require.NoError(t, d.Charge(client("B"), res{"cpu": 3, "memory": 1}))
				require.NoError(t, d.Credit(client("B"), res{"cpu": 3, "memory": 1}))
			}
			tasks, _ := fill(t, d, []user{
				{client: "A", demand: res{"cpu": 1, "memory": 4}},
				{client: "B", demand: res{"cpu": 3, "memory": 1}},
			})
			assert.Equal(t, tc.want, tasks)
		})
	}
}

// G18: three users on 9 CPUs and 18 GB, <1,4>, <3,1> and <1,1>: at shares of 2/5 they run 1.8, 1.2 and 3.6
// tasks, the CPUs are full (1.8 + 3.6 + 3.6 = 9) and 7.2 + 1.2 + 3.6 = 12 GB are used. When the third
// leaves, the two of the paper's example are left with its 3 and 2 tasks.
func TestClientJoinsAndLeaves(t *testing.T) {
	const scale = 1000
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 9 * scale, "memory": 18 * scale}})
	users := []user{
		{client: "A", demand: res{"cpu": 1, "memory": 4}},
		{client: "B", demand: res{"cpu": 3, "memory": 1}},
		{client: "C", demand: res{"cpu": 1, "memory": 1}},
	}
	tasks, _ := fill(t, d, users)
	for name, want := range map[string]float64{"A": 1.8, "B": 1.2, "C": 3.6} {
		assert.InDelta(t, want, float64(tasks[name])/scale, 0.01, name)
		s, ok := d.Share(client(name))
		require.True(t, ok)
		assert.InDelta(t, 0.4, s.Float64(), 0.001, name)
	}
	total, _ := d.RoleShare("")
	assert.Equal(t, "cpu", total.Resource)
	assert.InDelta(t, 1, total.Float64(), 0.001)

	require.NoError(t, d.Remove(client("C")))
	more, _ := fill(t, d, users[:2])
	assert.InDelta(t, 3, float64(tasks["A"]+more["A"])/scale, 0.01)
	assert.InDelta(t, 2, float64(tasks["B"]+more["B"])/scale, 0.01)
}

func TestShare(t *testing.T) {
	const big = math.MaxInt64
	for _, tc := range []struct {
		name string
		a, b allocator.Share
		want int
		text string // of a
	}{
		{"nothing", allocator.Share{}, allocator.Share{Used: 1, Total: 9, Resource: "cpu"}, -1, "0"},
		{"lowest terms", allocator.Share{Used: 6, Total: 9, Resource: "cpu"}, allocator.Share{Used: 12, Total: 18}, 0, "2/3 of cpu"},
		{"above one", allocator.Share{Used: 3, Total: 2, Resource: "gpu"}, allocator.Share{Used: 1, Total: 1}, 1, "3/2 of gpu"},
		{"weight", allocator.Share{Used: 1, Total: 2, Resource: "cpu", Weight: 2000}, allocator.Share{Used: 1, Total: 4}, 0, "1/2 of cpu at weight 2"},
		{"beyond 128 bits", // x/(y*w) against (x-1)/((y-1)*w): x-1 < y-1 there, so the first is larger
			allocator.Share{Used: big - 1, Total: big, Resource: "b", Weight: big},
			allocator.Share{Used: big - 2, Total: big - 1, Weight: big}, 1,
			"9223372036854775806/9223372036854775807 of b at weight 9223372036854776"},
		{"beyond 128 bits, by weight alone",
			allocator.Share{Used: big, Total: big - 1, Resource: "b", Weight: big - 1},
			allocator.Share{Used: big, Total: big - 1, Weight: big}, 1, ""},
		{"made up by hand", allocator.Share{Used: -1, Total: -2, Weight: -3}, allocator.Share{Used: 5}, 0, "0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, tc.a.Compare(tc.b))
			assert.Equal(t, -tc.want, tc.b.Compare(tc.a))
			if tc.text != "" {
				assert.Equal(t, tc.text, tc.a.String())
			}
		})
	}
}
