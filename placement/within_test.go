package placement_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// confiner places tasks within domains of a snapshot, and takes them back.
type confiner struct {
	rng   *rand.Rand
	nodes []berth.Node
}

func newConfiner(s *cluster.Snapshot, seed uint64) *confiner {
	c := &confiner{rng: rand.New(rand.NewPCG(seed, 77))}
	for n := range s.Nodes() {
		c.nodes = append(c.nodes, n.Node())
	}
	return c
}

// both places a task in the domain of some node with two pickers. Sometimes what one places stays until the next is placed elsewhere.
func (c *confiner) both(engine, reference placement.Picker, t berth.Task) error {
	if len(c.nodes) == 0 {
		return nil
	}
	node := c.nodes[c.rng.IntN(len(c.nodes))]
	attribute := []string{"zone", "rack", berth.NodeID, "none"}[c.rng.IntN(4)]
	var value any = node.ID
	if attribute != berth.NodeID {
		value = node.Attributes[attribute]
	}
	got, gotOK := engine.PlaceWithin(t, attribute, value)
	want, wantOK := reference.PlaceWithin(t, attribute, value)
	if gotOK != wantOK || gotOK && (got.Node != want.Node || !reflect.DeepEqual(got.Grant, want.Grant)) {
		return fmt.Errorf("place %v within %s=%v: %v %v, reference: %v %v", t, attribute, value, got, gotOK, want, wantOK)
	}
	engine.Undo(got)
	reference.Undo(want)
	return nil
}

func TestPlaceWithin(t *testing.T) {
	f := cluster.NewFork()
	for i := range 8 {
		require.NoError(t, f.AddNodes(berth.Node{
			ID: fmt.Sprintf("n%d", i), Capacity: berth.Resources{"cpu": 2000},
			Attributes: berth.Attributes{"rack": fmt.Sprintf("r%d", i/2), "row": i / 4},
		}))
	}
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.Spread(), placement.Spread("rack", berth.NodeID)} {
		for name, picker := range pickers(strategy) {
			p := picker()
			p.Start(f.Snapshot())
			g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
			in := func(id, attribute string, value any) string {
				op, _ := p.PlaceWithin(g.Task(id), attribute, value)
				return op.Node
			}
			var racks []string
			for i := range 5 { // four tasks fit into the rack
				racks = append(racks, in(fmt.Sprintf("a%d", i), "rack", "r2"))
			}
			assert.ElementsMatch(t, []string{"n4", "n4", "n5", "n5", ""}, racks, "%s %v", name, strategy)
			assert.Equal(t, "n7", in("b", berth.NodeID, "n7"), name)
			assert.Contains(t, []string{"n0", "n1", "n2", "n3"}, in("c", "row", 0), "numbers are values too: %s", name)
			assert.Empty(t, in("d", "row", "0"), "and are no texts: %s", name)
			for _, nowhere := range [][2]any{{"rack", "r9"}, {"", "r2"}, {"rack", nil}, {"rack", []int{1}}, {"none", "r2"}, {berth.NodeID, "n9"}, {berth.NodeID, 7}} {
				assert.Empty(t, in("e", nowhere[0].(string), nowhere[1]), "%s %v", name, nowhere)
			}
			op, ok := p.Place(g.Task("f"))
			require.True(t, ok, "the domain is not remembered: %s", name)
			assert.NotContains(t, []string{"n4", "n5"}, op.Node, name)
		}
	}
}

// A rule that compares domains compares them all, whichever the task is to go to: two tasks more than the emptiest rack has are too
// many.
func TestPlaceWithinIsNoRule(t *testing.T) {
	f := cluster.NewFork()
	for i := range 3 {
		require.NoError(t, f.AddNodes(berth.Node{
			ID: fmt.Sprintf("n%d", i), Capacity: berth.Resources{"cpu": 9000}, Attributes: berth.Attributes{"rack": fmt.Sprintf("r%d", i)},
		}))
	}
	for name, picker := range pickers(placement.BinPack()) {
		p := picker()
		p.Start(f.Snapshot())
		g := berth.NewGroup("g", berth.GroupSpec{
			Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.GroupBy("rack")},
		})
		_, first := p.PlaceWithin(g.Task("a"), "rack", "r1")
		_, second := p.PlaceWithin(g.Task("b"), "rack", "r1")
		assert.True(t, first, name)
		assert.False(t, second, name)
	}
}
