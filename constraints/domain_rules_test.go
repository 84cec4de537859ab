package constraints

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// place is an eligible node and how many of the group's tasks are on it.
type place struct {
	node  berth.Node
	tasks int
}

// at returns a place that is its own domain: a rack named as the node.
func at(id string, tasks int) place { return inRack(id, id, tasks) }

// inRack returns a place in a rack.
func inRack(rack any, id string, tasks int) place {
	return place{berth.Node{ID: id, Attributes: berth.Attributes{"rack": rack}}, tasks}
}

// nowhere returns a place without a rack.
func nowhere(id string, tasks int) place { return place{berth.Node{ID: id}, tasks} }

// open returns the nodes that may take one more task under the rule: the contract of berth.DomainRule, counted
// from scratch.
func open(rule berth.DomainRule, places ...place) []string {
	counts := map[berth.Value]int{}
	for i := range places {
		if v, ok := places[i].node.Attribute(rule.Domain()); ok {
			counts[v] += places[i].tasks
		}
	}
	d := berth.Domains{Number: len(counts)}
	if len(counts) > 0 {
		d.Least = math.MaxInt
	}
	for _, n := range counts {
		d.Least = min(d.Least, n)
	}
	ids := []string{}
	for i := range places {
		v, ok := places[i].node.Attribute(rule.Domain())
		if ok && counts[v]+1 <= rule.Limit(d) {
			ids = append(ids, places[i].node.ID)
		}
	}
	return ids
}

