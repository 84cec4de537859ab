package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

func Example() {
	main()
	// Output:
	//   placed web-1
	//   started web-1
	//   confirmed web-1
	//   placed web-2
	//   started web-2
	// the host was killed: true
	//   confirmed web-2
	//   placed web-3
	//   started web-3
	//   confirmed web-3
	//   placed web-4
	// the host was killed: true
	//   started web-4
	//   confirmed web-4
	// the host was killed: false
}

// TestMain is the program itself where the program runs a host.
func TestMain(m *testing.M) {
	if os.Getenv(stepsLeft) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Wherever hosts are killed, all tasks run in the end. That none was started twice the host says itself, by a panic.
func TestNothingIsLostOrStartedTwice(t *testing.T) {
	for steps := 1; steps <= 13; steps++ { // there are 12 in all
		dir := t.TempDir() + "/"
		lives := 1
		for ; run(dir, steps); lives++ {
			require.LessOrEqual(t, lives, 12)
		}
		assert.Equal(t, 12/steps+1, lives, "each life goes on where the last one ended")

		state := restore(dir)
		var places []string
		for _, task := range berth.NewGroup("web", berth.GroupSpec{}).Tasks(4) {
			at, ok := state.Task(task.ID)
			require.True(t, ok, task)
			assert.Equal(t, berth.Running, at.State)
			assert.FileExists(t, dir+task.ID)
			places = append(places, at.Node)
		}
		assert.Equal(t, []string{"n1", "n1", "n1", "n1"}, places)
	}
}

// A host that is killed while it writes a command, or between a checkpoint and emptying the log, loses and repeats nothing.
func TestKilledWhileWriting(t *testing.T) {
	dir := t.TempDir() + "/"
	for run(dir, 5) {
		log, err := os.ReadFile(dir + "log")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(dir+"log", append(slices.Clone(log), log[len(log)-5:]...), 0o600))
		restore(dir) // the checkpoint has all now, and the log is empty
		require.NoError(t, os.WriteFile(dir+"log", log, 0o600))
	}
	state := restore(dir)
	for _, task := range berth.NewGroup("web", berth.GroupSpec{}).Tasks(4) {
		at, ok := state.Task(task.ID)
		require.True(t, ok, task)
		assert.Equal(t, berth.Running, at.State)
	}
}

func TestProgramIsShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	require.NoError(t, err)
	assert.Less(t, strings.Count(string(text), "\n"), 60)
}
