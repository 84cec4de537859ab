package main

import (
	"context"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// framework is a scheduler that sees what it is offered and nothing else.
type framework struct {
	name      string
	pending   []berth.Task // to be tried on what was offered
	failed    []berth.Task // tried: there was no room in it
	sub       *offers.Subscription
	scheduler *scheduler.Scheduler
}

// outOfOffers schedules a cell in rounds. In each, all that is free is offered node by node to the
// frameworks, by dominant resource fairness; each places what it can of its tasks in order and declines
// the rest, which the next round offers to others. It ends when everybody has declined everything.
func outOfOffers(ctx context.Context, c *trace.Cell, by *placement.Strategy) (*result, error) {
	if by == nil {
		best := placement.BinPack()
		by = &best
	}
	// Nobody is waited for, so time need not pass: leases and filters last for ever.
	still := func() time.Time { return time.Unix(0, 0) }
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: still}, c.Nodes...)
	if err != nil {
		return nil, err
	}
	drf, err := allocator.New(allocator.Config{})
	if err != nil {
		return nil, err
	}
	exchange, err := offers.NewExchange(state, offers.Config{Order: drf.Turns(), Clock: still})
	if err != nil {
		return nil, err
	}
	frameworks, err := subscribe(exchange, c, *by)
	if err != nil {
		return nil, err
	}
	race, err := newRace(ctx, state, frameworks, len(c.Pods))
	if err != nil {
		return nil, err
	}
	for {
		made, err := exchange.Offer(ctx)
		if err != nil {
			return nil, err
		}
		if made == 0 {
			break
		}
		if err := race.run(ctx); err != nil {
			return nil, err
		}
		for _, f := range frameworks {
			if err := f.decline(ctx); err != nil {
				return nil, err
			}
		}
	}
	race.look()
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	r := newResult(snapshot, race.placed, explain(snapshot, frameworks))
	r.shares = race.shares
	return r, nil
}

// subscribe makes a framework of every QoS, with its tasks in the cell's order.
func subscribe(exchange *offers.Exchange, c *trace.Cell, by placement.Strategy) ([]*framework, error) {
	var frameworks []*framework
	for _, t := range c.Tasks() {
		qos := string(t.Group.Role())
		i := slices.IndexFunc(frameworks, func(f *framework) bool { return f.name == qos })
		if i < 0 {
			i = len(frameworks)
			frameworks = append(frameworks, &framework{name: qos})
		}
		frameworks[i].pending = append(frameworks[i].pending, t)
	}
	for _, f := range frameworks {
		var err error
		if f.sub, err = exchange.Subscribe(offers.Framework{Name: f.name, Role: berth.Role(f.name)}); err != nil {
			return nil, err
		}
		if f.scheduler, err = scheduler.New(f.sub.Book(), scheduler.Config{Strategy: by}); err != nil {
			return nil, err
		}
	}
	return frameworks, nil
}

// place tries the next pending tasks on what is offered.
func (f *framework) place(ctx context.Context, most int) ([]berth.Op, error) {
	next := f.pending[:min(most, len(f.pending))]
	f.pending = f.pending[len(next):]
	out, err := f.scheduler.Schedule(ctx, next...)
	if err != nil {
		return nil, err
	}
	for _, u := range out.Unplaced {
		f.failed = append(f.failed, u.Task)
	}
	for _, r := range out.Refused {
		f.failed = append(f.failed, r.Op.Task)
	}
	return out.Placed, nil
}

// decline gives back what is left, which none of the framework's tasks can use: it need not be offered
// to it again. What failed is to be tried on what will be offered next.
func (f *framework) decline(ctx context.Context) error {
	f.pending, f.failed = f.failed, nil
	if len(f.pending) == 0 {
		if err := f.sub.Want(); err != nil { // nothing, and so nothing is offered
			return err
		}
	}
	left, err := f.sub.Offers(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, len(left))
	for i, o := range left {
		ids[i] = o.ID
	}
	return f.sub.Decline(ctx, ids, offers.Filter{For: time.Hour})
}

// explain tells why tasks are still pending. A framework knows only what it was offered last; the host
// sees all nodes, on which nothing is held any more.
func explain(snapshot *cluster.Snapshot, frameworks []*framework) []cluster.Unplaced {
	fork := snapshot.Fork()
	reasons := map[*berth.Group]*cluster.Explanation{}
	var out []cluster.Unplaced
	for _, f := range frameworks {
		for _, t := range f.pending {
			if reasons[t.Group] == nil {
				reasons[t.Group] = fork.Explain(t.Group)
			}
			u := cluster.Unplaced{Task: t, Why: reasons[t.Group]}
			if len(u.Why.Counts) > 0 {
				u.Reason = u.Why.Counts[0].Reason
			}
			out = append(out, u)
		}
	}
	return out
}
