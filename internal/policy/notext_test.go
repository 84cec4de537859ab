package policy_test

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
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
		{"allocator: vector", &allocator.Vector{}},
		{"cluster: snapshot", cluster.Snapshot{}},
		{"cluster: snapshot", &cluster.Snapshot{}},
		{"cluster: fork", cluster.Fork{}},
		{"cluster: fork", cluster.NewFork()},
		{"cluster: node view", cluster.NodeView{}},
		{"cluster: node view", &cluster.NodeView{}},
		{"cluster: savepoint", cluster.Savepoint{}},
		{"cluster: savepoint", &cluster.Savepoint{}},
		{"offers: exchange", &offers.Exchange{}},
		{"offers: subscription", &offers.Subscription{}},
		{"offers: book", &offers.Book{}},
		{"placement: engine", &placement.Engine{}},
		{"placement: exhaustive", &placement.Exhaustive{}},
		{"placement: savepoint", placement.Savepoint{}},
		{"placement: savepoint", &placement.Savepoint{}},
		{"scheduler: state", &scheduler.State{}},
		{"scheduler: scheduler", &scheduler.Scheduler{}},
		{"scheduler: queue", &scheduler.Queue{}},
		{"scheduler: memory inventory", &scheduler.MemoryInventory{}},
		{"scheduler: memory launcher", &scheduler.MemoryLauncher{}},
		{"scheduler: log", &scheduler.Log{}},
	} {
		_, err := json.Marshal(map[string]any{"what": c.v})
		assert.ErrorContains(t, err, c.what+": it has no text form; ")
		if reflect.TypeOf(c.v).Kind() != reflect.Pointer {
			continue
		}
		text, is := c.v.(encoding.TextUnmarshaler)
		if assert.True(t, is, c.what) {
			assert.ErrorContains(t, text.UnmarshalText([]byte("x")), c.what+": it has no text form; ")
		}
		for _, foreign := range []string{"{}", `{"Kind": "Pod"}`, "[]", "1", "true", `"x"`} {
			assert.Error(t, json.Unmarshal([]byte(foreign), c.v), "%s: %s", c.what, foreign)
		}
	}
}

// What is written for people to look at, and what has a reader of its own, is not read as an empty one.
func TestNotReadFromJSON(t *testing.T) {
	for _, v := range []any{
		&cluster.Plan{}, &berth.Group{}, &scheduler.Command{}, &placement.Choices{}, &placement.Choice{}, &placement.Learned{},
		&berth.GroupSpec{}, &cluster.Outcome{}, &berth.Task{}, &berth.Op{}, &cluster.Refusal{}, &cluster.Unplaced{}, &cluster.Explanation{},
		&berth.Node{}, &berth.Hold{}, &berth.Quota{}, &cluster.Version{}, &cluster.Diagnosis{},
	} {
		for _, foreign := range []string{"{}", `{"Kind": "Pod"}`, "[]", "1", `"x"`} {
			assert.Error(t, json.Unmarshal([]byte(foreign), v), "%T: %s", v, foreign)
		}
	}
	for _, foreign := range []string{"{}", `{"Kind": "Pod"}`, "[]", "null", "x", "\x00"} {
		_, err := scheduler.Codec{}.ReadCommand([]byte(foreign))
		assert.Error(t, err, foreign)
		_, err = scheduler.Codec{}.Restore(strings.NewReader(foreign), scheduler.StateConfig{})
		assert.Error(t, err, foreign)
		for _, err := range (scheduler.Codec{}).Commands(strings.NewReader(foreign)) {
			assert.Error(t, err, foreign)
		}
		_, err = placement.ReadLearned(placement.RoomLoss(placement.Mix{}), []byte(foreign))
		assert.Error(t, err, foreign)
	}
}
