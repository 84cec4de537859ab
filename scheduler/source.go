package scheduler

import (
	"context"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Source is where capacity comes from: all of a cluster (a [State]), or what one framework was offered
// (an offers.Book). It is the one interface behind both scheduling modes. Implementations may be used by
// any number of goroutines; package schedulertest has the kit that every one must pass.
//
// If it also has a method Denies(*berth.Group) berth.Reason, [Scheduler.Schedule] asks that of each group before it plans.
// Tasks of a group for which there is a reason are unplaced with it, whatever room there is.
type Source interface {
	// Snapshot returns the source as it is now.
	Snapshot(ctx context.Context) (*cluster.Snapshot, error)

	// Commit does what still can be done of a plan. Operations are checked one by one, in order, against
	// the present state, whatever the version of the plan; what no longer fits is refused with the reason,
	// the rest is done. The groups of [cluster.Plan.Together] are done whole or not at all. It fails, having
	// done nothing, if the plan is of another lineage ([berth.ErrLineage]) or the context has ended.
	Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error)

	// Changed returns a channel that is closed when something that a plan could use has changed since
	// the call. Take it before the snapshot it is to guard.
	Changed() <-chan struct{}
}

// denier is a Source that is not there for every group, as a book of offers is for one role. It is asked before there
// is a plan: what it has room for is no matter of a group that it denies.
type denier interface {
	Denies(g *berth.Group) berth.Reason
}
