package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Recall is room that a host wants back by a time, of whoever has it: all that runs on a node which is to be drained or maintained, or tasks that
// a scheduler.Reclaim proposes to end. One of Node and Tasks must be set, and Reason and Deadline.
type Recall struct {
	Node  string   `json:"node,omitempty"`
	Tasks []string `json:"tasks,omitempty"`
	// Reason is a few words that the frameworks are told.
	Reason string `json:"reason,omitempty"`
	// Deadline is when the room is to be back: of a maintenance window, when it begins.
	Deadline time.Time `json:"deadline"`
	// Until is when the window ends, for frameworks that would rather wait than move. The default, the zero time, is not known.
	Until time.Time `json:"until,omitzero"`
}

// Err returns every fault of the recall joined into one error, or nil.
func (r Recall) Err() error {
	var errs []error
	if (r.Node == "") == (len(r.Tasks) == 0) {
		errs = append(errs, errors.New("one of Node and Tasks is to be given"))
	}
	if strings.TrimSpace(r.Reason) == "" {
		errs = append(errs, errors.New("no reason"))
	}
	if r.Deadline.IsZero() {
		errs = append(errs, errors.New("no deadline"))
	}
	if !r.Until.IsZero() && !r.Until.After(r.Deadline) {
		errs = append(errs, errors.New("its end, Until, is not after the deadline"))
	}
	return errors.Join(errs...)
}

// Recalled is what has become of a recall.
type Recalled struct {
	ID string `json:"id"`
	Recall
	// Overdue says that the deadline has passed, and that tasks are left.
	Overdue bool `json:"overdue,omitempty"`
	// Asked are the inverse offers that stand, by the names and roles of frameworks; none once the deadline has passed.
	Asked []InverseOffer `json:"asked,omitempty"`
	// Left are all tasks that are left, in the order of their IDs, with those whose framework said nothing, or that no framework placed.
	Left []string `json:"left,omitempty"`
}

// Errors about recalls.
var (
	// ErrRecalled is wrapped where a node is recalled of which a recall stands already, or a task which another recall names.
	ErrRecalled = errors.New("it is recalled already")
	// ErrNoRecall is wrapped where a recall is named that does not exist or is over.
	ErrNoRecall = errors.New("no such recall, or it is over")
)

// Recall asks for room back: each framework that has placed tasks which it is about is made an inverse offer ([Subscription.Inverse]), in each
// of its roles, and may reply. Of a node that covers what it places there later as well, and who has placed nothing there before is
// asked then. Nothing is evicted and nothing kept from new tasks: a node that is drained is to be cordoned, and what is offered of it rescinded. An
// [Offer] of a recalled node tells its deadline. What is left when the deadline passes is the host's to end: see [Exchange.Overdue].
//
// It returns the recall's ID. A recall is over once it is withdrawn, its node is gone, or none of its tasks is left; that of a
// node not before its deadline. Recalls are not in the source: a host that starts anew recalls anew. It fails, having done nothing, with every fault
// of the recall, if the deadline has passed, if the node or a task is unknown, or is recalled already ([ErrRecalled]). O(tasks concerned).
func (x *Exchange) Recall(ctx context.Context, r Recall) (id string, err error) {
	err = x.call("recall", func() error {
		if err := r.Err(); err != nil {
			return err
		}
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		made := &recall{Recall: r, asked: map[*Subscription]*inverse{}}
		made.Tasks = slices.Clone(r.Tasks)
		if err := x.checkRecall(made); err != nil {
			return err
		}
		made.id, made.number = x.numbered(x.cfg.Prefix + "recall-")
		id = made.id
		x.recalls.add(made)
		made.alarm = x.alarms.set(alarm{at: r.Deadline, recall: made})
		x.followRecall(made)
		return nil
	})
	return id, err
}

// checkRecall finds what a recall is about. It fails with every fault that the source tells of.
func (x *Exchange) checkRecall(r *recall) error {
	var errs []error
	if !x.now.Before(r.Deadline) {
		errs = append(errs, fmt.Errorf("the deadline, %v, has passed", r.Deadline))
	}
	if r.Node != "" {
		if at, ok := x.sites.get(r.Node); !ok {
			errs = append(errs, fmt.Errorf("node %q: %w", r.Node, berth.ErrUnknownNode))
		} else if old := x.recalls.node(r.Node); old != nil {
			errs = append(errs, fmt.Errorf("node %q: %w: %s", r.Node, ErrRecalled, old.id))
		} else {
			r.at = []string{at.id}
		}
	}
	slices.SortFunc(r.Tasks, strings.Compare)
	for i, id := range r.Tasks {
		slot, ok := x.view.FindTask(id)
		switch {
		case i > 0 && id == r.Tasks[i-1]:
			errs = append(errs, fmt.Errorf("task %q: named twice", id))
		case !ok || x.view.Record(slot).Row == store.None:
			errs = append(errs, fmt.Errorf("task %q: %w", id, berth.ErrUnknownTask))
		case x.recalls.tasks[id] != nil:
			errs = append(errs, fmt.Errorf("task %q: %w: %s", id, ErrRecalled, x.recalls.tasks[id].id))
		default:
			node := x.view.Node(x.view.Record(slot).Row).Node.ID
			r.parts = append(r.parts, recalledTask{id, node, slot, x.view.Record(slot).Life(), x.view.Version().Branch})
			r.at = append(r.at, node)
		}
	}
	slices.Sort(r.at)
	r.at = slices.Compact(r.at)
	return errors.Join(errs...)
}

