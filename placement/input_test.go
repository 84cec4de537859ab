package placement_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// pickers are both of a strategy.
func pickers(s placement.Strategy) map[string]func() placement.Picker {
	return map[string]func() placement.Picker{
		"engine":     func() placement.Picker { return placement.NewEngine(s) },
		"exhaustive": func() placement.Picker { return placement.NewExhaustive(s) },
	}
}

func flat(_, _ []int64) int64 { return 0 }

func TestErrOfStrategies(t *testing.T) {
	state := placement.Change("state", func(*placement.State) int64 { return 1 })
	assert.NoError(t, placement.Best(state.Times(1<<18)).Then(state.Times(-1<<18)).Err(), "2^44 times 2^18 in each tier")
	assert.NoError(t, placement.Best(state.Between(-5, 4).Times(math.MinInt64/16)).Err(), "5/8 of 2^62")
	for _, s := range strategies() {
		assert.NoError(t, s.Err(), "%v", s)
		assert.NotEmpty(t, s.String())
	}
	for _, c := range []struct {
		strategy placement.Strategy
		faults   []string
	}{
		{placement.Spread("a", "a"), []string{`"a"`}},
		{placement.Spread(""), []string{`""`}},
		{placement.Spread("", "x", "x"), []string{`""`, `"x"`}},
		{placement.Best(placement.Func("mine", nil)), []string{`"mine"`, "no function"}},
		{placement.Best(placement.Class("c", nil), placement.OfState("s", nil), placement.Change("d", nil), placement.Additive("a", nil, nil)),
			[]string{`"c": no function`, `"s": no function`, `"d": no function`, `"a": no function`}},
		{placement.Best(placement.Term{}), []string{"not made by any of its functions"}},
		{placement.Best(placement.Tasks("")), []string{"no attribute"}},
		{placement.Best(placement.InUse("cpu", "cpu", "")), []string{`resource "cpu"`, `resource ""`}},
		{placement.BinPack("x", "x"), []string{`resource "x"`}},
		{placement.Best(placement.Prefer(nil)), []string{"no rule"}},
		{placement.Best(placement.Prefer(constraints.Tolerate("a", "b"))), []string{"neither a rule about a node's attributes nor about the tasks in domains"}},
		{placement.Best(placement.Prefer(constraints.MaxPer("zone", 0))), []string{"limit"}},
		{placement.Best(placement.Preferences().Between(0, 1)), []string{"not of preferences"}},
		{placement.Best(placement.Models().Between(0, 1)), []string{"not of models"}},
		{placement.Best(placement.InUse().Through(func(int64) int64 { return 0 }), state.Through(nil)),
			[]string{"through: only Change has it", "through: no function"}},
		{placement.Best(placement.InUse().Missing(1)), []string{"only Tasks has it"}},
		{placement.Best(placement.InUse().Reads("a"), placement.InUse().Counts("a"), placement.Tasks("a").Over("cpu")), []string{"reads:", "counts:", "over:"}},
		{placement.Best(placement.InUse().Between(2, 1)), []string{"between 2 and 1"}},
		{placement.Best(placement.InUse()).Within(-1), []string{"tolerance of -1"}},
		{placement.Best(placement.InUse().Times(math.MaxInt64).Times(2)), []string{"a weight of 9223372036854775807 times 2"}},
		// 2^44 x 2 parts x 2^18 is more than 2^62; of one part it is as much, which may be, and a term more is too much.
		{placement.Best(placement.Additive("a", flat, flat).Times(1 << 18)), []string{"beyond 2^62"}},
		{placement.Best(state.Times(1<<18), placement.Tasks("zone")), []string{"beyond 2^62"}},
		{placement.Best(state.Times(math.MinInt64+1), state.Times(math.MinInt64+1)), []string{"beyond 2^62"}},
	} {
		err := c.strategy.Err()
		require.Error(t, err, "%v", c.strategy)
		for _, f := range c.faults {
			assert.ErrorContains(t, err, f)
		}
	}
}

