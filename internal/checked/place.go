package checked

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// place puts a task on a node, and returns what it got of devices and ports. One that was picked is not asked again what
// its picker asked.
func (f *Fork) place(op *berth.Op, pick store.Pick) (*berth.Grant, berth.Reason) {
	var taken *berth.Grant // the grant that was picked
	if pick.Made() {
		taken = op.Grant
	} else {
		if err := checkTask(op.Task); err != nil {
			return nil, berth.Reason{Code: berth.Invalid, Subject: err.Error()}
		}
		if err := op.OwnerErr(); err != nil {
			return nil, berth.Reason{Code: berth.Invalid, Subject: err.Error()}
		}
		if slot, ok := f.s.FindTask(op.Task.ID); ok {
			at := "lost"
			if r := f.s.Record(slot); r.Row != store.None {
				at = "on " + f.s.Node(r.Row).Node.ID
			}
			return nil, berth.Reason{Code: berth.TaskExists, Subject: at}
		}
	}
	row, ok := f.find(op.Node, pick)
	if !ok {
		return nil, berth.Reason{Code: berth.UnknownNode, Subject: op.Node}
	}
	sh := f.shapeOf(op.Task.Group, pick)
	if !pick.Made() {
		if why := elsewhere(op.Task, op.Node); why != nil {
			return nil, berth.Reason{Code: berth.Invalid, Subject: why.Error()}
		}
		if why := f.refusal(sh, row); why.Code != berth.None {
			return nil, why
		}
	}
	if op.From != "" {
		f.usedUp = f.usedUp[:0]
		if f.s.ReservesOn(row) == nil && f.drawPlain(sh, row, op.From) {
			f.add(sh, row, op, pick, nil)
			return nil, berth.Reason{}
		}
		draw, grant, why := f.draw(sh, row, op)
		if why.Code != berth.None {
			return nil, why
		}
		if why := f.overDrawn(sh, row, op.Owner, draw); why.Code != berth.None {
			return nil, why
		}
		f.shrink(draw, row)
		f.add(sh, row, op, pick, grant)
		return grant, berth.Reason{}
	}
	if !f.allows(sh) {
		if why := f.exceeds(sh, row, op); why.Code != berth.None {
			return nil, why
		}
	}
	if !f.enoughFor(sh, row, op.Owner) {
		if why := f.short(sh, row, op.Owner); why.Code != berth.None {
			return nil, why
		}
	}
	var why berth.Reason
	if taken == nil || !fit.Grants(sh.group) {
		taken, why = f.granted(sh, row, op.Grant)
	} else {
		why = f.stillFree(taken, row)
	}
	if why.Code != berth.None {
		return nil, why
	}
	f.add(sh, row, op, pick, taken)
	f.spend(sh.group)
	return taken, berth.Reason{}
}

// stillFree returns the first device or port of a grant that is not free on a node.
func (f *Fork) stillFree(g *berth.Grant, row uint32) berth.Reason {
	n := f.s.Node(row)
	for i, share := range fit.DevicesOf(n.Node.Spec, g.Devices) {
		if i < 0 || !fit.IsFree(n.Node.Spec, i, share, n.Devices) {
			return berth.Reason{Code: berth.DeviceTaken, Subject: share.String()}
		}
	}
	for _, p := range g.Ports {
		if store.PortsMeeting(n.Ports, p) > 0 {
			return berth.Reason{Code: berth.PortTaken, Subject: p.String()}
		}
	}
	return berth.Reason{}
}

// checkTask says what is wrong with a task that is to be on a node.
func checkTask(t berth.Task) error {
	err := t.Err()
	if err == nil && t.IsDemand() {
		err = errors.New("the demand of a daemon group is not a task")
	}
	return err
}

// elsewhere says that a task is the instance of a daemon group on another node.
func elsewhere(t berth.Task, node string) error {
	if t.Group.Mode() != berth.Daemon || !strings.Contains(t.ID, "@") || t.ID == t.Group.On(node).ID {
		return nil
	}
	return fmt.Errorf("task %q: not the instance on node %q, which is %q", t.ID, node, t.Group.On(node).ID)
}

func (f *Fork) add(sh *shape, row uint32, op *berth.Op, pick store.Pick, grant *berth.Grant) {
	hash := pick.Hash()
	if !pick.Made() {
		hash = store.Hash(op.Task.ID)
	}
	extra := f.taskExtra(sh.group, grant, f.s.Node(row).Node, nil)
	f.s.AddBy(hash, op.Task.ID, store.Record{
		Group: f.ensureGroup(sh), Row: row, State: uint8(berth.Assumed), Extra: extra, Owner: f.s.Owner(op.Owner),
	})
}

// Put does a placement and returns what the task got of devices and ports. What was asked when it was picked on the fork as it
// is now is not asked again, but for the room, so that not even a wrong pick overcommits a node. The operation is not
// written to, and not told to Plan.
func (f *Fork) Put(op *berth.Op, pick store.Pick) (*berth.Grant, berth.Reason) {
	return f.Ready().place(op, pick)
}

// enough reports whether a node has free what a task of the group takes of every resource.
func (f *Fork) enough(sh *shape, row uint32) bool {
	columns := f.s.Columns(row)
	enough := len(sh.missing) == 0
	for _, need := range sh.needs {
		if int(need.Dim) < len(columns) {
			enough = enough && columns[need.Dim] >= need.Amount
		} else {
			enough = enough && f.s.FreeOf(row, need.Dim) >= need.Amount
		}
	}
	return enough
}

