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
}

// Resource returns the index of a resource in the slices, or false if no node has it.
func (s *State) Resource(name string) (int, bool) {
	i := slices.Index(s.names, name)
	return i, i >= 0
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
}

// Task returns the task to be placed.
func (c *Candidate) Task() berth.Task { return c.task }

// Node returns the ID of the node.
func (c *Candidate) Node() string { return c.id }
