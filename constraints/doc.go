// Package constraints answers "where not?": its constructors make the rules that keep a group's tasks
// away from nodes. A group lists them as hard rules in berth.GroupSpec.Rules, where all must hold, or,
// those about one node's attributes, as weighted preferences in berth.GroupSpec.Prefer.
//
//	Rules: []berth.Constraint{
//		constraints.In("zone", "a", "b"),
//		constraints.AtLeast("generation", 7),
//		constraints.GroupBy("zone").Skew(2),
//		constraints.TolerateKey("dedicated"),
//	},
//
// # What a missing attribute does
//
// Every operator has a stated answer for a node that does not have the attribute:
//
//	Eq, In                            refuses     Kubernetes In, Nomad =, Marathon IS
//	NotEq, NotIn                      allows      Kubernetes NotIn, Nomad !=
//	Exists                            refuses
//	NotExists                         allows
//	Less, AtMost, Greater, AtLeast    refuses     Kubernetes Lt and Gt, Nomad <
//	Match, Search                     refuses     Marathon LIKE, Nomad regexp
//	NotMatch                          allows      Marathon UNLIKE
//	Unique, MaxPer, GroupBy           refuses     Marathon, Nomad distinct_property
//
// Not turns the answer of its rule round, And and Or combine the answers of theirs.
//
// # Values
//
// An attribute is text or a number, and the two never equal each other: Eq("generation", 7) refuses a
// node whose generation is the text "7". Numbers alone have an order here. Kubernetes reads integers
// out of label texts, and Nomad compares texts by their bytes when they do not read as numbers, so
// that "10" comes before "9" as soon as one node has an odd value; a host that takes its attributes from
// texts should convert those that are numbers when it describes the node. Numbers are float64:
// integers beyond 2^53 lose precision. A node has one value per attribute, where Mesos and Aurora have sets.
//
// # Equal rules
//
// Rules that print alike decide alike. Texts print quoted and numbers bare, attribute names are quoted
// if they hold anything but ASCII letters, digits and "._-/:", and In and NotIn sort their values and drop
// doubles, so that the order in which a rule is written makes no difference. Rules also compare with ==, except
// [Pattern], which holds a compiled regular expression and equals only its own copies, and what is
// combined of one. [Combination] of a host's own rules compares as those rules do.
//
// # Faults
//
// Constructors do not return errors, so that rules can be written in place. A rule with a fault keeps
// it for Err, which berth.NewGroup asks; asked for a verdict all the same, it refuses.
package constraints

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// faults are what is wrong with a rule, one fault per line: text and not errors, so that rules stay
// comparable.
type faults string

func (f *faults) add(fault string) {
	if fault != "" {
		*f += faults(strings.ReplaceAll(fault, "\n", `\n`) + "\n")
	}
}

// err returns the faults, each with the rule's name, as one error, or nil.
func (f faults) err(rule fmt.Stringer) error {
	var errs []error
	for fault := range strings.Lines(string(f)) {
		errs = append(errs, fmt.Errorf("constraint %v: %s", rule, strings.TrimSuffix(fault, "\n")))
	}
	return errors.Join(errs...)
}

// checkName says what is wrong with the name of an attribute or a taint. No node can have one that
// fails, so a rule about it would silently never match.
func checkName(kind, name string) string {
	switch {
	case name == "":
		return "empty " + kind
	case !utf8.ValidString(name):
		return fmt.Sprintf("%s %q is not UTF-8", kind, name)
	case strings.TrimSpace(name) != name:
		return fmt.Sprintf("%s %q has leading or trailing space", kind, name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("%s %q has a control character", kind, name)
	}
	return ""
}

// atLeastOne says that n is not, if so.
func atLeastOne(what string, n int) string {
	if n < 1 {
		return fmt.Sprintf("%s %d is less than 1", what, n)
	}
	return ""
}

// printName prints a name bare where nothing in it could be taken for the rest of the rule.
func printName(name string) string {
	special := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-/:", r))
	}
	if name == "" || strings.ContainsFunc(name, special) {
		return strconv.Quote(name)
	}
	return name
}