// Recalls returns the recalls that are not over, the earliest made first, with what the frameworks have replied.
func (x *Exchange) Recalls(ctx context.Context) ([]Recalled, error) {
	var out []Recalled
	err := x.call("recalls", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		for _, r := range x.recalls.inOrder() {
			one := Recalled{ID: r.id, Recall: r.Recall, Overdue: r.late, Left: x.left(r, nil)}
			one.Tasks = slices.Clone(r.Tasks)
			for _, s := range slices.SortedFunc(maps.Keys(r.asked), byName) {
				one.Asked = append(one.Asked, r.asked[s].show())
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// Withdraw ends a recall: its inverse offers are [Rescinded], with the reason. It fails, having done nothing, if there is no reason, or no such
// recall, or if it is over.
func (x *Exchange) Withdraw(ctx context.Context, id, reason string) error {
	return x.call("withdraw", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		var errs []error
		if strings.TrimSpace(reason) == "" {
			errs = append(errs, errors.New("no reason"))
		}
		r := x.recalls.all[id]
		if r == nil {
			errs = append(errs, fmt.Errorf("recall %q: %w", id, ErrNoRecall))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		x.endRecall(r, Ended{Rescinded, reason})
		return nil
	})
}

// Overdue returns a plan that ends what is left of the recalls whose deadline has passed: it evicts their tasks, but for those that are stopping
// already, and drops what is offered of their nodes. The plan is the host's to commit to the source, to change or to throw away.
func (x *Exchange) Overdue(ctx context.Context) (*cluster.Plan, error) {
	plan := &cluster.Plan{}
	err := x.call("overdue", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		plan.Version = x.snapshot.Version()
		evicted := map[string]bool{}
		for _, r := range x.recalls.inOrder() {
			if !r.late {
				continue
			}
			for _, id := range x.left(r, nil) {
				slot, _ := x.view.FindTask(id)
				if !evicted[id] && berth.TaskState(x.view.Record(slot).State) != berth.Stopping {
					evicted[id] = true
					plan.Evict(id, nil)
				}
			}
			if at, ok := x.sites.get(r.Node); ok {
				for _, o := range slices.SortedFunc(slices.Values(at.offers), byNumber) {
					plan.Drop(o.id)
				}
			}
		}
		return nil
	})
	return plan, err
}

// recall is a recall that is not over.
type recall struct {
	Recall
	id     string
	number uint64
	parts  []recalledTask // of one of tasks: those that were left when it was last looked at
	at     []string       // the nodes that it is about
	asked  map[*Subscription]*inverse
	late   bool   // the deadline has passed
	alarm  *alarm // that tells
}

// recalledTask is a task that is recalled by itself. It is known by its slot and which of the slot's lives it is, as long as the source is on one
// branch.
type recalledTask struct {
	id, node   string
	slot, life uint32
	branch     uint64
}

// recalls are those that are not over.
type recalls struct {
	all   map[string]*recall
	nodes map[string][]*recall // by the nodes that they are about
	tasks map[string]*recall
	open  map[string]*inverse
	seen  uint64   // of the touched rows
	left  []string // nodes that have left the source since
	anew  bool     // whose tasks are whose is not what it was
}

func (rs *recalls) add(r *recall) {
	if rs.all == nil {
		rs.all, rs.nodes = map[string]*recall{}, map[string][]*recall{}
		rs.tasks, rs.open = map[string]*recall{}, map[string]*inverse{}
	}
	rs.all[r.id] = r
	for _, node := range r.at {
		rs.nodes[node] = append(rs.nodes[node], r)
	}
	for _, t := range r.parts {
		rs.tasks[t.id] = r
	}
}

// inOrder returns the recalls, the earliest made first.
func (rs *recalls) inOrder() []*recall {
	return slices.SortedFunc(maps.Values(rs.all), func(a, b *recall) int { return cmp.Compare(a.number, b.number) })
}

// node returns the recall of a node, if it is recalled.
func (rs *recalls) node(id string) *recall {
	for _, r := range rs.nodes[id] {
		if r.Node != "" {
			return r
		}
	}
	return nil
}

// followRecalls looks again at the recalls about nodes that have changed. O(1) where nothing is recalled, and else O(nodes that changed and tasks on
// those of them that are recalled).
func (x *Exchange) followRecalls() {
	rs := &x.recalls
	if len(rs.all) > 0 {
		var news []*recall
		if rs.anew || rs.seen < x.touched.base {
			news = rs.inOrder()
		} else {
			known := map[*recall]bool{}
			note := func(node string) {
				for _, r := range rs.nodes[node] {
					if !known[r] {
						known[r] = true
						news = append(news, r)
					}
				}
			}
			for _, node := range rs.left {
				note(node)
			}
			for _, row := range x.touched.rows[rs.seen-x.touched.base:] {
				if int(row) < len(x.rows) && x.rows[row] != nil {
					note(x.rows[row].id)
				}
			}
		}
		for _, r := range news {
			x.followRecall(r)
		}
	}
	rs.seen, rs.left, rs.anew = x.touched.end(), nil, false
}

// passDeadline has a recall be overdue.
func (x *Exchange) passDeadline(r *recall) {
	x.alarms.remove(r.alarm)
	r.late = true
	x.followRecall(r)
}

// followRecall asks whom it concerns, and ends what has been met.
func (x *Exchange) followRecall(r *recall) {
	if r.Node != "" {
		if _, there := x.sites.get(r.Node); !there {
			x.endRecall(r, Ended{End: NodeGone})
			return
		}
	}
	tasks := map[*Subscription][]string{}
	left := x.left(r, tasks)
	if len(left) == 0 && (r.Node == "" || r.late) {
		x.endRecall(r, Ended{End: Met})
		return
	}
	for _, s := range slices.SortedFunc(maps.Keys(r.asked), byName) {
		if o := r.asked[s]; tasks[s] == nil {
			x.endInverse(o, Ended{End: Met})
		} else if o.tasks = tasks[s]; r.late {
			x.endInverse(o, Ended{End: Lapsed})
		}
	}
	if r.late {
		return
	}
	for _, s := range slices.SortedFunc(maps.Keys(tasks), byName) {
		if r.asked[s] == nil {
			x.ask(r, s).tasks = tasks[s]
		}
	}
}

// left returns the tasks that are left of a recall, in the order of their IDs, and notes whose they are, if that is asked.
func (x *Exchange) left(r *recall, of map[*Subscription][]string) (left []string) {
	note := func(id string, slot uint32) {
		left = append(left, id)
		if c, ok := x.claimOn(slot, x.view.Record(slot)); ok && of != nil {
			of[c.sub] = append(of[c.sub], id)
		}
	}
	if r.Node != "" {
		if at, ok := x.sites.get(r.Node); ok {
			for slot, rec := range x.view.On(at.row) {
				if rec.Group != store.Holds {
					note(rec.ID, slot)
				}
			}
		}
		slices.Sort(left)
		for _, tasks := range of {
			slices.Sort(tasks)
		}
		return left
	}
	r.parts = slices.DeleteFunc(r.parts, func(t recalledTask) bool {
		if !x.isThere(&t) {
			delete(x.recalls.tasks, t.id)
			return true
		}
		note(t.id, t.slot)
		return false
	})
	return left
}

// isThere reports whether a task that is recalled still is where it was. It finds where the source has it now.
func (x *Exchange) isThere(t *recalledTask) bool {
	if branch := x.view.Version().Branch; t.branch != branch {
		slot, ok := x.view.FindTask(t.id)
		if !ok {
			return false
		}
		t.slot, t.life, t.branch = slot, x.view.Record(slot).Life(), branch
	}
	if int(t.slot) >= x.view.Slots() {
		return false
	}
	r := x.view.Record(t.slot)
	return r.ID == t.id && r.Life() == t.life && r.Row != store.None && x.view.Node(r.Row).Node.ID == t.node
}

// endRecall ends a recall and the inverse offers of it.
func (x *Exchange) endRecall(r *recall, how Ended) {
	rs := &x.recalls
	for _, s := range slices.SortedFunc(maps.Keys(r.asked), byName) {
		x.endInverse(r.asked[s], how)
	}
	x.alarms.remove(r.alarm)
	delete(rs.all, r.id)
	for _, node := range r.at {
		if rs.nodes[node] = slices.DeleteFunc(rs.nodes[node], func(o *recall) bool { return o == r }); len(rs.nodes[node]) == 0 {
			delete(rs.nodes, node)
		}
	}
	for _, t := range r.parts {
		delete(rs.tasks, t.id)
	}
}

// unask forgets what a framework is asked whose part in a role has ended: its tasks are nobody's now.
func (x *Exchange) unask(s *Subscription) {
	for _, o := range s.inverseInOrder() {
		x.endInverse(o, Ended{End: Dropped})
	}
}
