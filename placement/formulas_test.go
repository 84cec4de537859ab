package placement_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// amounts are capacities, what is used, or what a task asks for.
type amounts = berth.Resources

// scoresOf returns what a term says of nodes, n1 and so on, some of which run something, for a task.
func scoresOf(t *testing.T, term placement.Term, asked amounts, nodes ...[2]amounts) (scores []int64) {
	f := cluster.NewFork()
	for i, n := range nodes {
		id := string(rune('a' + i))
		require.NoError(t, f.AddNodes(berth.Node{ID: id, Capacity: n[0]}))
		running := berth.NewGroup("on "+id, berth.GroupSpec{Request: n[1]})
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: running.Task("on " + id), Node: id})
		require.Equal(t, berth.None, why.Code)
	}
	s := placement.Best(term)
	require.NoError(t, s.Err())
	engine, reference := placement.NewEngine(s), placement.NewExhaustive(s)
	engine.Start(f.Snapshot())
	reference.Start(f.Snapshot())
	task := berth.NewGroup("asked", berth.GroupSpec{Request: asked}).Task("asked")
	for i := range nodes {
		score, ok := engine.Score(task, string(rune('a'+i)))
		require.True(t, ok)
		again, _ := reference.Score(task, string(rune('a'+i)))
		require.Equal(t, again, score)
		scores = append(scores, score[1].Sum)
	}
	op, ok := engine.Place(task)
	want, _ := reference.Place(task)
	require.True(t, ok)
	require.Equal(t, want, op)
	return scores
}

