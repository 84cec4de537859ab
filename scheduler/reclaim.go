package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// Reclaim says which tasks [Scheduler.Reclaim] and [Scheduler.Revoke] may propose to end. The zero value is good.
type Reclaim struct {
	// Started tells since when a task runs, for the youngest is ended first. The default takes the task with the last ID, numbers in it
	// compared as numbers, for the youngest.
	Started func(cluster.TaskView) time.Time
	// Keep tells which tasks are not to be ended. The default is none. Tasks that are stopping already are never proposed, and
	// those of daemons and gangs by Scheduler.Revoke only.
	Keep func(cluster.TaskView) bool
}

// Reclaimed is what [Scheduler.Reclaim] proposes.
type Reclaimed struct {
	// Plan ends tasks and places others on their room, in a part for each claim or gang, and places what needs no room to be made. Its Unplaced are
	// the tasks for which nothing can be reclaimed. It may be committed as it is, or be looked at and thrown away.
	Plan   *cluster.Plan
	Claims []Claim
}

// Claim is a task that gets its room from others.
type Claim struct {
	Task berth.Task
	Node string
	Role berth.Role         // in whose name: what is guaranteed to it is the reason
	Ends []cluster.TaskView // the tasks to be ended for it, youngest first
}

// String prints "search-1 on n4 for eng: ends batch-7, batch-3".
func (c Claim) String() string {
	var ends []string
	for _, t := range c.Ends {
		ends = append(ends, t.ID)
	}
	return fmt.Sprintf("%s on %s for %s: ends %s", c.Task.ID, c.Node, c.Role, strings.Join(ends, ", "))
}

// Reclaim proposes which tasks to end so that each of some that wait gets what is guaranteed to its role: what a guarantee does not use is
// lent to others, and this takes it back. It plans on a fork and changes nothing.
//
// A task has a claim if, with it, its role or a role above that still has no more than is guaranteed to it, of the resources of which
// something is guaranteed. A task that finds room without anybody's end is placed on it. For others the node is taken on which
// the fewest tasks need to end, of equals where the oldest of these is the youngest, then by ID; on a node those go that make most of the
// room which is lacking, youngest first, and of these none that is not needed in the end. That is the fewest where one resource is
// short; where several are, there may be a smaller set that this does not find. Nobody loses what is guaranteed to him: neither the role of
// a task that ends nor those above it, up to the one that it has in common with the claim, come to have less. Since a claim ends at the
// guarantee, and nobody is brought below his, whoever lost a task has no claim to it: nothing is taken back and forth. Where a limit keeps
// the task out, tasks under that limit end.
//
// Tasks are given in the order in which they are to be served, and each at most once. One that found room which a later one claims gives way: it is placed last, where there
// still is room, and is never both placed and ended. Those of a gang are served together, when the first of them is
// due, and get room for all that the gang lacks to be whole, in one part of the plan, or for none: what is guaranteed must be enough for
// those that need somebody's end. A daemon is handed in as its demand: each of its instances has its room on its own node, or is unplaced. Reclaim fails as
// [Scheduler.Plan] does.
//
// A task that finds no room takes O(groups and tasks that may end), and tries only nodes that may be best; one of a gang takes O(nodes) besides.
func (s *Scheduler) Reclaim(ctx context.Context, snapshot *cluster.Snapshot, how Reclaim, tasks ...berth.Task) (*Reclaimed, error) {
	out := &Reclaimed{Plan: &cluster.Plan{}}
	if err := s.usable(ctx); err != nil {
		return out, err
	}
	if err := checkClaims(snapshot, tasks); err != nil {
		return out, err
	}
	out.Plan.Version = snapshot.Version()
	fork := snapshot.Fork()
	done := make([]bool, len(tasks))
	for i, t := range tasks {
		if done[i] {
			continue
		}
		var err error
		switch {
		case t.IsDemand():
			err = s.reclaimDaemon(ctx, how, fork, t, out)
		case t.Group.Mode() == berth.Gang:
			var gang []berth.Task
			for k := i; k < len(tasks); k++ {
				if tasks[k].Group.Equal(t.Group) {
					gang, done[k] = append(gang, tasks[k]), true
				}
			}
			err = s.reclaimGang(ctx, how, fork, gang, out)
		default:
			err = s.reclaimOne(ctx, how, fork, t, out)
		}
		if err != nil {
			return &Reclaimed{Plan: &cluster.Plan{}}, err
		}
	}
	for _, t := range out.withdraw() {
		planned, err := s.Plan(ctx, fork.Snapshot(), t)
		if err != nil {
			return &Reclaimed{Plan: &cluster.Plan{}}, err
		}
		for _, op := range planned.Ops {
			fork.Apply(op)
		}
		out.Plan.Ops = append(out.Plan.Ops, planned.Ops...)
		out.Plan.Unplaced = append(out.Plan.Unplaced, planned.Unplaced...)
	}
	if err := ended(ctx); err != nil {
		return &Reclaimed{Plan: &cluster.Plan{}}, fmt.Errorf("scheduler: reclaim: %w", err)
	}
	return out, nil
}

