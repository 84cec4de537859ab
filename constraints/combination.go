package constraints

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	input "github.com/berth-sched/berth/internal/faults"
)

// Combination is a berth.NodeRule made of others. Its parts may be a host's own rules. Rules of a group are all
// required as it is, so And is for preferences and inside an Or. One of more than 10,000 parts, or as deep, is a fault.
type Combination struct {
	op    string
	a, b  berth.NodeRule // the parts before the last are a Combination of the same op; b is nil in Not
	depth int            // of combinations, this one included
	sound bool           // no part has a fault
	empty bool           // there was no part
}

// maxDepth is how deep combinations may be in each other. Verdicts and texts go down part by part, which costs stack.
const maxDepth = 10_000

const (
	and = "and"
	or  = "or"
	not = "not"
)

// And allows nodes that all of the rules allow, of which there must be at least one. And of one rule is that rule.
func And(rules ...berth.NodeRule) berth.NodeRule { return combineAll(and, rules) }

// Or allows nodes that at least one of the rules allows, of which there must be at least one. Or of one rule is that rule.
// A Kubernetes node affinity is an Or of Ands.
func Or(rules ...berth.NodeRule) berth.NodeRule { return combineAll(or, rules) }

// Not allows nodes that the rule refuses, those that it refuses for want of the attribute included.
func Not(rule berth.NodeRule) Combination { return combine(not, rule, nil) }

func combineAll(op string, rules []berth.NodeRule) berth.NodeRule {
	if len(rules) == 0 || len(rules) == 1 && input.IsNil(rules[0]) {
		return Combination{op: op, empty: true}
	}
	all := rules[0]
	for _, rule := range rules[1:] {
		all = combine(op, all, rule)
	}
	return all
}

func combine(op string, a, b berth.NodeRule) Combination {
	c := Combination{op: op, a: a, b: b}
	c.sound = true
	for _, part := range c.operands() {
		c.sound = c.sound && sound(part)
		if inner, ok := part.(Combination); ok {
			c.depth = max(c.depth, inner.depth)
		}
	}
	c.depth++
	c.sound = c.sound && c.depth <= maxDepth
	return c
}

// sound reports whether a part has no fault. Of a combination that is known, so that making one of a deep one costs the same
// as of a flat one.
func sound(part berth.NodeRule) bool {
	if c, ok := part.(Combination); ok {
		return c.sound
	}
	return !input.IsNil(part) && part.Err() == nil
}

// Allows combines the verdicts of the parts. A combination with a faulty part refuses every node.
func (c Combination) Allows(n *berth.Node) bool {
	if !c.sound {
		return false
	}
	if c.op == not {
		return !c.a.Allows(n)
	}
	var buf [few]berth.NodeRule
	parts := c.parts(buf[:0])
	for i := range parts {
		if part := parts[len(parts)-1-i]; part.Allows(n) == (c.op == or) { // one decides
			return c.op == or
		}
	}
	return c.op == and
}

// few parts need no list of their own.
const few = 8

// parts appends the parts of an and or an or, the last first. Those of one within it of the same kind, which is its first, are its own: so it
// is a list of them that is gone through, however deep.
func (c Combination) parts(out []berth.NodeRule) []berth.NodeRule {
	for {
		out = append(out, c.b)
		before, ok := c.a.(Combination)
		if !ok || before.op != c.op || before.empty {
			return append(out, c.a)
		}
		c = before
	}
}

// Why returns what the parts that refuse the node say, and for Not which rule holds.
func (c Combination) Why(n *berth.Node) string {
	if !c.sound {
		return "the rule has a fault"
	}
	_, blamed := c.verdict(n, nil)
	why := make([]string, len(blamed))
	for i, b := range blamed {
		if b.holds {
			why[i] = fmt.Sprintf("%v holds", b.rule)
		} else {
			why[i] = b.rule.Why(n)
		}
	}
	return strings.Join(why, ", ")
}

// blame is a part because of which a node is refused: it refuses the node or, within Not, it holds.
type blame struct {
	rule  berth.NodeRule
	holds bool
}