// TestFaultyStrategiesDoNotPanic: pickers may be made of what Err would have refused.
func TestFaultyStrategiesDoNotPanic(t *testing.T) {
	a, b := plain("a", 1000, 1000), plain("b", 1000, 1000)
	a.Attributes = berth.Attributes{"x": 1, "y": 2, "z": "3"}
	b.Attributes = berth.Attributes{"x": 2}
	s := snapshotOf(t, a, b)
	for name, strategy := range map[string]placement.Strategy{
		"zero":              {},
		"no function":       placement.Best(placement.Func("mine", nil), placement.Class("c", nil), placement.OfState("s", nil), placement.Additive("a", nil, nil)),
		"zero term":         placement.Best(placement.Term{}, placement.Term{}.Times(3)).Then(),
		"no rule":           placement.Best(placement.Prefer(nil), placement.Prefer(constraints.TolerateKey("a"))),
		"negative within":   placement.Best(placement.InUse()).Within(math.MinInt64),
		"wide within":       placement.Best(placement.InUse()).Within(math.MaxInt64),
		"overflow":          placement.Best(placement.InUse().Times(math.MaxInt64), placement.InUse("cpu").Times(math.MaxInt64), placement.Tasks("x").Times(math.MinInt64)),
		"no resource":       placement.BinPack("no", "", "no").Over("neither"),
		"three attributes":  placement.Spread("x", "y", "z"),
		"given twice":       placement.Spread("x", "x"),
		"empty attribute":   placement.Spread(""),
		"node twice":        placement.Spread(berth.NodeID, berth.NodeID),
		"many more domains": placement.Spread("a", "b", "c", "d", "e"),
	} {
		for kind := range pickers(placement.BinPack()) {
			t.Run(name+" "+kind, func(t *testing.T) {
				assert.NotPanics(t, func() {
					p := pickers(strategy)[kind]()
					p.Start(s)
					g := request("g", 600, 1)
					for _, task := range g.Tasks(3) {
						if op, ok := p.Place(task); ok {
							assert.Contains(t, []string{"a", "b"}, op.Node)
						}
					}
					p.Explain(g)
					cover(p, berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon}))
				})
			})
		}
	}
}

// TestBeforeStart: a picker that was not started is in a cluster without nodes.
func TestBeforeStart(t *testing.T) {
	g := request("g", 1, 1)
	for kind, make := range pickers(placement.BinPack()) {
		for name, try := range map[string]func(t *testing.T, p placement.Picker){
			"place": func(t *testing.T, p placement.Picker) {
				_, ok := p.Place(g.Task("t"))
				assert.False(t, ok)
			},
			"explain": func(t *testing.T, p placement.Picker) { assert.Zero(t, p.Explain(g).Nodes) },
			"cover": func(t *testing.T, p placement.Picker) {
				ops, text := cover(p, berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon}))
				assert.Empty(t, ops)
				assert.Empty(t, text)
			},
			"undo": func(t *testing.T, p placement.Picker) {
				p.Undo(berth.Op{Kind: berth.Place, Task: g.Task("t"), Node: "a"})
			},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				assert.NotPanics(t, func() { try(t, make()) })
			})
		}
	}
}

