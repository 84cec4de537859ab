package placement_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// What histories draw of rules about nodes, each with some chance, and what nodes have for them.

// describeMore gives some nodes addresses, of which there are so many that they are asked row by row, releases, and taints with numbers.
func describeMore(r *rand.Rand, n *berth.Node) {
	if r.IntN(3) == 0 {
		n.Attributes["address"] = fmt.Sprintf("10.0.%d.%d", r.IntN(3), r.IntN(200))
	}
	if r.IntN(3) == 0 {
		n.Attributes["release"] = []string{"1.2.0", "1.3.0-rc.1", "2.0.1"}[r.IntN(3)]
	}
	if r.IntN(12) == 0 {
		n.Taints = append(n.Taints, berth.Taint{Key: "load", Value: fmt.Sprint(r.IntN(4)), Effect: berth.Effect(r.IntN(3))})
	}
}

// oneRuleOfNodes returns a rule about the attributes of nodes, of any kind there is.
func oneRuleOfNodes(r *rand.Rand) berth.Constraint {
	rules := []func() berth.Constraint{
		func() berth.Constraint { return constraints.NotIn("zone", "a", "x") },
		func() berth.Constraint { return constraints.Exists("ssd") },
		func() berth.Constraint { return constraints.NotExists("ssd") },
		func() berth.Constraint { return constraints.Less("ssd", 2) },
		func() berth.Constraint { return constraints.AtMost("ssd", 1) },
		func() berth.Constraint { return constraints.Greater("ssd", 1) },
		func() berth.Constraint { return constraints.Match("rack", "r[0-4]") },
		func() berth.Constraint { return constraints.NotMatch("zone", "[ab]") },
		func() berth.Constraint { return constraints.Search("rack", "[13579]$") },
		func() berth.Constraint { return constraints.ContainsAll("zone", "c") },
		func() berth.Constraint { return constraints.InNetwork("address", "10.0.1.0/24", "10.0.2.0/25") },
		func() berth.Constraint { return constraints.SemVer("release", ">= 1.3.0-rc.1") },
		func() berth.Constraint { return constraints.Version("release", "~> 1.2") },
		func() berth.Constraint {
			return constraints.Not(constraints.And(constraints.Eq("zone", "a"), constraints.Exists("ssd")))
		},
	}
	return rules[r.IntN(len(rules))]()
}

// oneToleration returns a toleration of any kind there is.
func oneToleration(r *rand.Rand) berth.Constraint {
	all := []constraints.Toleration{
		constraints.Tolerate("dedicated", "x"), constraints.Tolerate("dedicated", "x").Effect(berth.NoSchedule), constraints.TolerateAll(),
		constraints.TolerateAll().Effect(berth.PreferNoSchedule), constraints.TolerateOver("load", 1), constraints.TolerateUnder("load", 2),
		constraints.TolerateKey("load").Effect(berth.NoExecute).For(time.Minute),
	}
	return all[r.IntN(len(all))]
}