// verdict reports whether c allows the node, and appends which parts are to blame if it does not. It asks each part once,
// however deep it is.
func (c Combination) verdict(n *berth.Node, blamed []blame) (bool, []blame) {
	before := len(blamed)
	if c.op == not {
		a, blamed := ask(c.a, n, blamed)
		blamed = blamed[:before]
		if a {
			blamed = append(blamed, blame{c.a, true})
		}
		return !a, blamed
	}
	var buf [few]berth.NodeRule
	parts := c.parts(buf[:0])
	allowed := 0
	for i := range parts {
		var allows bool
		if allows, blamed = ask(parts[len(parts)-1-i], n, blamed); allows {
			allowed++
		}
	}
	if allowed == len(parts) || c.op == or && allowed > 0 {
		return true, blamed[:before]
	}
	return false, blamed
}

// ask is verdict for any part.
func ask(part berth.NodeRule, n *berth.Node, blamed []blame) (bool, []blame) {
	if c, ok := part.(Combination); ok {
		return c.verdict(n, blamed)
	}
	if part.Allows(n) {
		return true, blamed
	}
	return false, append(blamed, blame{part, false})
}

// Reads returns the attributes that the parts read, or nothing if one of them may read any.
func (c Combination) Reads() []string {
	names, ok := c.reads(nil)
	if !ok {
		return nil
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reads appends what the parts read, or returns false if one of them may read any attribute.
func (c Combination) reads(names []string) ([]string, bool) {
	operands := c.operands()
	if c.op != not && !c.empty {
		var buf [few]berth.NodeRule
		operands = c.parts(buf[:0])
	}
	for _, part := range operands {
		if inner, ok := part.(Combination); ok {
			if names, ok = inner.reads(names); !ok {
				return nil, false
			}
		} else if !input.IsNil(part) {
			reads := part.Reads()
			if len(reads) == 0 {
				return nil, false
			}
			names = append(names, reads...)
		}
	}
	return names, true
}

// String prints (a and b and c), (a or b) or not (a).
func (c Combination) String() string {
	var b strings.Builder
	c.write(&b)
	return b.String()
}

func (c Combination) write(b *strings.Builder) {
	if c.empty {
		b.WriteString(c.op + "()")
		return
	}
	if c.op == not {
		b.WriteString("not (")
		writePart(b, c.a)
	} else {
		b.WriteByte('(')
		c.writeParts(b)
	}
	b.WriteByte(')')
}

// writeParts writes the parts of an and or an or.
func (c Combination) writeParts(b *strings.Builder) {
	var buf [few]berth.NodeRule
	parts := c.parts(buf[:0])
	for i := range parts {
		if i > 0 {
			b.WriteString(" " + c.op + " ")
		}
		writePart(b, parts[len(parts)-1-i])
	}
}

func writePart(b *strings.Builder, part berth.NodeRule) {
	if c, ok := part.(Combination); ok {
		c.write(b)
	} else if input.IsNil(part) {
		b.WriteString("<nil>")
	} else {
		b.WriteString(part.String())
	}
}

// Err returns every fault of the parts joined into one error, or nil.
func (c Combination) Err() error {
	if c.sound {
		return nil
	}
	return errors.Join(c.faults(nil, shortened(c.String()))...)
}

// faults appends the faults of the combination, which is within one that prints as a text.
func (c Combination) faults(errs []error, text string) []error {
	if c.op == "" && !c.empty {
		return append(errs, errors.New("constraint: combination without an operator"))
	}
	if c.empty {
		return append(errs, fmt.Errorf("constraint %v: no parts", c))
	}
	if c.depth > maxDepth {
		return append(errs, fmt.Errorf("constraint: combination of %d parts in each other, more than %d", c.depth, maxDepth))
	}
	for _, part := range c.operands() {
		if inner, ok := part.(Combination); ok {
			if !inner.sound {
				errs = inner.faults(errs, text)
			}
		} else if input.IsNil(part) {
			errs = append(errs, fmt.Errorf("constraint %s: a part is missing", text))
		} else if err := part.Err(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (c Combination) operands() []berth.NodeRule {
	switch {
	case c.empty:
		return nil
	case c.op == not:
		return []berth.NodeRule{c.a}
	}
	return []berth.NodeRule{c.a, c.b}
}

// Parts returns "and", "or" or "not", and the rules that it is made of: those of an And within an And, and of an Or within an Or, as its own.
func (c Combination) Parts() (operator string, parts []berth.NodeRule) {
	if c.empty || c.op == "" {
		return c.op, nil
	}
	if c.op == not {
		return c.op, []berth.NodeRule{c.a}
	}
	parts = c.parts(nil)
	slices.Reverse(parts)
	return c.op, parts
}
