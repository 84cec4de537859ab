package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func TestReclaim(t *testing.T) {
	type placed struct{ role, node, tasks string } // tasks "cpu*n" of one size each: "4 4 2"
	for _, tc := range []struct {
		name   string
		nodes  map[string]int64
		quotas []berth.Quota
		on     []placed
		wants  string // "role size"
		want   string
	}{
		{"the fewest", map[string]int64{"n1": 8, "n2": 8}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}},
			[]placed{{"b", "n1", "2 2 4"}, {"b", "n2", "1 1 1 1 4"}}, "a 4", "a-1 on n2 for a: ends b-n2-5"},
		{"the youngest of equals", map[string]int64{"n1": 8}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}},
			[]placed{{"b", "n1", "4 4"}}, "a 4", "a-1 on n1 for a: ends b-n1-2"},
		{"room that is free counts", map[string]int64{"n1": 8}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}},
			[]placed{{"b", "n1", "3 1 2"}}, "a 4", "a-1 on n1 for a: ends b-n1-3"},
		{"not beyond what is guaranteed", map[string]int64{"n1": 8}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 3}}},
			[]placed{{"b", "n1", "4 4"}}, "a 4", "unplaced"},
		{"not below another's guarantee", map[string]int64{"n1": 8},
			[]berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}, {Role: "b", Guarantees: berth.Resources{"cpu": 3}}},
			[]placed{{"b", "n1", "3"}, {"c", "n1", "5"}}, "a 4", "a-1 on n1 for a: ends c-n1-1"},
		{"nor below that of a role above", map[string]int64{"n1": 8},
			[]berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}, {Role: "o", Guarantees: berth.Resources{"cpu": 8}}},
			[]placed{{"o/b", "n1", "4 4"}}, "a 4", "unplaced"},
		{"within a role, whatever is guaranteed to it", map[string]int64{"n1": 8},
			[]berth.Quota{{Role: "o/a", Guarantees: berth.Resources{"cpu": 4}}, {Role: "o", Guarantees: berth.Resources{"cpu": 8}}},
			[]placed{{"o/b", "n1", "4 4"}}, "o/a 4", "o/a-1 on n1 for o/a: ends o-b-n1-2"},
		{"by a guarantee of the role above", map[string]int64{"n1": 8}, []berth.Quota{{Role: "o", Guarantees: berth.Resources{"cpu": 4}}},
			[]placed{{"b", "n1", "4 4"}}, "o/a 4", "o/a-1 on n1 for o: ends b-n1-2"},
		// eng may have 6 and has them, so what is reclaimed for eng/a is eng/b's, though n2 is empty.
		{"under a limit, from those under it", map[string]int64{"n1": 8, "n2": 8},
			[]berth.Quota{{Role: "eng", Limits: berth.Resources{"cpu": 6}}, {Role: "eng/a", Guarantees: berth.Resources{"cpu": 2}}},
			[]placed{{"c", "n1", "2"}, {"eng/b", "n1", "4 2"}}, "eng/a 2", "eng/a-1 on n1 for eng/a: ends eng-b-n1-2"},
		{"nobody's end where there is room", map[string]int64{"n1": 8, "n2": 8}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 4}}},
			[]placed{{"b", "n1", "4 4"}}, "a 4", "placed on n2"},
		// Nothing is free: the 4 go, and of the others each has the one that is left, so the youngest goes.
		{"what has most of it, then the youngest", map[string]int64{"n1": 9}, []berth.Quota{{Role: "a", Guarantees: berth.Resources{"cpu": 6}}},
			[]placed{{"b", "n1", "1 1 3 4"}}, "a 5", "a-1 on n1 for a: ends b-n1-4, b-n1-3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fork := cluster.NewFork()
			for _, id := range slices.Sorted(func(yield func(string) bool) {
				for id := range tc.nodes {
					if !yield(id) {
						return
					}
				}
			}) {
				require.NoError(t, fork.AddNodes(berth.Node{ID: id, Capacity: berth.Resources{"cpu": tc.nodes[id]}}))
			}
			for _, p := range tc.on {
				for i, size := range strings.Fields(p.tasks) {
					name := strings.ReplaceAll(p.role, "/", "-") + "-" + p.node
					var cpu int64
					_, err := fmt.Sscan(size, &cpu)
					require.NoError(t, err)
					task := berth.NewTask(fmt.Sprintf("%s-%d", name, i+1), berth.GroupSpec{Role: berth.Role(p.role), Request: berth.Resources{"cpu": cpu}})
					_, why := fork.Apply(berth.Op{Task: task, Node: p.node})
					require.Equal(t, berth.None, why.Code)
				}
			}
			require.NoError(t, fork.SetQuotas(tc.quotas...))
			role, size, _ := strings.Cut(tc.wants, " ")
			var cpu int64
			_, err := fmt.Sscan(size, &cpu)
			require.NoError(t, err)
			task := berth.NewTask(role+"-1", berth.GroupSpec{Role: berth.Role(role), Request: berth.Resources{"cpu": cpu}})
			s, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{})
			require.NoError(t, err)
			got, err := s.Reclaim(t.Context(), fork.Snapshot(), scheduler.Reclaim{}, task)
			require.NoError(t, err)
			switch {
			case len(got.Claims) > 0:
				assert.Equal(t, tc.want, got.Claims[0].String())
			case len(got.Plan.Ops) > 0:
				assert.Equal(t, tc.want, "placed on "+got.Plan.Ops[0].Node)
			default:
				require.Len(t, got.Plan.Unplaced, 1)
				assert.Equal(t, tc.want, "unplaced")
			}
		})
	}
}

