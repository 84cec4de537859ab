package script

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	count := 0
	Run(t, "testdata/echo.txt", func(t *testing.T, cmd Command) string {
		count++
		switch cmd.Name {
		case "echo":
			return echo(cmd)
		case "count":
			return fmt.Sprint(count)
		}
		t.Fatalf("%s: unknown command %s", cmd.Pos, cmd.Name)
		return ""
	})
}

func echo(cmd Command) string {
	var b strings.Builder
	for _, a := range cmd.Args {
		if a.Key != "" {
			b.WriteString(a.Key + ":")
		}
		for i, v := range a.Values {
			if a.Key != "" || i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%q", v)
		}
		b.WriteByte('\n')
	}
	for line := range strings.Lines(cmd.Input) {
		b.WriteString("| " + line)
	}
	return b.String()
}

func TestCommandArguments(t *testing.T) {
	steps, _, err := parse("s.txt", "# why\n\nput n1 cpu=4 zones=(a, b) n2 none=()\n----\n")
	require.NoError(t, err)
	require.Len(t, steps, 1)
	cmd := steps[0].cmd
	assert.Equal(t, "s.txt:3", cmd.Pos)
	assert.Equal(t, []string{"n1", "n2"}, cmd.Positional())
	assert.Equal(t, []string{"a", "b"}, cmd.Values("zones"))
	assert.Equal(t, "a", cmd.Value("zones"))
	assert.Equal(t, []string{}, cmd.Values("none"))
	assert.Nil(t, cmd.Values("memory"))
	assert.Empty(t, cmd.Value("memory"))
}

func TestBadScripts(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no separator":    {"a\n----\n\nb\nc\n", "s.txt:4: b has no ----"},
		"open list":       {"a k=(x, y\n----\n", "s.txt:1: a: a list lacks its )"},
		"open quote":      {"a k=\"x\n----\n", "s.txt:1: a: bad quoted string: \"x"},
		"key given twice": {"\na k=1 k=2\n----\n", "s.txt:2: a: k is given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parse("s.txt", c.text)
			assert.EqualError(t, err, c.want)
		})
	}
}

func TestOutput(t *testing.T) {
	for _, c := range []struct{ result, want string }{
		{"", ""}, {"\n", ""}, {"a", "a\n"}, {"a\nb\n", "a\nb\n"},
	} {
		got, err := output(c.result)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	_, err := output("a\n \nb")
	assert.ErrorContains(t, err, "blank line")
}

// A file of many shapes comes back byte for byte when every command gives what is written.
func TestFormatUndoesParse(t *testing.T) {
	text, err := os.ReadFile("testdata/echo.txt")
	require.NoError(t, err)
	for _, text := range []string{string(text), "a\n----\nb\n\n# the end\n", "a\n----\n"} {
		steps, rest, err := parse("s.txt", text)
		require.NoError(t, err)
		assert.Equal(t, text, format(steps, rest))
	}
}

func TestUpdateRewritesOnlyOutputs(t *testing.T) {
	was := flag.Lookup("update").Value.String()
	require.NoError(t, flag.Set("update", "true"))
	t.Cleanup(func() { require.NoError(t, flag.Set("update", was)) })

	path := filepath.Join(t.TempDir(), "s.txt")
	require.NoError(t, os.WriteFile(path, []byte("# why\n\na\nin\n----\nold\n\nb\n----\nsame\n\n# end\n"), 0o644))
	Run(t, path, func(_ *testing.T, cmd Command) string {
		if cmd.Name == "b" {
			return "same"
		}
		return "new 1\nnew 2"
	})
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "# why\n\na\nin\n----\nnew 1\nnew 2\n\nb\n----\nsame\n\n# end\n", string(got))
}

// A wrong output must fail the test, and only a test that fails can show it: this one runs itself in a child process.
func TestWrongOutputFails(t *testing.T) {
	if path := os.Getenv("SCRIPT_WRONG"); path != "" {
		Run(t, path, func(*testing.T, Command) string { return "got this" })
		return
	}
	path := filepath.Join(t.TempDir(), "s.txt")
	require.NoError(t, os.WriteFile(path, []byte("\na\n----\nwant this\n"), 0o644))
	child := exec.Command(os.Args[0], "-test.run=^TestWrongOutputFails$")
	child.Env = append(os.Environ(), "SCRIPT_WRONG="+path)
	printed, err := child.CombinedOutput()
	out := string(printed)
	require.Error(t, err, out)
	assert.Contains(t, out, "s.txt:2: a\n")
	assert.Contains(t, out, "got this")
	assert.Contains(t, out, "want this")
}
