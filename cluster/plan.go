package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-sched/berth"
)

// Plan is what a scheduler decided on one snapshot: operations in order, and the tasks that could not
// be placed. Committing it to the source the snapshot came from carries it out.
type Plan struct {
	// Version is that of the snapshot that the plan was made on. A plan of the host's own takes it from a snapshot of the source
	// that it is committed to: without one it is of no source, and refused as that of another ([berth.ErrLineage]).
	Version  Version
	Ops      []berth.Op
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
func (p *Plan) Replace(t berth.Task, node string) {
	p.Part("replace "+t.ID, func() {
		p.Release(t.ID)
		p.Place(t, node)
	})
}

// Exchange adds a part in which a hold ends and another begins, which may take the room of the first.
func (p *Plan) Exchange(hold string, by berth.Hold) {
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
func (p *Plan) Place(t berth.Task, node string) {
	p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: t, Node: node})
}

// Take adds a hold to the plan.
func (p *Plan) Take(h berth.Hold) { p.Ops = append(p.Ops, berth.Op{Kind: berth.Take, Hold: &h}) }

// Drop adds the end of a hold to the plan.
func (p *Plan) Drop(hold string) { p.Ops = append(p.Ops, berth.Op{Kind: berth.Drop, ID: hold}) }

// Release adds the end of a task to the plan.
func (p *Plan) Release(task string) { p.Ops = append(p.Ops, berth.Op{Kind: berth.Release, ID: task}) }

// Evict adds the eviction of a task to the plan; its room goes to the hold, if one is given.
func (p *Plan) Evict(task string, hold *berth.Hold) {
	p.Ops = append(p.Ops, berth.Op{Kind: berth.Evict, ID: task, Hold: hold})
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

// Unplaced is a task that could not be placed, and why. Tasks of one group that failed alike share
// their explanation.
type Unplaced struct {
	Task   berth.Task
	Reason berth.Reason // the first reason of the explanation, or why the task was not tried
	Why    *Explanation // nil where it was not for want of a node
}

// String prints "0/5 nodes for web-3: " and the explanation.
func (u Unplaced) String() string {
	if u.Why == nil {
		return fmt.Sprintf("%v: %v", u.Task, u.Reason)
	}
	s := fmt.Sprintf("0/%d nodes for %v: %v", u.Why.Nodes, u.Task, u.Why)
	if u.Reason.Code == berth.GangIncomplete {
		s = fmt.Sprintf("%v; %v", s, u.Reason)
	}
	return s
}
