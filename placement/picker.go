package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Picker chooses nodes for the tasks of one plan after another. Each choice sees those made before it
// in the same plan. A Picker is for one goroutine.
type Picker interface {
	// Start begins a plan on a snapshot; what was picked before is forgotten.
	Start(s *cluster.Snapshot)
	// Place picks the best node for a task and takes the room, or returns false if no node has room. It is false also for
	// what no node can take: a task of a group with faults, a daemon's demand, which has no ID, and a daemon's instance on
	// another node than the best. Else the task is valid and not in the snapshot or picked already.
	Place(t berth.Task) (berth.Op, bool)
	// PlaceWithin is Place among the nodes alone that have a value of an attribute, such as those of one rack; of [berth.NodeID] it is
	// one node. What rules say of other domains, and whom they count, stays as it is: the domain is no rule of the group. It is false for
	// what is no value of an attribute, too.
	PlaceWithin(t berth.Task, attribute string, value any) (berth.Op, bool)
	// Cover picks every node that is eligible for a daemon group and lacks its instance. It calls placed
	// for each instance that has room, and missed for each that has not, in the order of node IDs. An instance whose ID
	// another task has, such as one that was lost with the node before it came back, is missed for TaskExists. Either
	// function may be nil. Neither may call the picker: until Cover returns its other methods do nothing, Place returns
	// false and Explain nil.
	Cover(g *berth.Group, placed func(berth.Op), missed func(node string, lacks []berth.Lack))
	// Candidates tells which nodes can take a task of the group now, in the order in which Place would pick them if those
	// before were not there, and if asked why the others cannot. It takes no room and picks nothing. The nodes of the demand of
	// a daemon group are those that lack the instance; an instance is asked about its own node only. Of a gang it
	// is one task that is asked about, and not whether there is room for the others. Called from within Cover it returns nil.
	Candidates(t berth.Task, ask Ask) *Choices
	// Undo gives back what was picked by an operation of this plan, as it was returned.
	Undo(op berth.Op)
	// Savepoint notes where the plan is, and Rollback goes back there: what was picked since is picked no more, and what was undone since
	// is picked again. So one task of a gang after another, or a whole domain, is tried and given up. A savepoint stays good once it has
	// been gone back to, and those after it do not. Rollback fails, and changes nothing, for one that is not good: of
	// another picker or another plan, or after one that was gone back to. Called from within Cover neither does anything.
	Savepoint() Savepoint
	Rollback(to Savepoint) error
	// Explain says why no node can take a task of the group now.
	Explain(g *berth.Group) *cluster.Explanation
}

// What follows is common to both pickers.

// orEmpty returns a snapshot of no nodes for none.
func orEmpty(s *cluster.Snapshot) *cluster.Snapshot {
	if s == nil {
		s = cluster.NewFork().Snapshot()
	}
	return s
}

// orNobody returns functions that may be called where there are none.
func orNobody(placed func(berth.Op), missed func(string, []berth.Lack)) (func(berth.Op), func(string, []berth.Lack)) {
	if placed == nil {
		placed = func(berth.Op) {}
	}
	if missed == nil {
		missed = func(string, []berth.Lack) {}
	}
	return placed, missed
}

// existing says that an instance cannot be placed because a task of a view has its ID.
func existing(view *store.View, slot uint32) berth.Lack {
	if row := view.Record(slot).Row; row != store.None {
		return existingOn(view.Node(row).Node.ID)
	}
	return berth.Lack{Reason: berth.Reason{Code: berth.TaskExists, Subject: berth.Lost.String()}}
}

func existingOn(node string) berth.Lack {
	return berth.Lack{Reason: berth.Reason{Code: berth.TaskExists, Subject: "on " + node}}
}
