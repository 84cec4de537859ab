package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// twoPickers runs a test with indexes and without.
func twoPickers(t *testing.T, test func(t *testing.T, cfg scheduler.Config)) {
	for _, exhaustive := range []bool{false, true} {
		t.Run(fmt.Sprint("exhaustive ", exhaustive), func(t *testing.T) { test(t, scheduler.Config{Exhaustive: exhaustive}) })
	}
}

// schedule returns what became of tasks on nodes, the unplaced ones as they print.
func schedule(t *testing.T, cfg scheduler.Config, nodes []berth.Node, tasks ...berth.Task) (placed, unplaced []string) {
	t.Helper()
	state := newState(t, scheduler.StateConfig{}, nodes...)
	out, err := newScheduler(t, state, cfg).Schedule(context.Background(), tasks...)
	require.NoError(t, err)
	for _, op := range out.Placed {
		placed = append(placed, op.String())
	}
	for _, u := range out.Unplaced {
		unplaced = append(unplaced, u.String())
	}
	return placed, unplaced
}

func TestFault19GangWithoutAnyRoom(t *testing.T) {
	twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
		var nodes []berth.Node
		var tasks []berth.Task
		full := berth.NewGroup("full", berth.GroupSpec{Priority: 1, Request: berth.Resources{"cpu": 1000}})
		for i := range 4 {
			nodes = append(nodes, node(fmt.Sprint("n", i+1), 1000))
			tasks = append(tasks, full.Task(fmt.Sprint("full-", i+1)))
		}
		for size, want := range map[int]string{
			4: "; gang incomplete 0 of 4", // one more core would not do
			1: "; 1 more cpu on n1 would do; gang incomplete 0 of 1",
		} {
			gang := gangOf(size)
			_, got := schedule(t, cfg, nodes, append(tasks, gang.Tasks(2)...)...)
			assert.Equal(t, []string{
				"0/4 nodes for gang-1: 4 insufficient cpu; nearest n1: lacks 1 cpu" + want,
				"0/4 nodes for gang-2: 4 insufficient cpu; nearest n1: lacks 1 cpu" + want,
			}, got)
		}
		// With room for two of four, what is picked and given back makes no difference to what is said.
		_, got := schedule(t, cfg, nodes, append(tasks[:2:2], gangOf(4).Tasks(4)...)...)
		require.Len(t, got, 4)
		for _, u := range got {
			assert.Contains(t, u, "4 insufficient cpu; nearest n1: lacks 1 cpu; gang incomplete 2 of 4")
		}
	})
}

func TestFault24TwoPickers(t *testing.T) {
	twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
		n := node("n1", 8000)
		n.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu"}}
		placed, unplaced := schedule(t, cfg, []berth.Node{n},
			berth.NewTask("amount", berth.GroupSpec{Request: berth.Resources{"gpu": 1500}}),
			berth.NewTask("device", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}}))
		assert.Equal(t, []string{"place device on n1 gpu/0:1000|gpu/1:1000"}, placed)
		assert.Equal(t, []string{"0/1 nodes for amount: 1 only as devices: gpu; nearest n1: only as devices: gpu"}, unplaced)
	})
}
