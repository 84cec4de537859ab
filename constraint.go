package berth

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// MaxWeight is the greatest weight of a preference, for or against.
const MaxWeight = 1000

// Constraint is a rule about where a group's tasks may go. Every Constraint is also a [NodeRule], a
// [DomainRule] or a [Toleration], or several of them at once, and then counts as each; package constraints
// has constructors for all of them, and a host may write its own. A Constraint is immutable and may be used by many goroutines.
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

// DomainRule is a Constraint about the tasks in a node's domain, the group's own or others. A domain is the nodes with one value of
// an attribute. Package constraints has constructors for those of every [Relation].
//
// Where domains are compared, they are those of the nodes that are eligible for the group, so one without a task counts as
// zero, and one that the group can never use does not count; [Counting] may say otherwise.
type DomainRule interface {
	Constraint
	// Domain names the attribute; [NodeID] makes every node a domain of its own.
	Domain() string
	// Counts says which tasks the rule is about, and what it asks of them: by its zero value, that a domain has at most so many of
	// the group's own as Limit says. It must answer alike each time.
	Counts() Counting
	// Limit returns, of a rule that is [AtMost], how many of the tasks that it counts a domain may have, the new one included if it
	// is one of them. It must depend on nothing but d. Others are not asked.
	Limit(d Domains) int
}

// Domains sums up the domains of a group under one attribute.
type Domains struct {
	Number int // domains with at least one eligible node
	Least  int // tasks in the domain that has the fewest
	Total  int // tasks in these domains together
	// Value is that of the domain that is asked about, where [Counting.ByValue] says that the limit goes by it; else the zero Value.
	Value Value
}

// Counting is which tasks a [DomainRule] is about, in which domains, and what it asks of them. Countings compare with ==.
type Counting struct {
	// Of selects the tasks. The zero Selector means those of the group that has the rule.
	Of Selector
	// Relation is what the rule asks of them.
	Relation Relation
	// CordonedToo and ExcludedToo say that, where domains are compared with each other, they are those of other nodes as well than of
	// those that are eligible for the group and not cordoned: of nodes that are cordoned, unschedulable or have taints that are not
	// tolerated (nodeTaintsPolicy: Ignore, the default in Kubernetes), and of nodes that the group's rules about nodes keep it off
	// (nodeAffinityPolicy: Ignore). Where such a node is the only one of a domain, no task can go there, and so the others take no
	// more than the rule lets them have besides an empty one.
	CordonedToo, ExcludedToo bool
	// WithoutStopping says that tasks which are [Stopping] do not count; by default they do until they are gone.
	WithoutStopping bool
	// Even says that the rule's Limit looks at the numbers of [Domains], as one does that keeps tasks even over them. Rules that do not are
	// cheaper to keep up with. Such a rule is AtMost.
	Even bool
	// ByValue says that the rule's Limit goes by the Value of the domain, and by nothing else of [Domains]: it is asked once for each.
	// Such a rule is AtMost, and not Even.
	ByValue bool
	// Domains is, of a rule that is Colocate, how many domains may have any of the tasks before only those take more; 0 is 1.
	Domains int
}

// Relation is what a [DomainRule] asks of the tasks that it is about. It declares which way a placement can change the
// verdict about other nodes, and berth relies on that.
type Relation uint8

const (
	// AtMost: the Limit of the rule says how many of the tasks a domain may have. A node without the
	// attribute is refused. Placing a task can only close nodes, unless the rule is Even: then a limit may rise too.
	AtMost Relation = iota
	// Apart: a domain that has any of the tasks takes none of the group's, and a domain that has a task of the group takes
	// none of them. A node without the attribute is let in: it is in no domain, and a task there keeps nobody away. Placing a
	// task can only close nodes.
	Apart
	// Near: only a domain that has at least one of the tasks takes one of the group's. Where no domain has any, and the
	// group's own tasks are among those selected, the first may go wherever the node has the attribute. A node without it is
	// refused. Placing a task can open nodes, and closes some only where it was the first.
	Near
	// Avoid: a domain that has any of the tasks takes none of the group's, but those may come to the group's. A node without
	// the attribute is let in. Placing a task can only close nodes.
	Avoid
	// Colocate: where any domain has some of the tasks, only one that has takes one of the group's, and where none has, any
	// does. A node without the attribute is refused. Placing a task can open nodes and close others, as with Near. Where
	// [Counting.Domains] says so there may be tasks in several domains before the others are closed.
	Colocate
)

