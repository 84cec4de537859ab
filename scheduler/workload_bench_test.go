package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// The workload of the benchmarks, seeded. Node i has 16 cores and 64 GiB, 32 and 128, or 64 and 256, by a
// draw; its zone is i mod 3, its rack i mod n/40, and one in ten has an SSD. Tasks come in groups of
// 50 alike, of {0.25, 0.5, 1, 2, 4, 8} cores and {0.5, 1, 2, 4, 8, 16, 32} GiB, each size twice as likely
// as the next. A run is 10,000 tasks. The nodes are filled beforehand, with tasks of the same mix, until
// the stated part of each node's cores is taken, give or take a tenth of the node; what no longer fits is left out.
type workload struct {
	rng    *rand.Rand
	nodes  []berth.Node
	groups int
	trace  []berth.Task // of openb: what is to be placed, in its order; the rest of the workload is drawn
}

const (
	runTasks  = 10_000
	groupSize = 50
)

func newWorkload(n int) *workload {
	w := &workload{rng: rand.New(rand.NewPCG(1, uint64(n)))}
	for i := range n {
		size := int64(1) << w.rng.IntN(3)
		disk := "hdd"
		if i%10 == 0 {
			disk = "ssd"
		}
		w.nodes = append(w.nodes, berth.Node{
			ID:       fmt.Sprintf("node-%06d", i),
			Capacity: berth.Resources{"cpu": 16000 * size, "memory": 64 << 30 * size},
			Attributes: berth.Attributes{
				"zone": "z" + strconv.Itoa(i%3),
				"rack": "r" + strconv.Itoa(i%max(n/40, 1)),
				"disk": disk,
			},
		})
	}
	return w
}

// halving returns i of 0 to n-1, each twice as likely as the next.
func (w *workload) halving(n int) int {
	x := w.rng.IntN(1<<n - 1)
	for i := range n {
		if x < 1<<(n-1-i) {
			return i
		}
		x -= 1 << (n - 1 - i)
	}
	return n - 1
}

func (w *workload) size() berth.Resources {
	return berth.Resources{"cpu": 250 << w.halving(6), "memory": 512 << 20 << w.halving(7)}
}

func (w *workload) group(spec berth.GroupSpec) *berth.Group {
	w.groups++
	return berth.NewGroup("g"+strconv.Itoa(w.groups), spec)
}

// tasks returns n tasks in groups of 50 of random sizes, each of so many cores more than was drawn.
func (w *workload) tasks(n int, more int64, rules ...berth.Constraint) []berth.Task {
	var tasks []berth.Task
	for len(tasks) < n {
		r := w.size()
		r["cpu"] += more
		g := w.group(berth.GroupSpec{Request: r, Rules: rules})
		tasks = append(tasks, g.Tasks(min(groupSize, n-len(tasks)))...)
	}
	return tasks
}

// inRoles returns n tasks of so many roles, a group for each.
func (w *workload) inRoles(n, roles int) []berth.Task {
	var tasks []berth.Task
	for i := range roles {
		role := berth.Role("r" + strconv.Itoa(i))
		if i%10 == 0 {
			role = berth.Role(fmt.Sprintf("org%d/r%d", i/100, i))
		}
		tasks = append(tasks, w.group(berth.GroupSpec{Role: role, Request: w.size()}).Tasks(n/roles)...)
	}
	return tasks
}

// inTree returns n tasks in groups of 50, each in one of the 81 roles at the end of a tree of four levels.
func (w *workload) inTree(n int) []berth.Task {
	var tasks []berth.Task
	for i := 0; len(tasks) < n; i++ {
		g := w.group(berth.GroupSpec{Role: treeRole(i, 4), Request: w.size()})
		tasks = append(tasks, g.Tasks(min(groupSize, n-len(tasks)))...)
	}
	return tasks
}

