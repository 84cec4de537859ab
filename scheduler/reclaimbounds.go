package scheduler

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// lending is what is known of the tasks on one node that may end, before any set of them is tried.
type lending struct {
	most  []int64 // of each resource that the claim needs, what the task has that has most of it
	tasks []age
}

// bounds returns the nodes with tasks that may end, the most promising first. What is said of a node is no worse than what is found there when it is
// looked at, so that the search ends with the first that is better than what is said of the next. Of each resource that is short the
// tasks with most of it are as few as can do, and the oldest of k tasks is no younger than the k-th youngest of all.
func (r *reclaim) bounds() []reclaimSite {
	v, needs := r.view, r.task.Group.Requirements().Needs
	rows := make([]*lending, v.Rows())
	for id := range v.AllGroups() {
		g := v.SpecOf(id)
		if !r.lends(g) {
			continue
		}
		cost := r.costOf(g)
		for slot := range v.Members(id) {
			rec := v.Record(slot)
			if rec.Row == store.None || berth.TaskState(rec.State) == berth.Stopping || v.Node(rec.Row).Cordoned {
				continue
			}
			one := age{id: rec.ID}
			if r.how.Keep != nil || r.how.Started != nil {
				task, _ := r.fork.Task(rec.ID)
				if r.how.Keep != nil && r.how.Keep(task) {
					continue
				}
				if r.how.Started != nil {
					one.since = r.how.Started(task)
				}
			}
			l := rows[rec.Row]
			if l == nil {
				l = &lending{most: make([]int64, len(needs))}
				rows[rec.Row] = l
			}
			for i, need := range needs {
				l.most[i] = max(l.most[i], cost[need.Name])
			}
			l.tasks = append(l.tasks, one)
		}
	}
	var all []reclaimSite
	for row, l := range rows {
		if l == nil {
			continue
		}
		if count, ok := r.least(uint32(row), l.most); ok && count <= len(l.tasks) {
			all = append(all, reclaimSite{node: v.Node(uint32(row)).Node.ID, count: count, oldest: nthYoungest(l.tasks, count)})
		}
	}
	slices.SortFunc(all, func(a, b reclaimSite) int { return a.compare(&b) })
	return all
}

// least returns how many tasks have to end on a node at least; false if no number of them makes the room.
func (r *reclaim) least(row uint32, most []int64) (int, bool) {
	count := int64(1)
	for i, need := range r.task.Group.Requirements().Needs {
		d, ok := r.view.DimOf(need.Name)
		if !ok {
			continue
		}
		short := need.Amount - r.view.FreeOf(row, d)
		if short <= 0 {
			continue
		}
		if most[i] == 0 {
			return 0, false
		}
		count = max(count, (short-1)/most[i]+1)
	}
	return int(min(count, math.MaxInt32)), true
}

// nthYoungest returns the n-th youngest of some tasks, or one younger: where n is large, the youngest.
func nthYoungest(tasks []age, n int) age {
	const few = 16
	if n > few {
		n = 1
	}
	first := make([]age, 0, n+1) // the youngest of those looked at, the youngest first
	for _, t := range tasks {
		if len(first) == n && first[n-1].compare(t) <= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(first, t, age.compare)
		first = slices.Insert(first, i, t)
		first = first[:min(len(first), n)]
	}
	return first[len(first)-1]
}