// short returns the first resource of which too little is free. Devices speak for the amount of their class,
// unless they have room and the amount has not: adopted tasks can take it of no device in particular.
func (f *Fork) short(sh *shape, row uint32, owner string) berth.Reason {
	n := f.s.Node(row)
	r := sh.group.Requirements()
	var has fit.Stocks
	for _, need := range sh.needs {
		room := f.s.RoomOf(row, need.Dim, sh.group.Role(), owner)
		if room >= need.Amount {
			continue
		}
		name := f.s.Dims()[need.Dim]
		switch class, ok := r.ClassOf(name); {
		case !ok:
			return f.shortOf(row, name, need.Amount, room)
		case has == nil:
			has = fit.StocksOf(r, n.Node.Spec, n.Devices, false)
			fallthrough
		default:
			if from, to := r.RequestsOf(class); has.Serve(r, from, to, n.Node.Spec, n.Devices) {
				return fit.UnitsLack(name, class, 0).Reason
			}
		}
	}
	for _, name := range sh.missing {
		if _, ok := r.ClassOf(name); !ok {
			return berth.Reason{Code: berth.TooSmall, Subject: name}
		}
	}
	return berth.Reason{}
}

// find returns the row of a node. That of a pick is the one of the node that was picked.
func (f *Fork) find(node string, pick store.Pick) (uint32, bool) {
	if pick.Made() {
		return pick.Row(), true
	}
	return f.s.FindNode(node)
}

// Adopt records a task that runs already, in an owner's name or nobody's, wherever it fits or not, in the state it is in. A share
// of a device that the node does not have, or not any more, is kept, and the node counts as overcommitted until the task is
// released. Adopt fails, and changes nothing, if the task, its owner, its node, its grant or its group is at fault, if the task is
// known, or if what the node's tasks and holds take together would not fit in an int64. No limit keeps it from what it has.
func (f *Fork) Adopt(owner string, t berth.Task, node string, grant *berth.Grant, state berth.TaskState) error {
	f = f.Ready()
	errs := []error{checkTask(t), elsewhere(t, node)}
	if err := (berth.Op{Owner: owner}).OwnerErr(); err != nil {
		errs = append(errs, fmt.Errorf("task %q: %w", t.ID, err))
	}
	row, ok := f.s.FindNode(node)
	if !ok {
		errs = append(errs, fmt.Errorf("task %q: node %q: %w", t.ID, node, berth.ErrUnknownNode))
	}
	if state > berth.Orphan || state == berth.Lost {
		errs = append(errs, fmt.Errorf("task %q: a task cannot be adopted as %v", t.ID, state))
	}
	if _, known := f.s.FindTask(t.ID); known {
		errs = append(errs, fmt.Errorf("task %q: %w", t.ID, berth.ErrTaskExists))
	}
	if err := grant.Err(); err != nil {
		errs = append(errs, fmt.Errorf("task %q: grant: %w", t.ID, err))
	}
	if ok && t.Group.Err() == nil {
		for _, need := range t.Group.Requirements().Needs {
			if taken := f.taken(row, need.Name, need.Amount); taken > math.MaxInt64-need.Amount {
				errs = append(errs, fmt.Errorf("task %q: node %q: resource %q: %d + %d: %w", t.ID, node, need.Name, taken, need.Amount, berth.ErrOverflow))
			}
		}
	}
	if ok && grant != nil && t.Group.Err() == nil {
		for name, q := range adopted(t.Group, grant) {
			if most := f.mostTaken(row, name); most > math.MaxInt64-q {
				errs = append(errs, fmt.Errorf("task %q: node %q: resource %q: %d + %d: %w", t.ID, node, name, most, q, berth.ErrOverflow))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, need := range t.Group.Requirements().Needs {
		f.s.Dim(need.Name)
	}
	sh := f.shape(t.Group)
	extra := f.taskExtra(sh.group, grant.Clone(), f.s.Node(row).Node, nil)
	f.s.Add(t.ID, store.Record{Group: f.ensureGroup(sh), Row: row, State: uint8(state), Extra: extra, Owner: f.s.Owner(owner)})
	return nil
}

// Mark changes the state of a task, and when it expires if it is [berth.Assumed]; the zero time is never. Deadlines
// are kept to the microsecond, rounded up. It moves the version only if a task begins to stop, or stops no more: on anything else no plan depends. A task on a node
// cannot be marked Lost, nor a lost one anything else.
func (f *Fork) Mark(id string, state berth.TaskState, deadline time.Time) error {
	f = f.Ready()
	slot, ok := f.s.FindTask(id)
	if !ok {
		return fmt.Errorf("task %q: %w", id, berth.ErrUnknownTask)
	}
	if lost := f.s.Record(slot).Row == store.None; state > berth.Orphan || lost != (state == berth.Lost) {
		return fmt.Errorf("task %q: %v cannot become %v", id, berth.TaskState(f.s.Record(slot).State), state)
	}
	if state != berth.Assumed {
		deadline = time.Time{}
	}
	f.s.Mark(slot, uint8(state), store.DeadlineOf(deadline))
	return nil
}
