package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

var _ scheduler.Source = (*scheduler.State)(nil)

func node(id string, cpu int64) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}}
}

func newState(t testing.TB, cfg scheduler.StateConfig, nodes ...berth.Node) *scheduler.State {
	t.Helper()
	s, err := scheduler.NewState(cfg, nodes...)
	require.NoError(t, err)
	return s
}

func snapshotOf(t testing.TB, s *scheduler.State) *berth.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(context.Background())
	require.NoError(t, err)
	return snap
}

func newPlan(t testing.TB, s *scheduler.State) *berth.Plan {
	t.Helper()
	return &berth.Plan{Version: snapshotOf(t, s).Version()}
}

func commit(t testing.TB, s *scheduler.State, p *berth.Plan) *berth.Outcome {
	t.Helper()
	out, err := s.Commit(context.Background(), p)
	require.NoError(t, err)
	return out
}

func TestCommitWithoutChangeCopiesNothing(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
	g := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for _, together := range []bool{false, true} {
		p := newPlan(t, s)
		if together {
			p.Together = []string{"web"}
		}
		for i := range 3 {
			p.Place(g.Task(fmt.Sprintf("t%v%d", together, i)), "n1")
			p.Ops[i].Node = fmt.Sprintf("n%d", i%2+1)
		}
		out := commit(t, s, p)
		require.Len(t, out.Placed, 3)
		assert.Same(t, &p.Ops[0], &out.Placed[0])
		assert.Empty(t, out.Refused)
	}
}
