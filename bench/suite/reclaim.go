package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/scheduler"
)

// lent is a cell of which a fifth of the cores is guaranteed to one tenant, who comes last: the tasks of the other would fill all of it.
func lent(nodes int) Workload {
	const batch, production = berth.Role("batch"), berth.Role("production")
	return Workload{
		Name:  "lent",
		About: "machines drawn from Google's table of 2011; tasks of batch that ask for 110 % of the cores, then tasks of production that ask for 20 %, of 1 to 8 cores; 20 % of the cores are guaranteed to production",
		Cell: func(seed uint64) (*Cell, error) {
			cell := &Cell{Seed: seed, Nodes: trace.Google(min(nodes, trace.Machines), 0, seed).Nodes}
			rng := pcg(seed, 22)
			whole := cell.Total()["cpu"]
			for _, of := range []struct {
				role  berth.Role
				limit int64
				sizes int
			}{{batch, whole / 10 * 11, 6}, {production, whole / 10 * 2, 4}} {
				groups := map[trace.Shape]*berth.Group{}
				for asked := int64(0); ; {
					s := trace.Shape{CPU: 250 << halving(rng, of.sizes), Memory: 512 << 20 << halving(rng, of.sizes)}
					if of.role == production {
						s.CPU *= 4
					}
					if asked += s.CPU; asked > of.limit {
						break
					}
					g := groups[s]
					if g == nil {
						g = berth.NewGroup(fmt.Sprintf("%s-%d", of.role, len(groups)), s.Spec(of.role))
						groups[s] = g
					}
					cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(fmt.Sprintf("%s-%07d", of.role, len(cell.Arrivals))), Batch: len(cell.Arrivals)})
				}
			}
			return cell, nil
		},
	}
}

// lentWorkloads are small: what is reclaimed is looked for on every node, among every task, for each that wants room.
func lentWorkloads(c Config) ([]Workload, error) {
	return []Workload{lent(max(c.Nodes/10, min(c.Nodes, 10)))}, nil
}

// reclaim fills the cell with the tasks of all roles but the last, which then wants what is guaranteed to it.
func reclaim(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	roles := r.Cell.roles()
	if len(roles) < 2 {
		return fmt.Errorf("reclaim: a cell of %d roles: who has and who wants are two", len(roles))
	}
	owner := roles[len(roles)-1]
	var others, claims []berth.Task
	guaranteed := int64(0)
	for _, t := range r.Cell.Tasks() {
		if t.Group.Role() == owner {
			claims = append(claims, t)
			guaranteed += t.Group.Cost()["cpu"]
		} else {
			others = append(others, t)
		}
	}
	if err := state.SetQuotas(berth.Quota{Role: owner, Guarantees: berth.Resources{"cpu": guaranteed}}); err != nil {
		return err
	}
	if _, err := s.Schedule(ctx, others...); err != nil {
		return err
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.Result.Heat = map[string][]int{"start": heat(snapshot, "cpu")}
	begin := time.Now()
	got, err := s.Reclaim(ctx, snapshot, scheduler.Reclaim{}, claims...)
	if err != nil {
		return err
	}
	out, err := state.Commit(ctx, got.Plan)
	if err != nil {
		return err
	}
	r.Time("decisions", float64(len(claims))/time.Since(begin).Seconds())
	ended, lost, placed := 0, int64(0), int64(0)
	for _, c := range got.Claims {
		for _, t := range c.Ends {
			ended++
			lost += t.Group.Cost()["cpu"]
		}
	}
	for _, op := range out.Placed {
		placed += op.Task.Group.Cost()["cpu"]
	}
	r.Metric("claimed", percent(placed, guaranteed))
	r.Metric("ended", float64(ended)/float64(max(len(out.Placed), 1)))
	r.Metric("lost", percent(lost, placed))
	if snapshot, err = state.Snapshot(ctx); err != nil {
		return err
	}
	r.end(snapshot)
	r.Result.Heat["end"] = heat(snapshot, "cpu")
	return nil
}
