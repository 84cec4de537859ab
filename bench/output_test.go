package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the command itself where a test runs this program for its exit code.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_IS_THE_COMMAND") != "" {
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
	for _, args := range [][]string{{"-short"}, {"-short", "-format", "json"}, {"-help"}} {
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "BENCH_IS_THE_COMMAND=1")
		cmd.Stdout, cmd.Stderr = full, &stderr
		failed := new(exec.ExitError)
		require.ErrorAs(t, cmd.Run(), &failed, args)
		assert.Equal(t, 1, failed.ExitCode())
		assert.Equal(t, "bench: write /dev/stdout: no space left on device\n", stderr.String(), args)
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFault25WriteErrorIsReturned(t *testing.T) {
	for _, args := range [][]string{{"-short"}, {"-short", "-format", "json"}, {"-h"}} {
		assert.ErrorIs(t, run(t.Context(), args, full{}), errFull, args)
	}
}

func TestFault25ArgumentsAllAtOnce(t *testing.T) {
	assert.EqualError(t, run(t.Context(), []string{"-seed", "x", "y", "-short=maybe", "-format", "xml", "-size"}, full{}),
		`invalid value "x" for flag -seed: parse error
unexpected argument "y"
invalid boolean value "maybe" for -short: parse error
flag provided but not defined: -size
-format "xml": neither table nor json`)
}
