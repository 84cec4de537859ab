package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// labelled is a group of tasks with an app, and preferences.
func labelled(name, app string, prefer ...berth.Preference) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{
		Request: berth.Resources{"cpu": 10}, Labels: map[string]string{"app": app}, Prefer: prefer,
	})
}

// withTasks returns nodes n0 to n5, two to a rack and three to a zone, n5 without a rack, with tasks of some groups.
func withTasks(t *testing.T, on map[string]*berth.Group) *cluster.Snapshot {
	t.Helper()
	var nodes []berth.Node
	for i := range 6 {
		nodes = append(nodes, plain(fmt.Sprint("n", i), 1000, 1000))
		nodes[i].Attributes = berth.Attributes{"rack": fmt.Sprint("r", i/2), "zone": fmt.Sprint("z", i/3)}
	}
	delete(nodes[5].Attributes, "rack")
	f := snapshotOf(t, nodes...).Fork()
	for node, g := range on {
		require.NoError(t, f.Adopt(g.Task(g.Name()+"-on-"+node), node, nil, berth.Running))
	}
	return f.Snapshot()
}

// TestPreferredNear holds where tasks go by preferences about those of others against what the words say. Ties go by ID.
func TestPreferredNear(t *testing.T) {
	cache, batch := labelled("c", "cache"), labelled("b", "batch")
	isCache, isBatch := berth.Label("app", "cache"), berth.Label("app", "batch")
	prefer := func(weight int64, rule berth.Constraint) berth.Preference {
		return berth.Preference{Weight: weight, Rule: rule}
	}
	there := map[string]*berth.Group{"n1": cache, "n2": batch, "n4": cache}
	for name, tc := range map[string]struct {
		prefer []berth.Preference
		want   string // nodes of tasks placed one after another, of a group that is a batch
	}{
		"near":             {[]berth.Preference{prefer(1, constraints.Near("rack", isCache))}, "n0 n0"},
		"near on the node": {[]berth.Preference{prefer(1, constraints.Near(berth.NodeID, isCache))}, "n1 n1"},
		"by zone":          {[]berth.Preference{prefer(1, constraints.Near("zone", isBatch))}, "n0 n0"},
		"not near":         {[]berth.Preference{prefer(-1, constraints.Near("zone", isBatch))}, "n3 n0"},       // it is one itself, so then both zones have one
		"apart":            {[]berth.Preference{prefer(1, constraints.Apart("rack", isBatch))}, "n0 n4 n5 n5"}, // n5 is in no rack
		"apart of itself":  {[]berth.Preference{prefer(1, constraints.Apart(berth.NodeID, isBatch))}, "n0 n1 n3 n4 n5 n0"},
		// Weights add up: near a cache is 3, apart from batch jobs 2: n0 has both, then n4, and then near alone is n0.
		"both":   {[]berth.Preference{prefer(3, constraints.Near("rack", isCache)), prefer(2, constraints.Apart("rack", isBatch))}, "n0 n4 n0"},
		"most":   {[]berth.Preference{prefer(1, constraints.MaxPer("zone", 2).Of(isBatch))}, "n0 n3 n3 n0"}, // z0 has one there already
		"even":   {[]berth.Preference{prefer(1, constraints.GroupBy("zone").Of(isBatch))}, "n3 n0 n3 n0"},
		"none":   {[]berth.Preference{prefer(1, constraints.Near("rack", berth.Label("app", "none")))}, "n0 n0"},
		"itself": {[]berth.Preference{prefer(-1, constraints.Near("rack", berth.InGroup("g")))}, "n0 n2 n4 n5 n5"}, // n5 is in no rack
		"others": {[]berth.Preference{prefer(1, constraints.Near("rack", isCache)), prefer(1, constraints.Unique("rack"))}, "n0 n4 n0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTasks(t, there)
			said := sayBoth(t, placement.FirstFit(), func(p placement.Picker) string {
				p.Start(s)
				text := ""
				for i := range (len(tc.want) + 1) / 3 {
					g := labelled("g", "batch", tc.prefer...)
					if i%2 == 0 { // of another revision, by the same rules
						g = berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 11}, Labels: g.Labels(), Prefer: tc.prefer})
					}
					require.NoError(t, g.Err())
					op, ok := p.Place(g.Task(fmt.Sprint("t", i)))
					require.True(t, ok)
					text += " " + op.Node
				}
				return text[1:]
			})
			assert.Equal(t, tc.want, said)
		})
	}
}

