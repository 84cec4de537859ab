package allocator_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
)

func TestStanding(t *testing.T) {
	l := account{book: book{total: res{"cpu": 16_000, "memory": 16}, own: map[berth.Role]res{
		"eng/search": {"cpu": 1_000}, "eng/ads": {"cpu": 5_000}, "ops": {"memory": 2}, "eng": {"cpu": 2_000}}}, quotas: map[berth.Role]berth.Quota{
		"eng":        {Role: "eng", Limits: res{"cpu": 8_000}},
		"eng/search": {Role: "eng/search", Guarantees: res{"cpu": 3_000}},
	}}
	waiting := []berth.Role{"ops", "eng/ads", "eng"}
	for _, tc := range []struct {
		name string
		tree allocator.Tree
		role berth.Role
		want string
	}{
		{"first in its own", allocator.Tree{}, "eng/search",
			"eng/search: eng is 2 of 2 with 1/2 of cpu, after ops with 1/8 of memory; eng/search is 1 of 3 with 1/16 of cpu; over limit eng: cpu 8 (8 used); 2 cpu less than is guaranteed to it"},
		{"what a role has by itself", allocator.Tree{}, "eng",
			"eng: eng is 2 of 2 with 1/2 of cpu, after ops with 1/8 of memory; eng by itself is 1 of 2 with 1/8 of cpu; over limit eng: cpu 8 (8 used)"},
		{"its turn", allocator.Tree{}, "ops", "ops: ops is 1 of 2 with 1/8 of memory"},
		{"another policy", allocator.Tree{Policy: allocator.ByPriority, Priorities: map[berth.Role]int{"eng": 1, "eng/ads": 5}}, "eng/search",
			"eng/search: eng is 1 of 2 with 1/2 of cpu; eng/search is 3 of 3 with 1/16 of cpu, after eng/ads with 5/16 of cpu; over limit eng: cpu 8 (8 used); 2 cpu less than is guaranteed to it"},
		{"nobody else", allocator.Tree{}, "", "the root: the root by itself is 2 of 3 with 0, after eng with 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := tc.tree.Standing(l, waiting, tc.role)
			require.NoError(t, err)
			if tc.name == "nobody else" {
				assert.Equal(t, 3, s.Ranks[0].Of)
				return
			}
			assert.Equal(t, tc.want, s.String())
		})
	}
	_, err := allocator.Fair{Grain: -1}.Standing(l, waiting, "eng")
	require.Error(t, err)
	_, err = allocator.Tree{}.Standing(l, []berth.Role{"a//b"}, "/")
	require.ErrorContains(t, err, "a//b")
	s, err := allocator.Tree{}.Standing(nil, nil, "eng")
	require.NoError(t, err)
	assert.Equal(t, "eng: eng is 1 of 1 with 0", s.String())
}

// Who is nobody's second at any level is the one whose turn it is, and of all that wait there is one.
func TestStandingIsTheOrder(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		l := book{total: res{"cpu": 100, "memory": 100}, own: map[berth.Role]res{}}
		var waiting []berth.Role
		for _, r := range []berth.Role{"a", "a/x", "a/y", "b", "b/z/w", "c", ""} {
			l.own[r] = res{"cpu": int64(rng.IntN(9)), "memory": int64(rng.IntN(9))}
			if rng.IntN(2) == 0 {
				waiting = append(waiting, r)
			}
		}
		if len(waiting) == 0 {
			continue
		}
		tree := allocator.Tree{Weights: map[berth.Role]allocator.Weight{"a": 2000, "b/z": 500}, Hierarchical: seed%2 == 0}
		want, ok := tree.Begin(l, waiting).Next(nil)
		require.True(t, ok)
		for _, r := range waiting {
			s, err := tree.Standing(l, waiting, r)
			require.NoError(t, err)
			before := 0
			for _, rank := range s.Ranks {
				before += rank.Before
			}
			assert.Equal(t, r == want, before == 0, "%s of %v, where %s is next: %v", r, waiting, want, s)
		}
	}
}

