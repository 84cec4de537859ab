package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the command itself where a test runs this program for its exit code.
func TestMain(m *testing.M) {
	if os.Getenv("OPENB_IS_THE_COMMAND") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// exit runs the command with its output on a file, and returns its exit code and what it says of errors.
func exit(t *testing.T, stdout *os.File, args ...string) (int, string) {
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "OPENB_IS_THE_COMMAND=1")
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	err := cmd.Run()
	if failed := new(exec.ExitError); !errors.As(err, &failed) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

func TestFault25ExitCodeOfOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no file that is always full: %v", err)
	}
	defer full.Close()
	for _, args := range [][]string{{"-tasks", "5"}, {"-tasks", "5", "-mode", "offers"}, {"-h"}} {
		code, says := exit(t, full, args...)
		assert.Equal(t, 1, code, args)
		assert.Equal(t, "openb: write /dev/stdout: no space left on device\n", says, args)
	}
	code, says := exit(t, nil, "-tasks", "5", "-o", "/dev/full")
	assert.Equal(t, 1, code)
	assert.Equal(t, "openb: write /dev/full: no space left on device\n", says)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	code, _ = exit(t, w, "-tasks", "5")
	assert.NotZero(t, code, "nobody reads")
	code, says = exit(t, nil, "-tasks", "5")
	assert.Zero(t, code, says)
}

var errFull = errors.New("no space left")

// cordon takes so many writes and fails the next, once.
type cordon struct{ writes int }

func (d *cordon) Write(p []byte) (int, error) {
	if d.writes--; d.writes == -1 {
		return 0, errFull
	}
	return len(p), nil
}

// Whichever write fails, and though the later ones do not, the run fails, and what -o named is as it was.
func TestFault25EveryWriteErrorIsReturned(t *testing.T) {
	if testing.Short() {
		t.Skip("tasks are scheduled once for each write: not in short mode")
	}
	out := filepath.Join(t.TempDir(), "assignments.csv")
	require.NoError(t, os.WriteFile(out, []byte("of an earlier run\n"), 0o644))
	for writes := range 100 {
		d := &cordon{writes}
		err := run(t.Context(), []string{"-tasks", "5", "-o", out}, d)
		text, readErr := os.ReadFile(out)
		require.NoError(t, readErr)
		if err == nil {
			assert.GreaterOrEqual(t, d.writes, 0, "no write failed")
			assert.Positive(t, writes)
			assert.True(t, strings.HasPrefix(string(text), "mode,task,node,devices\n"))
			break
		}
		require.ErrorIs(t, err, errFull)
		require.Equal(t, "of an earlier run\n", string(text))
	}
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &cordon{}), errFull)
	require.NotErrorIs(t, run(t.Context(), []string{"-h"}, &cordon{}), flag.ErrHelp)
}

// A place that cannot be written to is told before anything is scheduled, together with what else is wrong.
func TestFault25DestinationIsTriedFirst(t *testing.T) {
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "none", "assignments.csv")
	var printed strings.Builder
	err := run(t.Context(), []string{"-o", nowhere}, &printed)
	assert.EqualError(t, err, "-o: open "+nowhere+": no such file or directory")
	assert.Empty(t, printed.String())
	err = run(t.Context(), []string{"-o", dir, "-data", filepath.Join(dir, "none")}, &printed)
	require.Error(t, err)
	assert.Equal(t, 3, strings.Count(err.Error(), "\n")+1, "the destination, the nodes and the pods: %v", err)
	assert.Empty(t, printed.String())

	// A run that fails leaves no file behind.
	out := filepath.Join(dir, "assignments.csv")
	require.Error(t, run(t.Context(), []string{"-o", out, "-data", filepath.Join(dir, "none")}, &printed))
	assert.NoFileExists(t, out)

	// What is longer than what is written now is gone.
	require.NoError(t, os.WriteFile(out, []byte(strings.Repeat("x", 1<<16)), 0o644))
	require.NoError(t, run(t.Context(), []string{"-o", out, "-tasks", "3", "-mode", "global"}, &printed))
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(text), "\n"), "a header and three tasks")
	assert.NotContains(t, string(text), "x")
}

func TestFault25ArgumentsAllAtOnce(t *testing.T) {
	assert.EqualError(t, run(t.Context(), []string{"-mode", "both", "x", "-inflate", "0", "-tasks", "many", "-pods", "p"}, &cordon{}),
		`invalid value "both" for flag -mode: neither global nor offers
unexpected argument "x"
invalid value "0" for flag -inflate: not a number from 0.001 to 10
invalid value "many" for flag -tasks: not a whole number
-pods: without -data tasks are generated`)
}
