package scheduler_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// victims returns whom a host ends on a node for a task, as Kubernetes and Nomad choose them, in the words of the library: on a fork all tasks of lower
// priority leave, and come back the most important first, as far as the task fits beside them. It is false where that is not enough.
func victims(snapshot *cluster.Snapshot, g *berth.Group, node string) (all []cluster.TaskView, ok bool) {
	f := snapshot.Fork()
	n, _ := f.Node(node)
	for t := range n.Tasks() {
		if t.Group.Priority() < g.Priority() {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b cluster.TaskView) int { return cmp.Compare(b.Group.Priority(), a.Group.Priority()) })
	for _, t := range all {
		f.Apply(berth.Op{Kind: berth.Release, ID: t.ID})
	}
	fits := func() bool { n, _ := f.Node(node); return f.Fits(g, n) }
	if !fits() {
		return nil, false
	}
	return slices.DeleteFunc(all, func(t cluster.TaskView) bool {
		back := f.Savepoint()
		if f.Apply(berth.Op{Kind: berth.Place, Task: t.Task, Node: node}); fits() {
			return true
		}
		return f.Rollback(back) != nil
	}), true
}

// Kubernetes: default_preemption_test.go, TestDryRunPreemption and TestSelectBestCandidate. A node has 500 of cpu and of memory.
func TestConformanceOfPreemption(t *testing.T) {
	size := map[string]int64{"small": 100, "medium": 200, "large": 300, "whole": 500}
	priority := map[string]int{"low": 0, "mid": 100, "high": 1000}
	kind := func(text string) *berth.Group {
		p, s, _ := strings.Cut(text, "/")
		return berth.NewGroup(text, berth.GroupSpec{Priority: priority[p], Request: berth.Resources{"cpu": size[s], "memory": size[s]}})
	}
	for _, c := range []struct {
		name, preemptor string
		nodes           []string // what runs on each
		want            []string // who has to go
		best            string
	}{
		{"K26: what there is room for beside the preemptor stays", "high/large", []string{"low/small mid/large", "mid/large"}, []string{"mid/large", "mid/large"}, "n1"},
		{"K26: the lowest of the greatest priorities is picked", "high/whole", []string{"mid/medium mid/medium", "mid/medium low/medium", "low/medium low/medium"},
			[]string{"mid/medium mid/medium", "mid/medium low/medium", "low/medium low/medium"}, "n3"},
		{"K26: nobody of the same priority goes", "mid/large", []string{"mid/large", "low/large"}, []string{"-", "low/large"}, "n2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster.NewFork()
			for i, running := range c.nodes {
				id := fmt.Sprint("n", i+1)
				require.NoError(t, f.AddNodes(berth.Node{ID: id, Capacity: berth.Resources{"cpu": 500, "memory": 500}}))
				for k, what := range strings.Fields(running) {
					_, why := f.Apply(berth.Op{Kind: berth.Place, Task: kind(what).Task(fmt.Sprint(id, "-", k)), Node: id})
					require.Equal(t, berth.None, why.Code)
				}
			}
			type choice struct {
				node    string
				highest int
				sum     int
				n       int
			}
			var choices []choice
			for i := range c.nodes {
				id := fmt.Sprint("n", i+1)
				all, ok := victims(f.Snapshot(), kind(c.preemptor), id)
				if !ok {
					assert.Equal(t, "-", c.want[i])
					continue
				}
				of := choice{node: id, highest: -1, n: len(all)}
				var names []string
				for _, v := range all {
					names = append(names, v.Group.Name())
					of.highest, of.sum = max(of.highest, v.Group.Priority()), of.sum+v.Group.Priority()
				}
				assert.Equal(t, c.want[i], strings.Join(names, " "), id)
				choices = append(choices, of)
			}
			best := slices.MinFunc(choices, func(a, b choice) int {
				return cmp.Or(cmp.Compare(a.highest, b.highest), cmp.Compare(a.sum, b.sum), cmp.Compare(a.n, b.n), cmp.Compare(a.node, b.node))
			})
			assert.Equal(t, c.best, best.node)
		})
	}
}

// N21 (Nomad, system_sched_test.go): a node of 14,000 with a service that takes 13,500, and a daemon that takes more than is left: the service is
// evicted and the instance placed, as one part of a plan, and nothing waits any more.
func TestConformanceOfPreemptingDaemons(t *testing.T) {
	state := newState(t, scheduler.StateConfig{}, node("n1", 14_000))
	s := newScheduler(t, state, scheduler.Config{})
	service := berth.NewGroup("service", berth.GroupSpec{Priority: 20, Request: berth.Resources{"cpu": 13_500}})
	system := berth.NewGroup("system", berth.GroupSpec{Priority: 100, Mode: berth.Daemon, Request: berth.Resources{"cpu": 1000}})
	_, err := s.Schedule(t.Context(), service.Task("service"))
	require.NoError(t, err)
	snapshot, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	plan, err := s.Plan(t.Context(), snapshot, system.Everywhere())
	require.NoError(t, err)
	require.Len(t, plan.Unplaced, 1)
	for _, u := range plan.Unplaced {
		node := u.Why.Nearest.Node
		all, ok := victims(snapshot, system, node)
		require.True(t, ok)
		plan.Part("preempt "+node, func() {
			for _, v := range all {
				plan.Evict(v.ID, nil)
			}
			plan.Place(u.Task, node)
		})
	}
	out, err := state.Commit(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, out.Placed, 1)
	assert.Equal(t, "system@n1", out.Placed[0].Task.ID)
	_, runs := state.Task("service")
	assert.False(t, runs)
	again, err := s.Schedule(t.Context(), system.Everywhere())
	require.NoError(t, err)
	assert.Empty(t, again.Unplaced, "queued 0")
}

