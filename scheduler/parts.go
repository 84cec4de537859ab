package scheduler

import (
	"context"

	"github.com/berth-sched/berth"
)

// part is a Scheduler for the tasks of a role and of those below it. Run has one for all; a framework has one for each of its roles.
type part struct {
	*Scheduler
	role   berth.Role
	tenant *tenant // the source, of a framework
}

// partOf returns the part that a group is for: that of the deepest role which the group's is in. The first part has what is in none, and says so.
func (r *runner) partOf(g *berth.Group) *part {
	best := -1
	for i := range r.parts {
		if g.Role().Within(r.parts[i].role) && (best < 0 || len(r.parts[i].role) > len(r.parts[best].role)) {
			best = i
		}
	}
	return &r.parts[max(best, 0)]
}

// place has each part place what is for it.
func (r *runner) place(ctx context.Context, tasks []berth.Task, round map[string]*waiting) error {
	if len(r.parts) == 1 {
		return r.placeBy(ctx, &r.parts[0], tasks, round)
	}
	by := map[*part][]berth.Task{}
	for _, t := range tasks {
		p := r.partOf(t.Group)
		by[p] = append(by[p], t)
	}
	for i := range r.parts {
		if p := &r.parts[i]; len(by[p]) > 0 {
			if err := r.placeBy(ctx, p, by[p], round); err != nil {
				return err
			}
		}
	}
	return nil
}