func TestDomainRules(t *testing.T) {
	hosts := func(a, b, x, y int) []place { return []place{at("a", a), at("b", b), at("x", x), at("y", y)} }
	for _, tc := range []struct {
		name   string
		rule   berth.DomainRule
		places []place
		want   []string
	}{
		{"Marathon 1: UNIQUE host, none placed", UniqueNode(), []place{at("h2", 0)}, []string{"h2"}},
		{"Marathon 1: UNIQUE host, three placed", UniqueNode(),
			[]place{at("h1", 1), at("h2", 1), at("h3", 1), at("h4", 0)}, []string{"h4"}},
		{"Marathon 2: UNIQUE rack", Unique("rack"),
			[]place{inRack("r1", "n1", 1), inRack("r1", "n2", 0), inRack("r2", "n3", 1), inRack("r3", "n4", 0)}, []string{"n4"}},
		{"Marathon 2: no rack, nothing placed", Unique("rack"), []place{nowhere("n1", 0)}, []string{}},
		{"Marathon 12: UNIQUE region", Unique("rack"),
			[]place{inRack("region1", "n1", 1), inRack("region1", "n2", 0), inRack("region2", "n3", 0)}, []string{"n3"}},

		{"Marathon 8: MAX_PER 2, none placed", MaxPer("rack", 2), []place{at("h1", 0)}, []string{"h1"}},
		{"Marathon 8: MAX_PER 2, {h1:1}", MaxPer("rack", 2), []place{at("h1", 1)}, []string{"h1"}},
		{"Marathon 8: MAX_PER 2, {h1:2}", MaxPer("rack", 2), []place{at("h1", 2), at("h2", 0)}, []string{"h2"}},
		{"Marathon 8: MAX_PER 2, {h1:2,h2:1}", MaxPer("rack", 2),
			[]place{at("h1", 2), at("h2", 1), at("h3", 0)}, []string{"h2", "h3"}},
		{"Marathon 9: MAX_PER 2 on a number, {1:1,2:1}", MaxPer("rack", 2),
			[]place{inRack(1.0, "n1", 1), inRack(1, "n2", 0), inRack(2, "n3", 1)}, []string{"n1", "n2", "n3"}},
		{"Marathon 9: MAX_PER 2 on a number, {1:2,2:1}", MaxPer("rack", 2),
			[]place{inRack(1.0, "n1", 2), inRack(1, "n2", 0), inRack(2, "n3", 1)}, []string{"n3"}},

		{"Nomad 5: distinct_hosts, n1 and n2 taken", UniqueNode(),
			[]place{at("n1", 1), at("n2", 1), at("n3", 0)}, []string{"n3"}},
		{"Aurora 26: host limit 2", MaxPer(berth.NodeID, 2), []place{at("A", 1), at("B", 2), at("C", 1)}, []string{"A", "C"}},
		{"Aurora 26: host limit 3", MaxPer(berth.NodeID, 3), []place{at("A", 1), at("B", 2), at("C", 1)}, []string{"A", "B", "C"}},
		{"Aurora 26: rack limit 1", MaxPer("rack", 1), []place{inRack("RA", "A", 1), inRack("RA", "B", 2), inRack("RB", "C", 1)}, []string{}},
		{"Aurora 26: empty job, limit 2", MaxPer(berth.NodeID, 2), []place{at("A", 0)}, []string{"A"}},

		{"Marathon 10: GROUP_BY, none placed", GroupBy("rack"), []place{at("r1", 0)}, []string{"r1"}},
		{"Marathon 10: GROUP_BY, {r1:1}", GroupBy("rack"), []place{at("r1", 1), at("r2", 0)}, []string{"r2"}},
		{"Marathon 10: GROUP_BY, {r1:3}", GroupBy("rack"), []place{at("r1", 3), at("r2", 0)}, []string{"r2"}},
		{"Marathon 10: GROUP_BY, {r1:3,r2:1}", GroupBy("rack"), []place{at("r1", 3), at("r2", 1)}, []string{"r2"}},
		{"Marathon 10: GROUP_BY, no rack", GroupBy("rack"), []place{at("r1", 0), nowhere("n", 0)}, []string{"r1"}},
		// Marathon refuses r3, its value of 2 being a maximum of racks since 2020. Here it is one
		// more domain, and the emptiest.
		{"ours against Marathon 10: GROUP_BY, {r1:1,r2:1} and r3", GroupBy("rack"),
			[]place{at("r1", 1), at("r2", 1), at("r3", 0)}, []string{"r3"}},
		{"Marathon 11: GROUP_BY host, none placed", GroupBy(berth.NodeID), []place{at("h1", 0)}, []string{"h1"}},
		// Marathon also accepts h1 again, since it does not know of h2 before it sees its offer.
		{"ours against Marathon 11: GROUP_BY host, {h1:1}", GroupBy(berth.NodeID), []place{at("h1", 1), at("h2", 0)}, []string{"h2"}},
		{"Marathon 11: GROUP_BY host, {h1:1,h2:1}", GroupBy(berth.NodeID),
			[]place{at("h1", 1), at("h2", 1), at("h3", 0)}, []string{"h3"}},
		{"Marathon before 2020: fewer racks than the minimum wait for new ones", GroupBy("rack").MinDomains(3),
			[]place{at("r1", 1), at("r2", 1)}, []string{}},

		{"K15: hostname 2/1/0/3, maxSkew 1", GroupBy(berth.NodeID), hosts(2, 1, 0, 3), []string{"x"}},
		{"K15: hostname 2/1/0/3, maxSkew 2", GroupBy(berth.NodeID).Skew(2), hosts(2, 1, 0, 3), []string{"b", "x"}},
		{"K16: zones, b has none", GroupBy("rack"),
			[]place{inRack("zone1", "a", 1), nowhere("b", 1), inRack("zone2", "x", 1), inRack("zone2", "y", 1)}, []string{"a"}},
		{"K18: 2/2/1, maxSkew 2, minDomains 4", GroupBy("rack").Skew(2).MinDomains(4),
			[]place{at("a", 2), at("b", 2), at("c", 1)}, []string{"c"}},
		{"K18: 2/2/1, maxSkew 2, minDomains 2", GroupBy("rack").Skew(2).MinDomains(2),
			[]place{at("a", 2), at("b", 2), at("c", 1)}, []string{"a", "b", "c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.rule.Err())
			assert.Equal(t, tc.want, open(tc.rule, tc.places...))
		})
	}
}

// Nomad 8: ten nodes in two racks, distinct_property(rack) = 2, eight tasks: exactly four are placed.
func TestMaxPerFillsAndStops(t *testing.T) {
	var places []place
	for i := range 10 {
		places = append(places, inRack([]string{"r1", "r2"}[i%2], string(rune('a'+i)), 0))
	}
	placed := 0
	for range 8 {
		free := open(MaxPer("rack", 2), places...)
		if len(free) == 0 {
			break
		}
		for i := range places {
			if places[i].node.ID == free[0] {
				places[i].tasks++
			}
		}
		placed++
	}
	assert.Equal(t, 4, placed)
}

