package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/scheduler"
)

// race lets frameworks place their tasks a few at a time, the one with the lowest dominant share
// first, and watches those shares. They count what is placed, where those of an Exchange count what is
// offered as well.
type race struct {
	frameworks map[string]*framework
	account    *allocator.DRF
	stride     int // tasks tried at a time
	lap        int // tasks placed between two looks at the shares
	placed     []berth.Op
	shares     []standing
}

// standing is what the frameworks have, in name order, once so many tasks are placed.
type standing struct {
	placed     int
	frameworks []string
	shares     []allocator.Share
}

func newRace(ctx context.Context, state *scheduler.State, frameworks []*framework, tasks int) (*race, error) {
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	account, err := allocator.New(allocator.Config{Capacity: snapshot.Total()})
	if err != nil {
		return nil, err
	}
	r := &race{frameworks: map[string]*framework{}, account: account, stride: max(1, tasks/200), lap: max(1, tasks/15)}
	for _, f := range frameworks {
		r.frameworks[f.name] = f
		if err := account.Add(allocator.Client{Name: f.name}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// run goes on until every framework has tried all its tasks on what it is offered.
func (r *race) run(ctx context.Context) error {
	for {
		next, ok := r.account.Next(func(c allocator.Client) bool { return len(r.frameworks[c.Name].pending) > 0 })
		if !ok {
			return nil
		}
		placed, err := r.frameworks[next.Name].place(ctx, r.stride)
		if err != nil {
			return fmt.Errorf("framework %q: %w", next.Name, err)
		}
		for _, op := range placed {
			if err := r.account.Charge(next, op.Task.Group.Cost()); err != nil {
				return err
			}
		}
		before := len(r.placed) / r.lap
		r.placed = append(r.placed, placed...)
		if len(r.placed)/r.lap > before {
			r.look()
		}
	}
}

func (r *race) look() {
	s := standing{placed: len(r.placed)}
	for _, name := range slices.Sorted(maps.Keys(r.frameworks)) {
		share, _ := r.account.Share(allocator.Client{Name: name})
		s.frameworks = append(s.frameworks, name)
		s.shares = append(s.shares, share)
	}
	r.shares = append(r.shares, s)
}
