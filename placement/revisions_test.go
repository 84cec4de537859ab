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

// A revision, which is a group of another spec under a name that the snapshot knows, is placed by its own spec, and its rules count
// the tasks of all specs of the name.
func TestRevisionsOfTheSnapshot(t *testing.T) {
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
				sayBoth(t, strategy, func(p placement.Picker) string {
					g := berth.NewGroup("g", spec)
					require.NoError(t, g.Err())
					p.Start(s)
					var text string
					if g.Mode() == berth.Daemon {
						ops, missed := cover(p, g)
						for _, op := range ops {
							assert.NotEqual(t, "n0001", op.Node, "an instance of any spec covers its node")
						}
						text = fmt.Sprint(ops, missed)
					} else {
						op, ok := p.Place(g.Task("u"))
						text = fmt.Sprint(op, ok)
					}
					text += fmt.Sprint(p.Explain(g))
					op, ok := p.Place(request("g", 1, 1).Task("v"))
					return text + fmt.Sprint(op, ok)
				})
			}
		})
	}
}

// What a plan picked of one revision counts for the next, whether the first has rules of its own or not, and counts no more once
// it is undone.
func TestRevisionsWithinAPlan(t *testing.T) {
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
			// Three zones: a1 takes the place of a task of b in one.
			first := place(a, "a1", true)
			ops := []berth.Op{place(b, "b1", true), place(b, "b2", true)}
			place(b, "b3", false)
			text := fmt.Sprint(p.Explain(b))
			p.Undo(first)
			ops = append(ops, place(b, "b3", true))
			place(b, "b4", false)
			second := place(a, "a2", true) // which has no rule
			p.Undo(ops[0])
			text += fmt.Sprint(ops, second, p.Explain(b))
			for _, op := range append(ops[1:], second) {
				p.Undo(op)
			}
			for i := range 3 {
				text += fmt.Sprint(place(b, fmt.Sprint("c", i), true))
			}
			p.Start(s)
			place(b, "b1", true)
			return text
		})
	}
}

// After a panic of host code an engine counts again what it picked of each revision.
func TestRevisionsAfterAPanic(t *testing.T) {
	s := snapshotOf(t, ofRacks(6, 3)...)
	for _, strategy := range someStrategies() {
		sayBoth(t, strategy, func(p placement.Picker) string {
			p.Start(s)
			a, b := request("g", 1, 1), request("g", 2, 1, constraints.MaxPer("zone", 1))
			text := ""
			place := func(g *berth.Group, id string) berth.Op {
				op, ok := p.Place(g.Task(id))
				text += fmt.Sprintln(op, ok)
				return op
			}
			gone := place(a, "a1")
			place(b, "b1")
			place(a, "a2")
			p.Undo(gone)
			bomb := &bomb{left: 1}
			bomb.goesOff(func() { p.Explain(request("c", 1, 1, bombRule{constraints.NotEq("zone", "z9"), bomb})) })
			for i := range 3 {
				place(b, fmt.Sprint("b", i+2))
			}
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
