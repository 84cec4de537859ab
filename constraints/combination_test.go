package constraints_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// What a combination says of a node names the parts that are to blame, and no others.
func TestCombinationBlames(t *testing.T) {
	n := &berth.Node{ID: "n", Attributes: berth.Attributes{"zone": "a"}}
	yes, no, other := constraints.Eq("zone", "a"), constraints.Eq("zone", "b"), constraints.Exists("gpu")
	for want, rule := range map[string]berth.NodeRule{
		`zone is "a"`:                         constraints.And(yes, no),
		`zone is "a", gpu is missing`:         constraints.Or(no, other),
		`zone = "a" holds`:                    constraints.Not(yes),
		`zone = "a" holds, gpu is missing`:    constraints.And(constraints.Not(yes), other),
		`gpu is missing`:                      constraints.And(constraints.Or(no, yes), constraints.And(other, constraints.Not(no))),
		`(zone = "b" or zone = "a") holds`:    constraints.Not(constraints.Or(no, yes)),
		`not (zone = "b") holds, zone is "a"`: constraints.Or(constraints.Not(constraints.Not(no)), no),
	} {
		assert.False(t, rule.Allows(n))
		assert.Equal(t, want, rule.Why(n), "%v", rule)
	}
}

func TestCombinationOfNothing(t *testing.T) {
	for _, part := range []berth.NodeRule{nil, (*constraints.Comparison)(nil)} {
		for _, c := range []berth.NodeRule{constraints.And(part, constraints.Exists("a")), constraints.Or(constraints.Exists("a"), part), constraints.Not(part)} {
			assert.ErrorContains(t, c.Err(), "a part is missing")
			assert.Contains(t, c.String(), "<nil>")
			assert.False(t, c.Allows(new(berth.Node)))
			assert.Equal(t, "the rule has a fault", c.Why(new(berth.Node)))
			_ = c.Reads()
			outer := constraints.Not(constraints.And(c, c))
			assert.Equal(t, 2, strings.Count(outer.Err().Error(), "a part is missing"), "each fault once for each place")
		}
	}
	assert.Error(t, constraints.Combination{}.Err())
}