// N23 (Nomad, preemption_test.go): the distance of what a task has to what is needed, by which Nomad takes the nearest task first. Who is ended is the
// host's to say: here it does as Nomad, and Reclaim, which takes the fewest tasks, ends the same one.
func TestConformanceOfPreemptionDistance(t *testing.T) {
	ask := berth.Resources{"cpu": 2048, "memory": 512, "disk": 4096}
	distance := func(of cluster.TaskView) (far float64) {
		has := of.Group.Spec().Request
		for name, need := range ask.All() {
			part := float64(need-has[name]) / float64(need)
			far += part * part
		}
		return math.Sqrt(far)
	}
	running := map[string]berth.Resources{
		"half":  {"cpu": 1024, "memory": 400, "disk": 1024},
		"equal": ask,
		"wide":  {"cpu": 8192, "memory": 200, "disk": 1024},
		"near":  {"cpu": 2048, "memory": 500, "disk": 4096},
	}
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 13_312, "memory": 1612, "disk": 10_240}})) // it is full
	for name, has := range running {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: berth.NewTask(name, berth.GroupSpec{Role: "batch", Request: has}), Node: "n"})
		require.Equal(t, berth.None, why.Code)
	}
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "web", Guarantees: ask}))
	snapshot := f.Snapshot()
	n, _ := snapshot.Node("n")
	all := slices.Collect(n.Tasks())
	for _, of := range all {
		assert.InDelta(t, map[string]float64{"half": .928, "equal": 0, "wide": 3.152, "near": .023}[of.ID], distance(of), .0005, of.ID)
	}
	slices.SortFunc(all, func(a, b cluster.TaskView) int { return cmp.Compare(distance(a), distance(b)) })
	web := berth.NewTask("web", berth.GroupSpec{Role: "web", Request: ask})
	var ended []string
	for _, of := range all {
		if n, _ := f.Node("n"); f.Fits(web.Group, n) {
			break
		}
		f.Apply(berth.Op{Kind: berth.Release, ID: of.ID})
		ended = append(ended, of.ID)
	}
	assert.Equal(t, []string{"equal"}, ended)
	got, err := newScheduler(t, newState(t, scheduler.StateConfig{}), scheduler.Config{}).Reclaim(t.Context(), snapshot, scheduler.Reclaim{}, web)
	require.NoError(t, err)
	require.Len(t, got.Claims, 1)
	assert.Equal(t, "web on n for web: ends equal", got.Claims[0].String())
}

// M15 (Marathon, RateLimiterTest): a back-off of 10 s by a factor of 2 delays the first start after a failure by 10 s and the second by 20 s; to cancel
// and submit again begins anew.
func TestConformanceOfBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 8000))}
		h := &hand{start: func(context.Context, scheduler.Placement) error { return errors.New("no image") }}
		app := berth.NewGroup("app", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
		require.NoError(t, s.queue.Submit(app.Task("app-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			c.Launcher, c.RetryAfter, c.RetryAtMost = h, 10*time.Second, 300*time.Second
		})
		assert.Equal(t, "0s failed app-1 on n1: no image\n10s failed app-1 on n1: no image\n30s failed app-1 on n1: no image", s.after(35*time.Second))
		s.queue.Cancel("app-1")
		s.after(0)
		require.NoError(t, s.queue.Submit(app.Task("app-1")))
		assert.Equal(t, "35s failed app-1 on n1: no image\n45s failed app-1 on n1: no image", s.after(15*time.Second))
		s.stop(t)
	})
}

// M16 (Marathon, RestartStrategyTest): of n instances at least a part of n, rounded up, stays healthy while they are restarted. Roll is given how many may
// be missing.
func TestConformanceOfRestarts(t *testing.T) {
	for _, c := range []struct {
		name                string
		n, healthy, restart int
		part                float64
	}{
		{"M16: both of 2 healthy, half of them at least", 2, 2, 1, .5},
		{"M16: 1 of 10 healthy, a tenth at least", 10, 1, 0, .1},
		{"M16: all of 10 healthy, a tenth at least", 10, 10, 9, .1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var nodes []berth.Node
			for i := range c.n {
				nodes = append(nodes, node(fmt.Sprintf("n%02d", i), 1000))
			}
			state := newState(t, scheduler.StateConfig{}, nodes...)
			s := newScheduler(t, state, scheduler.Config{})
			app := func(version string) *berth.Group {
				return berth.NewGroup("app", berth.GroupSpec{Mode: berth.Daemon, Labels: map[string]string{"version": version}, Request: berth.Resources{"cpu": 600}})
			}
			out, err := s.Schedule(t.Context(), app("1").Everywhere())
			require.NoError(t, err)
			require.Len(t, out.Placed, c.n)
			for i, op := range out.Placed {
				if i < c.healthy {
					require.NoError(t, state.Confirm(op.Task.ID))
				} else {
					require.NoError(t, state.Release(op.Task.ID))
				}
			}
			keep := int(float64(c.n)*c.part + .999)
			out, err = s.Roll(t.Context(), app("2"), c.n-keep)
			require.NoError(t, err)
			assert.Len(t, out.Placed, c.restart)
		})
	}
}
