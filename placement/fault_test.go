package placement_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// bomb is host code that panics once, when it has been called so many times while it was armed.
type bomb struct {
	armed bool
	left  int
}

func (b *bomb) tick() {
	if b.armed {
		if b.left--; b.left == 0 {
			panic("host code")
		}
	}
}

// bombRule and bombLimit are rules that may go off.
type bombRule struct {
	berth.NodeRule
	bomb *bomb
}

func (r bombRule) Allows(n *berth.Node) bool {
	r.bomb.tick()
	return r.NodeRule.Allows(n)
}

type bombLimit struct {
	berth.DomainRule
	bomb *bomb
}

func (r bombLimit) Limit(d berth.Domains) int {
	r.bomb.tick()
	return r.DomainRule.Limit(d)
}

// goesOff calls a function with the bomb armed, and reports whether it went off.
func (b *bomb) goesOff(call func()) (off bool) {
	b.armed = true
	defer func() {
		b.armed = false
		if r := recover(); r != nil {
			off = true
		}
	}()
	call()
	return false
}

// TestFault02PanicInHostCode lets host code panic at the nth of its calls within an engine, for the first values of n and
// ever sparser ones after, in a history of plans. What a call that panicked would have picked is not picked. The engine is
// used on, for the same call again or for a new plan, and picks what the reference picks.
func TestFault02PanicInHostCode(t *testing.T) {
	every, sparse := 1, 4
	switch {
	case underRace:
		every, sparse = 9, 2
	case testing.Short():
		every = 3
	}
	for i, s := range strategies() {
		if i%every != every/2 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			for _, again := range []bool{true, false} {
				for n := 1; ; n += 1 + n/sparse {
					off, err := surviveBomb(i, n, again)
					require.NoError(t, err, "the bomb goes off at call %d, again %v", n, again)
					if !off {
						require.Greater(t, n, 20)
						break
					}
				}
			}
		})
	}
}

// surviveBomb lives through a history in which a bomb goes off at the nth call of host code, if there are so many. After
// it the same plan goes on, or another begins.
func surviveBomb(strategy int, n int, again bool) (off bool, err error) {
	b := &bomb{left: n}
	f := cluster.NewFork()
	nodes := ofRacks(9, 5)
	if err := f.AddNodes(nodes...); err != nil {
		return false, err
	}
	engine, reference := placement.NewEngine(strategiesOf(b.tick)[strategy]), placement.NewExhaustive(strategies()[strategy])
	for round := range 4 {
		if round == 2 {
			if err := f.AddNodes(plain("n0003b", 2000, 1<<30)); err != nil {
				return off, err
			}
		}
		group := func(name string, mode berth.Mode, cpu int64, rules ...berth.Constraint) *berth.Group {
			return berth.NewGroup(fmt.Sprint(name, round), berth.GroupSpec{Mode: mode, Request: berth.Resources{"cpu": cpu, "memory": 1 << 20}, Rules: rules})
		}
		even := bombLimit{constraints.GroupBy("rack"), b}
		var groups []*berth.Group
		for i, rules := range [][]berth.Constraint{nil, {bombRule{constraints.NotEq("zone", "z1"), b}}, {even}, {bombLimit{constraints.MaxPer(berth.NodeID, 1), b}}} {
			groups = append(groups, group(fmt.Sprint("g", i, "-"), berth.Count, int64(300+i*200), rules...))
		}
		daemons := []*berth.Group{
			group("d", berth.Daemon, 50, bombRule{constraints.NotEq("rack", "r2"), b}), group("e", berth.Daemon, 50, bombLimit{constraints.MaxPer("zone", 2), b}),
		}
		var ops []berth.Op
		told := map[placement.Picker][]string{} // of the present Cover, by this plan
		start := func() {
			clear(told)
			s := f.Snapshot()
			if b.goesOff(func() { engine.Start(s) }) {
				off = true
				engine.Start(s)
			}
			reference.Start(s)
			ops = ops[:0]
		}
		// step does the same with both; if the bomb goes off, the engine does it again or another plan begins.
		step := func(call func(p placement.Picker) string) error {
			var got string
			if b.goesOff(func() { got = call(engine) }) {
				if off = true; !again {
					start()
				}
				got = call(engine)
			}
			if want := call(reference); got != want {
				return fmt.Errorf("round %d: %s\nreference: %s", round, got, want)
			}
			return partsOf(engine)
		}
		start()
		for i := range 4 {
			for _, g := range groups {
				task, placed := g.Task(fmt.Sprint(g, "-", i)), berth.Op{}
				if err := step(func(p placement.Picker) string {
					op, ok := p.Place(task)
					if placed = op; !ok {
						return fmt.Sprint("nowhere: ", p.Explain(g))
					}
					return fmt.Sprint(op)
				}); err != nil {
					return off, err
				}
				if placed.Node != "" {
					ops = append(ops, placed)
				}
				if len(ops)%5 == 4 {
					last := ops[len(ops)-2]
					ops = append(ops[:len(ops)-2], ops[len(ops)-1])
					if err := step(func(p placement.Picker) string { p.Undo(last); return "" }); err != nil {
						return off, err
					}
				}
			}
			if i < 2 {
				covered := map[placement.Picker][]berth.Op{}
				if err := step(func(p placement.Picker) string {
					if len(told[p]) == 0 {
						covered[p] = nil
					}
					p.Cover(daemons[i], func(op berth.Op) {
						covered[p] = append(covered[p], op)
						told[p] = append(told[p], fmt.Sprint(op))
					}, func(node string, lacks []berth.Lack) {
						// A node that is missed is missed again by a call that is made again, and may then lack more.
						if !slices.ContainsFunc(told[p], func(line string) bool { return strings.HasPrefix(line, node+"[") }) {
							told[p] = append(told[p], fmt.Sprint(node, lacks))
						}
					})
					return strings.Join(told[p], "\n")
				}); err != nil {
					return off, err
				}
				ops = append(ops, covered[reference]...)
				clear(told)
			}
		}
		apply(f, ops)
	}
	return off, nil
}

