package berth

import (
	"errors"
	"fmt"
	"reflect"
)

// MaxWeight is the greatest weight of a preference, for or against.
const MaxWeight = 1000

// Constraint is a rule about where a group's tasks may go. Every Constraint is also a [NodeRule], a
// [DomainRule] or a [Toleration], or several of them at once, and then counts as each; package constraints has
// constructors for all three, and a host may write its own. A Constraint is immutable and may be used by many goroutines.
// Sources ask it under their locks, so it must not call them.
//
// A rule that does not answer alike when it is asked again, or panics, is at fault, but does no harm beyond its own
// group's tasks: they may be placed or refused by any of its answers.
type Constraint interface {
	// String prints the rule as it would be written. Rules that print alike must decide alike:
	// berth keeps verdicts by it.
	String() string
	// Err returns what is wrong with the rule, or nil.
	Err() error
}

// NodeRule is a Constraint about the description of a node, whatever runs on it.
type NodeRule interface {
	Constraint
	// Reads names the attributes that Allows looks at. berth asks for a verdict once for all nodes
	// with equal values of them. No names mean that it may look at anything.
	Reads() []string
	// Allows reports whether the group's tasks may go on n. It must not change n.
	Allows(n *Node) bool
	// Why says why they may not, in a few words; berth calls it only after Allows returned false.
	Why(n *Node) string
}

// DomainRule is a Constraint about how many of the group's own tasks one domain may have. A domain is
// the nodes with one value of an attribute. A node without the attribute is refused.
//
// The domains are those of the nodes that are eligible for the group, so one without a task counts as
// zero, and one that the group can never use does not count.
type DomainRule interface {
	Constraint
	// Domain names the attribute; [NodeID] makes every node a domain of its own.
	Domain() string
	// Limit returns how many of the group's tasks a domain may have, the new one included. It must
	// depend on nothing but d.
	Limit(d Domains) int
	// Even reports whether Limit looks at d. Rules that do not are cheaper to keep up with.
	Even() bool
}

// Domains sums up the domains of a group under one attribute.
type Domains struct {
	Number int // domains with at least one eligible node
	Least  int // tasks in the domain that has the fewest
}

// Toleration is a Constraint that lets a group's tasks on nodes with certain taints.
type Toleration interface {
	Constraint
	Tolerates(t Taint) bool
}

// Preference is a rule that should hold, with a weight from 1 to [MaxWeight], or that should not, with
// a negative one. The rule is about a node's attributes, about how many tasks a domain has, or both: a [DomainRule] holds
// where it would let one more task in, so that preferring it is a soft spread.
type Preference struct {
	Weight int64
	Rule   Constraint
}

// String prints the weight before the rule.
func (p Preference) String() string { return fmt.Sprintf("%+d %v", p.Weight, p.Rule) }

func checkRule(r Constraint) error {
	if v := reflect.ValueOf(r); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("constraint: none given")
	}
	if err := r.Err(); err != nil {
		return err
	}
	switch r.(type) {
	case NodeRule, DomainRule, Toleration:
		return nil
	}
	return fmt.Errorf("constraint %v: neither a NodeRule nor a DomainRule nor a Toleration", r)
}
