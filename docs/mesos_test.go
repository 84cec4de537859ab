package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of mesos.md names each script that deviates from Mesos, and of which kind its deviations are, and nothing else.
func TestDeviationsFromMesos(t *testing.T) {
	var said []string
	for _, dir := range []string{"allocator", "offers"} {
		files, err := filepath.Glob("../" + dir + "/testdata/mesos/*.txt")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^deviates (\S+)$`).FindAllStringSubmatch(string(text), -1) {
				said = append(said, strings.TrimSuffix(filepath.Base(file), ".txt")+" "+m[1])
			}
		}
	}
	page, err := os.ReadFile("mesos.md")
	require.NoError(t, err)
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+) \| ([a-z-]+) \|`).FindAllStringSubmatch(string(page), -1) {
		if m[1] != "script" {
			listed = append(listed, m[1]+" "+m[2])
		}
	}
	slices.Sort(said)
	slices.Sort(listed)
	assert.Equal(t, said, listed)
}