// On random clusters: what is proposed can be done, whole; nobody is brought below what is guaranteed to him, or further below; nobody
// claims beyond it; and by trying all sets of tasks on all nodes, none is smaller than the one proposed.
func TestReclaimAgainstAllSets(t *testing.T) {
	claims := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 51))
		roles := []berth.Role{"a/x", "a/y", "b", "c/z"}
		var nodes []berth.Node
		for i := range 4 {
			nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 6 + rng.Int64N(6), "memory": 10}, Devices: []berth.Device{{Class: "gpu"}}})
		}
		state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
		require.NoError(t, err)
		s, err := scheduler.New(state, scheduler.Config{})
		require.NoError(t, err)
		started := map[string]time.Time{}
		for i := range 30 {
			spec := berth.GroupSpec{Role: roles[rng.IntN(4)], Request: berth.Resources{"cpu": 1 + rng.Int64N(3), "memory": rng.Int64N(4)}}
			if rng.IntN(6) == 0 {
				spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1}}
			}
			task := berth.NewTask(fmt.Sprint("t", i), spec)
			_, err := s.Schedule(t.Context(), task)
			require.NoError(t, err)
			started[task.ID] = time.Unix(rng.Int64N(20), 0)
		}
		var quotas []berth.Quota
		for _, r := range []berth.Role{"a", "a/x", "b", "c"} {
			q := berth.Quota{Role: r, Guarantees: berth.Resources{"cpu": rng.Int64N(12)}}
			if rng.IntN(3) == 0 {
				q.Guarantees["memory"] = rng.Int64N(10)
			}
			quotas = append(quotas, q)
		}
		require.NoError(t, state.SetQuotas(quotas...))
		var wants []berth.Task
		for i := range 4 {
			spec := berth.GroupSpec{Role: roles[rng.IntN(4)], Request: berth.Resources{"cpu": 1 + rng.Int64N(5), "memory": rng.Int64N(4)}}
			if rng.IntN(5) == 0 {
				spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1}}
			}
			wants = append(wants, berth.NewTask(fmt.Sprint("w", i), spec))
		}
		snapshot := snapshotOf(t, state)
		how := scheduler.Reclaim{Started: func(v cluster.TaskView) time.Time { return started[v.ID] }}
		got, err := s.Reclaim(t.Context(), snapshot, how, wants...)
		require.NoError(t, err)
		again, err := s.Reclaim(t.Context(), snapshot, how, wants...)
		require.NoError(t, err)
		require.Equal(t, got.Plan.String(), again.Plan.String())

		fork := snapshot.Fork()
		at := 0
		for _, op := range got.Plan.Ops {
			if op.Kind == berth.Place {
				if at < len(got.Claims) && got.Claims[at].Task.ID == op.Task.ID {
					c := got.Claims[at]
					at++
					claims++
					least := fork.Quota(c.Role).Guarantees
					for name, q := range op.Task.Group.Cost() {
						if g, ok := least[name]; ok {
							require.LessOrEqual(t, fork.Used(c.Role)[name]+q, g, "seed %d: %v", seed, c)
						}
					}
				}
			} else {
				v, ok := fork.Task(op.ID)
				require.True(t, ok)
				c := got.Claims[at]
				if len(c.Ends) > 0 && c.Ends[0].ID == op.ID {
					if size, found := smallestSet(fork, c.Task, c.Role); found {
						require.LessOrEqual(t, len(c.Ends), size, "seed %d: %v", seed, c)
					}
				}
				require.True(t, spared(fork, v, c.Role), "seed %d: %v", seed, c)
			}
			_, why := fork.Apply(op)
			require.Equal(t, berth.None, why.Code, "seed %d: %v", seed, op)
		}
		out := commit(t, state, got.Plan)
		require.Empty(t, out.Refused)
	}
	require.Greater(t, claims, 15)
}

