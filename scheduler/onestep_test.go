package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// stepNodes and stepTasks are small random clusters and batches, in which much does not fit.
func stepNode(rng *rand.Rand, id int) berth.Node {
	n := berth.Node{
		ID:         fmt.Sprintf("n%02d", id),
		Capacity:   berth.Resources{"cpu": 2000 << rng.IntN(3), "memory": 4 << 30 << rng.IntN(3)},
		Attributes: berth.Attributes{"zone": string(rune('a' + rng.IntN(3))), "rack": rng.IntN(40)},
	}
	for range rng.IntN(3) {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
	}
	if rng.IntN(3) == 0 {
		n.Ports = []berth.PortRange{{First: 80, Last: 82}}
	}
	return n
}

func stepTasks(rng *rand.Rand, round int) (tasks []berth.Task) {
	for i := range 1 + rng.IntN(4) {
		spec := berth.GroupSpec{
			Priority: rng.IntN(2),
			Request:  berth.Resources{"cpu": 100 + rng.Int64N(1500), "memory": rng.Int64N(3 << 30)},
		}
		switch rng.IntN(9) {
		case 0:
			spec.Rules = append(spec.Rules, constraints.Unique("zone"))
		case 1:
			spec.Rules = append(spec.Rules, constraints.UniqueNode(), constraints.Eq("zone", "a"))
		case 2:
			spec.Rules = append(spec.Rules, constraints.GroupBy("rack"))
		case 3:
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 400}}
		case 4:
			spec.DynamicPorts = 1
		case 5:
			spec.Mode, spec.GangSize = berth.Gang, 3
		case 6:
			spec.Mode, spec.Request = berth.Daemon, berth.Resources{"cpu": 50}
		case 7:
			spec.Prefer = []berth.Preference{{Weight: 2, Rule: constraints.Eq("zone", "b")}}
		}
		g := berth.NewGroup(fmt.Sprintf("g%d-%d", round, i), spec)
		if spec.Mode == berth.Daemon {
			tasks = append(tasks, g.Everywhere())
			continue
		}
		tasks = append(tasks, g.Tasks(1+rng.IntN(6))...)
	}
	if rng.IntN(4) == 0 {
		tasks = append(tasks, tasks[rng.IntN(len(tasks))]) // twice
	}
	return tasks
}

// Schedule decides on a State in one step, on its present and with nothing copied; Snapshot, Plan and Commit take three, and
// check everything again. Both must come to the same, and so must the reference: in what is placed, where, with which
// devices and ports, and in every explanation. The commands recorded must be the same, too. What admission refuses must be to
// the one step as if it were not there, so the three are not given it.
func TestOneStepEqualsThree(t *testing.T) {
	strategies := []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.FirstFit(), placement.Spread("rack")}
	refused := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		strategy := strategies[seed%uint64(len(strategies))]
		clock := func() time.Time { return time.Unix(1, 0) }
		var order allocator.Order
		if seed%2 == 0 {
			order = orderOf(rng)
		}
		var nodes []berth.Node
		for i := range 3 + rng.IntN(30) {
			nodes = append(nodes, stepNode(rng, i))
		}
		var states [3]*scheduler.State
		var records [3][]string
		var schedulers [3]*scheduler.Scheduler
		for i := range states {
			var err error
			states[i], err = scheduler.NewState(scheduler.StateConfig{
				Clock:  clock,
				Record: func(c scheduler.Command) error { records[i] = append(records[i], c.String()); return nil },
				Admit: func(a scheduler.Admission) berth.Reason {
					if barred(a.Op.Task) {
						return berth.Reason{Subject: "fives"}
					}
					return berth.Reason{}
				},
			}, nodes...)
			require.NoError(t, err)
			schedulers[i], err = scheduler.New(states[i], scheduler.Config{Strategy: strategy, Exhaustive: i == 2, Attempts: 1, Order: order})
			require.NoError(t, err)
		}
		each := func(f func(s *scheduler.State) error) {
			for _, s := range states {
				require.NoError(t, f(s))
			}
		}
		var placed []string
		for round := range 12 {
			tasks := stepTasks(rng, round)
			if order != nil {
				tasks = inRandomRoles(rng, tasks)
			}
			if rng.IntN(3) == 0 {
				most := int64(1000 * rng.IntN(20))
				each(func(s *scheduler.State) error {
					return s.SetQuotas(berth.Quota{Role: "a", Limits: berth.Resources{"cpu": most}}, berth.Quota{Role: "b/z", Limits: berth.Resources{"memory": 4 << 30}})
				})
			}
			var outcomes [3]*cluster.Outcome
			given := slices.DeleteFunc(slices.Clone(tasks), barred)
			for i, s := range schedulers {
				var err error
				if i == 1 {
					snapshot, err := states[i].Snapshot(t.Context())
					require.NoError(t, err)
					plan, err := s.Plan(t.Context(), snapshot, given...)
					require.NoError(t, err)
					outcomes[i], err = states[i].Commit(t.Context(), plan)
					require.NoError(t, err)
				} else {
					outcomes[i], err = s.Schedule(t.Context(), [][]berth.Task{0: tasks, 2: given}[i]...)
					require.NoError(t, err)
				}
			}
			for _, r := range outcomes[0].Refused {
				require.True(t, barred(r.Op.Task), "%v", r)
				require.Equal(t, berth.Reason{Code: berth.Denied, Subject: "fives"}, r.Reason)
				refused++
			}
			outcomes[0].Refused = nil
			outcomes[0].Unplaced = slices.DeleteFunc(outcomes[0].Unplaced, func(u cluster.Unplaced) bool { return barred(u.Task) })
			for i := 1; i < 3; i++ {
				require.Equal(t, outcomeText(outcomes[0]), outcomeText(outcomes[i]), "seed %d, round %d, way %d", seed, round, i)
			}
			for _, op := range outcomes[0].Placed {
				placed = append(placed, op.Task.ID)
			}
			switch rng.IntN(5) {
			case 0:
				n := stepNode(rng, len(nodes))
				nodes = append(nodes, n)
				each(func(s *scheduler.State) error { return s.AddNodes(n) })
			case 1:
				n := stepNode(rng, rng.IntN(len(nodes)))
				each(func(s *scheduler.State) error { return s.UpdateNodes(n) })
			case 2:
				id := nodes[rng.IntN(len(nodes))].ID
				each(func(s *scheduler.State) error { return s.Cordon(id) })
			default:
				rng.Shuffle(len(placed), func(i, j int) { placed[i], placed[j] = placed[j], placed[i] })
				n := rng.IntN(len(placed) + 1)
				gone := placed[:n]
				each(func(s *scheduler.State) error { return s.Release(gone...) })
				placed = placed[n:]
			}
		}
		require.Equal(t, records[0], records[1], "seed %d", seed)
	}
	require.Positive(t, refused)
}

