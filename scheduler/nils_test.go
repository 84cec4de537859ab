package scheduler_test

import (
	"testing"

	"github.com/berth-sched/berth/internal/nils"
	"github.com/berth-sched/berth/scheduler"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(scheduler.Admission), new(scheduler.Answer), new(scheduler.Codec), new(scheduler.Command), new(scheduler.Committed),
		new(scheduler.Config), new(scheduler.Coverage), new(scheduler.Event), new(scheduler.EventKind),
		new(scheduler.FormatError), new(scheduler.Log), new(scheduler.MemoryInventory), new(scheduler.MemoryLauncher),
		new(scheduler.Miss), new(scheduler.NodeEvent), new(scheduler.Observer), new(scheduler.Placement),
		new(scheduler.Planned), new(scheduler.Queue), new(scheduler.RoleWhy), new(scheduler.RunConfig), new(scheduler.Running),
		new(scheduler.Scheduler), new(scheduler.State), new(scheduler.StateConfig), new(scheduler.TaskEvent),
		new(scheduler.TaskStatus),
	)
	nils.Call(t,
		(*scheduler.Coverage)(nil), (*scheduler.Log)(nil), (*scheduler.Queue)(nil), (*scheduler.RoleWhy)(nil), (*scheduler.Scheduler)(nil),
		(*scheduler.State)(nil),
	)
}
