package checked

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Fork is a store, with what is remembered of it from question to question. The zero Fork is an empty cluster.
type Fork struct {
	s       *store.Store
	base    store.Version
	journal bool // whether ops records what was applied
	ops     []berth.Op

	shapes [4]shape // of groups that were asked about last
	oldest int      // of shapes
	latest int      // of them, the one that was asked about last
	nodes  uint64   // how often the set of nodes or their descriptions changed
	undone uint64   // how often the store had taken changes back when shapes, domainsOf and spreads were right

	domainsOf map[string]*eligibleDomains
	spreads   map[spreadKey]*spread

	spreadCells int // entries of spreads

	allowance allowance // of the group that was placed last
	replaced  replaced

	template       *store.Extra // what the hold has that was made last with a look at all of it,
	templateNaming uint64       // in dimensions of these names

	templateDeadline int64 // of the hold that was made last,
	templateTime     time.Time

	usedUp []UsedUp // by the last placement on holds

	saves Saves[forkSave]
}

// Over returns a fork that works on a store and takes down nothing for Applied.
func Over(s *store.Store) *Fork {
	return &Fork{s: s, base: s.Version()}
}

// Of returns a fork that begins as a view of that version, and takes down what is applied.
func Of(v *store.View, base store.Version) *Fork {
	f := Over(v.Fork())
	f.base, f.journal = base, true
	return f
}

// Ready returns f with what a zero Fork lacks, and an empty cluster for no fork at all.
func (f *Fork) Ready() *Fork {
	if f == nil {
		return Over(store.New())
	}
	if f.s == nil {
		*f = *Over(store.New())
	}
	return f
}

// Store returns the store that the fork works on.
func (f *Fork) Store() *store.Store { return f.Ready().s }

// Applied returns copies of the operations that were applied since the fork was made of a view, and the version of that.
func (f *Fork) Applied() (store.Version, []berth.Op) {
	f = f.Ready()
	ops := slices.Clone(f.ops)
	for i := range ops {
		ops[i].Hold, ops[i].Grant = ops[i].Hold.Clone(), ops[i].Grant.Clone()
	}
	return f.base, ops
}