// TestUndoOfTheUnknown: an operation that this plan did not pick is passed over.
func TestUndoOfTheUnknown(t *testing.T) {
	s := snapshotOf(t, plain("a", 2000, 2000), plain("b", 2000, 2000))
	g := request("g", 1000, 1)
	for kind, make := range pickers(placement.BinPack()) {
		for name, undo := range map[string]func(p placement.Picker, op berth.Op){
			"the zero operation": func(p placement.Picker, _ berth.Op) { p.Undo(berth.Op{}) },
			"a task never placed": func(p placement.Picker, op berth.Op) {
				op.Task = g.Task("other")
				p.Undo(op)
			},
			"a node that is not there": func(p placement.Picker, _ berth.Op) {
				p.Undo(berth.Op{Kind: berth.Place, Node: "c", Task: g.Task("other")})
			},
			"another kind": func(p placement.Picker, _ berth.Op) { p.Undo(berth.Op{Kind: berth.Release, ID: "g-1"}) },
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				p := make()
				p.Start(s)
				first, ok := p.Place(g.Task("g-1"))
				require.True(t, ok)
				require.NotPanics(t, func() { undo(p, first) })
				// a holds two of the group, b the next two, and then there is no room.
				for i, want := range []string{"a", "b", "b"} {
					op, ok := p.Place(g.Task(fmt.Sprintf("next-%d", i)))
					require.True(t, ok)
					assert.Equal(t, want, op.Node)
				}
				_, ok = p.Place(g.Task("last"))
				assert.False(t, ok, "room that nobody gave")
			})
		}
		t.Run(kind+" twice", func(t *testing.T) {
			p := make()
			p.Start(s)
			op, ok := p.Place(g.Task("g-1"))
			require.True(t, ok)
			p.Undo(op)
			require.NotPanics(t, func() { p.Undo(op) })
			for i := range 4 {
				_, ok := p.Place(g.Task(fmt.Sprintf("next-%d", i)))
				require.True(t, ok)
			}
			_, ok = p.Place(g.Task("last"))
			assert.False(t, ok, "room that nobody gave")
		})
		t.Run(kind+" of an earlier plan", func(t *testing.T) {
			p := make()
			p.Start(s)
			op, ok := p.Place(g.Task("g-1"))
			require.True(t, ok)
			p.Start(s)
			require.NotPanics(t, func() { p.Undo(op) })
			for i := range 4 {
				_, ok := p.Place(g.Task(fmt.Sprintf("next-%d", i)))
				require.True(t, ok)
			}
			_, ok = p.Place(g.Task("last"))
			assert.False(t, ok, "room that nobody gave")
		})
	}
}

// TestInstancesOneByOne: an instance of a daemon group may be placed like any task, where there is none.
func TestInstancesOneByOne(t *testing.T) {
	p := pairOf(placement.BinPack())
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 1000}})
	ops := p.plan(t, snapshotOf(t, plain("a", 4000, 4000), plain("b", 4000, 4000)), []berth.Task{agent.On("a"), agent.On("b"), agent.On("c")})
	require.Len(t, ops, 2)
}

// TestMisuseDoesNotPanic is about calls that the Picker's contract does not allow.
func TestMisuseDoesNotPanic(t *testing.T) {
	s := snapshotOf(t, plain("a", 4000, 4000), plain("b", 4000, 4000))
	faultyGroup := berth.NewGroup("", berth.GroupSpec{Request: berth.Resources{"cpu": -1}})
	g, sameName := request("g", 1000, 1), request("g", 500, 1)
	for _, c := range []struct {
		name string
		try  func(p placement.Picker)
	}{
		{"cover of a group that is no daemon", func(p placement.Picker) { cover(p, g) }},
		{"group with faults", func(p placement.Picker) {
			_, ok := p.Place(faultyGroup.Task("t"))
			assert.False(t, ok)
			cover(p, faultyGroup)
			p.Explain(faultyGroup)
		}},
		{"two groups of one name", func(p placement.Picker) {
			p.Place(g.Task("t"))
			p.Place(sameName.Task("u"))
			p.Explain(sameName)
		}},
		{"task without a group", func(p placement.Picker) {
			_, ok := p.Place(berth.Task{ID: "t"})
			assert.False(t, ok)
		}},
		{"task without an ID", func(p placement.Picker) { p.Place(g.Task("")) }},
		{"task picked already", func(p placement.Picker) {
			p.Place(g.Task("t"))
			p.Place(g.Task("t"))
		}},
		{"no group to explain", func(p placement.Picker) { p.Explain(nil) }},
		{"no group to cover", func(p placement.Picker) { cover(p, nil) }},
	} {
		for kind, make := range pickers(placement.BinPack()) {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				assert.NotPanics(t, func() {
					p := make()
					p.Start(s)
					c.try(p)
				})
			})
		}
	}
}
