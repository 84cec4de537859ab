package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// asked returns the nodes of choices, and all that they tell of the others, one text.
func asked(c *placement.Choices) string {
	var parts []string
	for n := range c.All() {
		parts = append(parts, n.Node)
	}
	for _, m := range c.Misfits {
		parts = append(parts, "- "+m.String())
	}
	if c.Reason.Code != berth.None {
		parts = append(parts, "none: "+c.Reason.String())
	}
	return strings.Join(parts, "; ")
}

// fourNodes returns a State of nodes of 4, 4, 8 and 8 cores in zones a, a, b and b.
func fourNodes(t *testing.T) *scheduler.State {
	var nodes []berth.Node
	for i := range int64(4) {
		nodes = append(nodes, berth.Node{
			ID: fmt.Sprintf("n%d", i+1), Capacity: berth.Resources{"cpu": 4000 * (1 + i/2)},
			Attributes: berth.Attributes{"zone": string("ab"[i/2])},
		})
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	require.NoError(t, err)
	return state
}

func byBothPickers(t *testing.T, source scheduler.Source, strategy placement.Strategy, do func(t *testing.T, s *scheduler.Scheduler)) {
	for _, exhaustive := range []bool{false, true} {
		t.Run(fmt.Sprintf("exhaustive=%t", exhaustive), func(t *testing.T) {
			s, err := scheduler.New(source, scheduler.Config{Strategy: strategy, Exhaustive: exhaustive})
			require.NoError(t, err)
			do(t, s)
		})
	}
}

func TestCandidatesOfModes(t *testing.T) {
	state := fourNodes(t)
	first, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	db := berth.NewGroup("db", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}})
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 2000}})
	gang := berth.NewGroup("gang", berth.GroupSpec{Mode: berth.Gang, GangSize: 9, Request: berth.Resources{"cpu": 6000}})
	spec := berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.Unique("zone")}}
	web, other := berth.NewGroup("web", spec), berth.NewGroup("web", berth.GroupSpec{})
	_, err = first.Schedule(t.Context(), db.Task("db-1"), web.Task("web-1")) // both on n1, which is then full
	require.NoError(t, err)
	plan := &cluster.Plan{Version: state.Version()}
	plan.Place(agent.On("n3"), "n3")
	_, err = state.Commit(t.Context(), plan)
	require.NoError(t, err)

	tests := []struct {
		what string
		task berth.Task
		ask  placement.Ask
		want string
	}{
		{"best fit: the fullest first", db.Task("db-2"), placement.Ask{}, "n2; n3; n4"},
		{"the best of them", db.Task("db-2"), placement.Ask{Top: 2}, "n2; n3"},
		{"why not the rest", db.Task("db-2"), placement.Ask{Top: 1, Misfits: true}, "n2; - n1: lacks 3 cpu"},
		{"named nodes, one of them twice, one unknown", db.Task("db-2"), placement.Ask{Among: []string{"n4", "n9", "n1", "n4"}, Misfits: true}, "n4; - n1: lacks 3 cpu; - n9: unknown node n9"},
		{"no node is named", db.Task("db-2"), placement.Ask{Among: []string{}, Misfits: true}, ""},
		{"a rule", web.Task("web-2"), placement.Ask{Misfits: true}, "n3; n4; - n1: unique(zone), lacks 1 cpu; - n2: unique(zone)"},
		{"a task that exists", web.Task("web-1"), placement.Ask{Misfits: true}, "none: task exists on n1"},
		{"where it could go instead", web.Task("web-1"), placement.Ask{Gone: []string{"web-1"}}, "n1; n3; n2; n4"},
		{"another revision of the group", other.Task("x"), placement.Ask{}, "n1; n3; n2; n4"},
		{"daemon: nodes that lack the instance", agent.Everywhere(), placement.Ask{Misfits: true}, "n2; n4; - n1: lacks 2 cpu; - n3: already covered"},
		{"an instance: its node", agent.On("n4"), placement.Ask{Misfits: true}, "n4"},
		{"an instance of no node", agent.On("n9"), placement.Ask{Misfits: true}, "- n9: unknown node n9"},
		{"an instance: its node is not named", agent.On("n4"), placement.Ask{Among: []string{"n1"}, Misfits: true}, ""},
		{"gang: of one task", gang.Task("gang-1"), placement.Ask{}, "n3; n4"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			byBothPickers(t, state, placement.BinPack().TiesByID(), func(t *testing.T, s *scheduler.Scheduler) {
				found, err := s.Candidates(t.Context(), tt.task, tt.ask)
				require.NoError(t, err)
				assert.Equal(t, tt.want, asked(found))
				assert.Equal(t, state.Version(), found.Version)
			})
		})
	}
}

