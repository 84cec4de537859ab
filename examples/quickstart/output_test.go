package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the program itself where a test runs it for its exit code.
func TestMain(m *testing.M) {
	if os.Getenv("QUICKSTART_IS_THE_PROGRAM") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestFault25ExitCodeOfOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no file that is always full: %v", err)
	}
	defer full.Close()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "QUICKSTART_IS_THE_PROGRAM=1")
	cmd.Stdout, cmd.Stderr = full, &stderr
	failed := new(exec.ExitError)
	require.ErrorAs(t, cmd.Run(), &failed)
	assert.Positive(t, failed.ExitCode())
	assert.Contains(t, stderr.String(), "no space left on device")
}