// AddNodes adds nodes that were not there. It adds all of them or, with every fault of every one, none.
func (f *Fork) AddNodes(nodes ...berth.Node) error {
	f = f.Ready()
	var errs []error
	seen := make(map[string]bool, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		if err := n.Err(); err != nil {
			errs = append(errs, err)
		}
		if _, ok := f.s.FindNode(n.ID); ok || seen[n.ID] {
			errs = append(errs, fmt.Errorf("node %q: %w", n.ID, berth.ErrNodeExists))
		}
		seen[n.ID] = true
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range nodes {
		f.s.AddNode(f.compileNode(&nodes[i]))
	}
	f.nodes++
	return nil
}

// UpdateNodes replaces the descriptions of nodes. Their tasks stay, even where the node no longer has
// room for them or breaks a rule of theirs: that is for the host to heal. Tasks and holds keep their devices by ID, in
// whatever order the devices are now; a share of one that is gone or unhealthy blocks no other, and the node counts as
// overcommitted while a task has it. It updates all of them or,
// with every fault of every one, none. That devices come back of which so much is taken, together with what was placed as a
// plain resource of their class meanwhile, that it does not fit in an int64 is a fault too.
func (f *Fork) UpdateNodes(nodes ...berth.Node) error {
	f = f.Ready()
	var errs []error
	for i := range nodes {
		n := &nodes[i]
		if err := n.Err(); err != nil {
			errs = append(errs, err)
		}
		if row, ok := f.s.FindNode(n.ID); !ok {
			errs = append(errs, fmt.Errorf("node %q: %w", n.ID, berth.ErrUnknownNode))
		} else if class, bad := f.wraps(row, n); bad {
			errs = append(errs, fmt.Errorf("node %q: resource %q: what its tasks and holds take: %w", n.ID, class, berth.ErrOverflow))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range nodes {
		row, _ := f.s.FindNode(nodes[i].ID)
		n := f.compileNode(&nodes[i])
		find := fit.Finder(n.Spec, len(n.Devices))
		f.s.SetNode(row, n, func(r *store.Record) *store.Extra { return f.redescribed(r, n, find) })
	}
	f.nodes++
	return nil
}

// UpsertNodes adds the nodes that are not there, and replaces the descriptions of those that are described otherwise. What is there
// as it is described is left alone. It does all or, with every fault of every node, nothing.
func (f *Fork) UpsertNodes(nodes ...berth.Node) error {
	added, updated, err := f.Upserts(nodes)
	if err == nil && len(added) > 0 {
		err = f.AddNodes(added...)
	}
	if err == nil && len(updated) > 0 {
		err = f.UpdateNodes(updated...)
	}
	return err
}

// Upserts returns which of the nodes UpsertNodes would add and which it would describe anew, or every fault of every one.
func (f *Fork) Upserts(nodes []berth.Node) (added, updated []berth.Node, err error) {
	f = f.Ready()
	last := f.again(nodes)
	var errs []error
	for i := range nodes {
		n := &nodes[i]
		row, there := f.s.FindNode(n.ID)
		at, again := last[n.ID]
		if there && (!again || at == i) && n.Equal(f.s.Node(row).Node.Spec) {
			continue
		}
		if err := n.Err(); err != nil {
			errs = append(errs, err)
			continue
		}
		switch {
		case again && at != i:
		case !there:
			added = append(added, *n)
		default:
			if class, bad := f.wraps(row, n); bad {
				errs = append(errs, fmt.Errorf("node %q: resource %q: what its tasks and holds take: %w", n.ID, class, berth.ErrOverflow))
			}
			updated = append(updated, *n)
		}
	}
	return added, updated, errors.Join(errs...)
}

// again returns where the ID of each node stands last in the list, or nil where all are there already, each named once: the common case, which
// takes no more than a bit of every row.
func (f *Fork) again(nodes []berth.Node) map[string]int {
	seen := make([]uint64, (f.s.Rows()+63)/64)
	var last map[string]int
	for i := range nodes {
		row, there := f.s.FindNode(nodes[i].ID)
		if there && seen[row/64]&(1<<(row%64)) == 0 {
			seen[row/64] |= 1 << (row % 64)
			continue
		}
		last = make(map[string]int, len(nodes))
		for i := range nodes {
			last[nodes[i].ID] = i
		}
		break
	}
	return last
}

// RemoveNodes removes nodes. Their tasks become [berth.Lost] and their holds end. It removes all of them or,
// naming each that is unknown, none.
func (f *Fork) RemoveNodes(ids ...string) error {
	f = f.Ready()
	rows, err := f.rows(ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		for slot, r := range f.s.On(row) { // walks the list as it was
			if r.Group == store.Holds {
				f.s.Remove(slot)
				continue
			}
			f.s.Detach(slot)
			f.s.Mark(slot, uint8(berth.Lost), 0)
		}
		f.s.RemoveNode(row)
	}
	f.nodes++
	return nil
}

// SetCordoned cordons or uncordons nodes: all of them or, naming each that is unknown, none.
func (f *Fork) SetCordoned(cordoned bool, ids []string) error {
	f = f.Ready()
	rows, err := f.rows(ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		f.s.SetCordoned(row, cordoned)
	}
	f.nodes++
	return nil
}

// rows returns the rows of nodes, in the order in which they are named first. What is done to one may give its row up, so
// none is there twice.
func (f *Fork) rows(ids []string) ([]uint32, error) {
	var errs []error
	rows := make([]uint32, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		row, ok := f.s.FindNode(id)
		if !ok {
			errs = append(errs, fmt.Errorf("node %q: %w", id, berth.ErrUnknownNode))
		}
		rows = append(rows, row)
	}
	return rows, errors.Join(errs...)
}

// Apply does one operation if it can be done, and returns it with its grant filled in and no reason;
// else it returns the first reason why not and changes nothing.
func (f *Fork) Apply(op berth.Op) (berth.Op, berth.Reason) {
	f = f.Ready()
	var why berth.Reason
	switch op.Kind {
	case berth.Place:
		op.Grant, why = f.place(&op, store.Pick{})
	case berth.Take:
		why = f.take(op.Hold)
	case berth.Drop:
		slot, ok := f.s.FindHold(op.ID)
		if !ok {
			return op, berth.Reason{Code: berth.UnknownHold, Subject: op.ID}
		}
		f.s.Remove(slot)
	case berth.Release:
		slot, ok := f.s.FindTask(op.ID)
		if !ok {
			return op, berth.Reason{Code: berth.UnknownTask, Subject: op.ID}
		}
		f.release(slot)
	case berth.Evict:
		why = f.evict(op)
	default:
		why = berth.Reason{Code: berth.Invalid, Subject: op.Kind.String()}
	}
	if why.Code == berth.None && f.journal {
		kept := op
		kept.Hold = op.Hold.Clone()
		f.ops = append(f.ops, kept)
	}
	return op, why
}
