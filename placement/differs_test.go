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

// sayBoth asks an engine and a reference the same, and returns what both say.
func sayBoth(t *testing.T, s placement.Strategy, ask func(p placement.Picker) string) string {
	t.Helper()
	engine := placement.NewEngine(s)
	got, want := ask(engine), ask(placement.NewExhaustive(s))
	require.Equal(t, want, got, "%v", s)
	require.NoError(t, engine.Check())
	return got
}

// A group of another spec under a name that the snapshot knows is refused, and explained as that, whatever its mode and
// rules.
func TestGroupsThatDifferFromTheSnapshot(t *testing.T) {
	f := snapshotOf(t, ofRacks(6, 3)...).Fork()
	apply(f, []berth.Op{{Kind: berth.Place, Node: "n0001", Task: request("g", 1, 1).Task("t")}})
	s := f.Snapshot()
	for name, spec := range map[string]berth.GroupSpec{
		"more":     {Request: berth.Resources{"cpu": 2}},
		"too much": {Request: berth.Resources{"cpu": 1 << 40}},
		"spread":   {Request: berth.Resources{"cpu": 1}, Rules: []berth.Constraint{constraints.GroupBy("rack"), constraints.MaxPer("zone", 1)}},
		"gang":     {Request: berth.Resources{"cpu": 1}, Mode: berth.Gang, GangSize: 3},
		"daemon":   {Mode: berth.Daemon},
		"daemon 2": {Mode: berth.Daemon, Rules: []berth.Constraint{constraints.Unique("rack")}},
		"unheard":  {Request: berth.Resources{"nothing": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, strategy := range someStrategies() {
				said := sayBoth(t, strategy, func(p placement.Picker) string {
					g := berth.NewGroup("g", spec)
					require.NoError(t, g.Err())
					p.Start(s)
					var text string
					if g.Mode() == berth.Daemon {
						_, text = cover(p, g)
					} else {
						_, ok := p.Place(g.Task("u"))
						assert.False(t, ok)
					}
					text += fmt.Sprint(p.Explain(g))
					// The group that has the name goes on, and its domains are counted as before.
					op, ok := p.Place(request("g", 1, 1).Task("v"))
					return text + fmt.Sprint(op, ok)
				})
				assert.Contains(t, said, "another group is named g")
			}
		})
	}
}

// A name that is picked for is taken for the plan, until the last pick is undone.
func TestGroupsThatDifferWithinAPlan(t *testing.T) {
	s := snapshotOf(t, ofRacks(6, 3)...)
	a := request("g", 1, 1)
	b := request("g", 2, 1, constraints.MaxPer("zone", 1))
	for _, strategy := range someStrategies() {
		sayBoth(t, strategy, func(p placement.Picker) string {
			p.Start(s)
			place := func(g *berth.Group, id string, want bool) berth.Op {
				op, ok := p.Place(g.Task(id))
				require.Equal(t, want, ok, "%v of %v", id, g)
				return op
			}
			first := place(a, "a1", true)
			second := place(request("g", 1, 1), "a2", true) // an equal group is the same
			place(b, "b1", false)
			text := fmt.Sprint(p.Explain(b))
			assert.Contains(t, text, "another group is named g")
			p.Undo(first)
			place(b, "b1", false)
			p.Undo(second)
			ops := []berth.Op{place(b, "b1", true), place(b, "b2", true)} // of zones
			place(a, "a1", false)
			ops = append(ops, place(b, "b3", true))
			place(b, "b4", false) // all three zones have one
			for _, op := range ops {
				text += fmt.Sprint(op)
				p.Undo(op)
			}
			place(a, "a1", true)
			place(b, "b1", false)
			p.Start(s)
			place(b, "b1", true)
			return text
		})
	}
}

// After a panic of host code an engine knows again which group has a name, and counts by its rules.
func TestGroupsThatDifferAfterAPanic(t *testing.T) {
	s := snapshotOf(t, ofRacks(6, 3)...)
	for _, strategy := range someStrategies() {
		sayBoth(t, strategy, func(p placement.Picker) string {
			p.Start(s)
			a, b := request("g", 1, 1), request("g", 2, 1, constraints.MaxPer("zone", 1))
			op, ok := p.Place(a.Task("a1"))
			require.True(t, ok)
			p.Undo(op)
			text := ""
			place := func(id string) {
				op, ok := p.Place(b.Task(id))
				text += fmt.Sprintln(op, ok)
			}
			place("b1")
			bomb := &bomb{left: 1}
			bomb.goesOff(func() { p.Explain(request("c", 1, 1, bombRule{constraints.NotEq("zone", "z9"), bomb})) })
			for i := range 3 {
				place(fmt.Sprint("b", i+2))
			}
			_, ok = p.Place(a.Task("a1"))
			require.False(t, ok)
			return text
		})
	}
}

// What is no task to be placed on the best node is placed on none.
func TestPlaceOfDaemons(t *testing.T) {
	s := snapshotOf(t, plain("a", 200, 1), plain("b", 100, 1)) // best fit is b
	g := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 10}})
	said := sayBoth(t, placement.Strategy{}, func(p placement.Picker) string {
		p.Start(s)
		text := ""
		for _, task := range []berth.Task{g.Everywhere(), g.On("a"), g.On("b"), g.On("a"), request("x", 1, 1).Task("")} {
			op, ok := p.Place(task)
			text += fmt.Sprintln(op.Node, ok)
		}
		return text
	})
	assert.Equal(t, " false\n false\nb true\na true\n false\n", said)
}
