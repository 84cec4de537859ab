package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/fit"
)

// keptRoom is the room that a plan keeps for instances of daemons that wait for more of it on their nodes, and for the first tasks of roles: what is
// placed after them does not get what becomes free there little by little. It stands in the picker as tasks that are not in the plan, with what the instance takes, as
// far as it is free. They have no labels and no rules but tolerations, for they are nobody's tasks.
type keptRoom struct {
	tasks  []berth.Task                         // of the plan
	silent map[string]bool                      // the daemons, by name, whose room is kept and that are not planned
	groups map[string]map[string][]*berth.Group // what keeps room, by the fingerprint of for what and what is lacking
	ops    map[string][]berth.Op                // by daemon
	first  string                               // what the first room of the plan is kept for: "daemon agent", "task web-1"
	ids    map[string]bool                      // of tasks that keep room for heads
	prefix string                               // of the tasks, which no ID of the plan's begins with; empty until it is looked for
}

// keeps is what the names of tasks that keep room, and of their groups, begin with.
const keeps = "room of "

// begin begins a plan of tasks, in which the room of some daemons is kept that are not planned. It returns all of them.
func (k *keptRoom) begin(tasks, silent []berth.Task) []berth.Task {
	if len(silent) == 0 {
		k.tasks = tasks
		return tasks
	}
	for _, t := range silent {
		if k.silent == nil {
			k.silent = map[string]bool{}
		}
		k.silent[t.Group.Name()] = true
	}
	k.tasks = inOrder(slices.Concat(tasks, silent))
	return k.tasks
}

// blame says that room which is kept may be why there was none.
func (k *keptRoom) blame(why *cluster.Explanation) {
	if k.first == "" || why == nil || why.Order.Code != berth.None {
		return
	}
	if slices.ContainsFunc(why.Counts, func(c cluster.ReasonCount) bool { return fit.WaitsForRoom([]berth.Lack{{Reason: c.Reason}}) }) {
		why.Order = berth.Reason{Code: berth.HeldBack, Subject: k.first}
	}
}

// instanceWaits reports whether a task that is unplaced is the instance of a daemon that waits for room alone.
func instanceWaits(u *cluster.Unplaced) bool {
	return u.Why != nil && u.Why.Mode == berth.Daemon && u.Why.Nearest != nil && u.Task.ID != "" && fit.WaitsForRoom(u.Why.Nearest.Lacks)
}

// keepSilently keeps the room for the instances that wait of a daemon whose demand is not to be planned. Those that could be placed wait for
// something else, or have been denied.
func (p *planner) keepSilently(g *berth.Group) {
	p.patience = 0
	type miss struct {
		node  string
		lacks []berth.Lack
	}
	var waiting []miss
	var placed []berth.Op
	p.picker.Cover(g, func(op berth.Op) { placed = append(placed, op) }, func(node string, lacks []berth.Lack) {
		if fit.WaitsForRoom(lacks) {
			waiting = append(waiting, miss{node, lacks})
		}
	})
	for _, op := range placed {
		p.picker.Undo(op)
	}
	for _, m := range waiting {
		p.keep(g, m.node, m.lacks)
	}
}

// keepAll keeps room for the instances that are unplaced.
func (p *planner) keepAll(unplaced []cluster.Unplaced) {
	for i := range unplaced {
		if u := &unplaced[i]; instanceWaits(u) {
			p.keep(u.Task.Group, u.Why.Nearest.Node, u.Why.Nearest.Lacks)
		}
	}
}

// giveBack ends what is kept for a daemon, which is to be planned again.
func (p *planner) giveBack(g *berth.Group) {
	for _, op := range p.kept.ops[g.Name()] {
		p.picker.Undo(op)
	}
	delete(p.kept.ops, g.Name())
}

// keep keeps what is free on a node of what an instance takes that lacks something there.
func (p *planner) keep(g *berth.Group, node string, lacks []berth.Lack) {
	k := &p.kept
	op, ok := p.keepAs(k.named()+g.Name()+", "+node, g, node, lacks)
	if !ok {
		return
	}
	if k.ops == nil {
		k.ops = map[string][]berth.Op{}
	}
	k.first = cmp.Or(k.first, "daemon "+g.Name())
	k.ops[g.Name()] = append(k.ops[g.Name()], op)
}

// keepHead keeps room for a task of which it is known why it found none: what is free of all that it takes on the node that came nearest, if room
// is all that is lacking there. It reports whether it did.
func (p *planner) keepHead(u *cluster.Unplaced) bool {
	near := u.Why.Nearest
	if near == nil || u.Task.Group.Mode() != berth.Count || !fit.WaitsForRoom(near.Lacks) {
		return false
	}
	k := &p.kept
	id := k.named() + u.Task.ID
	if k.ids[id] {
		return false
	}
	if _, ok := p.keepAs(id, u.Task.Group, near.Node, near.Lacks); !ok {
		return false
	}
	if k.ids == nil {
		k.ids = map[string]bool{}
	}
	k.ids[id] = true
	k.first = cmp.Or(k.first, "task "+u.Task.ID)
	return true
}

// named returns what the IDs of tasks that keep room begin with, and no ID of the plan's.
func (k *keptRoom) named() string {
	if k.prefix == "" {
		k.prefix = keeps
		for slices.ContainsFunc(k.tasks, func(t berth.Task) bool { return strings.HasPrefix(t.ID, k.prefix) }) {
			k.prefix = "the " + k.prefix
		}
	}
	return k.prefix
}

// keepAs keeps what is free on a node of what a task of a group takes that lacks something there, as a task of that ID.
func (p *planner) keepAs(id string, g *berth.Group, node string, lacks []berth.Lack) (berth.Op, bool) {
	if _, is := p.view.FindTask(id); is {
		return berth.Op{}, false
	}
	for _, keeper := range p.kept.keepersOf(g, lacks) {
		if op, ok := p.picker.PlaceWithin(keeper.Task(id), berth.NodeID, node); ok {
			return op, true
		}
	}
	return berth.Op{}, false
}

// keepersOf returns the groups of the tasks that may keep the room of one of a group where something is lacking, the one that keeps the most first.
func (k *keptRoom) keepersOf(g *berth.Group, lacks []berth.Lack) []*berth.Group {
	var key []byte
	for _, l := range lacks {
		key = fmt.Appendf(key, "%d %q %d ", l.Reason.Code, l.Reason.Subject, l.Short)
	}
	of := k.groups[g.Fingerprint()] // there may be several groups of one name
	if of == nil {
		if k.groups == nil {
			k.groups = map[string]map[string][]*berth.Group{}
		}
		of = map[string][]*berth.Group{}
		k.groups[g.Fingerprint()] = of
	}
	keepers, known := of[string(key)]
	if !known {
		keepers = fit.Keepers(keeps+g.Name(), g, lacks)
		of[string(key)] = keepers
	}
	return keepers
}
