package constraints

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Comparison is a berth.NodeRule about the value of one attribute. Comparisons compare with ==.
type Comparison struct {
	op        operator
	attribute string
	operands  string // one literal per line: see lines
	bound     bound  // the operand of <, <=, > and >=
	encoded   string // the operands of in-network, version and semver as they are compared with
	faults    faults
}

type operator string

const (
	equal     operator = "="
	notEqual  operator = "!="
	in        operator = "in"
	notIn     operator = "not in"
	exists    operator = "exists"
	notExists operator = "not-exists"
	less      operator = "<"
	atMost    operator = "<="
	greater   operator = ">"
	atLeast   operator = ">="

	containsAll operator = "contains-all"
	containsAny operator = "contains-any"
	inNetwork   operator = "in-network"
	version     operator = "version"
	semVer      operator = "semver"
	anyNode     operator = "everywhere"
	noNode      operator = "nowhere"
)

// Eq allows nodes whose attribute is value: a string or any of Go's integer and float types.
func Eq(attribute string, value any) Comparison { return compare(attribute, equal, value) }

// NotEq allows nodes whose attribute is not value, or missing.
func NotEq(attribute string, value any) Comparison { return compare(attribute, notEqual, value) }

// In allows nodes whose attribute is one of the values, of which there must be at least one.
func In(attribute string, values ...any) Comparison { return compareAny(attribute, in, values) }

// NotIn allows nodes whose attribute is none of the values, of which there must be at least one, or
// missing.
func NotIn(attribute string, values ...any) Comparison { return compareAny(attribute, notIn, values) }

// Exists allows nodes that have the attribute.
func Exists(attribute string) Comparison { return compare(attribute, exists) }

// NotExists allows nodes that do not have the attribute.
func NotExists(attribute string) Comparison { return compare(attribute, notExists) }

func compareAny(attribute string, op operator, values []any) Comparison {
	c := compare(attribute, op, values...)
	if len(values) == 0 {
		c.faults.add("no values")
	}
	return c
}

func compare(attribute string, op operator, values ...any) Comparison {
	c := Comparison{op: op, attribute: attribute}
	bad := []string{checkName("attribute name", attribute)}
	good := make([]berth.Value, 0, len(values))
	for _, value := range values {
		v, err := berth.ValueOf(value)
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		good = append(good, v)
		if c.op.orders() {
			bad = append(bad, c.bound.set(v))
		}
	}
	c.faults.add(bad...)
	slices.SortFunc(good, berth.Value.Compare)
	c.operands = lines(slices.Compact(good), len(good) < len(values))
	return c
}

// lines encodes a set as text, one literal per line, so that equal sets are equal with ==. A quoted
// text has its line breaks escaped: a line is always a whole value. Values that are neither text nor a
// number become one line that is no literal.
func lines(set []berth.Value, faulty bool) string {
	var b strings.Builder
	for _, v := range set {
		b.WriteString("\n" + lex.PrintValue(v))
	}
	if faulty {
		b.WriteString("\n?")
	}
	return b.String() + "\n"
}

// Allows reports whether the comparison holds for n.
func (c Comparison) Allows(n *berth.Node) bool {
	if c.faults != "" {
		return false
	}
	v, found := n.Attribute(c.attribute)
	switch c.op {
	case equal, in:
		return found && c.lists(v)
	case notEqual, notIn:
		return !found || !c.lists(v)
	case exists:
		return found
	case notExists:
		return !found
	case anyNode:
		return true
	case noNode:
		return false
	}
	return found && c.holds(v)
}

// holds reports what the operators say that refuse a node without the attribute.
func (c Comparison) holds(v berth.Value) bool {
	switch c.op {
	case containsAll, containsAny:
		return c.contains(v.String())
	case inNetwork:
		return c.inNetwork(v.String())
	case version, semVer:
		return c.satisfies(v.String())
	}
	return c.orders(v)
}

func (c Comparison) lists(v berth.Value) bool {
	return strings.Contains(c.operands, "\n"+lex.PrintValue(v)+"\n")
}

// Why says what the node has instead.
func (c Comparison) Why(n *berth.Node) string {
	if c.op == noNode {
		return "no node is"
	}
	v, found := n.Attribute(c.attribute)
	if !found {
		return describe(n, c.attribute)
	}
	return describe(n, c.attribute) + c.misfit(v)
}

// misfit says what a value is not that the operator asks for, if it is none of those at all.
func (c Comparison) misfit(v berth.Value) string {
	switch c.op {
	case less, atMost, greater, atLeast:
		if _, ok := numberOf(v); !ok && !c.bound.isText {
			return ", which is not a number"
		}
	case inNetwork:
		if _, ok := parseAddress(v.String()); !ok {
			return ", which is not an address"
		}
	case version, semVer:
		if _, ok := parseVersion(v.String()); !ok {
			return ", which is not a version"
		}
	}
	return ""
}

// describe says what a node has for an attribute.
func describe(n *berth.Node, attribute string) string {
	v, found := n.Attribute(attribute)
	if !found {
		return lex.PrintName(attribute) + " is missing"
	}
	return lex.PrintName(attribute) + " is " + lex.PrintValue(v)
}

// Reads returns the attribute.
func (c Comparison) Reads() []string {
	if c.op == anyNode || c.op == noNode {
		return []string{string(c.op)} // naming none would mean all; what a node has under this name makes no difference
	}
	return []string{c.attribute}
}

// String prints the rule: zone = "a", zone in ("a", "b"), generation >= 7, exists(gpu), version(kernel, ">= 5.4").
func (c Comparison) String() string {
	name := lex.PrintName(c.attribute)
	operands := strings.ReplaceAll(strings.Trim(c.operands, "\n"), "\n", ", ")
	switch c.op {
	case anyNode, noNode:
		return string(c.op)
	case containsAll, containsAny, inNetwork, version, semVer:
		if operands == "" {
			return fmt.Sprintf("%s(%s)", c.op, name)
		}
		return fmt.Sprintf("%s(%s, %s)", c.op, name, operands)
	case in, notIn:
		return fmt.Sprintf("%s %s (%s)", name, c.op, operands)
	case exists, notExists:
		return fmt.Sprintf("%s(%s)", c.op, name)
	}
	return fmt.Sprintf("%s %s %s", name, c.op, operands)
}

// Err returns every fault of the rule joined into one error, or nil.
func (c Comparison) Err() error {
	if c.op == "" {
		return faults("comparison without an operator\n").err(c)
	}
	return c.faults.err(c)
}