// In offers mode candidates are among what was offered, and a group of another role has none.
func TestCandidatesOfABook(t *testing.T) {
	state := fourNodes(t)
	order, err := allocator.New(allocator.Config{})
	require.NoError(t, err)
	exchange, err := offers.NewExchange(state, offers.Config{Order: order.Turns()})
	require.NoError(t, err)
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 5000}})
	team, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop", Demand: []offers.Demand{{Group: web, Count: 1}}})
	require.NoError(t, err)
	_, err = exchange.Offer(t.Context())
	require.NoError(t, err)
	byBothPickers(t, team.Book(), placement.BinPack().TiesByID(), func(t *testing.T, s *scheduler.Scheduler) {
		found, err := s.Candidates(t.Context(), web.Task("web-1"), placement.Ask{Misfits: true})
		require.NoError(t, err)
		assert.Equal(t, "n3; - n1: lacks 5 cpu, not offered; - n2: lacks 5 cpu, not offered; - n4: not offered", asked(found))
		other := berth.NewGroup("other", berth.GroupSpec{Role: "ops"})
		found, err = s.Candidates(t.Context(), other.Task("other-1"), placement.Ask{Misfits: true})
		require.NoError(t, err)
		assert.Equal(t, `none: denied role "ops" is not at or below "shop"`, asked(found))
	})
}

func TestCandidatesOfBadInput(t *testing.T) {
	state := fourNodes(t)
	web := berth.NewGroup("web", berth.GroupSpec{})
	good := web.Task("web-1")
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("enough"))
	now, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	bad := berth.NewGroup("", berth.GroupSpec{}).Task("x@y")
	tests := []struct {
		what string
		s    *scheduler.Scheduler
		ctx  context.Context
		task berth.Task
		ask  placement.Ask
		want []string
	}{
		{"no scheduler", nil, t.Context(), good, placement.Ask{}, []string{"no source"}},
		{"the zero scheduler", new(scheduler.Scheduler), t.Context(), good, placement.Ask{}, []string{"no source"}},
		{"no context", s, nil, good, placement.Ask{}, []string{"context"}},
		{"an ended one", s, ended, good, placement.Ask{}, []string{"enough"}},
		{"no group", s, t.Context(), berth.Task{ID: "web-1"}, placement.Ask{}, []string{"none given"}},
		{"no ID", s, t.Context(), web.Task(""), placement.Ask{}, []string{"task"}},
		{"all faults at once", s, t.Context(), bad, placement.Ask{Top: -1}, []string{"group", "top: -1 is negative"}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			found, err := tt.s.Candidates(tt.ctx, tt.task, tt.ask)
			assert.Nil(t, found)
			onFound, onErr := tt.s.CandidatesOn(tt.ctx, now, tt.task, tt.ask)
			assert.Nil(t, onFound)
			require.Error(t, err)
			require.Error(t, onErr)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
				assert.ErrorContains(t, onErr, want)
			}
		})
	}
	_, err = s.CandidatesOn(t.Context(), nil, good, placement.Ask{})
	assert.ErrorContains(t, err, "no snapshot")
	found, err := s.CandidatesOn(t.Context(), new(cluster.Snapshot), good, placement.Ask{Misfits: true, Among: []string{"n1"}})
	require.NoError(t, err)
	assert.Equal(t, "- n1: unknown node n1", asked(found))
}

// On a fork without tasks and holds the answer is that of counting them as gone.
func TestCandidatesWithoutWhatIsGone(t *testing.T) {
	w := newWorkload(60)
	c := newCluster(t, w, 80)
	tasks := w.fill(t, c.state, 80)
	hold := &berth.Hold{ID: "h", Owner: "o", Node: "node-000001", Deadline: c.state.Now().Add(1 << 40), Resources: berth.Resources{"cpu": 1}}
	_, err := c.state.Commit(t.Context(), &cluster.Plan{Version: c.state.Version(), Ops: []berth.Op{{Kind: berth.Take, Hold: hold}}})
	require.NoError(t, err)
	now, err := c.state.Snapshot(t.Context())
	require.NoError(t, err)
	fork := now.Fork()
	gone := tasks[:50]
	for _, id := range gone {
		fork.Apply(berth.Op{Kind: berth.Release, ID: id})
	}
	fork.Apply(berth.Op{Kind: berth.Drop, ID: "h"})
	big := berth.NewGroup("big", berth.GroupSpec{Request: berth.Resources{"cpu": 8000, "memory": 8 << 30}})
	byBothPickers(t, c.state, placement.BinPack().TiesByID(), func(t *testing.T, s *scheduler.Scheduler) {
		ask := placement.Ask{Misfits: true}
		on, err := s.CandidatesOn(t.Context(), fork.Snapshot(), big.Task("big-1"), ask)
		require.NoError(t, err)
		before, err := s.Candidates(t.Context(), big.Task("big-1"), ask)
		require.NoError(t, err)
		ask.Gone, ask.GoneHolds = gone, []string{"h"}
		without, err := s.Candidates(t.Context(), big.Task("big-1"), ask)
		require.NoError(t, err)
		after, err := s.Candidates(t.Context(), big.Task("big-1"), placement.Ask{Misfits: true})
		require.NoError(t, err)
		assert.Equal(t, asked(on), asked(without))
		assert.Greater(t, on.Fit, before.Fit)
		assert.Equal(t, asked(before), asked(after), "nothing is gone for good")
	})
}