// barred reports whether the test's admission refuses a task.
func barred(t berth.Task) bool { return strings.HasSuffix(t.ID, "-5") }

func outcomeText(o *cluster.Outcome) string {
	var b strings.Builder
	for _, op := range o.Placed {
		fmt.Fprintln(&b, op)
	}
	for _, r := range o.Refused {
		fmt.Fprintln(&b, r)
	}
	for _, u := range o.Unplaced {
		fmt.Fprintln(&b, u)
	}
	return b.String()
}

// Snapshots are read, planned on and forked by others while one scheduler after another decides on the State. What a
// snapshot shows must not change. Run with -race.
func TestSnapshotsAreReadWhileSchedulesGoOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var nodes []berth.Node
	for i := range 40 {
		nodes = append(nodes, stepNode(rng, i))
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	require.NoError(t, err)
	group := func(name string) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": 50}, Rules: []berth.Constraint{constraints.MaxPer("zone", 20)}})
	}
	ctx := t.Context()
	var deciders, readers sync.WaitGroup
	done := make(chan struct{})
	for d := range 3 {
		deciders.Go(func() {
			s, err := scheduler.New(state, scheduler.Config{})
			assert.NoError(t, err)
			for round := range 30 {
				out, err := s.Schedule(ctx, group(fmt.Sprintf("g%d-%d", d, round)).Tasks(20)...)
				assert.NoError(t, err)
				assert.Empty(t, out.Refused, "nothing comes between")
				for _, op := range out.Placed {
					if op.Task.ID[len(op.Task.ID)-1]%2 == 0 {
						assert.NoError(t, state.Release(op.Task.ID))
					}
				}
			}
		})
	}
	for r := range 3 {
		readers.Go(func() {
			s, err := scheduler.New(state, scheduler.Config{})
			assert.NoError(t, err)
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				snapshot, err := state.Snapshot(context.Background())
				assert.NoError(t, err)
				tasks, known := map[string]string{}, 0
				for n := range snapshot.Nodes() {
					for task := range n.Tasks() {
						tasks[task.ID] = n.ID()
					}
				}
				plan, err := s.Plan(t.Context(), snapshot, group(fmt.Sprintf("r%d-%d", r, i)).Tasks(5)...)
				assert.NoError(t, err)
				assert.Len(t, plan.Ops, 5)
				fork := snapshot.Fork()
				for id := range tasks {
					fork.Apply(berth.Op{Kind: berth.Release, ID: id})
				}
				fork.Apply(berth.Op{Task: group("mine").Task("mine"), Node: "n00"})
				for id, node := range tasks { // still there, and no others
					v, ok := snapshot.Task(id)
					assert.True(t, ok, id)
					assert.Equal(t, node, v.Node)
					known++
				}
				assert.Equal(t, known, snapshot.Tasks())
				_, ok := snapshot.Task("mine")
				assert.False(t, ok)
			}
		})
	}
	deciders.Wait()
	close(done)
	readers.Wait()
}
