package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// SetRevocable sets the host's estimates of revocable capacity, by the ID of the node and the plain name of the resource, such as "cpu", in its unit: what
// others were given there and do not use. An estimate takes the place of all that the node had of revocable resources; one that names
// nothing leaves it none, and nodes without an estimate are left alone. The capacity is in the node's description from then on, under the
// names that [berth.Revocable] returns, until the node is described anew: [State.UpdateNodes], [State.UpsertNodes] and the Inventory of a
// [Run] say what is revocable as well.
//
// Where an estimate is less than tasks have already, the node is overcommitted, and [Scheduler.Revoke] proposes which of them end. A call that
// finds every node as it is to be changes nothing. It sets all estimates or, with every fault of every one, none.
func (s *State) SetRevocable(estimates map[string]berth.Resources) error {
	if s == nil {
		return errNoState
	}
	s.lock()
	defer s.unlock()
	var errs []error
	var updated []berth.Node
	for _, id := range slices.Sorted(maps.Keys(estimates)) {
		n, known := s.live.fork.Node(id)
		if !known {
			errs = append(errs, fmt.Errorf("node %q: %w", id, berth.ErrUnknownNode))
			continue
		}
		node := n.Node()
		before := node.Capacity.Clone()
		maps.DeleteFunc(node.Capacity, func(name string, _ int64) bool { return berth.IsRevocable(name) })
		if node.Capacity == nil {
			node.Capacity = berth.Resources{}
		}
		for name, q := range estimates[id].All() {
			switch err := (berth.Resources{name: 0}).Err(); {
			case err != nil:
				errs = append(errs, fmt.Errorf("node %q: %w", id, err))
			case berth.IsRevocable(name):
				errs = append(errs, fmt.Errorf("node %q: resource %q: an estimate goes by the plain name, as \"cpu\"", id, name))
			default:
				node.Capacity[berth.Revocable(name)] = q
			}
		}
		if err := node.Err(); err != nil {
			errs = append(errs, err)
		}
		if !before.Equal(node.Capacity) {
			updated = append(updated, node)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return faults.Of("scheduler: set revocable", err)
	}
	if len(updated) == 0 {
		return nil
	}
	return s.apply(Command{Time: s.now(), Updated: updated})
}

// Revoked is what [Scheduler.Revoke] proposes.
type Revoked struct {
	// Plan drops holds and ends tasks. It may be committed as it is, or be looked at and thrown away.
	Plan  *cluster.Plan
	Nodes []Revocation // in the order of their IDs
}

// Revocation is a node that has less of a revocable resource than is in use there.
type Revocation struct {
	Node  string
	Over  berth.Resources    // how much more is in use than there is
	Holds []berth.Hold       // the holds to be dropped, the latest made first: offers that nobody has answered, as a rule
	Ends  []cluster.TaskView // the tasks to be ended, youngest first
}

// String prints "n1 is over by revocable.cpu 2: ends batch-7, batch-3".
func (r Revocation) String() string {
	var ends []string
	for i := range r.Holds {
		ends = append(ends, "hold "+r.Holds[i].ID)
	}
	for i := range r.Ends {
		ends = append(ends, r.Ends[i].ID)
	}
	return fmt.Sprintf("%s is over by %v: ends %s", r.Node, r.Over, strings.Join(ends, ", "))
}

// Revoke proposes what to end where nodes have less of a revocable resource ([berth.Revocable]) than is in use, as after
// [State.SetRevocable] with a lower estimate. It changes nothing: the host stops the tasks that are named, and commits the plan. On each
// such node holds of what is short end first, the latest made first, and then tasks that have some of it, the youngest first, until
// no more is in use than there is. None is proposed that is not needed in the end. Tasks that are stopping already count as gone. Those that
// how.Keep names stay. Those of daemons and gangs may end, since they requested capacity that may be taken back. Where all that may end is
// not enough, all of it is proposed. A host that would rather ask first hands the tasks to [offers.Exchange.Recall].
//
// It fails if there is no snapshot or the context has ended. It costs O(nodes, and the tasks and holds of those that have too little).
func (s *Scheduler) Revoke(ctx context.Context, snapshot *cluster.Snapshot, how Reclaim) (*Revoked, error) {
	out := &Revoked{Plan: &cluster.Plan{}}
	if err := s.usable(ctx); err != nil {
		return out, err
	}
	if err := ended(ctx); err != nil {
		return out, fmt.Errorf("scheduler: revoke: %w", err)
	}
	if snapshot == nil {
		return out, errors.New("scheduler: revoke: no snapshot")
	}
	out.Plan.Version = snapshot.Version()
	var holds map[string][]berth.Hold // by node; nil until somebody asks
	for n := range snapshot.Nodes() {
		over := berth.Resources{}
		for name, q := range n.Free() {
			if q < 0 && berth.IsRevocable(name) {
				over[name] = -q
			}
		}
		if len(over) == 0 {
			continue
		}
		if holds == nil {
			holds = map[string][]berth.Hold{}
			for h := range snapshot.Holds() {
				if h.Lease == berth.Exclusive {
					holds[h.Node] = append(holds[h.Node], h)
				}
			}
		}
		r := revocation(n, over, holds[n.ID()], how)
		if len(r.Holds)+len(r.Ends) == 0 {
			continue // what is stopping gives back enough, or nothing may end
		}
		out.Nodes = append(out.Nodes, r)
		for _, h := range r.Holds {
			out.Plan.Drop(h.ID)
		}
		for _, t := range r.Ends {
			out.Plan.Evict(t.ID, nil)
		}
	}
	return out, nil
}

// revocation chooses what ends on a node that is over.
func revocation(n cluster.NodeView, over berth.Resources, holds []berth.Hold, how Reclaim) Revocation {
	r := Revocation{Node: n.ID(), Over: over}
	left := over.Clone()
	less := func(cost berth.Resources) (needed bool) {
		for name, q := range left {
			if q > 0 && cost[name] > 0 {
				needed = true
			}
		}
		if needed {
			for name := range left {
				left[name] -= cost[name]
			}
		}
		return needed
	}
	// spared reports whether something that was to end need not, for what else ends is enough, and takes it back.
	spared := func(cost berth.Resources) bool {
		for name, q := range left {
			if q+cost[name] > 0 {
				return false
			}
		}
		for name := range left {
			left[name] += cost[name]
		}
		return true
	}
	var victims []victim
	for t := range n.Tasks() {
		cost := t.Group.Cost()
		switch {
		case t.State == berth.Stopping:
			less(cost)
			continue
		case how.Keep != nil && how.Keep(t):
			continue
		}
		v := victim{TaskView: t, cost: cost}
		if how.Started != nil {
			v.since = how.Started(t)
		}
		victims = append(victims, v)
	}
	slices.SortFunc(victims, younger)
	var drops []berth.Hold
	for _, h := range slices.Backward(holds) {
		if less(h.Cost()) {
			drops = append(drops, h)
		}
	}
	var ends []victim
	for _, v := range victims {
		if less(v.cost) {
			ends = append(ends, v)
		}
	}
	// The oldest may stay if the others do, tasks before holds.
	for i, v := range slices.Backward(ends) {
		if spared(v.cost) {
			ends = slices.Delete(ends, i, i+1)
		}
	}
	for i, h := range slices.Backward(drops) {
		if spared(h.Cost()) {
			drops = slices.Delete(drops, i, i+1)
		}
	}
	r.Holds = drops
	for _, v := range ends {
		r.Ends = append(r.Ends, v.TaskView)
	}
	return r
}
