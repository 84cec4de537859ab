package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// What has no exported fields and no text form is not written as "{}", and its error names it.
func TestNoTextForm(t *testing.T) {
	for _, c := range []struct {
		what string
		v    any
	}{
		{"allocator: DRF", &allocator.DRF{}},
		{"allocator: turns", &allocator.Turns{}},
		{"allocator: queue", &allocator.Queue{}},
		{"allocator: account", &allocator.Account{}},
		{"allocator: sibling", &allocator.Sibling{}},
		{"allocator: vector", allocator.Vector{}},
		{"cluster: snapshot", cluster.Snapshot{}},
		{"cluster: snapshot", &cluster.Snapshot{}},
		{"cluster: fork", cluster.Fork{}},
		{"cluster: fork", cluster.NewFork()},
		{"cluster: node view", cluster.NodeView{}},
		{"cluster: savepoint", cluster.Savepoint{}},
		{"offers: exchange", &offers.Exchange{}},
		{"offers: subscription", &offers.Subscription{}},
		{"offers: book", &offers.Book{}},
		{"placement: engine", &placement.Engine{}},
		{"placement: exhaustive", &placement.Exhaustive{}},
		{"placement: savepoint", placement.Savepoint{}},
		{"scheduler: state", &scheduler.State{}},
		{"scheduler: scheduler", &scheduler.Scheduler{}},
		{"scheduler: queue", &scheduler.Queue{}},
		{"scheduler: memory inventory", &scheduler.MemoryInventory{}},
		{"scheduler: memory launcher", &scheduler.MemoryLauncher{}},
		{"scheduler: log", &scheduler.Log{}},
	} {
		_, err := json.Marshal(map[string]any{"what": c.v})
		assert.ErrorContains(t, err, c.what+": it has no text form; ")
	}
}
