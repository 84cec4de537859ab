package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// Holds that are of as much as one another are made as a run. All is as if each were made by itself: what is refused, what roles and owners have, what ends
// when, and that nothing is left once they are dropped.
func TestHoldsAlike(t *testing.T) {
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	nodes := []berth.Node{node("n0", 9000), node("n1", 9000), node("n2", 3000)}
	half := berth.Resources{"cpu": 2000}
	var holds []*berth.Hold
	add := func(id, owner string, role berth.Role, node string, r berth.Resources, after time.Duration) {
		holds = append(holds, &berth.Hold{ID: id, Owner: owner, Role: role, Node: node, Resources: r, Deadline: now.Add(after)})
	}
	add("h0", "a", "eng/a", "n0", half, time.Hour)
	add("h1", "a", "eng/a", "n1", half, time.Hour)
	add("h2", "b", "eng/b", "n0", berth.Resources{"cpu": 2000}, time.Hour) // as much, in a map of its own
	add("h1", "b", "eng/b", "n1", half, time.Hour)                         // the ID is another's
	add("h3", "b", "eng/b", "n2", half, time.Minute)                       // ends earlier
	add("h4", "b", "eng/b", "n2", half, time.Hour)                         // no room
	add("h5", "b", "eng/b", "n9", half, time.Hour)                         // no node
	add("h6", "new", "ops/new", "n1", half, time.Hour)
	add("h 7", "a", "eng/a", "n1", half, time.Hour) // no plain ID
	add("h8", "a", "eng/a", "n1", half, 0)          // over before it begins
	add("h9", "a", "a//b", "n1", half, time.Hour)   // no role
	add("h10", "a", "eng/a", "n1", berth.Resources{"cpu": 1000}, time.Hour)
	add("h11", "a", "", "n1", berth.Resources{"cpu": 1000}, time.Hour)

	told := func(commit func(*scheduler.State) []cluster.Refusal) (all []string) {
		s := newState(t, scheduler.StateConfig{Clock: clock}, nodes...)
		for _, r := range commit(s) {
			all = append(all, fmt.Sprintf("refused %v: %v", r.Op, r.Reason))
		}
		show := func() {
			v := snapshotOf(t, s)
			for h := range v.Holds() {
				all = append(all, fmt.Sprintf("%v until %v", h, h.Deadline))
			}
			for _, role := range []berth.Role{"", "eng", "eng/a", "eng/b", "ops", "ops/new"} {
				all = append(all, fmt.Sprintf("role %q has %v", role, v.Used(role)))
			}
			for n := range v.Nodes() {
				all = append(all, fmt.Sprintf("%s has %v free", n.ID(), n.Free()))
			}
			at, ok := s.NextExpiry()
			all = append(all, fmt.Sprint("next ends ", at, ok))
		}
		show()
		require.NoError(t, s.DropHold("h0", "h3"))
		show()
		require.NoError(t, s.DropHold("h1", "h2", "h6", "h 7", "h10", "h11"))
		show()
		return all
	}
	plan := func(s *scheduler.State, holds ...*berth.Hold) []cluster.Refusal {
		p := &cluster.Plan{Version: s.Version()}
		for _, h := range holds {
			p.Ops = append(p.Ops, berth.Op{Kind: berth.Take, Hold: h})
		}
		out, err := s.Commit(t.Context(), p)
		require.NoError(t, err)
		return out.Refused
	}
	run := told(func(s *scheduler.State) []cluster.Refusal { return plan(s, holds...) })
	each := told(func(s *scheduler.State) (refused []cluster.Refusal) {
		for _, h := range holds {
			refused = append(refused, plan(s, h)...)
		}
		return refused
	})
	assert.Equal(t, each, run)
	assert.Len(t, slices.DeleteFunc(run, func(line string) bool { return line[:7] != "refused" }), 5)
	assert.Contains(t, each, fmt.Sprintf("role %q has %v", "eng", berth.Resources{"cpu": 11000}))
}