func checkClaims(snapshot *cluster.Snapshot, tasks []berth.Task) error {
	var errs []error
	if snapshot == nil {
		errs = append(errs, errors.New("scheduler: reclaim: no snapshot"))
	}
	seen := map[string]bool{}
	for _, t := range tasks {
		err := t.Err()
		switch {
		case err != nil:
		case t.Group.Mode() == berth.Daemon && !t.IsDemand():
			err = fmt.Errorf("task %q: group %q is a daemon: hand in what its Everywhere returns", t.ID, t.Group.Name())
		case seen[t.String()]:
			err = fmt.Errorf("task %q: given twice", t.String())
		}
		seen[t.String()] = true
		if err != nil {
			errs = append(errs, faults.Of("scheduler: reclaim", err))
		}
	}
	return errors.Join(errs...)
}

// reclaim is the search for room for one task.
type reclaim struct {
	how     Reclaim
	fork    *cluster.Fork
	account *allocator.Account
	task    berth.Task
	role    berth.Role // of the claim
	costs   map[*berth.Group]berth.Resources
	view    *store.View // the cluster before anything is tried for the task
	lenders map[*berth.Group]bool
}

func newReclaim(how Reclaim, fork *cluster.Fork, now *cluster.Snapshot, t berth.Task) *reclaim {
	return &reclaim{
		how: how, fork: fork, account: allocator.NewAccount(now), task: t,
		costs: map[*berth.Group]berth.Resources{}, lenders: map[*berth.Group]bool{}, view: (*store.View)(now).Shown(),
	}
}

// lends reports whether a task of a group may end, as far as its role goes and as long as none has ended.
func (r *reclaim) lends(g *berth.Group) bool {
	lends, known := r.lenders[g]
	if !known {
		lends = g.Mode() == berth.Count && r.account.Spares(g.Role(), r.costOf(g), r.role)
		r.lenders[g] = lends
	}
	return lends
}

// victim is a task that may end.
type victim struct {
	cluster.TaskView
	since time.Time
	cost  berth.Resources
}

// younger orders victims, the youngest first.
func younger(a, b victim) int { return a.age().compare(b.age()) }

func (v victim) age() age { return age{v.since, v.ID} }

// reclaimSite is a node on which the task would fit if some tasks ended; or, without these, what is known of a node before it is looked at: how many
// have to end there at least, and who the oldest of so many is at best.
type reclaimSite struct {
	node   string
	count  int
	oldest age
	ends   []victim
}

// compare orders sites, the best first: where the fewest end, of equals where the oldest of these is the youngest, then by ID.
func (a *reclaimSite) compare(b *reclaimSite) int {
	return cmp.Or(cmp.Compare(a.count, b.count), a.oldest.compare(b.oldest), cmp.Compare(a.node, b.node))
}

func (a *reclaimSite) before(b *reclaimSite) bool { return a.compare(b) < 0 }

func (r *reclaim) costOf(g *berth.Group) berth.Resources {
	if c, ok := r.costs[g]; ok {
		return c
	}
	c := berth.Resources{}
	for _, n := range g.Requirements().Needs {
		c[n.Name] = plus(c[n.Name], n.Amount)
	}
	r.costs[g] = c
	return c
}

