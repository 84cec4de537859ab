package scheduler_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/scheduler"
)

// What has no exported fields is no "{}".
func TestNoTextForm(t *testing.T) {
	for what, v := range map[string]any{
		"state":            &scheduler.State{},
		"scheduler":        &scheduler.Scheduler{},
		"queue":            &scheduler.Queue{},
		"memory inventory": &scheduler.MemoryInventory{},
		"memory launcher":  &scheduler.MemoryLauncher{},
		"log":              &scheduler.Log{},
	} {
		_, err := json.Marshal(map[string]any{"what": v})
		assert.ErrorContains(t, err, "scheduler: "+strings.TrimSpace(what)+": it has no text form; ")
	}
}

func TestNoTextFormNamesTheCodec(t *testing.T) {
	_, err := json.Marshal(&scheduler.State{})
	assert.ErrorContains(t, err, "Codec.Checkpoint writes it and Codec.Restore reads it")
	state, err := scheduler.NewState(scheduler.StateConfig{})
	require.NoError(t, err)
	snapshot, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	for _, v := range []any{snapshot, snapshot.Fork()} {
		_, err = json.Marshal(v)
		assert.ErrorContains(t, err, "scheduler.Codec.Checkpoint")
	}
}