// Where a daemon's instances are picked until host code panics, those that the caller was told of are picked, and no
// others: the nodes are a to d, and the panic comes at the third that is told.
func TestFault02PanicOfTheCaller(t *testing.T) {
	s := snapshotOf(t, plain("a", 100, 1), plain("b", 100, 1), plain("c", 100, 1), plain("d", 100, 1))
	rules := []berth.Constraint{constraints.Unique(berth.NodeID)} // which a daemon keeps anyway
	for name, c := range map[string]struct {
		p     placement.Picker
		rules []berth.Constraint
	}{
		"engine": {placement.NewEngine(placement.Strategy{}), nil}, "exhaustive": {placement.NewExhaustive(placement.Strategy{}), nil},
		"engine, by domain": {placement.NewEngine(placement.Strategy{}), rules}, "exhaustive, by domain": {placement.NewExhaustive(placement.Strategy{}), rules},
	} {
		t.Run(name, func(t *testing.T) {
			g, p := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}, Rules: c.rules}), c.p
			p.Start(s)
			told := 0
			require.Panics(t, func() {
				p.Cover(g, func(berth.Op) {
					if told++; told == 3 {
						panic("caller")
					}
				}, nil)
			})
			require.NoError(t, partsOf(p))
			op, ok := p.Place(request("one", 100, 0).Task("one")) // a, b and c are full
			require.True(t, ok)
			assert.Equal(t, "d", op.Node)
			p.Cover(g, nil, nil)
			_, text := cover(p, g)
			assert.Equal(t, "agent misses d [lacks 0.1 cpu]\n", text)
		})
	}
}

// TestFault02CallsWithinCalls: what is told of a Cover may not call the picker. If it does, the calls do nothing, and the
// Cover and what follows it are as without them.
func TestFault02CallsWithinCalls(t *testing.T) {
	nodes := ofRacks(130, 5)
	for _, s := range someStrategies() {
		for name, rules := range map[string][]berth.Constraint{
			"plain": {constraints.NotEq("zone", "z1")}, "by domain": {constraints.NotEq("zone", "z1"), constraints.Unique("rack")},
		} {
			t.Run(s.String()+", "+name, func(t *testing.T) {
				var texts []string
				for _, p := range []placement.Picker{placement.NewExhaustive(s), placement.NewEngine(s), placement.NewExhaustive(s), placement.NewEngine(s)} {
					calls := len(texts) > 1
					g := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100, "mem": 1}, Rules: rules})
					other := request("other", 3950, 1)
					p.Start(snapshotOf(t, nodes...))
					late, ok := p.Place(request("late", 1, 1, constraints.Eq(berth.NodeID, "n0129")).Task("late"))
					require.True(t, ok)
					var text string
					call := func(op berth.Op) {
						if !calls {
							return
						}
						p.Undo(op)
						p.Undo(late)
						_, ok := p.Place(other.Task("within"))
						assert.False(t, ok)
						assert.Nil(t, p.Explain(other))
						never := func() { t.Error("a Cover within a Cover calls") }
						p.Cover(berth.NewGroup("another", berth.GroupSpec{Mode: berth.Daemon}), func(berth.Op) { never() }, func(string, []berth.Lack) { never() })
						p.Start(nil)
					}
					p.Cover(g, func(op berth.Op) {
						text += fmt.Sprintln(op)
						call(op)
					}, func(node string, lacks []berth.Lack) {
						text += fmt.Sprintln(node, lacks)
						call(berth.Op{})
					})
					_, more := cover(p, g)
					op, ok := p.Place(other.Task("last"))
					texts = append(texts, text+more+fmt.Sprintln(op, ok, p.Explain(other)))
					require.NoError(t, partsOf(p))
				}
				for _, text := range texts[1:] {
					require.Equal(t, texts[0], text)
				}
			})
		}
	}
}