// find looks for the node on which the fewest and youngest end, ends them on the fork, and places the task.
func (r *reclaim) find() (claim Claim, op berth.Op, found bool) {
	g := r.task.Group
	if r.role, found = r.account.Claim(g.Role(), r.costOf(g)); !found {
		return claim, op, false
	}
	bounds := r.bounds()
	var sites []reclaimSite // that were looked at, the best last
	for at := 0; ; {
		if n := len(sites); n > 0 && (at == len(bounds) || sites[n-1].before(&bounds[at])) {
			if claim, op, found = r.settle(sites[n-1]); found {
				return claim, op, true
			}
			sites = sites[:n-1]
			continue
		}
		if at == len(bounds) {
			return claim, op, false
		}
		n, _ := r.fork.Node(bounds[at].node) // a view of a node is good until the fork changes, and trying changes it
		at++
		if ends, ok := r.choose(n); ok {
			site := reclaimSite{n.ID(), len(ends), slices.MaxFunc(ends, younger).age(), ends}
			i, _ := slices.BinarySearchFunc(sites, &site, func(a reclaimSite, b *reclaimSite) int { return b.compare(&a) })
			sites = slices.Insert(sites, i, site)
		}
	}
}

// settle ends what is to end on a node on the fork, and places the task. If it cannot be placed, nothing is done.
func (r *reclaim) settle(at reclaimSite) (claim Claim, op berth.Op, done bool) {
	before := r.fork.Savepoint()
	if r.end(at.ends) {
		if op, why := r.fork.Apply(berth.Op{Kind: berth.Place, Task: r.task, Node: at.node}); why.Code == berth.None {
			claim = Claim{Task: r.task, Node: at.node, Role: r.role}
			for _, v := range at.ends {
				claim.Ends = append(claim.Ends, v.TaskView)
			}
			return claim, op, true
		}
	}
	_ = r.fork.Rollback(before) // of a savepoint that was just made
	return claim, op, false
}

// end ends tasks on the fork.
func (r *reclaim) end(tasks []victim) bool {
	for _, v := range tasks {
		if _, why := r.fork.Apply(berth.Op{Kind: berth.Evict, ID: v.ID}); why.Code != berth.None {
			return false
		}
	}
	return true
}

// choose returns the tasks to end on a node so that the task fits there, youngest first.
func (r *reclaim) choose(n cluster.NodeView) ([]victim, bool) {
	short, counted := berth.Resources{}, true
	var under []berth.Role // limits that keep the task out
	for _, lack := range r.fork.Lacks(r.task.Group, n) {
		switch {
		case !lack.Reason.Code.Resolvable():
			return nil, false
		case lack.Reason.Code == berth.OverLimit:
			under = append(under, lack.Role)
			short[lack.Resource] = max(short[lack.Resource], lack.Short)
		case lack.Reason.Code == berth.Insufficient:
			short[lack.Reason.Subject] = max(short[lack.Reason.Subject], lack.Short)
		default:
			counted = false // it takes trying
		}
	}
	victims := r.victims(n, under)
	if len(victims) == 0 {
		return nil, false
	}
	ends, rest := r.cover(victims, short)
	if ends == nil && len(short) > 0 {
		return nil, false
	}
	if !counted {
		return r.try(n.ID(), ends, rest)
	}
	return ends, len(ends) > 0
}

