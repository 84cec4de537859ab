package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
)

// Candidates asks about every node, by the checks that a commit makes: O(nodes).
func (e *Exhaustive) Candidates(t berth.Task, ask Ask) *Choices {
	if e.ready(); e.inCover {
		return nil
	}
	out := ask.begin(e.version, e.policy)
	if out.Reason = invalid(t); out.Reason.Code != berth.None {
		return out
	}
	e = e.without(ask)
	if out.Reason = e.keepsOff(t, out); out.Reason.Code != berth.None {
		return out
	}
	e.look(t, ask, out, func(string) uint32 { return 0 })
	e.pickAll(out, ask.Top)
	return out
}

// look tells which nodes fit and which do not, with the sums and values of those that fit.
func (e *Exhaustive) look(t berth.Task, ask Ask, out *Choices, tie func(node string) uint32) {
	e.begin(t)
	sums, values := make([]int64, len(e.policy.tiers)), make([]int64, e.policy.terms())
	ask.walk(t, e.fork, out, func(n cluster.NodeView) {
		if lacks := e.lacksOf(t, n); len(lacks) > 0 {
			if ask.Misfits {
				if !ask.Details {
					withoutDetails(lacks)
				}
				out.Misfits = append(out.Misfits, Misfit{n.ID(), lacks})
			}
			return
		}
		e.stand(n)
		e.rater.rateTerms(e, sums, values)
		out.add(n.ID(), tie(n.ID()), sums)
		out.addValues(values)
	})
}

// without returns a picker that is as far as e, and of which the tasks and holds are gone that a question counts so; e itself
// if there are none.
func (e *Exhaustive) without(ask Ask) *Exhaustive {
	if len(ask.Gone) == 0 && len(ask.GoneHolds) == 0 {
		return e
	}
	kept := e.store.Snapshot().Fork()
	other := &Exhaustive{policy: e.policy, store: kept, fork: (*cluster.Fork)(checked.Over(kept))}
	for _, id := range ask.Gone {
		other.fork.Apply(berth.Op{Kind: berth.Release, ID: id})
	}
	for _, id := range ask.GoneHolds {
		other.fork.Apply(berth.Op{Kind: berth.Drop, ID: id})
	}
	return other
}

// keepsOff returns what keeps a task off every node.
func (e *Exhaustive) keepsOff(t berth.Task, out *Choices) berth.Reason {
	if slot, ok := e.store.FindTask(t.ID); ok && !t.IsDemand() {
		return existing(&e.store.View, slot).Reason
	}
	if e.store.Sight(t.Group.Role()) != "" {
		return berth.Reason{} // what is reserved for it may be enough
	}
	return out.exceeds(fit.Excesses(&e.store.View, t.Group, nil))
}

// lacksOf returns all that keeps a task off a node.
func (e *Exhaustive) lacksOf(t berth.Task, n cluster.NodeView) []berth.Lack {
	lacks := e.fork.Lacks(t.Group, n)
	if t.IsDemand() && !e.covered(t.Group, n) {
		if slot, ok := e.store.FindTask(t.Group.On(n.ID()).ID); ok {
			lacks = slices.Insert(lacks, 0, existing(&e.store.View, slot))
		}
	}
	return lacks
}

// walk calls do for each node that is asked about, in the order of IDs, and notes which there are not.
func (a Ask) walk(t berth.Task, f *cluster.Fork, out *Choices, do func(cluster.NodeView)) {
	ids, all := a.namedIn(t)
	if all {
		out.Asked = f.Len()
		for n := range f.Nodes() {
			do(n)
		}
		return
	}
	out.Asked = len(ids)
	for _, id := range ids {
		if n, ok := f.Node(id); ok {
			do(n)
		} else if a.Misfits {
			out.Misfits = append(out.Misfits, unknownNode(id))
		}
	}
}

// pickAll tells the first of what fits, by picking one after another: O(all) for each.
func (e *Exhaustive) pickAll(out *Choices, top int) {
	out.Fit = len(out.nodes)
	if top <= 0 {
		top = out.Fit
	}
	left := make([]rated, out.Fit)
	for i := range left {
		left[i] = rated{id: out.nodes[i], place: uint32(i)}
		for _, sums := range out.sums {
			left[i].sums = append(left[i].sums, sums[i])
		}
	}
	for len(out.order) < min(top, out.Fit) {
		first := e.policy.first(left)
		out.order = append(out.order, first.place)
		left = slices.DeleteFunc(left, func(r rated) bool { return r.place == first.place })
	}
}
