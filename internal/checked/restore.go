package checked

import (
	"fmt"
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// What follows puts back what a store had, piece by piece, as it is written in a checkpoint: nodes first, then the tasks of each
// group and the holds, the earliest first. Room is not asked for, for a store can have an overcommitment to show. What could
// not have been there is an error.

// RestoreNode adds a node, which is the store's to keep, and returns its row.
func (f *Fork) RestoreNode(n *berth.Node, cordoned bool) (uint32, error) {
	if err := n.Err(); err != nil {
		return store.None, err
	}
	if _, there := f.s.FindNode(n.ID); there {
		return store.None, fmt.Errorf("node %q: %w", n.ID, berth.ErrNodeExists)
	}
	row := f.s.AddNode(f.compileOwn(n))
	f.s.SetCordoned(row, cordoned)
	f.nodes++
	return row, nil
}

// RestoreTask adds a task in an owner's name or nobody's, in a row, or a lost one in none, with its grant and its deadline as package store counts it. The grant is
// the store's to keep.
func (f *Fork) RestoreTask(owner string, t berth.Task, row uint32, state berth.TaskState, grant *berth.Grant, deadline int64) error {
	hash := store.Hash(t.ID)
	if err := checkTask(t); err != nil {
		return err
	}
	if _, known := f.s.FindTaskBy(hash, t.ID); known {
		return fmt.Errorf("task %q: %w", t.ID, berth.ErrTaskExists)
	}
	if err := grant.Err(); err != nil {
		return fmt.Errorf("task %q: grant: %w", t.ID, err)
	}
	if err := (berth.Op{Owner: owner}).OwnerErr(); err != nil {
		return fmt.Errorf("task %q: %w", t.ID, err)
	}
	switch {
	case state > berth.Orphan || (state == berth.Lost) != (row == store.None):
		return fmt.Errorf("task %q: on a node or on none, it cannot be %v", t.ID, state)
	case deadline < 0 || deadline > 0 && state != berth.Assumed:
		return fmt.Errorf("task %q: one that is %v has no deadline", t.ID, state)
	}
	for i := range t.Group.Requirements().Needs {
		f.s.Dim(t.Group.Requirements().Needs[i].Name)
	}
	sh := f.shape(t.Group)
	r := store.Record{Row: row, State: uint8(state), Deadline: deadline, Owner: f.s.Owner(owner)}
	if row == store.None {
		if grant != nil {
			r.Extra = &store.Extra{Grant: grant}
		}
	} else {
		node := f.s.Node(row).Node
		if err := elsewhere(t, node.ID); err != nil {
			return err
		}
		for _, need := range sh.needs {
			if err := f.overflow(row, need); err != nil {
				return fmt.Errorf("task %q: %w", t.ID, err)
			}
		}
		r.Extra = f.taskExtra(t.Group, grant, node, nil)
	}
	r.Group = f.ensureGroup(sh)
	f.s.AddBy(hash, t.ID, r)
	return nil
}

// RestoreHold adds a hold.
func (f *Fork) RestoreHold(h *berth.Hold) error {
	if err := h.Err(); err != nil {
		return err
	}
	row, ok := f.s.FindNode(h.Node)
	if !ok {
		return fmt.Errorf("hold %q: node %q: %w", h.ID, h.Node, berth.ErrUnknownNode)
	}
	if _, known := f.s.FindHold(h.ID); known {
		return fmt.Errorf("hold %q: a hold of that ID exists", h.ID)
	}
	for name, q := range h.Resources.All() {
		if q > 0 {
			f.s.Dim(name)
		}
	}
	h = kept(h)
	node := f.s.Node(row).Node
	extra := f.holdExtra(h, node, fit.Finder(node.Spec, len(h.Devices)))
	for _, need := range extra.Needs {
		if err := f.overflow(row, need); err != nil {
			return fmt.Errorf("hold %q: %w", h.ID, err)
		}
	}
	f.hold(extra, row)
	return nil
}

// overflow says that what is taken of a row would be more than an int64 with a need.
func (f *Fork) overflow(row uint32, need store.Need) error {
	name := f.s.Dims()[need.Dim]
	if taken := f.taken(row, name, need.Amount); taken > math.MaxInt64-need.Amount {
		return fmt.Errorf("resource %q: %d + %d: %w", name, taken, need.Amount, berth.ErrOverflow)
	}
	return nil
}