// TestFault02NothingGiven: zero pickers and zero strategies are those of BinPack, on no nodes until a plan begins.
func TestFault02NothingGiven(t *testing.T) {
	nodes := []berth.Node{plain("a", 4000, 4000), plain("b", 2000, 2000), plain("c", 1000, 1000)}
	tasks := append(request("g", 600, 600).Tasks(5), request("h", 9000, 1).Tasks(1)...)
	tasks = append(tasks, berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon}).Everywhere())
	want := transcript(placement.NewExhaustive(placement.BinPack()), snapshotOf(t, nodes...), tasks)
	for name, p := range map[string]func() placement.Picker{
		"zero engine":               func() placement.Picker { return new(placement.Engine) },
		"zero exhaustive":           func() placement.Picker { return new(placement.Exhaustive) },
		"engine, zero strategy":     func() placement.Picker { return placement.NewEngine(placement.Strategy{}) },
		"exhaustive, zero strategy": func() placement.Picker { return placement.NewExhaustive(placement.Strategy{}) },
	} {
		t.Run(name, func(t *testing.T) {
			g := request("g", 1, 1)
			for method, call := range map[string]func(p placement.Picker){
				"Place": func(p placement.Picker) {
					_, ok := p.Place(g.Task("t"))
					assert.False(t, ok)
				},
				"Cover": func(p placement.Picker) {
					ops, text := cover(p, berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon}))
					assert.Empty(t, ops)
					assert.Empty(t, text)
				},
				"Cover for nobody": func(p placement.Picker) { p.Cover(berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon}), nil, nil) },
				"Undo":             func(p placement.Picker) { p.Undo(berth.Op{Task: g.Task("t")}) },
				"Explain":          func(p placement.Picker) { assert.Zero(t, p.Explain(g).Nodes) },
				"Explain none":     func(p placement.Picker) { assert.NotNil(t, p.Explain(nil)) },
				"Place none": func(p placement.Picker) {
					_, ok := p.Place(berth.Task{})
					assert.False(t, ok)
				},
				"Start": func(p placement.Picker) { p.Start(nil) },
			} {
				fresh := p()
				call(fresh)
				assert.Equal(t, want, transcript(fresh, snapshotOf(t, nodes...), tasks), "after %s", method)
			}
		})
	}
}

// Explanations of what cannot be placed anywhere, since it is at fault, are of the snapshot too.
func TestExplainFaultyGroup(t *testing.T) {
	s := snapshotOf(t, plain("a", 1, 1), plain("b", 1, 1))
	faulty := berth.NewGroup("", berth.GroupSpec{})
	e, x := placement.NewEngine(placement.Strategy{}), placement.NewExhaustive(placement.Strategy{})
	e.Start(s)
	x.Start(s)
	require.True(t, reflect.DeepEqual(x.Explain(faulty), e.Explain(faulty)))
	assert.Equal(t, 2, e.Explain(faulty).Nodes)
}

// TestFault17InstanceIDTaken: the instance of a daemon on a node that was lost and came back is a lost task, and its ID
// cannot be used until it is released. Both pickers say so, and what the node lacks besides.
func TestFault17InstanceIDTaken(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		for _, rules := range [][]berth.Constraint{nil, {constraints.MaxPer("zone", 10)}} {
			f := cluster.NewFork()
			for i, id := range []string{"a", "b", "c", "d", "e", "f"} {
				n := plain(id, 1000, 1000)
				n.Attributes = berth.Attributes{"zone": fmt.Sprint("z", i%2)}
				require.NoError(t, f.AddNodes(n))
			}
			g := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}, Rules: rules})
			for _, id := range []string{"a", "b"} {
				_, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.On(id), Node: id})
				require.Equal(t, berth.None, why.Code)
			}
			require.NoError(t, f.RemoveNodes("a"))
			n := plain("a", 1000, 1000)
			n.Attributes = berth.Attributes{"zone": "z0"}
			require.NoError(t, f.AddNodes(n))
			full := berth.NewGroup("full", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.Eq(berth.NodeID, "a")}})
			_, why := f.Apply(berth.Op{Kind: berth.Place, Task: full.Task("full"), Node: "a"})
			require.Equal(t, berth.None, why.Code)

			for _, picker := range []placement.Picker{p.engine, p.reference} {
				picker.Start(f.Snapshot())
				var placed []string
				missed := map[string][]berth.Lack{}
				picker.Cover(g, func(op berth.Op) { placed = append(placed, op.Node) }, func(node string, lacks []berth.Lack) { missed[node] = lacks })
				exists := func(subject string) berth.Lack {
					return berth.Lack{Reason: berth.Reason{Code: berth.TaskExists, Subject: subject}}
				}
				assert.Equal(t, []string{"c", "d", "e", "f"}, placed)
				assert.Equal(t, map[string][]berth.Lack{
					"a": {exists("lost"), {Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, Short: 100}},
				}, missed)
				require.NoError(t, partsOf(picker))
			}
		}
	})
}
