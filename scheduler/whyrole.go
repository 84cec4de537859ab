package scheduler

import (
	"cmp"
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
)

// RoleWhy is why a role has no more than it has, at one moment.
type RoleWhy struct {
	Role berth.Role `json:"role"`
	// Waiting is how many tasks of the role and of those below it wait, and Placed how many of them the next plan gives a place. The
	// demand of a daemon is one task, which has its place where no node is left that lacks it.
	Waiting int `json:"waiting"`
	Placed  int `json:"placed"`
	// First is the first of them, in the order given, that it gives none, with the reason; nil if there is none. Of a demand it is the first
	// instance that finds no room.
	First *cluster.Unplaced `json:"first,omitempty"`
	// Standing is where the role stands in the order before the plan; nil where the Scheduler has no order, or one without a
	// method as [allocator.Tree.Standing] is.
	Standing *allocator.Standing `json:"standing,omitempty"`
}

// String prints it in a line, such as "eng/ads: nothing waits" or
//
//	eng/search: 1 of 3 tasks that wait get a place; 0/2 nodes for search-3: 2 insufficient cpu; eng/search: eng is 2 of 3 with 1/2 of cpu, after ops with 1/4 of cpu
func (w *RoleWhy) String() string {
	if w == nil {
		return "nothing is known"
	}
	if w.Waiting == 0 {
		return fmt.Sprintf("%s: nothing waits", cmp.Or(w.Role, "the root"))
	}
	s := fmt.Sprintf("%s: %d of %d tasks that wait get a place", cmp.Or(w.Role, "the root"), w.Placed, w.Waiting)
	if w.First != nil {
		s += "; " + w.First.String()
	}
	if w.Standing != nil {
		s += "; " + w.Standing.String()
	}
	return s
}

// WhyRole says why a role has no more than it has: what a plan for all tasks that wait does with its own, and where it stands in the order. The
// tasks are those of all roles, in the order in which they are to be handed in. It decides nothing, and costs a plan and what the order
// takes to begin a round. It fails as [Scheduler.Plan] does, or as the order's Standing.
func (s *Scheduler) WhyRole(ctx context.Context, snapshot *cluster.Snapshot, role berth.Role, waiting ...berth.Task) (*RoleWhy, error) {
	if err := role.Err(); err != nil {
		return nil, fmt.Errorf("scheduler: why: %w", err)
	}
	plan, err := s.Plan(ctx, snapshot, waiting...)
	if err != nil {
		return nil, err
	}
	w := &RoleWhy{Role: role}
	var roles []berth.Role
	seen := map[berth.Role]bool{}
	for _, t := range waiting {
		r := t.Group.Role()
		if r.Within(role) {
			w.Waiting++
		}
		if !seen[r] {
			seen[r] = true
			roles = append(roles, r)
		}
	}
	type key struct{ group, task string } // no task: the demand of a daemon
	unplaced, demands := map[key]*cluster.Unplaced{}, map[string]bool{}
	for i := range plan.Unplaced {
		u := &plan.Unplaced[i]
		g := u.Task.Group
		unplaced[key{g.Name(), u.Task.ID}] = u
		if of := (key{g.Name(), ""}); g.Mode() == berth.Daemon && unplaced[of] == nil {
			unplaced[of] = u
		}
	}
	for _, t := range waiting {
		if !t.Group.Role().Within(role) {
			continue
		}
		u := unplaced[key{t.Group.Name(), t.ID}]
		if w.First == nil {
			w.First = u
		}
		if t.IsDemand() {
			if demands[t.Group.Name()] = true; u == nil {
				w.Placed++
			}
		}
	}
	for _, op := range plan.Ops {
		if g := op.Task.Group; op.Kind == berth.Place && g.Role().Within(role) && !(g.Mode() == berth.Daemon && demands[g.Name()]) {
			w.Placed++
		}
	}
	if order, ok := s.cfg.Order.(interface {
		Standing(allocator.Ledger, []berth.Role, berth.Role) (*allocator.Standing, error)
	}); ok {
		if w.Standing, err = order.Standing(snapshot, roles, role); err != nil {
			return nil, fmt.Errorf("scheduler: why: %w", err)
		}
	}
	return w, nil
}