// The list is the order in which a plan picks: the first of it, and once a node is cordoned the first of the rest.
func TestCandidatesAreInTheOrderOfPlans(t *testing.T) {
	w := newWorkload(40)
	c := newCluster(t, w, 50)
	w.fill(t, c.state, 50)
	ours := berth.NewGroup("ours", berth.GroupSpec{
		Request: berth.Resources{"cpu": 2000, "memory": 2 << 30},
		Rules:   []berth.Constraint{constraints.MaxPer("rack", 3)},
		Prefer:  []berth.Preference{{Weight: 2, Rule: constraints.Eq("disk", "ssd")}},
	})
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.FirstFit(), placement.Random(3),
		placement.Best(placement.InUse().Times(2), placement.Tasks("rack").Times(-1<<18)).Within(1 << 16).Then(placement.InUse("cpu")).Seed(7)} {
		t.Run(strategy.String(), func(t *testing.T) {
			byBothPickers(t, c.state, strategy, func(t *testing.T, s *scheduler.Scheduler) {
				now, err := c.state.Snapshot(t.Context())
				require.NoError(t, err)
				fork := now.Fork()
				fork.Apply(berth.Op{Kind: berth.Place, Task: ours.Task("ours-1"), Node: "node-000003"})
				found, err := s.CandidatesOn(t.Context(), fork.Snapshot(), ours.Task("ours-2"), placement.Ask{})
				require.NoError(t, err)
				require.Greater(t, found.Len(), 10)
				for n := range found.All() {
					plan, err := s.Plan(t.Context(), fork.Snapshot(), ours.Task("ours-2"))
					require.NoError(t, err)
					require.Len(t, plan.Ops, 1)
					require.Equal(t, n.Node, plan.Ops[0].Node, "rank %d", n.Rank)
					require.NoError(t, fork.Cordon(n.Node))
				}
				plan, err := s.Plan(t.Context(), fork.Snapshot(), ours.Task("ours-2"))
				require.NoError(t, err)
				require.Empty(t, plan.Ops)
			})
		})
	}
}

// A strategy that panics tears nothing: the next question is answered.
func TestCandidatesAfterAPanic(t *testing.T) {
	state := fourNodes(t)
	armed := false
	strategy := placement.Best(placement.Func("touchy", func(c *placement.Candidate) int64 {
		if armed && c.Node() == "n3" {
			panic("n3")
		}
		return int64(c.Node()[1])
	}))
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	byBothPickers(t, state, strategy, func(t *testing.T, s *scheduler.Scheduler) {
		out, err := s.Schedule(t.Context(), web.Task("w"))
		require.NoError(t, err)
		require.Len(t, out.Placed, 1)
		armed = true
		assert.PanicsWithValue(t, "n3", func() {
			_, _ = s.Candidates(t.Context(), web.Task("web-1"), placement.Ask{Gone: []string{"w"}})
		})
		armed = false
		found, err := s.Candidates(t.Context(), web.Task("web-1"), placement.Ask{})
		require.NoError(t, err)
		assert.Equal(t, "n4; n3; n2; n1", asked(found))
		require.NoError(t, state.Release("w"))
	})
}

// An answer is the caller's: what is asked later does not change it, but in its own room.
func TestCandidatesAreTheCallers(t *testing.T) {
	state := fourNodes(t)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	kept, err := s.Candidates(t.Context(), web.Task("web-1"), placement.Ask{Misfits: true})
	require.NoError(t, err)
	text := asked(kept)
	out, err := s.Schedule(t.Context(), web.Tasks(10)...)
	require.NoError(t, err)
	require.Len(t, out.Placed, 10)
	another, err := s.Candidates(t.Context(), web.Task("web-11"), placement.Ask{Misfits: true})
	require.NoError(t, err)
	assert.NotEqual(t, text, asked(another))
	assert.Equal(t, text, asked(kept))
	again, err := s.Candidates(t.Context(), web.Task("web-11"), placement.Ask{Misfits: true, Into: kept})
	require.NoError(t, err)
	assert.Same(t, kept, again)
	assert.Equal(t, asked(another), asked(again))
	assert.True(t, slices.IsSortedFunc(again.Misfits, func(a, b placement.Misfit) int { return strings.Compare(a.Node, b.Node) }))
}
