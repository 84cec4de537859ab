package scheduler

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// told is the Inventory's last word of a node.
type told struct {
	node     berth.Node
	cordoned bool
	ours     bool // it was this word that cordoned the node
}

// nodeEvents takes in what the Inventory says, the first time everything there is. Many nodes told in one call cost
// one change of the State and not one each.
func (r *runner) nodeEvents(events []NodeEvent) error {
	var errs []error
	if !r.nodesTold {
		errs = r.removeUnnamed(events)
	}
	for len(events) > 0 {
		n := eachOnce(events)
		errs = append(errs, r.nodeBatch(events[:n])...)
		events = events[n:]
	}
	first := !r.nodesTold
	r.nodesTold = true
	r.observe()
	if first {
		for _, id := range slices.Sorted(maps.Keys(r.own.stranded)) {
			if e := r.own.stranded[id]; e.Node != "" && !r.State.hasNode(e.Node) && e.Task.Err() == nil {
				r.withhold(e.TaskEvent, noNode(e.TaskEvent)) // the Launcher told first
			}
		}
	}
	return errors.Join(errs...)
}

// eachOnce returns how many of the first events are of different nodes.
func eachOnce(events []NodeEvent) int {
	seen := make(map[string]bool, len(events))
	for i := range events {
		if id := events[i].Node.ID; seen[id] {
			return i
		}
		seen[events[i].Node.ID] = true
	}
	return len(events)
}

// removeUnnamed removes the nodes that the first word of the Inventory does not name.
func (r *runner) removeUnnamed(events []NodeEvent) []error {
	named := make(map[string]bool, len(events))
	for i := range events {
		named[events[i].Node.ID] = true
	}
	var gone []string
	for n := range r.snapshot().Nodes() {
		if !named[n.ID()] {
			gone = append(gone, n.ID())
		}
	}
	return r.each(gone, r.State.RemoveNodes)
}

func (r *runner) snapshot() *cluster.Snapshot {
	s, _ := r.State.Snapshot(context.Background()) // fails only when its context has ended
	return s
}

// each does something to all of the nodes or, if some are at fault, to the others, and returns what is wrong. That
// the host did it, or removed a node, in the same moment is as well.
func (r *runner) each(ids []string, do func(...string) error) (errs []error) {
	if do(ids...) == nil {
		return nil
	}
	for _, id := range ids {
		if err := do(id); err != nil && !errors.Is(err, berth.ErrUnknownNode) && !errors.Is(err, berth.ErrNodeExists) {
			delete(r.nodes, id) // as if it had not been told
			errs = append(errs, err)
		}
	}
	return errs
}

// nodeBatch takes in events of different nodes.
func (r *runner) nodeBatch(events []NodeEvent) (errs []error) {
	before := r.snapshot()
	nodes := map[string]berth.Node{}
	var added, updated, removed, cordon, uncordon []string
	for i := range events {
		e := &events[i]
		id := e.Node.ID
		n, known := before.Node(id)
		if e.Removed {
			delete(r.nodes, id)
			if known {
				removed = append(removed, id)
			}
			continue
		}
		last, same := r.nodes[id], false
		if last != nil {
			same = reflect.DeepEqual(last.node, e.Node)
			if same && last.cordoned == e.Cordoned {
				continue
			}
		} else {
			last = &told{}
		}
		word := &told{node: cloneNodes([]berth.Node{e.Node})[0], cordoned: e.Cordoned}
		nodes[id] = word.node
		switch {
		case !known:
			added = append(added, id)
		case !same && !reflect.DeepEqual(n.Node(), e.Node):
			updated = append(updated, id)
		}
		cordoned := known && n.Cordoned()
		switch {
		case e.Cordoned && last.cordoned && known:
			word.ours = last.ours
		case e.Cordoned && !cordoned:
			word.ours = true
			cordon = append(cordon, id)
		case !e.Cordoned && last.ours && cordoned:
			uncordon = append(uncordon, id)
		}
		r.nodes[id] = word
	}
	described := func(do func(...berth.Node) error) func(...string) error {
		return func(ids ...string) error {
			list := make([]berth.Node, len(ids))
			for i, id := range ids {
				list[i] = nodes[id]
			}
			return do(list...)
		}
	}
	errs = append(errs, r.each(removed, r.State.RemoveNodes)...)
	errs = append(errs, r.each(added, described(r.State.AddNodes))...)
	errs = append(errs, r.each(updated, described(r.State.UpdateNodes))...)
	kept := func(ids []string) (out []string) { // less those that are at fault
		for _, id := range ids {
			if r.nodes[id] != nil {
				out = append(out, id)
			}
		}
		return out
	}
	errs = append(errs, r.each(kept(cordon), r.State.Cordon)...)
	return append(errs, r.each(kept(uncordon), r.State.Uncordon)...)
}
