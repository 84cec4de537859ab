package berth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// said is a rule that prints as a host likes.
type said string

func (s said) String() string { return string(s) }
func (s said) Err() error     { return nil }

type saidOfNodes struct{ said }

func (saidOfNodes) Reads() []string         { return nil }
func (saidOfNodes) Allows(*berth.Node) bool { return true }
func (saidOfNodes) Why(*berth.Node) string  { return "" }

type saidOfTaints struct{ said }

func (saidOfTaints) Tolerates(berth.Taint) bool  { return true }
func (saidOfTaints) Stay() (time.Duration, bool) { return 0, false }

type saidOfDomains struct{ said }

func (saidOfDomains) Domain() string          { return "zone" }
func (saidOfDomains) Counts() berth.Counting  { return berth.Counting{} }
func (saidOfDomains) Limit(berth.Domains) int { return 1 }

// Rules that print alike are one rule only if they are of one kind.
func TestRulesOfTwoKindsThatPrintAlike(t *testing.T) {
	node, taint, domain := saidOfNodes{"x"}, saidOfTaints{"x"}, saidOfDomains{"x"}
	orders := [][]berth.Constraint{{node, taint, domain, node}, {domain, taint, node, taint}, {taint, domain, node, domain}}
	for _, rules := range orders {
		g := berth.NewGroup("g", berth.GroupSpec{Rules: rules})
		require.NoError(t, g.Err())
		r := g.Requirements()
		assert.Equal(t, []berth.NodeRule{node}, r.NodeRules)
		assert.Equal(t, []berth.Toleration{taint}, r.Tolerations)
		assert.Equal(t, []berth.DomainRule{domain}, r.DomainRules)
		assert.Len(t, g.Spec().Rules, 4)
	}
}
