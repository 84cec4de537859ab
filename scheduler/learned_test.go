package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func learningCell(t testing.TB, exhaustive bool, learned *placement.Learned) (*scheduler.State, *scheduler.Scheduler) {
	var nodes []berth.Node
	for i := range 12 {
		n := berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 32000}}
		for range 1 + i%4 {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: "A"})
		}
		nodes = append(nodes, n)
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{Strategy: placement.PricedGaps(placement.Mix{}), Exhaustive: exhaustive, Learned: learned})
	require.NoError(t, err)
	return state, s
}

func learningTasks() (tasks []berth.Task) {
	share := berth.NewGroup("share", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	half := berth.NewGroup("half", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 550}}})
	train := berth.NewGroup("train", berth.GroupSpec{Request: berth.Resources{"cpu": 4000}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}})
	for i := range 40 {
		g := []*berth.Group{share, half, share, train}[i*7%4]
		tasks = append(tasks, g.Task(fmt.Sprint(g.Name(), "-", i)))
	}
	return tasks
}

// A plan counts what it is asked for and, dropped, leaves no trace: planning twice is the same plan, and so is what is scheduled then. Both pickers learn alike, and one who goes
// on from what was written down goes on as if nothing had happened.
func TestLearning(t *testing.T) {
	_, s := learningCell(t, false, nil)
	state, again := learningCell(t, true, nil)
	ctx := t.Context()
	for i, task := range learningTasks() {
		snapshot, err := state.Snapshot(ctx)
		require.NoError(t, err)
		before, err := json.Marshal(again.Learned())
		require.NoError(t, err)
		plan, err := again.Plan(ctx, snapshot, task)
		require.NoError(t, err)
		twice, err := again.Plan(ctx, snapshot, task)
		require.NoError(t, err)
		assert.Equal(t, plan.Ops, twice.Ops)
		after, err := json.Marshal(again.Learned())
		require.NoError(t, err)
		assert.Equal(t, string(before), string(after), "a plan that was dropped")
		want, err := s.Schedule(ctx, task)
		require.NoError(t, err)
		got, err := again.Schedule(ctx, task)
		require.NoError(t, err)
		assert.Equal(t, want.Placed, got.Placed, task)
		assert.Equal(t, plan.Ops, got.Placed)
		if i == 20 {
			text, err := json.Marshal(again.Learned())
			require.NoError(t, err)
			learned, err := placement.ReadLearned(placement.PricedGaps(placement.Mix{}), text)
			require.NoError(t, err)
			again, err = scheduler.New(state, scheduler.Config{Strategy: placement.PricedGaps(placement.Mix{}), Exhaustive: true, Learned: learned})
			require.NoError(t, err)
		}
	}
	_, err := scheduler.New(state, scheduler.Config{Strategy: placement.BinPack(), Learned: again.Learned()})
	assert.ErrorContains(t, err, "learned: by another strategy")
}

// What was learned is written down, and a scheduler goes on from there.
func ExampleScheduler_Learned() {
	ctx, by := context.Background(), placement.PricedGaps(placement.Mix{})
	node := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}, Devices: []berth.Device{{Class: "gpu"}}}
	state, _ := scheduler.NewState(scheduler.StateConfig{}, node)
	s, _ := scheduler.New(state, scheduler.Config{Strategy: by})
	share := berth.NewGroup("share", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	s.Schedule(ctx, share.Tasks(2)...)
	text, _ := json.Marshal(s.Learned())

	learned, _ := placement.ReadLearned(by, text)
	s, err := scheduler.New(state, scheduler.Config{Strategy: by, Learned: learned})
	fmt.Println(s.Learned().Mix(), err)

	// Tasks of a plan that the host commits itself are counted when it says so.
	snapshot, _ := state.Snapshot(ctx)
	plan, _ := s.Plan(ctx, snapshot, share.Task("share-3"))
	state.Commit(ctx, plan)
	s.Arrived(snapshot, share.Task("share-3"))
	fmt.Println(s.Learned().Mix())
	// Output:
	// 2048 of (; gpu 1 x 300) <nil>
	// 3072 of (; gpu 1 x 300)
}