// String returns "at-most", "apart", "near", "avoid" or "colocate".
func (r Relation) String() string {
	if int(r) < len(relationWords) {
		return relationWords[r]
	}
	return fmt.Sprintf("relation %d", uint8(r))
}

// Opens reports whether placing a task can let others of such rules in where they were refused.
func (r Relation) Opens() bool { return r == Near || r == Colocate }

// Lenient reports whether such rules let in on nodes without the attribute.
func (r Relation) Lenient() bool { return r == Apart || r == Avoid }

// Print prints a rule of that counting which is about whether there are such tasks, as package constraints writes it:
// apart(zone, app = "db") or near(rack, own, without stopping).
func (c Counting) Print(attribute string) string {
	s := fmt.Sprintf("%v(%s, %v", c.Relation, printWord(attribute), c.Of)
	if c.Domains > 1 {
		s += fmt.Sprintf(", domains %d", c.Domains)
	}
	if c.WithoutStopping {
		s += ", without stopping"
	}
	return s + ")"
}

// Err returns every fault of the counting joined into one error, or nil.
func (c Counting) Err() error {
	var errs []error
	if c.Relation > Colocate {
		errs = append(errs, fmt.Errorf("unknown %v", c.Relation))
	}
	switch {
	case c.Domains < 0:
		errs = append(errs, errors.New("the number of domains is less than 1"))
	case c.Domains > 0 && c.Relation != Colocate:
		errs = append(errs, fmt.Errorf("%v is not about how many domains there are tasks in", c.Relation))
	}
	if c.ByValue && c.Relation != AtMost {
		errs = append(errs, fmt.Errorf("%v has no limit that could go by values", c.Relation))
	}
	if c.Even && c.Relation != AtMost {
		errs = append(errs, fmt.Errorf("%v has no limit that could look at other domains", c.Relation))
	}
	if c.Even && c.ByValue {
		errs = append(errs, errors.New("a limit that goes by values compares no domains"))
	}
	return errors.Join(append(errs, c.Of.Err())...)
}

// Toleration is a Constraint that lets a group's tasks on nodes with certain taints.
type Toleration interface {
	Constraint
	// Tolerates reports whether the group's tasks may go on nodes with the taint.
	Tolerates(t Taint) bool
	// Stay returns how long after a taint of effect [NoExecute] came tasks may stay, and false if they may for good.
	Stay() (limit time.Duration, limited bool)
}

// Preference is a rule that should hold, with a weight from 1 to [MaxWeight], or that should not, with
// a negative one. The rule is about a node's attributes, about the tasks in its domain, or both. One about tasks holds where it
// would let one more of the group's in; one that is [Near] or [Colocate] only where there is a task to be near. So to prefer a
// [DomainRule] is a soft spread, and to prefer one that is Near or [Apart] soft affinity and anti-affinity, as the preferred terms
// of pod affinity in Kubernetes are, several of which add up. Unlike there, a domain that has many of the tasks counts no more than
// one that has one, and what the tasks that are there prefer does not count for a newcomer: only the hard rule to be apart is
// symmetric.
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
	switch r := r.(type) {
	case DomainRule:
		if err := r.Counts().Err(); err != nil {
			return fmt.Errorf("constraint %v: %w", r, err)
		}
	case NodeRule, Toleration:
	default:
		return fmt.Errorf("constraint %v: neither a NodeRule nor a DomainRule nor a Toleration", r)
	}
	return nil
}
