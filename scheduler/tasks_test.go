package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// Two schedulers plan on the same snapshot, and neither sees what the other does: what would break a rule about the other's
// tasks is refused at the commit, whichever of the two has the rule.
func TestTaskRulesAreCheckedAtCommit(t *testing.T) {
	ctx := context.Background()
	web := berth.Label("app", "web")
	label := func(app string, rules ...berth.Constraint) berth.GroupSpec {
		return berth.GroupSpec{Labels: map[string]string{"app": app}, Rules: rules}
	}
	for name, c := range map[string]struct {
		first, second berth.GroupSpec
		want          string
	}{
		"apart, the newcomer's rule":      {label("web"), label("db", constraints.Apart("zone", web)), `apart(zone, app = "web")`},
		"apart, the rule of who is there": {label("db", constraints.Apart("zone", web)), label("web"), `kept off by apart(zone, app = "web")`},
		"one of two revisions":            {label("web", constraints.Unique("zone").Of(web)), label("web", constraints.Unique("zone").Of(web)), `unique(zone, of app = "web")`},
		"near, both the first": {
			label("web", constraints.Near(berth.NodeID, web), constraints.Eq("side", "l")), label("web", constraints.Near(berth.NodeID, web), constraints.Eq("side", "r")),
			`none of near(node.id, app = "web")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, err := scheduler.NewState(scheduler.StateConfig{},
				berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a", "side": "l"}}, berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "a", "side": "r"}})
			require.NoError(t, err)
			snapshot, err := state.Snapshot(ctx)
			require.NoError(t, err)
			var plans []*cluster.Plan
			for i, spec := range []berth.GroupSpec{c.first, c.second} {
				s, err := scheduler.New(state, scheduler.Config{})
				require.NoError(t, err)
				plan, err := s.Plan(ctx, snapshot, berth.NewTask(fmt.Sprint("t", i), spec))
				require.NoError(t, err)
				require.Len(t, plan.Ops, 1)
				plans = append(plans, plan)
			}
			out, err := state.Commit(ctx, plans[0])
			require.NoError(t, err)
			require.Len(t, out.Placed, 1)
			out, err = state.Commit(ctx, plans[1])
			require.NoError(t, err)
			require.Len(t, out.Refused, 1)
			assert.Equal(t, c.want, out.Refused[0].Reason.String())
		})
	}
}

// A task that waits for another to be near, for one to be gone, or for one to begin to stop, is tried again when that happens.
func TestRunWakesForTasksOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newState(t, scheduler.StateConfig{})
		require.NoError(t, state.AddNodes(berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}}))
		web := berth.Label("app", "web")
		task := func(id, app string, rules ...berth.Constraint) berth.Task {
			return berth.NewTask(id, berth.GroupSpec{Labels: map[string]string{"app": app}, Rules: rules})
		}
		s := site{state: state}
		s.start(t, scheduler.StateConfig{}, nil)
		require.NoError(t, s.queue.Submit(
			task("near", "x", constraints.Near("zone", web)),
			task("near-near", "y", constraints.Near("zone", berth.Label("app", "x"))),
		))
		s.after(time.Second)
		assert.Empty(t, s.running(), "there is no web yet")
		require.NoError(t, s.queue.Submit(task("web", "web")))
		s.after(time.Second)
		assert.ElementsMatch(t, []string{"web on n1", "near on n1", "near-near on n1"}, s.running())

		require.NoError(t, s.queue.Submit(
			task("apart", "z", constraints.Apart("zone", web)),
			task("without", "z", constraints.Apart("zone", web).WithoutStopping()),
		))
		s.after(time.Second)
		assert.Len(t, s.running(), 3)
		require.NoError(t, state.Stop("web"))
		s.after(time.Second)
		assert.Contains(t, s.running(), "without on n1")
		require.NoError(t, state.Release("web"))
		s.after(time.Second)
		assert.Contains(t, s.running(), "apart on n1")
		s.stop(t)
	})
}
