package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// Every rule that the tables name as berth's parses, prints as it is written, and is one that a group takes.
func TestRulesOfMigrating(t *testing.T) {
	page, err := os.ReadFile("migrating.md")
	require.NoError(t, err)
	rules := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 {
			continue
		}
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			spec, printed := berth.GroupSpec{}, ""
			if text := quoted[1]; strings.ContainsAny(text[:1], "+-") {
				p, err := constraints.ParsePreference(text)
				require.NoError(t, err, line)
				spec.Prefer, printed = []berth.Preference{p}, p.String()
			} else {
				rule, err := constraints.Parse(text)
				require.NoError(t, err, line)
				spec.Rules, printed = []berth.Constraint{rule}, rule.String()
			}
			assert.NoError(t, berth.NewGroup("g", spec).Err(), line)
			assert.Equal(t, quoted[1], printed)
			rules++
		}
	}
	assert.Greater(t, rules, 100)
}