// The scores of Kubernetes 1.36, from its table tests in pkg/scheduler/framework/plugins/noderesources: least_allocated_test.go,
// most_allocated_test.go, requested_to_capacity_ratio_test.go and balanced_allocation_test.go. Numbers are cpu and memory.
func TestScoresOfKubernetes(t *testing.T) {
	of := func(cpu, memory int64) amounts { return amounts{"cpu": cpu, "memory": memory} }
	with := func(r amounts, name string, q int64) amounts { r[name] = q; return r }
	none := amounts{}
	small := [2]amounts{of(4000, 10000), none}
	large := [2]amounts{of(6000, 10000), none}
	falling := placement.Shape{{0, 10}, {100, 0}}
	for _, c := range []struct {
		name  string
		term  placement.Term
		asked amounts
		nodes [][2]amounts
		want  []int64
	}{
		// (25 + 50)/2 = 37.5 and (50 + 50)/2.
		{"K1: least, empty", placement.LeastAllocated(), of(3000, 5000), [][2]amounts{small, large}, []int64{37, 50}},
		// (25 + 2 x 50)/3 = 41.7.
		{"K2: least, weights", placement.LeastAllocated("cpu", "memory").Weights(1, 2), of(3000, 5000), [][2]amounts{small, large}, []int64{41, 50}},
		{"K3: least, a resource that is not asked for", placement.LeastAllocated("cpu", "memory", "ext"), of(3000, 5000),
			[][2]amounts{large, {with(of(6000, 10000), "ext", 4), none}}, []int64{50, 50}},
		// (50 + 50 + 50)/3 and (50 + 50 + 80)/3.
		{"K3: least, one that is", placement.LeastAllocated("cpu", "memory", "ext"), with(of(3000, 5000), "ext", 2),
			[][2]amounts{{with(of(6000, 10000), "ext", 4), none}, {with(of(6000, 10000), "ext", 10), none}}, []int64{50, 60}},
		// (40 + 100)/2 and (40 + 75)/2 = 57.5.
		{"K4: least, nothing asked for", placement.LeastAllocated(), none,
			[][2]amounts{{of(10000, 20000), of(6000, 0)}, {of(10000, 20000), of(6000, 5000)}}, []int64{70, 57}},
		// (75 + 50)/2 = 62.5.
		{"K5: most, empty", placement.MostAllocated(), of(3000, 5000), [][2]amounts{small, large}, []int64{62, 50}},
		// (75 + 2 x 50)/3 = 58.3.
		{"K5: most, weights", placement.MostAllocated("cpu", "memory").Weights(1, 2), of(3000, 5000), [][2]amounts{small, large}, []int64{58, 50}},
		// (25 + 50)/2 = 37.5 is rounded up here.
		{"K6: ratio, falling", placement.RequestedToCapacityRatio(falling), of(3000, 5000), [][2]amounts{small, large}, []int64{38, 50}},
		// 25 % of the way to 10 is 2.5, and 50 % is 5; what is full has 10.
		{"K7: ratio, rising", placement.RequestedToCapacityRatio(placement.Shape{{0, 0}, {100, 1}}, "ext"), amounts{"ext": 2},
			[][2]amounts{{amounts{"ext": 8}, none}, {amounts{"ext": 4}, none}, {amounts{"ext": 4}, amounts{"ext": 2}}}, []int64{2, 5, 10}},
		// Of 50 % of the cores 0 is said, which leaves memory alone.
		{"ratio, nothing said of one", placement.RequestedToCapacityRatio(placement.Shape{{50, 0}, {60, 10}}), of(3000, 6000),
			[][2]amounts{large}, []int64{100}},
		{"ratio, nothing said", placement.RequestedToCapacityRatio(placement.Shape{{50, 0}}), of(3000, 6000), [][2]amounts{large}, []int64{0}},
		// |0.75 - 0.5|/2 = 0.125 leaves 87 of 100: 50 + (50 - 13)/2 = 68.5.
		{"K8: balanced, empty", placement.BalancedAllocation(), of(3000, 5000), [][2]amounts{small, large}, []int64{68, 75}},
		// 0.3 and 0 become 0.6 and 0.25: 82 for 85, 50 + 47/2. 0.3 and 0.25 become 0.6 and 0.5: 95 for 97, 50 + 48/2.
		{"K9: balanced, in use", placement.BalancedAllocation(), of(3000, 5000),
			[][2]amounts{{of(10000, 20000), of(3000, 0)}, {of(10000, 20000), of(3000, 5000)}}, []int64{73, 74}},
		// 0.3 and 0.1 become 0.6 and 0.2: 80 for 90, 50 + 40/2.
		{"K9: balanced, more memory", placement.BalancedAllocation(), of(3000, 5000),
			[][2]amounts{{of(10000, 20000), of(3000, 0)}, {of(10000, 50000), of(3000, 5000)}}, []int64{73, 70}},
		{"K10: balanced, three", placement.BalancedAllocation("cpu", "memory", "gpu"), amounts{"gpu": 1},
			[][2]amounts{{with(of(3500, 40000), "gpu", 8), with(of(3000, 5000), "gpu", 3)}, {with(of(3500, 40000), "gpu", 8), of(3000, 5000)}}, []int64{75, 76}},
		{"balanced, nothing asked for", placement.BalancedAllocation(), none, [][2]amounts{small, large}, []int64{0, 0}},
		{"beyond 64 bits", placement.LeastAllocated("memory"), amounts{"memory": 1<<61 - 1}, [][2]amounts{{amounts{"memory": math.MaxInt64}, none}}, []int64{75}},
		{"no such resource", placement.MostAllocated("tape"), none, [][2]amounts{small}, []int64{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, scoresOf(t, c.term, c.asked, c.nodes...))
		})
	}
}

