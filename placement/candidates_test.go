package placement_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// asker draws questions about a snapshot and puts them to two pickers.
type asker struct {
	rng                 *rand.Rand
	nodes, tasks, holds []string
	into                [2]*placement.Choices
}

func newAsker(s *cluster.Snapshot, seed uint64) *asker {
	a := &asker{rng: rand.New(rand.NewPCG(seed, 3)), nodes: []string{"no such node"}, tasks: []string{"no-such-task"}, holds: []string{"no such hold"}}
	for n := range s.Nodes() {
		a.nodes = append(a.nodes, n.ID())
		for t := range n.Tasks() {
			a.tasks = append(a.tasks, t.ID)
		}
	}
	for h := range s.Holds() {
		a.holds = append(a.holds, h.ID)
	}
	return a
}

// due reports whether to ask now: the more nodes the rarer, for the reference looks at all of them for each that it tells.
func (a *asker) due() bool { return a.rng.IntN(12+len(a.nodes)*len(a.nodes)/200) == 0 }

// some returns a few of a list, now and then one twice.
func (a *asker) some(list []string, most int) []string {
	out := []string{}
	for range a.rng.IntN(most + 1) {
		out = append(out, list[a.rng.IntN(len(list))])
	}
	return out
}

func (a *asker) ask(picked []berth.Op) placement.Ask {
	ask := placement.Ask{Misfits: a.rng.IntN(2) == 0, Details: a.rng.IntN(2) == 0}
	if a.rng.IntN(3) == 0 {
		ask.Top = 1 + a.rng.IntN(8)
	}
	if a.rng.IntN(4) == 0 {
		ask.Among = a.some(a.nodes, len(a.nodes))
	}
	if a.rng.IntN(2) == 0 {
		ask.Gone = a.some(a.tasks, 12)
		for range min(len(picked), a.rng.IntN(3)) {
			ask.Gone = append(ask.Gone, picked[a.rng.IntN(len(picked))].Task.ID)
		}
	}
	if a.rng.IntN(3) == 0 {
		ask.GoneHolds = a.some(a.holds, 4)
	}
	return ask
}

// both compares what two pickers say of a task. With nothing special about the question, the first node is the one that
// Place is about to pick.
func (a *asker) both(engine, reference placement.Picker, t berth.Task, picked []berth.Op) error {
	ask := a.ask(picked)
	var texts [2]string
	for i, p := range []placement.Picker{engine, reference} {
		ask.Into = a.into[i]
		a.into[i] = p.Candidates(t, ask)
		texts[i] = describe(a.into[i])
	}
	ask.Into = nil
	if texts[0] != texts[1] {
		return fmt.Errorf("candidates of %+v:\n%s\nreference:\n%s", ask, texts[0], texts[1])
	}
	if err := partsOf(engine); err != nil {
		return fmt.Errorf("after candidates of %+v: %w", ask, err)
	}
	return nil
}

// describe tells all that choices say.
func describe(c *placement.Choices) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Version, c.Asked, c.Fit, c.Reason, c.Over)
	for n := range c.All() {
		fmt.Fprintln(&b, n)
	}
	for _, m := range c.Misfits {
		fmt.Fprintf(&b, "%s %+v\n", m.Node, m.Lacks)
	}
	return b.String()
}

// repeater asks about all nodes for the same groups again and again, each in the room of its last answer, which an engine brings up to date.
type repeater struct {
	into  map[*berth.Group]*placement.Choices
	asked int
}

func (r *repeater) both(engine, reference placement.Picker, groups []*berth.Group) error {
	for i, g := range groups {
		if r.asked++; r.asked%3 == 0 { // more changes between two questions
			continue
		}
		ask := placement.Ask{Misfits: i%3 > 0}
		want := describe(reference.Candidates(g.Task("again"), ask))
		for range 2 { // with what has changed, and with nothing
			ask.Into = r.into[g]
			if ask.Into == nil {
				ask.Into = new(placement.Choices)
			}
			r.into[g] = engine.Candidates(g.Task("again"), ask)
			if got := describe(r.into[g]); got != want {
				return fmt.Errorf("candidates of %+v again:\n%s\nreference:\n%s", g.Spec(), got, want)
			}
		}
	}
	return nil
}
