package constraints

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Comparison is a berth.NodeRule about the value of one attribute. Comparisons compare with ==.
type Comparison struct {
	op        operator
	attribute string
	operands  string  // one literal per line: see lines
	bound     float64 // the operand of <, <=, > and >=
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

// Less allows nodes whose attribute is a number below value. It refuses text, as the other three
// comparisons of size do, and a value that is text is a fault.
func Less(attribute string, value any) Comparison { return compare(attribute, less, value) }

// AtMost allows nodes whose attribute is a number not above value.
func AtMost(attribute string, value any) Comparison { return compare(attribute, atMost, value) }

// Greater allows nodes whose attribute is a number above value.
func Greater(attribute string, value any) Comparison { return compare(attribute, greater, value) }

// AtLeast allows nodes whose attribute is a number not below value.
func AtLeast(attribute string, value any) Comparison { return compare(attribute, atLeast, value) }

func compareAny(attribute string, op operator, values []any) Comparison {
	c := compare(attribute, op, values...)
	if len(values) == 0 {
		c.faults.add("no values")
	}
	return c
}

func compare(attribute string, op operator, values ...any) Comparison {
	c := Comparison{op: op, attribute: attribute}
	c.faults.add(checkName("attribute name", attribute))
	good := make([]berth.Value, 0, len(values))
	for _, value := range values {
		v, err := berth.ValueOf(value)
		if err != nil {
			c.faults.add(err.Error())
			continue
		}
		good = append(good, v)
		if !c.op.orders() {
			continue
		}
		number, ok := v.Number()
		if !ok {
			c.faults.add(fmt.Sprintf("value %q is text: only numbers have an order", v))
		}
		c.bound = number
	}
	slices.SortFunc(good, berth.Value.Compare)
	c.operands = lines(slices.Compact(good), len(good) < len(values))
	return c
}

// orders reports whether the operator compares sizes.
func (op operator) orders() bool {
	return op == less || op == atMost || op == greater || op == atLeast
}

// lines encodes a set as text, one literal per line, so that equal sets are equal with ==. A quoted
// text has its line breaks escaped: a line is always a whole value. Values that are neither text nor a
// number become one line that is no literal.
func lines(set []berth.Value, faulty bool) string {
	var b strings.Builder
	for _, v := range set {
		b.WriteString("\n" + literal(v))
	}
	if faulty {
		b.WriteString("\n?")
	}
	return b.String() + "\n"
}

func literal(v berth.Value) string {
	if _, ok := v.Number(); ok {
		return v.String()
	}
	return strconv.Quote(v.String())
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
	}
	number, ok := v.Number() // a missing attribute is not a number either
	if !ok {
		return false
	}
	switch c.op {
	case less:
		return number < c.bound
	case atMost:
		return number <= c.bound
	case greater:
		return number > c.bound
	case atLeast:
		return number >= c.bound
	}
	return false
}

func (c Comparison) lists(v berth.Value) bool {
	return strings.Contains(c.operands, "\n"+literal(v)+"\n")
}

// Why says what the node has instead.
func (c Comparison) Why(n *berth.Node) string {
	v, found := n.Attribute(c.attribute)
	if _, ok := v.Number(); found && !ok && c.op.orders() {
		return describe(n, c.attribute) + ", which is not a number"
	}
	return describe(n, c.attribute)
}

// describe says what a node has for an attribute.
func describe(n *berth.Node, attribute string) string {
	v, found := n.Attribute(attribute)
	if !found {
		return lex.PrintName(attribute) + " is missing"
	}
	return lex.PrintName(attribute) + " is " + literal(v)
}

// Reads returns the attribute.
func (c Comparison) Reads() []string { return []string{c.attribute} }

// String prints the rule: zone = "a", zone in ("a", "b"), generation >= 7, exists(gpu).
func (c Comparison) String() string {
	name := lex.PrintName(c.attribute)
	operands := strings.ReplaceAll(strings.Trim(c.operands, "\n"), "\n", ", ")
	switch c.op {
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
