package scheduler_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// BenchmarkFloor is the yardstick of BenchmarkSchedule: for the same tasks on the same nodes, a tight loop over the
// dense columns that the decisions need, free and capacity of each resource by node, with the fractions that do
// not depend on the task kept beside them. It is what a search of all nodes costs without words, names, commits,
// and whatever else a program would want. It makes the same choices and gives the same counts of reasons, which is
// checked before the clock runs. A group that has failed is not tried again, as in a plan.
//
// Two cases that differ from binpack only in how they are asked for have no floor of their own, single and churn,
// and neither has openb. A run is 10,000 tasks, and 1,000 on 100,000 nodes: the loop costs the same for each.
func BenchmarkFloor(b *testing.B) {
	for _, n := range benchNodes() {
		for _, fill := range benchFills {
			for _, loop := range []struct {
				name string
				run  func(f *floor, tasks []floorTask)
			}{
				{"binpack", func(f *floor, tasks []floorTask) { f.each(tasks, f.fullest) }},
				{"spread", func(f *floor, tasks []floorTask) { f.each(tasks, f.sparsest) }},
				{"constrained", func(f *floor, tasks []floorTask) { f.each(tasks, f.fullestLabelled) }},
				{"daemon", (*floor).cover},
				{"distinct", func(f *floor, tasks []floorTask) { f.each(tasks, f.fullest) }},
				{"full", func(f *floor, tasks []floorTask) { f.each(tasks, f.fullest) }},
				{"full-distinct", func(f *floor, tasks []floorTask) { f.each(tasks, f.fullest) }},
			} {
				b.Run(benchName(loop.name, n, fill), func(b *testing.B) {
					on := clusterOf(b, n, fill)
					c := benchCaseOf(loop.name)
					tasks := c.tasks(on.workload, min(runTasks, 100_000_000/n))
					snapshot, err := on.state.Snapshot(b.Context())
					require.NoError(b, err)
					f, dense := newFloor(on.nodes, snapshot), denseTasks(tasks)
					// The floor takes the first of equal nodes in the order of IDs.
					s, err := scheduler.New(on.state, scheduler.Config{Strategy: c.strategy.TiesByID()})
					require.NoError(b, err)
					plan, err := s.Plan(b.Context(), snapshot, tasks...)
					require.NoError(b, err)
					loop.run(f, dense)
					f.check(b, plan)

					b.ReportAllocs()
					for b.Loop() {
						b.StopTimer()
						f.reset()
						b.StartTimer()
						loop.run(f, dense)
					}
					b.ReportMetric(float64(len(f.chosen)*b.N)/b.Elapsed().Seconds(), "decisions/s")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// floor is the columns, by node in the order of IDs, which is that of the nodes.
type floor struct {
	nodes                     []berth.Node
	cpu, memory               []int64 // capacity
	cpuFree, memoryFree, used []int64 // used is the mean of the fractions in use
	class                     []uint8 // of nodes with equal capacity
	zone                      []uint8
	labelled                  []bool
	group, members            []int32 // the group that was last put on the node, and how many of its tasks

	sizes   [][2]int64 // capacity of each class
	initial [2][]int64 // free amounts to begin with

	chosen []int32 // for each decision a node, or none
	why    reasons // of all groups that failed, and of all instances of daemons
}

const none = -1

// floorTask is what the loops know of a task.
type floorTask struct {
	cpu, memory int64
	group       int32 // from 1 on
	picky       bool  // wants the label, and nodes without the group's tasks
}

// reasons counts nodes.
type reasons struct{ cpu, memory, label, occupied int }

func denseTasks(tasks []berth.Task) (dense []floorTask) {
	group := int32(0)
	for i, t := range tasks {
		if i == 0 || t.Group != tasks[i-1].Group {
			group++
		}
		cost := t.Group.Cost()
		dense = append(dense, floorTask{cost["cpu"], cost["memory"], group, len(t.Group.Spec().Rules) > 0})
	}
	return dense
}

func newFloor(nodes []berth.Node, snapshot *cluster.Snapshot) *floor {
	n := len(nodes)
	f := &floor{nodes: nodes, cpuFree: make([]int64, n), memoryFree: make([]int64, n), used: make([]int64, n), group: make([]int32, n), members: make([]int32, n)}
	for v := range snapshot.Nodes() {
		free, i := v.Free(), len(f.cpu)
		size := [2]int64{nodes[i].Capacity["cpu"], nodes[i].Capacity["memory"]}
		class := slices.Index(f.sizes, size)
		if class < 0 {
			class = len(f.sizes)
			f.sizes = append(f.sizes, size)
		}
		f.cpu, f.memory, f.class = append(f.cpu, size[0]), append(f.memory, size[1]), append(f.class, uint8(class))
		f.zone = append(f.zone, uint8(i%3))
		f.labelled = append(f.labelled, nodes[i].Attributes["disk"] == "ssd")
		f.initial[0], f.initial[1] = append(f.initial[0], free["cpu"]), append(f.initial[1], free["memory"])
	}
	f.reset()
	return f
}

func (f *floor) reset() {
	copy(f.cpuFree, f.initial[0])
	copy(f.memoryFree, f.initial[1])
	for i := range f.used {
		f.rate(i)
	}
	clear(f.group)
	f.chosen, f.why = f.chosen[:0], reasons{}
}

// rate brings the fraction in use of a node up to date.
func (f *floor) rate(i int) {
	f.used[i] = ((f.cpu[i]-f.cpuFree[i])*placement.Resolution/f.cpu[i] +
		(f.memory[i]-f.memoryFree[i])*placement.Resolution/f.memory[i]) / 2
}

func (f *floor) take(i int, t floorTask) {
	f.cpuFree[i] -= t.cpu
	f.memoryFree[i] -= t.memory
	f.rate(i)
	if f.group[i] != t.group {
		f.group[i], f.members[i] = t.group, 0
	}
	f.members[i]++
}

// terms are the fractions that a task takes, by class; eight, so that a masked index needs no check.
func (f *floor) terms(t floorTask) (terms [8]int64) {
	for i, size := range f.sizes {
		terms[i] = (t.cpu*placement.Resolution/size[0] + t.memory*placement.Resolution/size[1]) / 2
	}
	return terms
}

// each places tasks one after another where best says.
func (f *floor) each(tasks []floorTask, best func(floorTask) int) {
	failed := int32(0)
	for _, t := range tasks {
		i := none
		if t.group != failed {
			if i = best(t); i >= 0 {
				f.take(i, t)
			} else {
				failed = t.group
				f.explain(t)
			}
		}
		f.chosen = append(f.chosen, int32(i))
	}
}

// fullest returns the node that BinPack prefers.
func (f *floor) fullest(t floorTask) int {
	terms := f.terms(t)
	best, most := none, int64(-1)
	for i, used := range f.used {
		if score := used + terms[f.class[i]&7]; score > most && f.cpuFree[i] >= t.cpu && f.memoryFree[i] >= t.memory {
			best, most = i, score
		}
	}
	return best
}

// fullestLabelled returns the node that BinPack prefers of those that have the label and no task of the group.
func (f *floor) fullestLabelled(t floorTask) int {
	terms := f.terms(t)
	best, most := none, int64(-1)
	for i, labelled := range f.labelled {
		if !labelled || f.group[i] == t.group {
			continue
		}
		if score := f.used[i] + terms[f.class[i]&7]; score > most && f.cpuFree[i] >= t.cpu && f.memoryFree[i] >= t.memory {
			best, most = i, score
		}
	}
	return best
}

// sparsest returns the node that Spread prefers: fewest of the group's tasks in its zone, then on itself, then the
// least in use. A pass over the nodes counts the zones.
func (f *floor) sparsest(t floorTask) int {
	var zones [4]int64
	for i, group := range f.group {
		if group == t.group {
			zones[f.zone[i]&3] += int64(f.members[i])
		}
	}
	terms := f.terms(t)
	best, least := none, int64(math.MaxInt64)
	for i, used := range f.used {
		score := zones[f.zone[i]&3]<<42 + used + terms[f.class[i]&7]
		if f.group[i] == t.group {
			score += int64(f.members[i]) << 21
		}
		if score < least && f.cpuFree[i] >= t.cpu && f.memoryFree[i] >= t.memory {
			best, least = i, score
		}
	}
	return best
}

// cover places each daemon on every node with room.
func (f *floor) cover(daemons []floorTask) {
	for _, t := range daemons {
		for i, free := range f.cpuFree {
			at := int32(none)
			if free >= t.cpu && f.memoryFree[i] >= t.memory {
				f.take(i, t)
				at = int32(i)
			} else {
				f.miss(i, t)
			}
			f.chosen = append(f.chosen, at)
		}
	}
}

// explain counts the nodes by each reason why they cannot take a task.
func (f *floor) explain(t floorTask) {
	for i := range f.cpuFree {
		f.miss(i, t)
	}
}

// miss counts a node under each reason why it cannot take a task.
func (f *floor) miss(i int, t floorTask) {
	if f.cpuFree[i] < t.cpu {
		f.why.cpu++
	}
	if f.memoryFree[i] < t.memory {
		f.why.memory++
	}
	if t.picky && !f.labelled[i] {
		f.why.label++
	}
	if t.picky && f.group[i] == t.group {
		f.why.occupied++
	}
}

// check holds the choices and counts against those of a plan.
func (f *floor) check(b *testing.B, plan *cluster.Plan) {
	var got, want []string
	for _, i := range f.chosen {
		if i >= 0 {
			got = append(got, f.nodes[i].ID)
		}
	}
	for _, op := range plan.Ops {
		want = append(want, op.Node)
	}
	require.Equal(b, want, got)
	require.Len(b, f.chosen, len(plan.Ops)+len(plan.Unplaced))
	var why reasons
	var last *cluster.Explanation
	for _, u := range plan.Unplaced {
		if u.Why == last {
			continue // the tasks of a group share it
		}
		last = u.Why
		for _, c := range u.Why.Counts {
			// The floor does not tell what a node could never give from what is taken.
			short := c.Reason.Code == berth.Insufficient || c.Reason.Code == berth.TooSmall
			switch {
			case short && c.Reason.Subject == "cpu":
				why.cpu += c.Nodes
			case short && c.Reason.Subject == "memory":
				why.memory += c.Nodes
			case c.Reason.Code == berth.RuleBroken:
				why.label += c.Nodes
			case c.Reason.Code == berth.DomainFull:
				why.occupied += c.Nodes
			}
		}
	}
	require.Equal(b, why, f.why)
}