func TestLimit(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule berth.DomainRule
		d    berth.Domains
		want int
	}{
		{"unique does not look", Unique("zone"), berth.Domains{Number: 3, Least: 5}, 1},
		{"max-per does not look", MaxPer("zone", 4), berth.Domains{Number: 3, Least: 5}, 4},
		{"least + 1", GroupBy("zone"), berth.Domains{Number: 3, Least: 5}, 6},
		{"least + skew", GroupBy("zone").Skew(3), berth.Domains{Number: 3, Least: 5}, 8},
		{"enough domains", GroupBy("zone").MinDomains(3), berth.Domains{Number: 3, Least: 5}, 6},
		{"too few domains", GroupBy("zone").MinDomains(4), berth.Domains{Number: 3, Least: 5}, 1},
		{"no domains", GroupBy("zone"), berth.Domains{}, 1},
		{"no wrap", GroupBy("zone").Skew(math.MaxInt), berth.Domains{Number: 3, Least: 5}, math.MaxInt},
		{"fault: skew", GroupBy("zone").Skew(-1), berth.Domains{Number: 3, Least: 5}, 0},
		{"fault: min-domains", GroupBy("zone").MinDomains(0), berth.Domains{Number: 3, Least: 5}, 0},
		{"fault: limit", MaxPer("zone", 0), berth.Domains{Number: 3, Least: 5}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) { assert.Equal(t, tc.want, tc.rule.Limit(tc.d)) })
	}
	assert.False(t, Unique("zone").Counts().Even)
	assert.False(t, MaxPer("zone", 2).Counts().Even)
	assert.True(t, GroupBy("zone").Counts().Even)
}

// Percentages are of what is wanted: rounded down, but never to nothing.
func TestMaxPercent(t *testing.T) {
	for _, c := range []struct{ percent, wanted, want int }{
		{30, 10, 3}, {33, 10, 3}, {39, 10, 3}, {100, 7, 7}, {1, 10, 1}, {50, 1, 1}, {1, 250, 2}, {100, math.MaxInt, math.MaxInt}, {50, math.MaxInt, math.MaxInt / 2},
	} {
		rule := MaxPercent("zone", c.percent, c.wanted)
		require.NoError(t, rule.Err())
		assert.Equal(t, c.want, rule.Limit(berth.Domains{}), "%d %% of %d", c.percent, c.wanted)
		share := MaxShare("zone", c.percent) // with the new one they are as many
		assert.Equal(t, c.want, share.Limit(berth.Domains{Total: c.wanted - 1}), "%d %% of %d", c.percent, c.wanted)
	}
	assert.True(t, MaxShare("zone", 30).Counts().Even)
	assert.False(t, MaxPercent("zone", 30, 10).Counts().Even)
	assert.Equal(t, math.MaxInt, MaxShare("zone", 100).Limit(berth.Domains{Total: math.MaxInt}))
}

// Each of many values has its own percentage, whatever it is made of, and a value that is not named has that of the others.
func TestTargetsOfManyValues(t *testing.T) {
	percents := map[any]int{"": 1, "a": 2, "a!": 3, `a"`: 4, "a b": 5, "a\n b 7": 6, "\xff": 7, "10": 8, 10: 9, -0.5: 10, 1e300: 11, "z": 34}
	for i := range 1000 {
		percents[fmt.Sprint("rack", i)] = 0
	}
	rule := Targets("rack", 1000, percents).Others(12)
	require.NoError(t, rule.Err())
	for of, percent := range percents {
		v, err := berth.ValueOf(of)
		require.NoError(t, err)
		assert.Equal(t, 10*percent, rule.Limit(berth.Domains{Value: v}), "%q", of)
	}
	for _, of := range []any{"rack", "rack1000", "a ", "zz", 9, 11, 2e300, -1} {
		v, err := berth.ValueOf(of)
		require.NoError(t, err)
		assert.Equal(t, 120, rule.Limit(berth.Domains{Value: v}), "%q", of)
	}
}