// treeRole returns the role of a number at a level of a tree in which each has three below it; the root's is level 0.
func treeRole(i, level int) berth.Role {
	var parts []string
	for range level {
		parts = append(parts, "r"+strconv.Itoa(i%3))
		i /= 3
	}
	return berth.Role(strings.Join(parts, "/"))
}

// treeQuotas returns limits for all roles of the tree.
func treeQuotas() []berth.Quota {
	var quotas []berth.Quota
	for level, n := 0, 1; level <= 4; level, n = level+1, 3*n {
		for i := range n {
			quotas = append(quotas, berth.Quota{Role: treeRole(i, level), Limits: berth.Resources{"cpu": 1 << 40, "memory": 1 << 60}})
		}
	}
	return quotas
}

// meeting returns n tasks in groups of 50, of which ten at a time are a team and one in twenty is loud and in the third zone. Every
// other group is near its own team or the one before, or apart from it, by zone, rack or node, or apart from the loud by zone.
func (w *workload) meeting(n int) []berth.Task {
	var tasks []berth.Task
	loud := berth.HasLabel("loud")
	for i := 0; len(tasks) < n; i++ {
		spec := berth.GroupSpec{Request: w.size(), Labels: map[string]string{"team": strconv.Itoa(i / 10)}}
		team := berth.Label("team", strconv.Itoa(max(0, i/10-w.rng.IntN(2))))
		switch {
		case i%2 == 1:
			spec.Rules = []berth.Constraint{[]berth.Constraint{
				constraints.Near("zone", team), constraints.Apart(berth.NodeID, team), constraints.Near(berth.NodeID, team),
				constraints.Apart("zone", loud), constraints.Apart("rack", team), constraints.Near("rack", team),
			}[i/2%6]}
		case i%20 == 0:
			spec.Labels["loud"] = ""
			spec.Rules = []berth.Constraint{constraints.Eq("zone", "z2")}
		}
		tasks = append(tasks, w.group(spec).Tasks(min(groupSize, n-len(tasks)))...)
	}
	return tasks
}

// preferring returns n tasks in groups of 50, of which ten at a time are a team. Every other group prefers to be near its own team or
// the one before, or apart from it, by zone, rack or node, and of these every other one by another of them too.
func (w *workload) preferring(n int) []berth.Task {
	var tasks []berth.Task
	for i := 0; len(tasks) < n; i++ {
		spec := berth.GroupSpec{Request: w.size(), Labels: map[string]string{"team": strconv.Itoa(i / 10)}}
		team := berth.Label("team", strconv.Itoa(max(0, i/10-w.rng.IntN(2))))
		prefer := []berth.Preference{
			{Weight: 10, Rule: constraints.Near("zone", team)}, {Weight: 5, Rule: constraints.Apart(berth.NodeID, team)},
			{Weight: 10, Rule: constraints.Near("rack", team)}, {Weight: -5, Rule: constraints.Near("zone", team)},
			{Weight: 5, Rule: constraints.Apart("rack", team)}, {Weight: 10, Rule: constraints.Near(berth.NodeID, team)},
		}
		if i%2 == 1 {
			first := i / 2 % 6
			spec.Prefer = prefer[first : first+1]
			if i%4 == 1 {
				spec.Prefer = append(slices.Clone(spec.Prefer), prefer[(first+1+i/12%5)%6])
			}
		}
		tasks = append(tasks, w.group(spec).Tasks(min(groupSize, n-len(tasks)))...)
	}
	return tasks
}

// distinct returns n tasks of n sizes, each of so many cores more than was drawn.
func (w *workload) distinct(n int, more int64) []berth.Task {
	var tasks []berth.Task
	for i := range n {
		r := w.size()
		r["cpu"] += more + w.rng.Int64N(250)
		r["memory"] += int64(i) << 12
		g := w.group(berth.GroupSpec{Request: r})
		tasks = append(tasks, g.Task(g.Name()))
	}
	return tasks
}

