package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func TestMemoryInventoryTellsEveryWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &scheduler.MemoryInventory{}
		ctx, cancel := context.WithCancel(t.Context())
		told := [2]map[string]string{{}, {}}
		calls := [2]int{}
		for i := range told {
			go func() {
				_ = in.Watch(ctx, func(events ...scheduler.NodeEvent) error {
					calls[i]++
					for _, e := range events {
						told[i][e.Node.ID] = fmt.Sprintf("cpu %d, cordoned %t", e.Node.Capacity["cpu"], e.Cordoned)
						if e.Removed {
							delete(told[i], e.Node.ID)
						}
					}
					return nil
				})
			}()
		}
		expect := func(want map[string]string) {
			t.Helper()
			synctest.Wait()
			assert.Equal(t, [2]map[string]string{want, want}, told)
		}
		expect(map[string]string{})
		assert.Equal(t, [2]int{1, 1}, calls, "that there is no node is said")
		in.Set(node("n2", 1), node("n1", 1))
		expect(map[string]string{"n1": "cpu 1, cordoned false", "n2": "cpu 1, cordoned false"})
		assert.Equal(t, [2]int{2, 2}, calls, "what is set together is told together")
		in.Cordon("n1", "nobody")
		in.Set(node("n1", 2))
		expect(map[string]string{"n1": "cpu 2, cordoned true", "n2": "cpu 1, cordoned false"})
		in.Remove("n2", "n1", "n2")
		in.Set(node("n2", 3))
		expect(map[string]string{"n2": "cpu 3, cordoned false"})
		in.Set(node("n1", 4))
		expect(map[string]string{"n1": "cpu 4, cordoned false", "n2": "cpu 3, cordoned false"})
		cancel()
		synctest.Wait()
		in.Remove("n1")
		expect(map[string]string{"n1": "cpu 4, cordoned false", "n2": "cpu 3, cordoned false"})
	})
}

func TestMemoryLauncherSaysFirstWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l scheduler.MemoryLauncher
		web := webGroup(1000)
		on := func(id string, attempt uint64) scheduler.Placement {
			return scheduler.Placement{Task: web.Task(id), Node: "n1", Attempt: attempt}
		}
		require.NoError(t, l.Start(t.Context(), on("b", 1)))
		require.NoError(t, l.Start(t.Context(), on("c", 2)))
		require.Error(t, l.Start(t.Context(), on("c", 3)), "it runs")
		l.Appear(on("a", 0))
		l.End(scheduler.TaskExited, "b", "c", "nobody")
		require.NoError(t, l.Start(t.Context(), on("c", 4)))
		require.NoError(t, l.Stop(t.Context(), on("c", 3)), "that one runs no longer")
		var words []string
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = l.Watch(ctx, func(events ...scheduler.TaskEvent) error {
				for _, e := range events {
					words = append(words, fmt.Sprintf("%v %d %v", e.Placement, e.Attempt, e.Status))
				}
				return berth.ErrUnknownTask
			})
		}()
		synctest.Wait()
		assert.Equal(t, []string{"b on n1 1 exited", "a on n1 0 orphan", "c on n1 4 running"}, words)
		l.End(scheduler.TaskLost, "c")
		synctest.Wait()
		assert.Equal(t, "c on n1 4 lost", words[3])
		cancel()
	})
}
