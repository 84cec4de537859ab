// Package script runs interaction scripts: text files of commands and the output each must give, read
// as a story by people and replayed as a test by the go command. A file looks like this:
//
//	# A node that fills up. Comments begin with # and stand between commands.
//
//	add-node n1 cpu=4000 zones=(a, b)
//	----
//	ok
//
//	place
//	web-1 cpu=3000
//	web-2 cpu=3000
//	----
//	web-1 on n1
//	web-2 unplaced: n1 lacks 2000 cpu
//
// A command is one line: a name, then arguments. Lines between it and the "----" are its input. The
// lines after the "----", up to a blank line or the end of the file, are the output it must give.
//
// Run a package's tests with -update to write what the commands gave into the files, and read the diff.
package script

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// One flag for every golden file of the module: a second registration in one test binary would panic.
var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// Updating reports whether the tests run with -update, for golden files of other kinds than scripts.
func Updating() bool { return *update }

// Command is one command of a script.
type Command struct {
	Pos   string // file and line, "testdata/fill.txt:3", to begin an error message with
	Name  string
	Args  []Arg  // in the order written
	Input string // the lines between the command and its "----", each with its newline
}

// Arg is one argument of a command: "word" is a positional one, without a key; "key=value" has one
// value, "key=(a, b)" a list of them. A value holding white space, a comma or a parenthesis is written as a
// quoted Go string.
type Arg struct {
	Key    string
	Values []string
}

// Positional returns the arguments without a key, in order.
func (c Command) Positional() []string {
	var words []string
	for _, a := range c.Args {
		if a.Key == "" {
			words = append(words, a.Values...)
		}
	}
	return words
}

// Values returns the values given to key, nil if it is absent.
func (c Command) Values(key string) []string {
	i := slices.IndexFunc(c.Args, func(a Arg) bool { return a.Key == key })
	if i < 0 {
		return nil
	}
	return c.Args[i].Values
}

// Value returns the first value given to key, "" if there is none.
func (c Command) Value(key string) string {
	for _, v := range c.Values(key) {
		return v
	}
	return ""
}

// RunAll runs each script whose path matches a pattern (see [filepath.Glob]) as a subtest of the file's name, without its ending. The
// commands of a script go to what begin returns for it. It fails the test if no script matches.
func RunAll(t *testing.T, pattern string, begin func(t *testing.T) (do func(t *testing.T, cmd Command) string)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("%s: no scripts", pattern)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, filepath.Ext(name)), func(t *testing.T) { Run(t, path, begin(t)) })
	}
}

// Run calls do for each command of the script at path, in order, and fails the test at each whose result
// is not the output written there. State between commands is the closure's own. A result ends with a
// newline or is given one, and holds no blank line, which would end it in the file.
//
// With -update, Run rewrites the outputs in the file instead, and leaves every other line as it is.
func Run(t *testing.T, path string, do func(t *testing.T, cmd Command) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	steps, rest, err := parse(filepath.ToSlash(path), string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 {
		t.Fatalf("%s: no commands", path)
	}
	for i, s := range steps {
		got, err := output(do(t, s.cmd))
		switch {
		case err != nil:
			t.Fatalf("%s: %s: %v", s.cmd.Pos, s.cmd.Name, err)
		case *update:
			steps[i].want = got
		case got != s.want:
			t.Errorf("%s: %s\ngot:\n%swant:\n%s", s.cmd.Pos, s.cmd.Name, got, s.want)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(format(steps, rest)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// step is a command as it stands in the file: head is every line up to and with the "----".
type step struct {
	head string
	cmd  Command
	want string
}

// parse returns the steps of a script and what follows the last of them.
func parse(path, text string) (steps []step, rest string, err error) {
	var head, input strings.Builder
	var cmd *Command
	lines := slices.Collect(strings.Lines(text))
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\r\n")
		head.WriteString(line + "\n")
		switch {
		case cmd == nil && (strings.TrimSpace(line) == "" || line[0] == '#'):
		case cmd == nil:
			cmd = &Command{Pos: fmt.Sprintf("%s:%d", path, i+1)}
			if cmd.Name, cmd.Args, err = parseCommand(line); err != nil {
				return nil, "", fmt.Errorf("%s: %w", cmd.Pos, err)
			}
		case line != "----":
			input.WriteString(line + "\n")
		default:
			var want strings.Builder
			for ; i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != ""; i++ {
				want.WriteString(strings.TrimRight(lines[i+1], "\r\n") + "\n")
			}
			cmd.Input = input.String()
			steps = append(steps, step{head.String(), *cmd, want.String()})
			head.Reset()
			input.Reset()
			cmd = nil
		}
	}
	if cmd != nil {
		return nil, "", fmt.Errorf("%s: %s has no ----", cmd.Pos, cmd.Name)
	}
	return steps, head.String(), nil
}

// parseCommand splits a command line into its name and arguments.
func parseCommand(line string) (name string, args []Arg, err error) {
	name, line, _ = strings.Cut(strings.TrimSpace(line), " ")
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		var a Arg
		if i := strings.IndexAny(line, "= \t\"("); i > 0 && line[i] == '=' {
			a.Key, line = line[:i], line[i+1:]
		}
		if list, ok := strings.CutPrefix(line, "("); ok {
			a.Values, line, err = parseList(list)
		} else {
			var v string
			v, line, err = parseValue(line, " \t")
			a.Values = []string{v}
		}
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
		if a.Key != "" && slices.ContainsFunc(args, func(b Arg) bool { return b.Key == a.Key }) {
			return "", nil, fmt.Errorf("%s: %s is given twice", name, a.Key)
		}
		args = append(args, a)
	}
	return name, args, nil
}

// parseList reads the values of a list after its opening parenthesis. It returns what follows the closing one.
func parseList(s string) (values []string, rest string, err error) {
	values = []string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if rest, ok := strings.CutPrefix(s, ")"); ok {
			return values, rest, nil
		}
		if s == "" {
			return nil, "", errors.New("a list lacks its )")
		}
		var v string
		if v, s, err = parseValue(s, " \t,)"); err != nil {
			return nil, "", err
		}
		values = append(values, v)
	}
}

// parseValue reads a quoted string, or a bare one that ends before any of the bytes of ends.
func parseValue(s, ends string) (value, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", fmt.Errorf("bad quoted string: %s", s)
		}
		value, err = strconv.Unquote(quoted)
		return value, s[len(quoted):], err
	}
	if i := strings.IndexAny(s, ends); i >= 0 {
		return s[:i], s[i:], nil
	}
	return s, "", nil
}

// output returns a command's result as it stands in a file.
func output(result string) (string, error) {
	result = strings.TrimRight(result, "\n")
	if result == "" {
		return "", nil
	}
	for line := range strings.SplitSeq(result, "\n") {
		if strings.TrimSpace(line) == "" {
			return "", fmt.Errorf("the output has a blank line: %q", result)
		}
	}
	return result + "\n", nil
}

// format returns the file that parse would read as these steps.
func format(steps []step, rest string) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.head + s.want)
	}
	return b.String() + rest
}
