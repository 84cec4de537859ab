// Package store keeps the cluster as berth's other packages read it: rows of nodes with dense columns
// of int64 per resource, records of tasks and holds, counts of a group's tasks per attribute value, and what each role and owner
// has.
//
// A [Store] is written by one goroutine. The [View] that [Store.Snapshot] returns is immutable and costs
// one allocation or two whatever the size, because pages are copied only when they are next written;
// [View.Fork] is a store again, which shares every page with the view until it writes. The package holds no
// policy: it neither validates nor decides, and its callers, package cluster's Fork and Snapshot, do both.
package store

import (
	"slices"
	"time"
)

// None is the row of a record that is on no node.
const None = ^uint32(0)

// Holds is the group that every hold belongs to. Holds are kept like tasks, for they take room like
// tasks; their IDs are a namespace of their own.
const Holds = 0

// Store is a mutable cluster for one goroutine.
type Store struct {
	View
	token     token
	forked    bool
	newValues int      // of attributes, since values were last forgotten
	goneNodes int      // since then too
	newDims   int      // since dimensions were last looked through
	freeDims  []uint32 // those that nothing has an amount of

	due          charge // of the ledger
	dueHolds     holdCharge
	newAccounts  int      // since they were last looked through
	freeAccounts []uint32 // those that nothing refers to

	journal journal
}

// View is an immutable cluster. Any number of goroutines may read it.
type View struct {
	nodes  Array[NodeState]
	free   Columns
	recs   Array[Record]
	groups Array[Group]
	nodeN  int
	hidden int // nodes that are withheld
	taskN  int
	lost   int    // tasks on no node
	marks  uint64 // times that a record was marked
	time   time.Time
	pieces Pieces

	byNode, byTask, byHold, byGroup, byDim index

	ledger

	ordering *ordering

	dims    []string // by dimension; appended to, or replaced
	naming  uint64   // another wherever a dimension has another name
	attrs   *Interner
	values  *values
	catalog *Catalog
	counting
	kinship

	freeRow, freeSlot, freeGroup uint32 // the first of each that is free, or None

	lives uint32 // of the records that were given up with their slots, the most that one had

	lineage uint64   // of all stores that began as forks of one
	branch  *branch  // of the store and its views
	seq     uint64   // changes since the lineage began
	log     []Change // the last of them
	of      *Store   // the store that goes on writing the view; nil in a view that Snapshot returned
	like    *View    // that At made it of
}

// New returns an empty store.
func New() *Store {
	s := &Store{token: newToken()}
	s.View = View{
		attrs:     &Interner{ids: map[string]uint32{}},
		values:    newValues(),
		catalog:   newCatalog(),
		free:      Columns{width: 2},
		freeRow:   None,
		freeSlot:  None,
		freeGroup: None,
		counting:  counting{freeCounter: None, freeTerm: None},
		kinship:   kinship{freeFamily: None},
	}
	s.naming = newIdentity()
	s.lineage, s.branch = newIdentity(), &branch{number: newIdentity()}
	s.ordering = &ordering{owner: s.token, branch: s.branch.number}
	s.of = s
	s.newAccount(Account{Parent: None}) // Root
	s.AddGroup(Group{})                 // Holds
	return s
}

// Snapshot returns the store as it is now.
func (s *Store) Snapshot() *View {
	s.forgetValues()
	s.settle()
	for _, x := range s.indexes() {
		x.share()
	}
	v := s.View // copies the handles, not the pages
	v.of = nil
	s.token = newToken()
	return &v
}

// Present returns the store as it is now, to be read by the store's own goroutine and until the store next changes. Unlike
// a Snapshot, for which every page that is written afterwards is copied first, it costs nothing.
func (s *Store) Present() *View { return &s.View }

// Time returns the time of the view: when it was taken, or what a fork of it was set to. The zero time is not known.
func (v *View) Time() time.Time { return v.time }

// SetTime says what time it is. It is no change of what the store has.
func (s *Store) SetTime(t time.Time) { s.time = t }

// At returns the view at another time, all else as it is.
func (v *View) At(t time.Time) *View {
	at := *v
	at.time, at.like = t, v.Undated()
	return &at
}

// Undated returns the view that v differs from in its time alone: equal for views that At made of one another.
func (v *View) Undated() *View {
	if v.like != nil {
		return v.like
	}
	return v
}

// Fork returns a store that begins as v and shares its pages.
func (v *View) Fork() *Store {
	if v.of != nil {
		v = v.of.Snapshot() // what the fork shares with a store that goes on must not be written in place
	}
	s := &Store{View: *v, token: newToken(), forked: true}
	s.branch = v.Position().fork()
	s.of, s.like = s, nil
	for _, x := range s.indexes() {
		x.own = false
	}
	s.log = nil
	s.unused.sealed = true
	s.dims = slices.Clip(s.dims)
	return s
}

func (s *Store) indexes() [10]*index {
	return [...]*index{&s.byNode, &s.byTask, &s.byHold, &s.byGroup, &s.byRevision, &s.byDim, &s.byCounter, &s.byTerm, &s.byRole, &s.byOwner}
}

// Shown returns v, or an empty view for one that nobody took.
func (v *View) Shown() *View {
	if v == nil || v.branch == nil {
		return New().Snapshot()
	}
	return v
}