// victims returns the tasks on a node that may end, youngest first.
func (r *reclaim) victims(n cluster.NodeView, under []berth.Role) (all []victim) {
tasks:
	for t := range n.Tasks() {
		if t.State == berth.Stopping || !r.lends(t.Group) || r.how.Keep != nil && r.how.Keep(t) {
			continue
		}
		for _, role := range under {
			if !t.Group.Role().Within(role) {
				continue tasks
			}
		}
		v := victim{TaskView: t, cost: r.costOf(t.Group)}
		if r.how.Started != nil {
			v.since = r.how.Started(t)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, younger)
	return all
}

// cover returns tasks that together have what is short, each time one that has most of what is then, the youngest of equals, but none that
// is not needed in the end; and the others. What a task has of what is short only falls as that gets less, so that the first in a heap by
// what they had when they were last asked is the one, if it is asked again and has as much.
func (r *reclaim) cover(victims []victim, short berth.Resources) (ends, rest []victim) {
	if len(short) == 0 {
		return nil, victims
	}
	account, left := r.account.Fork(), short.Clone()
	var heap worthiest
	for i, v := range victims { // youngest first
		if worth := coverage(v.cost, left, short); worth > 0 {
			heap = append(heap, worthOf{worth, i})
		}
	}
	heap.order()
	sum, taken := berth.Resources{}, make([]bool, len(victims))
	for len(left) > 0 {
		if len(heap) == 0 {
			return nil, nil
		}
		v := victims[heap[0].at]
		if worth := coverage(v.cost, left, short); worth < heap[0].worth {
			heap[0].worth = worth
			if worth == 0 {
				heap.drop()
			} else {
				heap.down(0)
			}
			continue
		}
		at := heap[0].at
		heap.drop()
		if !account.Spares(v.Group.Role(), v.cost, r.role) || account.Credit(v.Group.Role(), v.cost) != nil {
			continue // what goes already has used up what can be spared
		}
		taken[at] = true
		for name, q := range v.cost {
			sum[name] = plus(sum[name], q)
			if left[name] -= q; left[name] <= 0 {
				delete(left, name)
			}
		}
	}
	for i := len(victims) - 1; i >= 0; i-- { // the oldest may stay if the others do
		if cost := victims[i].cost; taken[i] {
			over := true
			for name, q := range short {
				over = over && sum[name]-cost[name] >= q
			}
			if over {
				taken[i] = false
				for name, q := range cost {
					sum[name] -= q
				}
			}
		}
	}
	for i, v := range victims {
		if taken[i] {
			ends = append(ends, v)
		} else {
			rest = append(rest, v)
		}
	}
	return ends, rest
}

// worthiest is a heap of victims, those first that have most of what is short, the youngest of equals.
type worthiest []worthOf

type worthOf struct {
	worth int64
	at    int // among the victims
}

func (h worthiest) before(i, j int) bool {
	return cmp.Or(cmp.Compare(h[j].worth, h[i].worth), cmp.Compare(h[i].at, h[j].at)) < 0
}

func (h worthiest) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h worthiest) down(i int) {
	for {
		c := 2*i + 1
		if c+1 < len(h) && h.before(c+1, c) {
			c++
		}
		if c >= len(h) || !h.before(c, i) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func (h *worthiest) drop() {
	last := len(*h) - 1
	(*h)[0] = (*h)[last]
	*h = (*h)[:last]
	h.down(0)
}

// coverage returns how much of what is left a task has, as parts of what was short.
func coverage(cost, left, short berth.Resources) (worth int64) {
	const whole = 1 << 20
	for name, q := range left {
		if has := min(cost[name], q); has > 0 {
			hi, lo := bits.Mul64(uint64(has), whole)
			part, _ := bits.Div64(hi, lo, uint64(short[name])) // has is not more
			worth += max(1, int64(part))
		}
	}
	return worth
}

// try ends tasks on the fork, and further ones, youngest first, until the task fits. What a device, a port or a rule among tasks needs is seen
// by trying, and so is which of them were not needed after all, of the oldest of them.
func (r *reclaim) try(node string, ends, rest []victim) ([]victim, bool) {
	before := r.fork.Savepoint()
	defer func() { _ = r.fork.Rollback(before) }()
	fits := func() bool {
		n, ok := r.fork.Node(node)
		return ok && r.fork.Fits(r.task.Group, n)
	}
	account := r.account.Fork()
	for _, v := range ends {
		_ = account.Credit(v.Group.Role(), v.cost) // as cover has done
	}
	if !r.end(ends) {
		return nil, false
	}
	for _, v := range rest {
		if fits() {
			break
		}
		if account.Spares(v.Group.Role(), v.cost, r.role) && account.Credit(v.Group.Role(), v.cost) == nil && r.end([]victim{v}) {
			ends = append(ends, v)
		}
	}
	if !fits() {
		return nil, false
	}
	slices.SortFunc(ends, younger)
	const most = 32 // each is a plan on a fork for all the others
	for i := len(ends) - 1; i >= max(0, len(ends)-most) && len(ends) > 1; i-- {
		fewer := slices.Delete(slices.Clone(ends), i, i+1)
		if r.fork.Rollback(before) != nil {
			return nil, false
		}
		if r.end(fewer) && fits() {
			ends = fewer
		}
	}
	return ends, len(ends) > 0
}
