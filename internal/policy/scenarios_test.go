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

// Each conformance scenario of other systems has a test that names it: K of Kubernetes, M of Marathon, F of Fenzo, A of Aurora, N of Nomad or S of
// SwarmKit and the fair-share systems, by their numbers in the notes that the tests were made from.
func TestEveryScenarioIsPlayed(t *testing.T) {
	systems := map[string]string{"Kubernetes": "K", "Marathon": "M", "Fenzo": "F", "Aurora": "A", "Nomad": "N", "SwarmKit": "S"}
	short := regexp.MustCompile(`\b([KMFANS])([0-9]{1,2})\b`)
	long := regexp.MustCompile(`\b(Kubernetes|Marathon|Fenzo|Aurora|Nomad|SwarmKit) ([0-9]{1,2})\b`)
	played := map[string]bool{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "scenarios_test.go") || strings.Contains(path, "/offers/") {
			return err // Mesos' scenarios have letters of their own
		}
		text, err := os.ReadFile(path)
		for _, m := range short.FindAllStringSubmatch(string(text), -1) {
			played[m[1]+m[2]] = true
		}
		for _, m := range long.FindAllStringSubmatch(string(text), -1) {
			played[systems[m[1]]+m[2]] = true
		}
		return err
	}))
	for _, of := range []struct {
		letters  string
		from, to int
	}{{"K", 1, 26}, {"M", 1, 16}, {"F", 17, 24}, {"A", 25, 26}, {"NS", 1, 26}} {
		for n := of.from; n <= of.to; n++ {
			name, is := fmt.Sprint(of.letters[:1], n), false
			for _, letter := range of.letters {
				is = is || played[fmt.Sprintf("%c%d", letter, n)]
			}
			assert.True(t, is, "%s is not played", name)
		}
	}
}