// spared reports whether nobody, up to the role that a task's has in common with a claim, gets below what is guaranteed to him by
// its end.
func spared(f *cluster.Fork, v cluster.TaskView, claims berth.Role) bool {
	r := v.Group.Role()
	if r.Within(claims) {
		return false
	}
	for ; !claims.Within(r); r = r.Parent() {
		for name, least := range f.Quota(r).Guarantees {
			if q := v.Group.Cost()[name]; q > 0 && f.Used(r)[name]-q < least {
				return false
			}
		}
	}
	return true
}

// smallestSet tries all sets of up to three tasks on each node.
func smallestSet(f *cluster.Fork, task berth.Task, claims berth.Role) (int, bool) {
	for size := 1; size <= 3; size++ {
		for n := range f.Nodes() {
			var tasks []cluster.TaskView
			for v := range n.Tasks() {
				tasks = append(tasks, v)
			}
			var try func(from, left int) bool
			try = func(from, left int) bool {
				if left == 0 {
					at, _ := f.Node(n.ID())
					return f.Fits(task.Group, at)
				}
				for i := from; i < len(tasks); i++ {
					if !spared(f, tasks[i], claims) {
						continue
					}
					before := f.Savepoint()
					f.Apply(berth.Op{Kind: berth.Evict, ID: tasks[i].ID})
					ok := try(i+1, left-1)
					_ = f.Rollback(before)
					if ok {
						return true
					}
				}
				return false
			}
			if try(0, size) {
				return size, true
			}
		}
	}
	return 0, false
}

func TestReclaimOfBadInput(t *testing.T) {
	s, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{})
	require.NoError(t, err)
	snapshot, err := cluster.NewSnapshot(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 1}})
	require.NoError(t, err)
	daemon := berth.NewGroup("g", berth.GroupSpec{Mode: berth.Daemon})
	one := berth.NewTask("x", berth.GroupSpec{})
	_, err = s.Reclaim(t.Context(), snapshot, scheduler.Reclaim{}, daemon.Task("g-1"), daemon.Everywhere(), daemon.Everywhere(), one, one, berth.Task{})
	for _, want := range []string{`task "g-1": group "g" is a daemon`, `task "g on every node": given twice`, `task "x": given twice`} {
		assert.ErrorContains(t, err, want)
	}
	_, err = s.Reclaim(t.Context(), nil, scheduler.Reclaim{})
	assert.ErrorContains(t, err, "no snapshot")
	_, err = new(scheduler.Scheduler).Reclaim(t.Context(), snapshot, scheduler.Reclaim{})
	assert.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Reclaim(ctx, snapshot, scheduler.Reclaim{}, one)
	assert.ErrorIs(t, err, context.Canceled)
}

