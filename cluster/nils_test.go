package cluster_test

import (
	"testing"

	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/nils"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(cluster.Check), new(cluster.Diagnosis), new(cluster.Failing), new(cluster.Fork), new(cluster.NodeView), new(cluster.RoleView),
		new(cluster.Savepoint), new(cluster.Snapshot), new(cluster.TaskView),
	)
	nils.Call(t,
		(*cluster.Diagnosis)(nil), (*cluster.Fork)(nil), (*cluster.Snapshot)(nil),
	)
}
