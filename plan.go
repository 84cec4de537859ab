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

// Version says which state of which source a snapshot shows, as far as a plan could depend on it: it
// stays while tasks are only confirmed or marked. Versions compare with ==. The zero Version is that of no source.
type Version struct {
	// Lineage is the identity of the source, unlike that of any other source in the process. Plans carry it to the
	// commit, which refuses those of another source.
	Lineage uint64
	// Branch is one line of changes in the lineage: the source itself has one, and so has each fork.
	Branch uint64
	// Seq grows with every change of the branch.
	Seq uint64
}

// SameLineage reports whether v and o are versions of one source.
func (v Version) SameLineage(o Version) bool { return v.Lineage == o.Lineage }

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

// Plan is what a scheduler decided on one snapshot: operations in order, and the tasks that could not
// be placed. Committing it to the source the snapshot came from carries it out.
type Plan struct {
	// Version is that of the snapshot that the plan was made on. A plan of the host's own takes it from a snapshot of the source
	// that it is committed to: without one it is of no source, and refused as that of another ([ErrLineage]).
	Version  Version
	Ops      []Op
	Unplaced []Unplaced
	// Together names the groups of which either every Place of the plan is done or none. Of a gang none is done, either, if
	// the tasks that it then had on nodes, those that are stopping not counted, would be fewer than its size.
	Together []string
	// Parts are runs of operations of which either all are done, in their order, or none. Parts that overlap are one, and so are a part and
	// a group in Together of which it has a placement.
	Parts []Part
	// Whole makes all of the plan one part.
	Whole bool
	// Deadline is when the tasks that the plan places expire unless they are confirmed or renewed; zero is what the source says. So room
	// is set aside for one task: unlike a Hold the task counts in rules about domains and in the size of its gang, and confirming
	// it is all that is left to be done.
	Deadline time.Time
}

// Part is the operations of a plan from the one at First to before the one at End, which stand or fall together. The name is for people:
// what is not done because of another operation of the part says so by it.
type Part struct {
	Name       string
	First, End int
}

// Part adds a part to the plan: the operations that add adds to it.
func (p *Plan) Part(name string, add func()) {
	first := len(p.Ops)
	if add != nil {
		add()
	}
	p.Parts = append(p.Parts, Part{Name: name, First: first, End: len(p.Ops)})
}

// Replace adds a part in which the task of t's ID is ended and t is placed on a node: on that of the old one, as far as room
// goes, or on another. So a task is moved, resized or given another revision of its group, and is never left nowhere.
func (p *Plan) Replace(t Task, node string) {
	p.Part("replace "+t.ID, func() {
		p.Release(t.ID)
		p.Place(t, node)
	})
}

// Exchange adds a part in which a hold ends and another begins, which may take the room of the first.
func (p *Plan) Exchange(hold string, by Hold) {
	p.Part("exchange "+hold, func() {
		p.Drop(hold)
		p.Take(by)
	})
}

// Err returns every fault of the plan's parts joined into one error, or nil. What is wrong with an operation is told when it is
// to be done.
func (p *Plan) Err() error {
	if p == nil {
		return errors.New("plan: none given")
	}
	var errs []error
	for _, part := range p.Parts {
		if part.First < 0 || part.First > part.End || part.End > len(p.Ops) {
			errs = append(errs, fmt.Errorf("plan: part %q: from %d to before %d is not a run of its %d operations", part.Name, part.First, part.End, len(p.Ops)))
		}
	}
	return errors.Join(errs...)
}

// Place adds a task on a node to the plan.
func (p *Plan) Place(t Task, node string) {
	p.Ops = append(p.Ops, Op{Kind: Place, Task: t, Node: node})
}

// Take adds a hold to the plan.
func (p *Plan) Take(h Hold) { p.Ops = append(p.Ops, Op{Kind: Take, Hold: &h}) }

// Drop adds the end of a hold to the plan.
func (p *Plan) Drop(hold string) { p.Ops = append(p.Ops, Op{Kind: Drop, ID: hold}) }

// Release adds the end of a task to the plan.
func (p *Plan) Release(task string) { p.Ops = append(p.Ops, Op{Kind: Release, ID: task}) }

// Evict adds the eviction of a task to the plan; its room goes to the hold, if one is given.
func (p *Plan) Evict(task string, hold *Hold) {
	p.Ops = append(p.Ops, Op{Kind: Evict, ID: task, Hold: hold})
}

// String prints the plan one operation a line, then its parts, the deadline, and the unplaced tasks; nothing for no
// plan. Equal plans print alike.
func (p *Plan) String() string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	for _, op := range p.Ops {
		fmt.Fprintln(&b, op)
	}
	if p.Whole {
		fmt.Fprintln(&b, "all of it or none")
	}
	for _, part := range p.Parts {
		fmt.Fprintf(&b, "all or none: %q, operations %d to %d\n", part.Name, part.First+1, part.End)
	}
	if !p.Deadline.IsZero() {
		fmt.Fprintf(&b, "until %s\n", p.Deadline.UTC().Format(time.RFC3339Nano))
	}
	for _, u := range p.Unplaced {
		fmt.Fprintln(&b, u)
	}
	return b.String()
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

// Refusal is an operation that a commit did not do, and why.
type Refusal struct {
	Op     Op
	Reason Reason
}

// String prints the operation and the reason.
func (r Refusal) String() string { return fmt.Sprintf("%v: %v", r.Op, r.Reason) }

// Outcome is what became of a plan.
type Outcome struct {
	Version  Version    // after the commit
	Before   Version    // when it began: between that and Version there is nothing but the commit. The zero Version is not known
	Placed   []Op       // the Place operations that were done, grants filled in
	Refused  []Refusal  // the operations that were not done
	Unplaced []Unplaced // the tasks no node was found for
}
