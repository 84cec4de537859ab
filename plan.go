package berth

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// OpKind is what an operation does.
type OpKind uint8

const (
	// Place puts a task on a node.
	Place OpKind = iota
	// Take sets room on a node aside for an owner: it makes a Hold.
	Take
	// Drop ends a hold.
	Drop
	// Release ends a task and gives its room back.
	Release
	// Evict ends a task against its will. It may name the hold its room goes to.
	Evict
)

var opText = [...]string{Place: "place", Take: "hold", Drop: "drop", Release: "release", Evict: "evict"}

// String returns "place", "hold", "drop", "release" or "evict".
func (k OpKind) String() string {
	if int(k) < len(opText) {
		return opText[k]
	}
	return fmt.Sprintf("operation %d", k)
}

// Op is one operation of a plan. Which fields count depends on its kind:
//
//	Place    Task, Node; Grant, or nil to let the commit choose; From, if the room is held; Owner, if it has one
//	Take     Hold
//	Drop     ID of the hold
//	Release  ID of the task
//	Evict    ID of the task; Hold, if the room is to be held at once
type Op struct {
	Kind  OpKind
	Task  Task
	Node  string
	ID    string
	From  string // the owner whose holds on the node the task draws on; empty draws on what is free
	Owner string // in whose name the task is placed, such as a framework's; empty is nobody's
	Grant *Grant
	Hold  *Hold
}

// OwnerErr returns what is wrong with the owner, if one is named: what would be wrong with that of a [Hold].
func (op Op) OwnerErr() error {
	if op.Owner == "" {
		return nil
	}
	return checkName("owner", op.Owner)
}

// Lease is how firmly a hold keeps others out.
type Lease uint8

const (
	// Exclusive holds take their room: nobody else can have it while the hold lasts. It is the default.
	Exclusive Lease = iota
	// Optimistic holds take nothing: whoever commits first has the room.
	Optimistic
	// Reserved holds are reservations: see [Hold].
	Reserved
)

// Hold is room on a node set aside for an owner until a deadline. An offer is a hold made for a framework.
//
// A hold with a lease of [Reserved] is a reservation: so much of the node is for tasks and holds of its role and of the roles below it, until
// the reservation is dropped. It is of resources only, names a role, and has no deadline. With an owner it is for what is of exactly its role
// and placed in that owner's name; without one it is for all of the role.
//
// A reservation is a floor: what those whom it is for have on the node counts towards it, whether they came before it or after, and
// only what they leave of it is kept from others. So no task names a reservation or belongs to one: what one of them gives back is reserved
// again, and dropping a reservation ends no task. (An open Capacity Reservation of EC2 works so.) Several for one role on a node add up,
// and so does [Node].Reserved. One for a role below is apart from one for the role: what is used of the inner one is not used of the
// outer. What is kept from others counts as what the role has, in shares and limits, so that a task that uses it adds nothing to what the
// role had.
type Hold struct {
	ID    string
	Owner string
	// Role is the tenant that the hold is made for: admission is asked about it. The default is the root role, for which nothing can be
	// reserved.
	Role      Role
	Node      string
	Resources Resources
	Devices   []DeviceShare
	Ports     []Port
	Lease     Lease
	// Deadline is when the hold ends by itself; every hold but a reservation has one. It is kept to the microsecond, rounded up.
	Deadline time.Time
}

// Err returns every fault of the hold joined into one error, or nil.
func (h *Hold) Err() error {
	if h == nil {
		return errors.New("hold: none given")
	}
	var errs []error
	add := func(err error) { errs = appendFaults(errs, fmt.Sprintf("hold %q", h.ID), err) }
	if err := checkName("hold", h.ID); err != nil {
		errs = append(errs, err)
	}
	if h.Owner != "" || h.Lease != Reserved {
		add(checkName("owner", h.Owner))
	}
	add(h.Role.Err())
	add(checkName("node", h.Node))
	add(h.Resources.Err())
	for _, err := range shareFaults(h.Devices) {
		add(err)
	}
	for err := range faultyPorts(h.Ports) {
		add(err)
	}
	switch {
	case h.Lease > Reserved:
		add(fmt.Errorf("unknown lease %d", h.Lease))
	case h.Lease == Reserved:
		for _, err := range h.reservationFaults() {
			add(err)
		}
	case h.Deadline.IsZero():
		add(errors.New("no deadline"))
	}
	return errors.Join(errs...)
}

// reservationFaults returns what a reservation has that none can have, or lacks.
func (h *Hold) reservationFaults() (errs []error) {
	if h.Role == "" {
		errs = append(errs, errors.New("a reservation names a role"))
	}
	if !h.Deadline.IsZero() {
		errs = append(errs, errors.New("a reservation has no deadline"))
	}
	if len(h.Devices)+len(h.Ports) > 0 {
		errs = append(errs, errors.New("neither devices nor ports can be reserved"))
	}
	if err := checkFirm(h.Resources, "reserved"); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// Cost returns what the hold is of every resource, its devices by their class and their amounts as [DeviceResource] names
// them, as shares and limits count it. A sum that would overflow stays at the largest int64.
func (h *Hold) Cost() Resources {
	if h == nil {
		return Resources{}
	}
	cost := h.Resources.Clone()
	add := func(name string, q int64) { cost[name] = min(cost[name], math.MaxInt64-max(q, 0)) + q }
	for _, d := range h.Devices {
		if d.Units != 0 {
			add(d.Class, d.Units)
		}
		for amount, q := range d.Amounts {
			add(DeviceResource(d.Class, amount), q)
		}
	}
	return cost
}

// Clone returns a copy of h that shares nothing with it; nil of nil.
func (h *Hold) Clone() *Hold {
	if h == nil {
		return nil
	}
	c := *h
	c.Resources = h.Resources.Clone()
	c.Devices = cloneShares(h.Devices)
	c.Ports = slices.Clone(h.Ports)
	return &c
}

// String prints "place web-1 on n1 0:1000", "release web-1" and so on.
func (op Op) String() string {
	var b strings.Builder
	b.WriteString(op.Kind.String())
	switch op.Kind {
	case Place:
		fmt.Fprintf(&b, " %v on %s", op.Task, op.Node)
		if g := op.Grant.String(); g != "" {
			b.WriteString(" " + g)
		}
		if op.From != "" {
			b.WriteString(" from " + op.From)
		}
	case Take:
		if op.Hold != nil {
			fmt.Fprintf(&b, " %s for %s on %s: %v", op.Hold.ID, cmp.Or(op.Hold.Owner, "role "+string(op.Hold.Role)), op.Hold.Node, op.Hold.Resources)
		}
	default:
		b.WriteString(" " + op.ID)
		if op.Kind == Evict && op.Hold != nil {
			b.WriteString(" to hold " + op.Hold.ID)
		}
	}
	return b.String()
}
