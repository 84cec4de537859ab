package cluster_test

import (
	"testing"

	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/nils"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(cluster.Check), new(cluster.Diagnosis), new(cluster.Failing), new(cluster.Fork), new(cluster.NodeView), new(cluster.RoleView),
		new(cluster.Explanation), new(cluster.NearMiss), new(cluster.Outcome), new(cluster.Part), new(cluster.Plan), new(cluster.ReasonCount),
		new(cluster.Refusal), new(cluster.Savepoint), new(cluster.Snapshot), new(cluster.TaskView), new(cluster.Unplaced), new(cluster.Version),
	)
	nils.Call(t,
		(*cluster.Diagnosis)(nil), (*cluster.Explanation)(nil), (*cluster.Fork)(nil), (*cluster.Snapshot)(nil),
	)
}