// N12 and N13. Nomad's score goes from 0 for an empty node to 18 for a full one, and is half way at sqrt(10) = 3.1623: 20 - 2 x 3.1623 = 13.675.
// From the table test of ScoreFitBinPack in nomad/structs/funcs_test.go.
func TestScoresOfNomad(t *testing.T) {
	node := amounts{"cpu": 2048, "memory": 4096}
	for _, c := range []struct {
		asked amounts
		want  float64
	}{
		{node, 18},
		{amounts{}, 0},
		{amounts{"cpu": 1024, "memory": 2048}, 20 - 2*math.Sqrt(10)},
		{amounts{"cpu": 2048}, 20 - 1 - 10},
		{amounts{"cpu": 512, "memory": 3072}, 20 - math.Pow(10, 0.75) - math.Pow(10, 0.25)},
	} {
		packed := scoresOf(t, placement.NomadBinPack(), c.asked, [2]amounts{node})[0]
		spread := scoresOf(t, placement.NomadSpread(), c.asked, [2]amounts{node})[0]
		assert.InDelta(t, c.want, 18*float64(packed)/placement.Resolution, 18.0/25_000)
		assert.Equal(t, int64(placement.Resolution), packed+spread)
	}
	// A cores 1024/1024 full 1.0, C 3072/3072 with a third in use: 10^(2/3) = 4.6416 each, (20 - 9.2832)/18 = 0.5954.
	got := scoresOf(t, placement.NomadBinPack(), amounts{"cpu": 1024, "memory": 1024},
		[2]amounts{{"cpu": 1024, "memory": 1024}, {}}, [2]amounts{{"cpu": 3072, "memory": 3072}, {}})
	assert.Equal(t, int64(placement.Resolution), got[0])
	assert.InDelta(t, 0.5954, float64(got[1])/placement.Resolution, 0.0001)

	// Of three resources it is (30 - sum)/27, of one (10 - 10^f)/9; one that the node does not have does not count.
	got = scoresOf(t, placement.NomadBinPack("cpu", "gpu", "memory"), amounts{"cpu": 5, "memory": 5},
		[2]amounts{{"cpu": 10, "gpu": 10, "memory": 10}, {}}, [2]amounts{{"cpu": 10, "memory": 10}, {}}, [2]amounts{{"cpu": 5, "memory": 10}, {"memory": 5}})
	assert.InDelta(t, (20-2*math.Sqrt(10))/27, float64(got[0])/placement.Resolution, 0.0001)
	assert.InDelta(t, (20-2*math.Sqrt(10))/18, float64(got[1])/placement.Resolution, 0.0001)
	assert.Equal(t, int64(placement.Resolution), got[2])
}

// The powers of ten are within their last digits of the exact ones, and rise.
func TestPowersOfTen(t *testing.T) {
	last := int64(0)
	for f := int64(0); f <= placement.Resolution; f += 127 {
		p := placement.PowerOfTen(f)
		assert.InEpsilon(t, math.Pow(10, float64(f)/placement.Resolution), float64(p)/(1<<32), 1e-8)
		assert.Greater(t, p, last)
		last = p
	}
	assert.Equal(t, int64(1<<32), placement.PowerOfTen(0))
	assert.Equal(t, int64(10<<32), placement.PowerOfTen(placement.Resolution))
}