// TestPreferredOverPopulations has one group compare the domains of one selector over several populations, hard and soft: the
// emptiest of those it may use has one of the tasks, the cordoned zone has none.
func TestPreferredOverPopulations(t *testing.T) {
	nodes := ofRacks(6, 3)
	f := snapshotOf(t, nodes...).Fork()
	require.NoError(t, f.Cordon("n0002", "n0005")) // all of zone z2
	for i, node := range []string{"n0000", "n0001"} {
		require.NoError(t, f.Adopt(labelled("there", "x").Task(fmt.Sprint("there", i)), node, nil, berth.Running))
	}
	s := f.Snapshot()
	even := constraints.GroupBy("zone").Of(berth.Label("app", "x"))
	for name, tc := range map[string]struct {
		spec berth.GroupSpec
		want string
	}{
		// Least is 1 in z0 and z1, so that one more may go to each; with z2 it is 0, and none may.
		"both hard": {berth.GroupSpec{Rules: []berth.Constraint{even, even.CordonedToo().Skew(2)}}, "n0000 n0001 -"},
		"one soft":  {berth.GroupSpec{Rules: []berth.Constraint{even}, Prefer: []berth.Preference{{Weight: 1, Rule: even.CordonedToo()}}}, "n0000 n0001 n0000"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.spec.Labels, tc.spec.Request = map[string]string{"app": "x"}, berth.Resources{"cpu": 1}
			said := sayBoth(t, placement.FirstFit(), func(p placement.Picker) string {
				p.Start(s)
				text := ""
				for _, task := range berth.NewGroup("g", tc.spec).Tasks(3) {
					if op, ok := p.Place(task); ok {
						text += " " + op.Node
					} else {
						text += " -"
					}
				}
				return text[1:]
			})
			assert.Equal(t, tc.want, said)
		})
	}
}

// TestPreferTermAboutTasks: the same rules as terms of the strategy, for all groups, in the tier where they are put.
func TestPreferTermAboutTasks(t *testing.T) {
	s := withTasks(t, map[string]*berth.Group{"n1": labelled("c", "cache"), "n4": labelled("c", "cache")})
	near := placement.Prefer(constraints.Near(berth.NodeID, berth.Label("app", "cache")))
	zone := placement.Tasks("zone").Times(-1)
	for text, tc := range map[string]struct {
		s    placement.Strategy
		want string
	}{
		"first tier":  {placement.Best(near).Then(zone).TiesByID(), "n1 n4 n1"},
		"second tier": {placement.Best(zone).Then(near).TiesByID(), "n1 n4 n1"},
		"avoided":     {placement.Best(near.Times(-1)).Then(zone).TiesByID(), "n0 n3 n0"},
		// A task in the zone is as bad as two caches are good.
		"weighted": {placement.Best(near, zone.Times(2)).TiesByID(), "n1 n4 n1"},
	} {
		t.Run(text, func(t *testing.T) {
			require.NoError(t, tc.s.Err())
			again, err := placement.Reader{Rules: constraints.Parse}.Strategy(tc.s.String())
			require.NoError(t, err)
			assert.Equal(t, tc.s.String(), again.String())
			for _, strategy := range []placement.Strategy{tc.s, again} {
				said := sayBoth(t, strategy, func(p placement.Picker) string {
					p.Start(s)
					text := ""
					for _, task := range labelled("g", "web").Tasks(3) {
						op, _ := p.Place(task)
						text += " " + op.Node
					}
					return text[1:]
				})
				assert.Equal(t, tc.want, said)
			}
		})
	}
}
