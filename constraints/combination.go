package constraints

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// Combination is a berth.NodeRule made of others. Rules of a group are all required as it is, so And
// is for preferences and inside an Or. Its parts may be a host's own rules.
type Combination struct {
	op    string
	a, b  berth.NodeRule // b is nil in Not
	sound bool           // no part has a fault
}

const (
	and = "and"
	or  = "or"
	not = "not"
)

// And allows nodes that both rules allow.
func And(a, b berth.NodeRule) Combination { return combine(and, a, b) }

// Or allows nodes that at least one of the rules allows.
func Or(a, b berth.NodeRule) Combination { return combine(or, a, b) }

// Not allows nodes that the rule refuses, those that it refuses for want of the attribute included.
func Not(rule berth.NodeRule) Combination { return combine(not, rule, nil) }

func combine(op string, a, b berth.NodeRule) Combination {
	c := Combination{op: op, a: a, b: b}
	c.sound = c.Err() == nil
	return c
}

// Allows combines the verdicts of the parts. A combination with a faulty part refuses every node.
func (c Combination) Allows(n *berth.Node) bool {
	if !c.sound {
		return false
	}
	switch c.op {
	case and:
		return c.a.Allows(n) && c.b.Allows(n)
	case or:
		return c.a.Allows(n) || c.b.Allows(n)
	}
	return !c.a.Allows(n)
}

// Why returns what the parts that refuse the node say, and for Not which rule holds.
func (c Combination) Why(n *berth.Node) string {
	if !c.sound {
		return "the rule has a fault"
	}
	if c.op == not {
		return fmt.Sprintf("%v holds", c.a)
	}
	if c.a.Allows(n) {
		return c.b.Why(n)
	}
	if c.b.Allows(n) {
		return c.a.Why(n)
	}
	return c.a.Why(n) + ", " + c.b.Why(n)
}

// Reads returns the attributes that the parts read, or nothing if one of them may read any.
func (c Combination) Reads() []string {
	var names []string
	for _, part := range c.parts() {
		if part == nil {
			continue
		}
		reads := part.Reads()
		if len(reads) == 0 {
			return nil
		}
		names = append(names, reads...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// String prints (a and b), (a or b) or not (a).
func (c Combination) String() string {
	if c.op == not {
		return fmt.Sprintf("not (%v)", c.a)
	}
	return fmt.Sprintf("(%v %s %v)", c.a, c.op, c.b)
}

// Err returns every fault of the parts joined into one error, or nil.
func (c Combination) Err() error {
	if c.op == "" {
		return errors.New("constraint: combination without an operator")
	}
	var errs []error
	for _, part := range c.parts() {
		if part == nil {
			errs = append(errs, fmt.Errorf("constraint %v: a part is missing", c))
			continue
		}
		errs = append(errs, part.Err())
	}
	return errors.Join(errs...)
}

func (c Combination) parts() []berth.NodeRule {
	if c.op == not {
		return []berth.NodeRule{c.a}
	}
	return []berth.NodeRule{c.a, c.b}
}
