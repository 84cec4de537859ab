package scheduler_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/scheduler"
)

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
