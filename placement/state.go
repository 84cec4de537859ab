package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// State is what is free on a node and what kind of node it is. It does not tell which node that is.
type State struct {
	Free     []int64 // by resource, as Resource tells; devices count as resources of their class
	Capacity []int64

	names []string
	node  *store.Node // one that is described alike, as far as may be looked at
	reads []string    // the attributes that may be, unless all may be
	all   bool

	views *deviceViews
	after bool // whether it is the state after placing
}

// Resource returns the index of a resource in the slices, or false if no node has it.
func (s *State) Resource(name string) (int, bool) {
	i := slices.Index(s.names, name)
	return i, i >= 0
}

// FreeOf returns what is free of a resource; nothing if no node has it.
func (s *State) FreeOf(name string) int64 {
	if i, ok := s.Resource(name); ok && i < len(s.Free) {
		return s.Free[i]
	}
	return 0
}

// Devices returns the devices of the node, unhealthy ones too. Their order is by class, model and health, and then by what is
// free, before the task is placed: so it says which devices are alike and not which device is which, and the ith before and
// after are the same. A grant in question has been taken of those after. The list is good until the term returns, and must not be
// changed.
//
// Where a term looks at the devices after placing, the node is rated once for each distinct grant that it could give, [MaxGrants] at
// most, and counts as the best of them, which is what the task gets if it is placed there. Grants are distinct that take of
// devices that differ in class, model, capacity or in what is free. Of equally good ones it is the first as [MaxGrants] tells them.
func (s *State) Devices() []Device {
	if s.views == nil {
		return nil
	}
	return s.views.all(s.after)
}

// Attribute returns the value of an attribute of the node that the term has declared to read. A Func may read all.
func (s *State) Attribute(name string) (berth.Value, bool) {
	if s.node == nil || !s.all && !slices.Contains(s.reads, name) {
		return berth.Value{}, false
	}
	return s.node.Spec.Attribute(name)
}

// Candidate is a node that can take a task, as a [Func] sees it: its state before the task is placed, and what else there
// is to know.
type Candidate struct {
	State
	Request []int64 // what the task takes, by resource
	Tasks   []int   // the group's tasks in the node's domains under what the term counts by; -1 where the node lacks the attribute

	task berth.Task
	id   string
	who  asked // of whom the term may ask what a rater cannot see
}

// Task returns the task to be placed.
func (c *Candidate) Task() berth.Task { return c.task }

// Node returns the ID of the node.
func (c *Candidate) Node() string { return c.id }
