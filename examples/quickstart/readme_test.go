package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root = "../.."
	data = "../shared/data/alibaba-gpu-v2023" // as seen from the root
)

// quotation is a block of the README under a comment that says what it quotes:
//
//	<!-- file: examples/quickstart/main.go -->
//	<!-- output: go run ./examples/quickstart -->
var quotation = regexp.MustCompile("(?s)<!-- (file|output): ([^\n]*) -->\n```[a-z]*\n(.*?)```\n")

// The README quotes nothing that is not so: a block quotes a file or what a command prints, a part of it or all,
// in whole lines that follow each other.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	quoted := quotation.FindAllStringSubmatch(string(text), -1)
	assert.GreaterOrEqual(t, len(quoted), 6)
	sources := map[string]string{}
	for _, q := range quoted {
		kind, what, block := q[1], q[2], q[3]
		t.Run(what, func(t *testing.T) {
			if _, known := sources[what]; !known {
				sources[what] = source(t, kind, what)
			}
			assert.Contains(t, "\n"+sources[what], "\n"+block)
		})
	}
}

func TestReadmeLinks(t *testing.T) {
	text, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	prose := quotation.ReplaceAllString(string(text), "")
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(prose, -1) {
		if !strings.HasPrefix(link[1], "https://") {
			_, err := os.Stat(root + "/" + link[1])
			assert.NoError(t, err)
		}
	}
}

// Every block of code and output says what it quotes, but for commands to type.
func TestReadmeQuotesAreMarked(t *testing.T) {
	text, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	rest := quotation.ReplaceAllString(string(text), "")
	for i, part := range strings.Split(rest, "```") {
		if i%2 == 1 {
			assert.Regexp(t, `^sh\n`, part, "a block that quotes nothing")
		}
	}
}

func TestProgramIsShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	require.NoError(t, err)
	assert.Less(t, strings.Count(string(text), "\n"), 60, "the README says so")
}

func TestReadmeBeginsWithTwoCommands(t *testing.T) {
	text, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "```sh\n")
	require.True(t, ok)
	assert.True(t, strings.HasPrefix(after, "go run ./examples/quickstart\ngo test ./...\n```"), after)
}

func source(t *testing.T, kind, what string) string {
	if kind == "file" {
		text, err := os.ReadFile(root + "/" + what)
		require.NoError(t, err)
		return string(text)
	}
	if strings.Contains(what, " DIR") {
		if _, err := os.Stat(root + "/" + data); err != nil {
			t.Skipf("the openb trace is not beside this repository: %v", err)
		}
		what = strings.ReplaceAll(what, " DIR", " "+data)
	}
	args := strings.Fields(what)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}
