package constraints

import (
	"fmt"
	"regexp"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Pattern is a berth.NodeRule that compares an attribute with a regular expression in the syntax of
// package regexp. A number is compared as it prints. The expression is compiled once; a Pattern equals, with
// ==, only its own copies, while those that print alike decide alike.
type Pattern struct {
	kind      string
	attribute string
	pattern   string
	compiled  *regexp.Regexp // nil if there are faults
	faults    faults
}

const (
	match    = "match"
	notMatch = "not-match"
	search   = "search"
)

// Match allows nodes whose attribute matches the pattern from its first to its last character, as
// Marathon's LIKE does.
func Match(attribute, pattern string) Pattern { return newPattern(match, attribute, pattern) }

// NotMatch allows nodes that Match refuses: those whose attribute does not match as a whole, and those
// that do not have it (Marathon's UNLIKE).
func NotMatch(attribute, pattern string) Pattern { return newPattern(notMatch, attribute, pattern) }

// Search allows nodes whose attribute has a match of the pattern anywhere, as Nomad's regexp does.
func Search(attribute, pattern string) Pattern { return newPattern(search, attribute, pattern) }

func newPattern(kind, attribute, pattern string) Pattern {
	p := Pattern{kind: kind, attribute: attribute, pattern: pattern}
	p.faults.add(checkName("attribute name", attribute))
	re, err := regexp.Compile(pattern)
	if err != nil {
		p.faults.add(fmt.Sprintf("pattern %q: %v", pattern, err))
	}
	if p.faults != "" {
		return p
	}
	if kind != search {
		// The longest of the leftmost matches is the whole text if any match is. Anchors put round
		// the pattern would not do: they become part of one that ends in an open \Q.
		re.Longest()
	}
	p.compiled = re
	return p
}

// Allows reports whether the attribute of n matches, or for NotMatch does not.
func (p Pattern) Allows(n *berth.Node) bool {
	if p.compiled == nil {
		return false
	}
	v, found := n.Attribute(p.attribute)
	if !found {
		return p.kind == notMatch
	}
	if p.kind == search {
		return p.compiled.MatchString(v.String())
	}
	text := v.String()
	span := p.compiled.FindStringIndex(text)
	whole := span != nil && span[0] == 0 && span[1] == len(text)
	return whole == (p.kind == match)
}

// Why says what the node has instead.
func (p Pattern) Why(n *berth.Node) string {
	return describe(n, p.attribute)
}

// Reads returns the attribute.
func (p Pattern) Reads() []string { return []string{p.attribute} }

// String prints the rule: match(zone, "us-.*").
func (p Pattern) String() string {
	return fmt.Sprintf("%s(%s, %q)", p.kind, lex.PrintName(p.attribute), p.pattern)
}

// Err returns every fault of the rule joined into one error, or nil.
func (p Pattern) Err() error {
	if p.kind == "" {
		return faults("pattern without an operator\n").err(p)
	}
	return p.faults.err(p)
}
