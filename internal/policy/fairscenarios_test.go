package policy_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each scenario of Mesos' sorter and allocator tests, by its number in the notes that the tests were made from, is a script that both play, or the page about
// Mesos names the test that plays it. Each example of the papers on fair shares is in a script, or in a test that says its number.
func TestEveryFairScenarioIsPlayed(t *testing.T) {
	scripts, numbers := map[string]bool{}, map[string]bool{}
	for _, dir := range []string{"allocator", "offers", "scheduler"} {
		files, err := filepath.Glob("../../" + dir + "/testdata/*/*.txt")
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			switch filepath.Base(filepath.Dir(file)) {
			case "mesos":
				if m := regexp.MustCompile(`^m(\d\d)-`).FindStringSubmatch(filepath.Base(file)); m != nil {
					scripts["M"+m[1]] = true
				}
			case "golden":
				for _, m := range regexp.MustCompile(`\bG(\d{1,2})\b`).FindAllStringSubmatch(string(text), -1) {
					numbers["G"+m[1]] = true
				}
			}
		}
	}
	tests := map[string]bool{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		if strings.Contains(path, "/allocator/") {
			for _, m := range regexp.MustCompile(`\bG(\d{1,2})\b`).FindAllStringSubmatch(string(text), -1) {
				numbers["G"+m[1]] = true
			}
		}
		return err
	}))
	page, err := os.ReadFile("../../docs/mesos.md")
	require.NoError(t, err)
	for _, row := range regexp.MustCompile(`(?m)^\| (M\d\d)(?:, (M\d\d))*[^|]*\|(.*)\|$`).FindAllStringSubmatch(string(page), -1) {
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[3], -1)
		assert.NotEmpty(t, named, "%s: no test is named", row[1])
		for _, m := range named {
			assert.True(t, tests[m[1]], "%s: there is no %s", row[1], m[1])
		}
		for _, number := range regexp.MustCompile(`M\d\d`).FindAllString(strings.Split(row[0], "|")[1], -1) {
			assert.False(t, scripts[number], "%s is a script", number)
			scripts[number] = true
		}
	}
	for n := 1; n <= 27; n++ {
		assert.True(t, scripts[fmt.Sprintf("M%02d", n)], "M%02d of Mesos is played by no script, and the page names no test", n)
	}
	for n := 1; n <= 18; n++ {
		assert.True(t, numbers[fmt.Sprint("G", n)], "G%d of the papers is played nowhere", n)
	}
}
