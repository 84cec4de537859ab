package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// tree is an order of the policies of a tree of roles, for one scheduler of all and for an exchange alike.
func tree(name, about string, of func(c *Cell) (allocator.Tree, error)) Order {
	return Order{Name: name, About: about,
		Of: func(c *Cell) (allocator.Order, error) {
			t, err := of(c)
			return t, err
		},
		Turns: func(_ *Cell, order allocator.Order) (offers.Order, error) {
			return allocator.NewQueue(order.(allocator.Tree))
		}}
}

func orders() []Order {
	weights := func(c *Cell) map[berth.Role]allocator.Weight {
		w := map[berth.Role]allocator.Weight{}
		for i, r := range c.roles() {
			w[r] = tenantWeight(i)
		}
		return w
	}
	turns := func(_ *Cell, order allocator.Order) (offers.Order, error) {
		d, err := allocator.New(allocator.Config{Weights: order.(allocator.Fair).Weights})
		if err != nil {
			return nil, err
		}
		return d.Turns(), nil
	}
	return []Order{
		{Name: "first-come", About: "tasks in the order in which they are handed in", Of: func(*Cell) (allocator.Order, error) { return nil, nil }},
		tree("arrival", "whose first waiting task, or whose framework, came first", func(*Cell) (allocator.Tree, error) {
			return allocator.Tree{Policy: allocator.ByArrival}, nil
		}),
		{Name: "drf", About: "dominant resource fairness (Ghodsi et al., NSDI 2011), all roles alike", Of: func(*Cell) (allocator.Order, error) { return allocator.Fair{}, nil },
			Turns: turns},
		{Name: "weighted-drf", About: "dominant resource fairness, roles of weights 1 to 4 in turn", Of: func(c *Cell) (allocator.Order, error) {
			return allocator.Fair{Weights: weights(c)}, nil
		}, Turns: turns},
		tree("h-drf", "hierarchical dominant resource fairness (Bhattacharya et al., SoCC 2013), all siblings alike", func(*Cell) (allocator.Tree, error) {
			return allocator.Tree{Hierarchical: true}, nil
		}),
		tree("priority", "every other role before the others, dominant resource fairness among each", func(c *Cell) (allocator.Tree, error) {
			of := map[berth.Role]int{}
			for i, r := range c.roles() {
				of[r] = 1 - i%2
			}
			return allocator.Tree{Policy: allocator.InTurn(allocator.ByPriority, allocator.ByShare), Priorities: of}, nil
		}),
		tree("lottery", "by lot (Waldspurger and Weihl, OSDI 1994), with chances by weights of 1 to 4 in turn", func(c *Cell) (allocator.Tree, error) {
			return allocator.Tree{Policy: allocator.ByLottery, Weights: weights(c), Seed: c.Seed}, nil
		}),
		tree("usage", "who has used least of late, what was used ten rounds ago counting half", func(*Cell) (allocator.Tree, error) {
			u, err := allocator.NewUsage(10 * time.Minute)
			return allocator.Tree{Policy: allocator.InTurn(allocator.ByUsage, allocator.ByShare), Usage: u}, err
		}),
	}
}

// offersWorkloads are smaller than those of one scheduler: a pass, and what frameworks then do on what they were offered, takes longer than a
// plan of all.
func offersWorkloads(c Config) ([]Workload, error) {
	nodes := min(c.Nodes, [...]int{30, 100, 300}[min(max(c.Tier, Quick), Full)])
	workloads := []Workload{tenants(nodes, 10), departments(nodes, 8)}
	if c.Tier == Full {
		workloads = append(workloads, tenants(nodes, 100))
	}
	real, err := byQoS(c)
	return append(workloads, real...), err
}

// shareByOffers is share with a framework for each tenant. In a round an exchange makes a pass; each framework, in the order of the tenants,
// places what waits on what it was offered, and gives back the rest; so three times, since what one gives back is for the others.
func shareByOffers(ctx context.Context, r *Run) error {
	if r.Orders.Turns == nil {
		return ErrUnsuited
	}
	turns, err := r.Orders.Turns(r.Cell, r.Order)
	if err != nil {
		return err
	}
	state, _, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	exchange, err := offers.NewExchange(state, offers.Config{Order: turns})
	if err != nil {
		return err
	}
	type framework struct {
		sub *offers.Subscription
		s   *scheduler.Scheduler
	}
	contenders := r.Cell.contenders()
	all := make([]framework, len(contenders))
	for i, one := range contenders {
		f := &all[i]
		f.sub, err = exchange.Subscribe(offers.Framework{Name: fmt.Sprintf("framework-%03d", i), Role: one.role, Demand: []offers.Demand{}})
		if err != nil {
			return err
		}
		if f.s, err = scheduler.New(f.sub.Book(), scheduler.Config{Strategy: r.Strategy}); err != nil {
			return err
		}
	}
	made, placed := 0, 0
	running := map[*berth.Group]int{}
	counts := func(waiting []berth.Task) (demand []offers.Demand) {
		at := map[*berth.Group]int{}
		for _, t := range waiting {
			k, known := at[t.Group]
			if !known {
				k, at[t.Group] = len(demand), len(demand)
				demand = append(demand, offers.Demand{Group: t.Group, Count: running[t.Group]})
			}
			demand[k].Count++
		}
		return demand
	}
	err = r.compete(ctx, state, func(waiting [][]berth.Task) (ops []berth.Op, err error) {
		snapshot, err := state.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		var failed error
		if err := exchange.Consult(ctx, func(o offers.Order) {
			if q, ok := o.(*allocator.Queue); ok { // what was used is another after each round
				failed = q.Refresh()
			}
		}); err != nil || failed != nil {
			return nil, errors.Join(err, failed)
		}
		clear(running)
		for n := range snapshot.Nodes() {
			for t := range n.Tasks() {
				running[t.Group]++
			}
		}
		left := make([][]berth.Task, len(waiting))
		copy(left, waiting)
		for i := range all {
			if err := all[i].sub.Want(counts(left[i])...); err != nil {
				return nil, err
			}
		}
		for range 3 {
			n, err := exchange.Offer(ctx)
			if err != nil {
				return nil, err
			}
			if made += n; n == 0 {
				break
			}
			for i := range all {
				some, err := all[i].sub.Offers(ctx)
				if err != nil {
					return nil, err
				}
				if len(some) == 0 {
					continue
				}
				out, err := all[i].s.Schedule(ctx, left[i]...)
				if err != nil {
					return nil, err
				}
				ops = append(ops, out.Placed...)
				placed += len(out.Placed)
				done := map[string]bool{}
				for _, op := range out.Placed {
					done[op.Task.ID] = true
					running[op.Task.Group]++
				}
				var still []berth.Task
				for _, t := range left[i] {
					if !done[t.ID] {
						still = append(still, t)
					}
				}
				left[i] = still
				if err := all[i].sub.Want(counts(still)...); err != nil {
					return nil, err
				}
				some, err = all[i].sub.Offers(ctx)
				if err != nil {
					return nil, err
				}
				var rest []string
				for _, o := range some {
					rest = append(rest, o.ID)
				}
				if len(rest) > 0 {
					if err := all[i].sub.Decline(ctx, rest, offers.Filter{}); err != nil {
						return nil, err
					}
				}
			}
		}
		return ops, nil
	})
	r.Metric("offers", float64(made)/float64(max(placed, 1)))
	return err
}
