package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/scheduler"
)

func TestWords(t *testing.T) {
	for s := scheduler.TaskRunning; s <= scheduler.TaskOrphan; s++ {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var again scheduler.TaskStatus
		require.NoError(t, again.UnmarshalText(text))
		assert.Equal(t, s, again)
	}
	for k := scheduler.Started; k <= scheduler.Withheld; k++ {
		text, err := k.MarshalText()
		require.NoError(t, err)
		var again scheduler.EventKind
		require.NoError(t, again.UnmarshalText(text))
		assert.Equal(t, k, again)
	}
	_, err := scheduler.TaskStatus(9).MarshalText()
	assert.EqualError(t, err, "task status: no word for 9")
	_, err = scheduler.EventKind(99).MarshalText()
	assert.EqualError(t, err, "event: no word for 99")
}