// The examples of the papers: G1 and its discrete end, which is the level itself; G8; G9; G10; G7.
func TestFairnessOf(t *testing.T) {
	a, b := res{"cpu": 1, "memory": 4}, res{"cpu": 3, "memory": 1}
	for _, tc := range []struct {
		name   string
		total  res
		own    map[berth.Role]res
		wishes []allocator.Wish
		level  []float64
		gap    []float64
		envy   []float64
	}{
		{"fair", res{"cpu": 9, "memory": 18}, map[berth.Role]res{"A": {"cpu": 3, "memory": 12}, "B": {"cpu": 6, "memory": 2}},
			[]allocator.Wish{{Role: "A", Task: a}, {Role: "B", Task: b}}, []float64{2. / 3, 2. / 3}, []float64{0, 0}, []float64{0, 0}},
		{"B has all", res{"cpu": 9, "memory": 18}, map[berth.Role]res{"B": {"cpu": 9, "memory": 3}},
			[]allocator.Wish{{Role: "A", Task: a}, {Role: "B", Task: b}}, []float64{2. / 3, 2. / 3}, []float64{2. / 3, -1. / 3}, []float64{3. / 4, 0}},
		{"weights", res{"cpu": 9, "memory": 18}, nil,
			[]allocator.Wish{{Role: "A", Task: a, Weight: 2000}, {Role: "B", Task: b}}, []float64{12. / 13, 6. / 13}, []float64{6. / 13, 6. / 13}, []float64{0, 0}},
		{"one task", res{"cpu": 9, "memory": 18}, nil,
			[]allocator.Wish{{Role: "A", Task: a, Tasks: 1}, {Role: "B", Task: b}}, []float64{2. / 9, 8. / 9}, []float64{2. / 9, 8. / 9}, []float64{0, 0}},
		{"max-min", res{"cpu": 12}, nil, []allocator.Wish{{Role: "A", Task: res{"cpu": 1}, Tasks: 2}, {Role: "B", Task: res{"cpu": 1}, Tasks: 4}, {Role: "C", Task: res{"cpu": 1}, Tasks: 10}},
			[]float64{2. / 12, 4. / 12, 6. / 12}, []float64{2. / 12, 4. / 12, 6. / 12}, []float64{0, 0, 0}},
		{"three", res{"cpu": 100, "memory": 100}, nil, []allocator.Wish{{Role: "A", Task: res{"cpu": 4, "memory": 1}}, {Role: "B", Task: res{"cpu": 1, "memory": 16}}, {Role: "C", Task: res{"cpu": 16, "memory": 1}}},
			[]float64{16. / 33, 16. / 33, 16. / 33}, []float64{16. / 33, 16. / 33, 16. / 33}, []float64{0, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := allocator.FairnessOf(book{total: tc.total, own: tc.own}, tc.wishes...)
			require.NoError(t, err)
			for i, f := range got {
				assert.Equal(t, tc.wishes[i].Role, f.Role)
				assert.InDelta(t, tc.level[i], f.Level, 1e-9, "level of %s", f.Role)
				assert.InDelta(t, tc.gap[i], f.Gap, 1e-9, "gap of %s", f.Role)
				assert.InDelta(t, tc.envy[i], f.Envy, 1e-9, "envy of %s", f.Role)
			}
		})
	}
	_, err := allocator.FairnessOf(nil)
	require.Error(t, err)
	_, err = allocator.FairnessOf(book{total: res{"cpu": 1}}, allocator.Wish{Role: "a", Task: res{"gpu": 1}, Weight: -1, Tasks: -2}, allocator.Wish{Role: "a", Task: res{"cpu": -1}})
	for _, fault := range []string{`role "a": weight -0.001 is negative`, "-2 tasks", "take nothing", "named twice", "negative"} {
		assert.ErrorContains(t, err, fault)
	}
}

// Why has search nothing? Two departments share, and engineering has a limit.
func ExampleTree_Standing() {
	fork := cluster.NewFork()
	_ = fork.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 16_000}})
	_ = fork.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 8000}})
	ads := berth.NewGroup("ads", berth.GroupSpec{Role: "eng/ads", Request: berth.Resources{"cpu": 1000}})
	for _, t := range ads.Tasks(8) {
		fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: "n1"})
	}

	s, err := allocator.Tree{}.Standing(fork.Snapshot(), []berth.Role{"eng/ads", "eng/search", "ops"}, "eng/search")
	fmt.Println(s, err)
	fmt.Println(s.Ranks[1].Before, "before it in eng, and of the limit", s.Full[0].Role, "lacks", s.Full[0].Short)
	// Output:
	// eng/search: eng is 2 of 2 with 1/2 of cpu, after ops with 0; eng/search is 1 of 2 with 0; over limit eng: cpu 8 (8 used) <nil>
	// 0 before it in eng, and of the limit eng lacks 1
}

// Two tenants with weights, of which one has more than its part: what each is owed, and whom it envies.
func ExampleFairnessOf() {
	fork := cluster.NewFork()
	_ = fork.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 12_000}})
	core := berth.Resources{"cpu": 1000}
	for i, role := range []berth.Role{"ads", "web"} {
		g := berth.NewGroup(string(role), berth.GroupSpec{Role: role, Request: core})
		for _, t := range g.Tasks(9 - 6*i) {
			fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: "n1"})
		}
	}
	fair, err := allocator.FairnessOf(fork.Snapshot(),
		allocator.Wish{Role: "ads", Task: core}, allocator.Wish{Role: "web", Task: core, Weight: 2 * allocator.DefaultWeight})
	for _, f := range fair {
		fmt.Printf("%s has %v of a level of %.2f, is owed %+.2f by weight, envies %q by %.0f tasks\n", f.Role, f.Share, f.Level, f.Gap, f.Envies, f.Envy)
	}
	fmt.Println(err)
	// Output:
	// ads has 3/4 of cpu of a level of 0.33, is owed -0.42 by weight, envies "" by 0 tasks
	// web has 1/4 of cpu at weight 2 of a level of 0.67, is owed +0.21 by weight, envies "ads" by 15 tasks
	// <nil>
}