func TestScoresOfVectors(t *testing.T) {
	nodes := [][2]amounts{{{"cpu": 8, "memory": 16}, {"cpu": 4, "memory": 4}}, {{"cpu": 4, "memory": 16}, {}}, {{"cpu": 4}, {}}}
	asked := amounts{"cpu": 2, "memory": 4}
	part := func(num, den int64) int64 { return num * placement.Resolution / den }
	for _, c := range []struct {
		term placement.Term
		want []int64
	}{
		// 2/8 x 4/8 + 4/16 x 12/16 = 5/16; 2/4 x 1 + 4/16 x 1 = 3/4; halved.
		{placement.DotProduct(), []int64{part(5, 32), part(3, 8)}},
		{placement.Tetris(), []int64{part(5, 32), part(3, 8)}},
		// (3 x 1/8 + 3/16)/4 and (3 x 1/2 + 1/4)/4.
		{placement.Tetris("cpu", "memory").Weights(3, 1), []int64{part(9, 64), part(7, 16)}},
		// One being 8 and 32: 2/8 x 4/8 + 4/32 x 12/32 = 11/64; 2/8 x 4/8 + 4/32 x 16/32 = 12/64.
		{placement.DotProduct("cpu", "memory").Per(8, 32), []int64{part(11, 128), part(12, 128)}},
		// 2 of 8 and 8 of 16 are left; 2 of 4 and 12 of 16.
		{placement.L1Norm(), []int64{-part(3, 8), -part(5, 8)}},
		{placement.L1Norm("cpu", "memory").Per(8, 16), []int64{-part(3, 8), -part(1, 2)}},
		// 1/16 + 1/4, and 1/4 + 9/16.
		{placement.L2Norm(), []int64{-part(5, 32), -part(13, 32)}},
		{placement.L2Norm("cpu", "memory").Per(1, 1), []int64{-part(34, 1), -part(74, 1)}},
	} {
		assert.Equal(t, c.want, scoresOf(t, c.term, asked, nodes[:2]...), c.term)
	}
	// What is not there does not count: 2/4 x 1 of two resources.
	assert.Equal(t, []int64{part(1, 4)}, scoresOf(t, placement.DotProduct(), amounts{"cpu": 2}, nodes[2]))
}

// A term of a host's own sees what is free before the task, the capacity and the request, in the order named.
func TestOfAmounts(t *testing.T) {
	term := placement.OfAmounts("own", func(free, capacity, request []int64) int64 {
		return free[0]*1_000_000 + capacity[1]*1000 + request[0]
	}).Over("memory", "cpu").Between(0, 9_012_003)
	got := scoresOf(t, term, amounts{"memory": 3}, [2]amounts{{"cpu": 12, "memory": 10}, {"memory": 1}}, [2]amounts{{"memory": 13}, {}})
	assert.Equal(t, []int64{9_012_003, 9_012_003}, got)
	all := placement.OfAmounts("all", func(free, capacity, request []int64) (sum int64) {
		for i := range free {
			sum += free[i] - request[i] + capacity[i]
		}
		return sum
	})
	assert.Equal(t, []int64{12 - 3 + 15}, scoresOf(t, all, amounts{"memory": 3}, [2]amounts{{"cpu": 4, "memory": 11}, {"memory": 3}}))
}

func TestFaultsOfFormulas(t *testing.T) {
	for fault, term := range map[string]placement.Term{
		"weights: it has none":                         placement.BalancedAllocation().Weights(1, 2),
		"weights: 1 for 2 resources":                   placement.LeastAllocated().Weights(1),
		`weights: 0 of "cpu" is not within 1 to 1000`:  placement.LeastAllocated("cpu").Weights(0),
		"per: only DotProduct, L1Norm and L2Norm have": placement.Tetris().Per(1, 1),
		"per: 1 for 2 resources":                       placement.DotProduct().Per(1),
		`per: 0 of "gpu" is less than one`:             placement.L2Norm("gpu").Per(0),
		`resource "cpu" is empty or given twice`:       placement.NomadSpread("cpu", "cpu"),
		"the shape has no points":                      placement.RequestedToCapacityRatio(nil),
		"a utilization of 101 is not within 0 to 100":  placement.RequestedToCapacityRatio(placement.Shape{{101, 0}}),
		"a score of 11 is not within 0 to 10":          placement.RequestedToCapacityRatio(placement.Shape{{100, 11}}),
		"a utilization of 5 comes after one of 5":      placement.RequestedToCapacityRatio(placement.Shape{{5, 1}, {5, 2}}),
		"no function": placement.OfAmounts("x", nil),
		"over: only InUse, Additive and OfAmounts have": placement.Models().Over("cpu"),
		"257 resources are more than 256":               placement.LeastAllocated(make([]string, 257)...),
	} {
		assert.ErrorContains(t, term.Err(), fault)
	}
}
