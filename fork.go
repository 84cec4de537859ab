package berth

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/berth-sched/berth/internal/store"
)

// Fork is a cluster that can be changed, by one goroutine: a what-if, or the truth behind a State. It
// checks what it is told to do, so that nothing done to it creates an overcommitment or breaks a rule.
// The zero Fork is an empty cluster, as that of [NewFork].
type Fork struct {
	s       *store.Store
	lineage *lineage
	base    Version
	journal bool // whether ops records what was applied
	ops     []Op

	shapes [4]shape // of groups that were asked about last
	oldest int      // of shapes
	areas  map[string]*area
	nodes  uint64 // how often the set of nodes or their descriptions changed
}

// shape is what a group's requests are in terms of one store.
type shape struct {
	group   *Group
	dims    int // how many dimensions there were
	id      uint32
	known   bool
	needs   []store.Need
	missing []need // needs of resources that no node ever had
	keys    []uint32
}

// area is the nodes that are eligible for a group, by domain.
type area struct {
	at     uint64 // the fork's nodes when it was made
	values map[uint32]int
}

// NewFork returns a cluster without nodes, the beginning of a lineage of its own.
func NewFork() *Fork {
	return new(Fork).ready()
}

// ready returns f with what a zero Fork lacks.
func (f *Fork) ready() *Fork {
	if f.s == nil {
		f.s = store.New()
	}
	if f.lineage == nil { // also of a fork of the zero Snapshot
		f.lineage = new(lineage)
		f.base = f.Version()
	}
	return f
}

// Snapshot returns the cluster as it is now.
func (f *Fork) Snapshot() *Snapshot {
	return &Snapshot{view: f.ready().s.Snapshot(), lineage: f.lineage}
}

// present returns the cluster as it is now, to be read by the fork's own goroutine and until the fork next
// changes. Unlike a Snapshot, for which every page that is written afterwards is copied first, it costs nothing.
func (f *Fork) present() *Snapshot {
	f.ready().s.Sorted()
	return &Snapshot{view: &f.s.View, lineage: f.lineage, present: f.s}
}

// Version says which state the fork is in.
func (f *Fork) Version() Version {
	f.ready()
	return Version{f.lineage, f.s.Branch(), f.s.Seq()}
}

// Plan returns what was applied since the fork was made of a snapshot, as a plan for the source the
// snapshot came from. Operations on nodes that only the fork has will be refused there.
func (f *Fork) Plan() *Plan { return &Plan{Version: f.ready().base, Ops: slices.Clone(f.ops)} }

// Len returns the number of nodes.
func (f *Fork) Len() int { return f.ready().s.Nodes() }

// Nodes yields the nodes in the order of their IDs. The fork may change meanwhile; nodes that come or
// go may then be missed or seen.
func (f *Fork) Nodes() iter.Seq[NodeView] { return nodesOf(&f.ready().s.View, f.s.Sorted()) }

// Node returns the node of that ID.
func (f *Fork) Node(id string) (NodeView, bool) {
	return nodeOf(&f.ready().s.View, id)
}

// Task returns the task of that ID.
func (f *Fork) Task(id string) (TaskView, bool) { return taskOf(&f.ready().s.View, id) }

// Group yields the tasks of the group of that name, the earliest placed first, as they were when the
// walk began.
func (f *Fork) Group(name string) iter.Seq[TaskView] {
	return settled(groupOf(&f.ready().s.View, name))
}

// Hold returns the hold of that ID.
func (f *Fork) Hold(id string) (Hold, bool) {
	slot, ok := f.ready().s.FindHold(id)
	if !ok {
		return Hold{}, false
	}
	return holdView(&f.s.View, slot), true
}

// Holds yields the holds, the earliest made first, as they were when the walk began.
func (f *Fork) Holds() iter.Seq[Hold] { return settled(holdsOf(&f.ready().s.View)) }