// Batch has borrowed what search does not use. When search needs its four cores again, the youngest batch task goes.
func ExampleScheduler_Reclaim() {
	ctx := context.Background()
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}})
	_ = state.SetQuotas(berth.Quota{Role: "search", Guarantees: berth.Resources{"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{})
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: berth.Resources{"cpu": 4000}})
	_, _ = s.Schedule(ctx, batch.Tasks(2)...)

	query := berth.NewTask("query", berth.GroupSpec{Role: "search", Request: berth.Resources{"cpu": 4000}})
	snapshot, _ := state.Snapshot(ctx)
	proposal, err := s.Reclaim(ctx, snapshot, scheduler.Reclaim{}, query)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, claim := range proposal.Claims {
		fmt.Println(claim)
	}
	out, _ := state.Commit(ctx, proposal.Plan) // if the host agrees; it stops what was evicted, and then starts the query
	fmt.Println(len(out.Refused), "refused")
	// Output:
	// query on n1 for search: ends batch-2
	// 0 refused
}

// A task that was placed on free room which a later one claims is not ended but gives way: it goes where there is still room, or is told to wait.
func TestReclaimDoesNotEndWhatItPlaces(t *testing.T) {
	for _, tc := range []struct {
		name  string
		nodes []berth.Node
		want  []string // operations, what waits, claims
	}{
		{"no room is left", []berth.Node{plainNode("n1", 4)}, []string{"place b1 on n1", "waits c1"}},
		// c1 is on n1 first; b1 fits nowhere else.
		{"room is left elsewhere", []berth.Node{plainNode("n1", 4), plainNode("n2", 3)}, []string{"place b1 on n1", "place c1 on n2"}},
		{"others end as well", []berth.Node{plainNode("n1", 6)}, []string{"evict a1", "place b1 on n1", "waits c1", "b1 on n1 for b: ends a1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state, err := scheduler.NewState(scheduler.StateConfig{}, tc.nodes...)
			require.NoError(t, err)
			require.NoError(t, state.SetQuotas(berth.Quota{Role: "b", Guarantees: berth.Resources{"cpu": 4}}))
			group := func(name string, role berth.Role, cpu int64) *berth.Group {
				return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": cpu}})
			}
			s, err := scheduler.New(state, scheduler.Config{Strategy: placement.FirstFit()})
			require.NoError(t, err)
			if tc.name == "others end as well" {
				_, err := s.Schedule(t.Context(), group("a", "a", 3).Task("a1"))
				require.NoError(t, err)
			}
			snapshot, err := state.Snapshot(t.Context())
			require.NoError(t, err)
			out, err := s.Reclaim(t.Context(), snapshot, scheduler.Reclaim{}, group("c", "c", 3).Task("c1"), group("b", "b", 4).Task("b1"))
			require.NoError(t, err)
			var got []string
			for _, op := range out.Plan.Ops {
				got = append(got, op.String())
			}
			for _, u := range out.Plan.Unplaced {
				got = append(got, "waits "+u.Task.ID)
			}
			for _, c := range out.Claims {
				got = append(got, c.String())
			}
			assert.Equal(t, tc.want, got)
			done, err := state.Commit(t.Context(), out.Plan)
			require.NoError(t, err)
			assert.Empty(t, done.Refused)
		})
	}
}

func plainNode(id string, cpu int64) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}}
}