// daemons returns demands for n instances, or for one on every node where there are more nodes.
func (w *workload) daemons(n int) []berth.Task {
	var tasks []berth.Task
	for range max(n/len(w.nodes), 1) {
		g := w.group(berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 10, "memory": 1 << 20}})
		tasks = append(tasks, g.Everywhere())
	}
	return tasks
}

// fill places tasks until about percent of each node's cores is taken, and returns them in random order.
func (w *workload) fill(b testing.TB, state *scheduler.State, percent int) (placed []string) {
	if percent == 0 {
		return nil
	}
	var queue []berth.Task
	flush := func(plan *cluster.Plan) {
		out, err := state.Commit(context.Background(), plan)
		require.NoError(b, err)
		placed = append(placed, idsOf(out)...)
	}
	plan := &cluster.Plan{Version: state.Version()}
	for _, n := range w.nodes {
		left := n.Capacity["cpu"] * int64(percent-10+w.rng.IntN(21)) / 100
		for left > 0 {
			if len(queue) == 0 {
				queue = w.tasks(groupSize, 0)
			}
			t := queue[0]
			queue = queue[1:]
			left -= t.Group.Cost()["cpu"]
			plan.Place(t, n.ID)
		}
		if len(plan.Ops) > 50_000 {
			flush(plan)
			plan = &cluster.Plan{Version: state.Version()}
		}
	}
	flush(plan)
	w.rng.Shuffle(len(placed), func(i, j int) { placed[i], placed[j] = placed[j], placed[i] })
	return placed
}

func idsOf(out *cluster.Outcome) []string {
	ids := make([]string, len(out.Placed))
	for i, op := range out.Placed {
		ids[i] = op.Task.ID
	}
	return ids
}

// filledCluster is a workload's nodes, filled.
type filledCluster struct {
	*workload
	fill  int
	state *scheduler.State
	old   []string // the tasks that fill it
}

// kept is the cluster that was asked for last: to fill 100,000 nodes takes longer than to measure them, and
// a benchmark leaves the cluster as it was.
var kept *filledCluster

// clusterOf returns n nodes filled to so many percent, to draw the same tasks from whatever was drawn before.
func clusterOf(b testing.TB, n, percent int) *filledCluster {
	if kept == nil || len(kept.nodes) != n || kept.fill != percent {
		kept = nil // or two clusters would be in memory
		w := newWorkload(n)
		c := newCluster(b, w, percent)
		c.old = w.fill(b, c.state, percent)
		kept = c
	}
	kept.rng = rand.New(rand.NewPCG(2, uint64(n)))
	return kept
}

func newCluster(b testing.TB, w *workload, percent int) *filledCluster {
	state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
	require.NoError(b, err)
	return &filledCluster{workload: w, fill: percent, state: state}
}

// openb returns the nodes with GPUs of the Alibaba trace, filled with the first tasks of its default list, as many
// as ask for so many percent of the GPUs. The others are to be placed: 8,152 tasks for 0 %, and for 50 and 90 %
// about half and a tenth of them. Where the trace does not lie beside the module the benchmark is skipped.
func openb(b *testing.B, percent int) *filledCluster {
	const dir = "../../shared/data/alibaba-gpu-v2023"
	if _, err := os.Stat(dir); err != nil {
		b.Skipf("the trace is not there: %v", err)
	}
	cell, err := trace.Load(dir, trace.PodList)
	require.NoError(b, err)
	c := newCluster(b, &workload{nodes: cell.Nodes, trace: cell.Tasks()}, percent)
	snapshot, err := c.state.Snapshot(b.Context())
	require.NoError(b, err)
	left := snapshot.Total()[trace.GPU] * int64(percent) / 100
	first := 0
	for ; left > 0; first++ {
		left -= c.trace[first].Group.Cost()[trace.GPU]
	}
	s, err := scheduler.New(c.state, scheduler.Config{Strategy: placement.BinPack()})
	require.NoError(b, err)
	_, err = s.Schedule(b.Context(), c.trace[:first]...)
	require.NoError(b, err)
	c.trace = c.trace[first:]
	return c
}
