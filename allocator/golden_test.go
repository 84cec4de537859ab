package allocator_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// The example of NSDI'11 section 4.1: 9 CPUs and 18 GB, A's tasks need <1, 4>, B's <3, 1>. The paper's
// table grants B, A, A, B, A; which of the two is first is a tie, which we break by name, so the user
// that the paper calls A must sort second to repeat its table.
func TestPaperTable(t *testing.T) {
	a, b := res{"cpu": 1, "memory": 4}, res{"cpu": 3, "memory": 1}
	for _, tc := range []struct {
		name      string
		users     []user
		wantTurns []string
		a, b      string
	}{
		{
			name:  "turns of the paper",
			users: []user{{client: "user2", demand: a}, {client: "user1", demand: b}},
			wantTurns: []string{
				"user1 1/3 of cpu", "user2 2/9 of memory", "user2 4/9 of memory", "user1 2/3 of cpu", "user2 2/3 of memory",
			},
			a: "user2", b: "user1",
		},
		{
			name:  "first name first",
			users: []user{{client: "A", demand: a}, {client: "B", demand: b}},
			wantTurns: []string{
				"A 2/9 of memory", "B 1/3 of cpu", "A 4/9 of memory", "B 2/3 of cpu", "A 2/3 of memory",
			},
			a: "A", b: "B",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDRF(t, allocator.Config{Capacity: res{"cpu": 9, "memory": 18}})
			tasks, turns := fill(t, d, tc.users)
			assert.Equal(t, tc.wantTurns, turns)
			assert.Equal(t, map[string]int{tc.a: 3, tc.b: 2}, tasks)
			heldA, _ := d.Charged(client(tc.a))
			heldB, _ := d.Charged(client(tc.b))
			assert.Equal(t, res{"cpu": 3, "memory": 12}, heldA)
			assert.Equal(t, res{"cpu": 6, "memory": 2}, heldB)
			full, ok := d.RoleShare("")
			require.True(t, ok)
			assert.Equal(t, "1/1 of cpu", full.String(), "9 of 9 CPUs and 14 of 18 GB")
		})
	}
}

// Final allocations, worked out by hand or in the paper. A scale of k cuts each task into k equal
// parts, which comes close to the divisible case for which most of the figures are stated.
func TestProgressiveFilling(t *testing.T) {
	ab := []user{{client: "A", demand: res{"cpu": 1, "memory": 4}}, {client: "B", demand: res{"cpu": 3, "memory": 1}}}
	three := []user{
		{client: "u1", demand: res{"cpu": 4, "memory": 1}},
		{client: "u2", demand: res{"cpu": 1, "memory": 16}},
		{client: "u3", demand: res{"cpu": 16, "memory": 1}},
	}
	for _, tc := range []struct {
		name     string
		capacity res
		weights  map[berth.Role]allocator.Weight
		users    []user
		scale    int64
		want     map[string]float64 // whole tasks
	}{
		{"asset fairness example: half of both for each",
			res{"cpu": 30, "memory": 30}, nil,
			[]user{{client: "A", demand: res{"cpu": 1, "memory": 3}}, {client: "B", demand: res{"cpu": 1, "memory": 1}}},
			1, map[string]float64{"A": 5, "B": 15}},
		{"population monotonicity, three users",
			res{"cpu": 100, "memory": 100}, nil, three, 1, map[string]float64{"u1": 12, "u2": 4, "u3": 3}},
		{"population monotonicity, three users, divisible", // equal shares s: CPU 100s + 100s/16 + 100s = 100, so s = 16/33
			res{"cpu": 100, "memory": 100}, nil, three, 1000, map[string]float64{"u1": 400. / 33, "u2": 100. / 33, "u3": 100. / 33}},
		{"population monotonicity, the third gone",
			res{"cpu": 100, "memory": 100}, nil, three[:2], 1, map[string]float64{"u1": 20, "u2": 5}},
		{"weights, divisible",
			res{"cpu": 9, "memory": 18}, map[berth.Role]allocator.Weight{"A": 2000}, ab, 1000, map[string]float64{"A": 54. / 13, "B": 18. / 13}},
		{"one wants little",
			res{"cpu": 9, "memory": 18}, nil, []user{{client: "A", demand: ab[0].demand, most: 1}, ab[1]}, 1, map[string]float64{"A": 1, "B": 2}},
		{"one resource is max-min fairness",
			res{"cpu": 12}, nil,
			[]user{{"A", res{"cpu": 1}, 2}, {"B", res{"cpu": 1}, 4}, {"C", res{"cpu": 1}, 10}},
			1, map[string]float64{"A": 2, "B": 4, "C": 6}},
		{"disjoint demands",
			res{"cpu": 10, "memory": 10}, nil,
			[]user{{client: "A", demand: res{"cpu": 1, "memory": 0}}, {client: "B", demand: res{"cpu": 0, "memory": 1}}},
			1, map[string]float64{"A": 10, "B": 10}},
		{"hierarchy as one tree: shares of a role add up", // CPU is all that org1 wants; org2 has it for one leaf only
			res{"cpu": 12}, nil,
			[]user{{client: "org1", demand: res{"cpu": 1}}, {client: "org2/x", demand: res{"cpu": 1}}, {client: "org2/y", demand: res{"cpu": 1}}},
			1, map[string]float64{"org1": 6, "org2/x": 3, "org2/y": 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			capacity, err := tc.capacity.Times(tc.scale)
			require.NoError(t, err)
			d := newDRF(t, allocator.Config{Capacity: capacity, Weights: tc.weights})
			tasks, _ := fill(t, d, tc.users)
			require.Len(t, tasks, len(tc.want))
			for name, want := range tc.want {
				if tc.scale == 1 {
					assert.EqualValues(t, want, tasks[name], name)
					continue
				}
				assert.InDelta(t, want, float64(tasks[name])/float64(tc.scale), 0.01, name)
			}
		})
	}
}

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

// Three users on 9 CPUs and 18 GB, <1,4>, <3,1> and <1,1>: at shares of 2/5 they run 1.8, 1.2 and 3.6
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

// A subtree of weight 3 with 15 % and a client with 5 % are equal, and as each has one charge, the
// name decides. In float64, as Mesos computes, the subtree is first: 0.15/3 < 0.05.
func TestTiedSubtreeIsTied(t *testing.T) {
	part, weight := 0.15, 3.0
	require.Less(t, part/weight, 0.05, "the rounding this test is about")

	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100}, Weights: map[berth.Role]allocator.Weight{"b": 3000}})
	require.NoError(t, d.Add(client("a")))
	require.NoError(t, d.Add(client("b/c")))
	require.NoError(t, d.Charge(client("a"), res{"cpu": 5}))
	require.NoError(t, d.Charge(client("b/c"), res{"cpu": 15}))
	a, _ := d.RoleShare("a")
	b, _ := d.RoleShare("b")
	assert.Zero(t, a.Compare(b))
	assert.Equal(t, "a b/c", order(d))
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