// AddNodes adds nodes that were not there. It adds all of them or, with every fault of every one, none.
func (f *Fork) AddNodes(nodes ...Node) error {
	f.ready()
	var errs []error
	seen := make(map[string]bool, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		if err := n.Err(); err != nil {
			errs = append(errs, err)
		}
		if _, ok := f.s.FindNode(n.ID); ok || seen[n.ID] {
			errs = append(errs, fmt.Errorf("node %q: %w", n.ID, ErrNodeExists))
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

// Errors about what is or is not there.
var (
	// ErrNodeExists is wrapped where a node is added whose ID is taken.
	ErrNodeExists = errors.New("a node of that ID exists")
	// ErrTaskExists is wrapped where a task is adopted or submitted whose ID is known.
	ErrTaskExists = errors.New("a task of that ID exists")
	// ErrUnknownNode is wrapped where a node is named that does not exist.
	ErrUnknownNode = errors.New("unknown node")
	// ErrUnknownTask is wrapped where a task is named that does not exist.
	ErrUnknownTask = errors.New("unknown task")
	// ErrUnknownHold is wrapped where a hold is named that does not exist or has ended.
	ErrUnknownHold = errors.New("unknown hold")
)

// UpdateNodes replaces the descriptions of nodes. Their tasks stay, even where the node no longer has
// room for them or breaks a rule of theirs: that is for the host to heal. It updates all of them or,
// with every fault of every one, none.
func (f *Fork) UpdateNodes(nodes ...Node) error {
	f.ready()
	var errs []error
	for i := range nodes {
		n := &nodes[i]
		if err := n.Err(); err != nil {
			errs = append(errs, err)
		}
		if _, ok := f.s.FindNode(n.ID); !ok {
			errs = append(errs, fmt.Errorf("node %q: %w", n.ID, ErrUnknownNode))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range nodes {
		row, _ := f.s.FindNode(nodes[i].ID)
		f.s.SetNode(row, f.compileNode(&nodes[i]))
	}
	f.nodes++
	return nil
}

// RemoveNodes removes nodes. Their tasks become [Lost] and their holds end. It removes all of them or,
// naming each that is unknown, none.
func (f *Fork) RemoveNodes(ids ...string) error {
	rows, err := f.rows(ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if f.s.Node(row).Node == nil {
			continue // named twice
		}
		for slot, r := range f.s.On(row) { // walks the list as it was
			if r.Group == store.Holds {
				f.s.Remove(slot)
				continue
			}
			f.s.Unsettle(slot)
			f.s.Mark(slot, uint8(Lost), 0)
		}
		f.s.RemoveNode(row)
	}
	f.nodes++
	return nil
}

// Drain makes nodes take no new task, or, with drain false, take them again. It does so to all of them
// or, naming each that is unknown, to none. Moving the tasks away is the host's to do.
func (f *Fork) Drain(drain bool, ids ...string) error {
	rows, err := f.rows(ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		f.s.SetDrained(row, drain)
	}
	f.nodes++
	return nil
}

func (f *Fork) rows(ids []string) ([]uint32, error) {
	f.ready()
	var errs []error
	rows := make([]uint32, 0, len(ids))
	for _, id := range ids {
		row, ok := f.s.FindNode(id)
		if !ok {
			errs = append(errs, fmt.Errorf("node %q: %w", id, ErrUnknownNode))
		}
		rows = append(rows, row)
	}
	return rows, errors.Join(errs...)
}

func (f *Fork) compileNode(n *Node) *store.Node {
	n = n.clone()
	capacity := n.Capacity.Clone()
	devices := make([]int64, len(n.Devices))
	for i, d := range n.Devices {
		capacity[d.Class] += DeviceUnits
		devices[i] = DeviceUnits
	}
	out := &store.Node{ID: n.ID, Payload: n, Devices: devices}
	for name := range capacity.All() {
		f.s.Dim(name)
	}
	out.Capacity = make([]int64, len(f.s.Dims()))
	for name, q := range capacity {
		out.Capacity[f.s.Dim(name)] = q
	}
	in := f.s.Attrs()
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		v, _ := n.Attribute(name)
		out.Attrs = append(out.Attrs, store.Attr{Key: in.ID(name), Value: in.ID(v.internKey())})
	}
	slices.SortFunc(out.Attrs, func(a, b store.Attr) int { return int(int64(a.Key) - int64(b.Key)) })
	var classes []string
	for _, d := range n.Devices {
		if !slices.Contains(classes, d.Class) {
			classes = append(classes, d.Class)
		}
	}
	out.Class = store.ClassOf(n.class())
	f.s.Catalog().Note(out.Attrs, classes)
	return out
}

// shape returns what a group is in terms of the fork's store. It is good for a few more calls.
func (f *Fork) shape(g *Group) *shape {
	i := slices.IndexFunc(f.shapes[:], func(sh shape) bool { return sh.group == g })
	if i < 0 {
		i, f.oldest = f.oldest, (f.oldest+1)%len(f.shapes)
		f.shapes[i] = shape{group: g, dims: -1}
	}
	sh := &f.shapes[i]
	if !sh.known || f.s.Group(sh.id).Payload != any(g) {
		if sh.id, sh.known = f.s.FindGroup(g.name); sh.known {
			if known := f.s.Group(sh.id); known.Payload == any(g) {
				sh.needs, sh.keys, sh.missing, sh.dims = known.Request, known.Keys, nil, len(f.s.Dims())
				return sh
			}
		}
	}
	if n := len(f.s.Dims()); sh.dims != n && (sh.dims < 0 || len(sh.missing) > 0) {
		sh.needs, sh.missing = make([]store.Need, 0, len(g.needs)), nil
		for _, need := range g.needs {
			if d, ok := f.s.DimOf(need.name); ok {
				sh.needs = append(sh.needs, store.Need{Dim: d, Amount: need.amount})
			} else {
				sh.missing = append(sh.missing, need)
			}
		}
		if sh.keys == nil {
			for _, k := range g.keys {
				sh.keys = append(sh.keys, f.s.Attrs().ID(k))
			}
			slices.Sort(sh.keys)
		}
		sh.dims = n
	}
	return sh
}

// ensureGroup returns the number of a group, adding it if it is new.
func (f *Fork) ensureGroup(sh *shape) uint32 {
	if !sh.known {
		sh.id = f.s.AddGroup(store.Group{Name: sh.group.name, Payload: sh.group, Request: sh.needs, Keys: sh.keys})
		sh.known = true
	}
	return sh.id
}

// differs reports whether the group's name is taken by a group with another spec.
func (f *Fork) differs(sh *shape) bool {
	return sh.known && !f.s.Group(sh.id).Payload.(*Group).Equal(sh.group)
}

// Apply does one operation if it can be done, and returns it with its grant filled in and no reason;
// else it returns the first reason why not and changes nothing.
func (f *Fork) Apply(op Op) (Op, Reason) {
	f.ready()
	var why Reason
	switch op.Kind {
	case Place:
		op, why = f.place(op)
	case Take:
		why = f.take(op.Hold)
	case Drop:
		slot, ok := f.s.FindHold(op.ID)
		if !ok {
			return op, Reason{UnknownHold, op.ID}
		}
		f.s.Remove(slot)
	case Release:
		slot, ok := f.s.FindTask(op.ID)
		if !ok {
			return op, Reason{UnknownTask, op.ID}
		}
		f.s.Remove(slot)
	case Evict:
		why = f.evict(op)
	default:
		why = Reason{Invalid, op.Kind.String()}
	}
	if why.Code == None && f.journal {
		kept := op
		if op.Hold != nil {
			kept.Hold = op.Hold.clone()
		}
		f.ops = append(f.ops, kept)
	}
	return op, why
}

func (f *Fork) place(op Op) (Op, Reason) {
	if err := op.Task.Err(); err != nil {
		return op, Reason{Invalid, err.Error()}
	}
	if op.Task.ID == "" {
		return op, Reason{Invalid, "the demand of a daemon group is not a task"}
	}
	if slot, ok := f.s.FindTask(op.Task.ID); ok {
		at := "lost"
		if r := f.s.Record(slot); r.Row != store.None {
			at = "on " + f.s.Node(r.Row).Node.ID
		}
		return op, Reason{TaskExists, at}
	}
	row, ok := f.find(op.Row, op.Node)
	if !ok {
		return op, Reason{UnknownNode, op.Node}
	}
	op.Row = row
	sh := f.shape(op.Task.Group)
	if f.differs(sh) {
		return op, Reason{GroupDiffers, sh.group.name}
	}
	if why := f.allowed(sh, row); why.Code != None {
		return op, why
	}
	var draw []draft
	if op.From != "" {
		var why Reason
		if draw, op.Grant, why = f.draw(sh, row, op.From, op.Grant); why.Code != None {
			return op, why
		}
	} else {
		if why := f.short(sh, row); why.Code != None {
			return op, why
		}
		if sh.group.grants() {
			var why Reason
			if op.Grant, why = f.grant(sh.group, row, op.Grant, f.s.Node(row).Devices, f.unusedOn(row)); why.Code != None {
				return op, why
			}
		} else {
			op.Grant = nil
		}
	}
	for _, d := range draw {
		f.shrink(d)
	}
	f.add(sh, row, op.Task.ID, op.Grant)
	return op, Reason{}
}

func (f *Fork) add(sh *shape, row uint32, task string, grant *Grant) {
	f.s.Add(task, store.Record{Group: f.ensureGroup(sh), Row: row, State: uint8(Assumed), Extra: extraOf(grant)})
}

// placePicked does a placement that a picker found possible on the fork as it is now, with the row and the grant that it
// picked. What it has just asked is not asked again, but for the room: not even a wrong pick overcommits a node.
func (f *Fork) placePicked(op *Op) Reason {
	row := op.Row
	sh := f.shape(op.Task.Group)
	if sh.group.grants() && op.Grant == nil {
		_, why := f.Apply(*op)
		return why
	}
	if why := f.short(sh, row); why.Code != None {
		return why
	}
	if op.Grant != nil {
		n := f.s.Node(row)
		for _, d := range op.Grant.Devices {
			if n.Devices[d.Index] < d.Units {
				return Reason{NoDevice, n.Node.Payload.(*Node).Devices[d.Index].Class}
			}
		}
		for _, p := range op.Grant.Ports {
			if _, taken := slices.BinarySearch(n.Ports, p); taken {
				return Reason{NoPort, PortRange{p, p}.String()}
			}
		}
	}
	f.add(sh, row, op.Task.ID, op.Grant)
	return Reason{}
}

// short returns the first resource of which too little is free. Devices speak for their own scalar,
// unless they have room and the scalar has not: others can take it without a device.
func (f *Fork) short(sh *shape, row uint32) Reason {
	free, n := f.s.Free(row), f.s.Node(row)
	for _, need := range sh.needs {
		if free[need.Dim] >= need.Amount {
			continue
		}
		name := f.s.Dims()[need.Dim]
		if i := sh.group.deviceRequest(name); i < 0 || sh.group.spec.Devices[i].Fits(n.Node.Payload.(*Node), n.Devices) {
			return Reason{Insufficient, name}
		}
	}
	for _, need := range sh.missing {
		if sh.group.deviceRequest(need.name) < 0 {
			return Reason{Insufficient, need.name}
		}
	}
	return Reason{}
}

// find returns the row of a node, trying the hint first.
func (f *Fork) find(hint uint32, id string) (uint32, bool) {
	if int(hint) < f.s.Rows() {
		if n := f.s.Node(hint).Node; n != nil && n.ID == id {
			return hint, true
		}
	}
	return f.s.FindNode(id)
}

func extraOf(g *Grant) *store.Extra {
	if g == nil {
		return nil
	}
	x := &store.Extra{Payload: g, Ports: slices.Sorted(slices.Values(g.Ports))}
	for _, d := range g.Devices {
		x.Devices = append(x.Devices, store.DeviceShare(d))
	}
	return x
}

func (f *Fork) evict(op Op) Reason {
	slot, ok := f.s.FindTask(op.ID)
	if !ok {
		return Reason{UnknownTask, op.ID}
	}
	if op.Hold == nil {
		f.s.Remove(slot)
		return Reason{}
	}
	if why := f.holdable(op.Hold); why.Code != None {
		return why
	}
	// The hold must fit once the task is gone, and nothing may change if it does not.
	trial := &Fork{s: f.s.Snapshot().Fork(), lineage: f.lineage}
	trial.s.Unsettle(slot)
	if why := trial.take(op.Hold); why.Code != None {
		return why
	}
	f.s.Remove(slot)
	return f.take(op.Hold)
}

// Adopt records a task that runs already, wherever it fits or not, in the state it is in. It fails, and
// changes nothing, if the task, its node, its grant or its group is at fault, if the task is known, or
// if what the node's tasks and holds take together would not fit in an int64.
func (f *Fork) Adopt(t Task, node string, grant *Grant, state TaskState) error {
	f.ready()
	errs := []error{t.Err()}
	if t.ID == "" && errs[0] == nil {
		errs = append(errs, errors.New("the demand of a daemon group is not a task"))
	}
	row, ok := f.s.FindNode(node)
	if !ok {
		errs = append(errs, fmt.Errorf("task %q: node %q: %w", t.ID, node, ErrUnknownNode))
	}
	if state > Orphan || state == Lost {
		errs = append(errs, fmt.Errorf("task %q: a task cannot be adopted as %v", t.ID, state))
	}
	if _, known := f.s.FindTask(t.ID); known {
		errs = append(errs, fmt.Errorf("task %q: %w", t.ID, ErrTaskExists))
	}
	if ok && grant != nil {
		n := f.s.Node(row).Node.Payload.(*Node)
		for _, d := range grant.Devices {
			if d.Index < 0 || d.Index >= len(n.Devices) || d.Units <= 0 || d.Units > DeviceUnits {
				errs = append(errs, fmt.Errorf("task %q: %d units of device %d: no such share on node %q", t.ID, d.Units, d.Index, node))
			}
		}
	}
	if ok && t.Group.Err() == nil {
		for _, need := range t.Group.needs {
			if _, err := AddQuantity(f.taken(row, need.name), need.amount); err != nil {
				errs = append(errs, fmt.Errorf("task %q: node %q: resource %q: %w", t.ID, node, need.name, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, need := range t.Group.needs {
		f.s.Dim(need.name)
	}
	sh := f.shape(t.Group)
	if f.differs(sh) {
		return fmt.Errorf("task %q: %w", t.ID, Reason{GroupDiffers, t.Group.name})
	}
	f.s.Add(t.ID, store.Record{Group: f.ensureGroup(sh), Row: row, State: uint8(state), Extra: extraOf(cloneGrant(grant))})
	return nil
}

// taken returns how much of a resource the tasks and holds on a node take. It never exceeds an int64:
// Adopt sees to that, and nothing else takes more than is free. So no change of capacity can make a
// free amount wrap.
func (f *Fork) taken(row uint32, name string) int64 {
	d, ok := f.s.DimOf(name)
	if !ok {
		return 0
	}
	taken := -f.s.Free(row)[d]
	if capacity := f.s.Node(row).Node.Capacity; int(d) < len(capacity) {
		taken += capacity[d]
	}
	return taken
}

func cloneGrant(g *Grant) *Grant {
	if g == nil {
		return nil
	}
	return &Grant{Devices: slices.Clone(g.Devices), Ports: slices.Clone(g.Ports)}
}

// Mark changes the state of a task, and when it expires if it is [Assumed]; a deadline of 0 is never,
// another is in Unix nanoseconds. It does not move the version: no plan depends on it. A task on a node
// cannot be marked Lost, nor a lost one anything else.
func (f *Fork) Mark(id string, state TaskState, deadline int64) error {
	slot, ok := f.ready().s.FindTask(id)
	if !ok {
		return fmt.Errorf("task %q: %w", id, ErrUnknownTask)
	}
	if lost := f.s.Record(slot).Row == store.None; state > Orphan || lost != (state == Lost) {
		return fmt.Errorf("task %q: %v cannot become %v", id, TaskState(f.s.Record(slot).State), state)
	}
	if state != Assumed {
		deadline = 0
	}
	f.s.Mark(slot, uint8(state), deadline)
	return nil
}
