package constraints

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule berth.Constraint
		want []string // one per fault, in order
	}{
		{"no attribute", Eq("", "a"), []string{`constraint "" = "a": empty attribute name`}},
		{"attribute with space", Exists(" x"), []string{`constraint exists(" x"): attribute name " x" has leading or trailing space`}},
		{"attribute with control character", Exists("a\nb"), []string{`constraint exists("a\nb"): attribute name "a\nb" has a control character`}},
		{"attribute not UTF-8", Exists("\xff"), []string{`constraint exists("\xff"): attribute name "\xff" is not UTF-8`}},
		{"no value", Eq("x", nil), []string{`constraint x = ?: value of type <nil> is neither text nor a number`}},
		{"unsupported value", NotEq("x", []string{"a"}), []string{`constraint x != ?: value of type []string is neither text nor a number`}},
		{"not a number", Less("x", math.NaN()), []string{`constraint x < ?: value NaN is not a finite number`}},
		{"infinite", AtMost("x", math.Inf(1)), []string{`constraint x <= ?: value +Inf is not a finite number`}},
		{"number in quotes", Greater("x", "7"), []string{`constraint x > "7": value "7" is a number in quotes: without them numbers are compared, with them the order is that of bytes`}},
		{"contains nothing", ContainsAll("x"), []string{`constraint contains-all(x): no values`}},
		{"contains a list", ContainsAny("", "a,b"), []string{
			`constraint contains-any("", "a,b"): empty attribute name`,
			`constraint contains-any("", "a,b"): item "a,b" has a comma, which no item of a list can have`,
		}},
		{"no network", InNetwork("x"), []string{`constraint in-network(x): no values`}},
		{"malformed networks", InNetwork("x", "10.0.0.0/8", "10.0.0", "fd00::/129"), []string{
			`constraint in-network(x, "10.0.0", "10.0.0.0/8", "fd00::/129"): "10.0.0" is neither a network nor an address`,
			`constraint in-network(x, "10.0.0", "10.0.0.0/8", "fd00::/129"): "fd00::/129" is neither a network nor an address`,
		}},
		{"no version", Version("", ">="), []string{
			`constraint version("", ">="): empty attribute name`,
			`constraint version("", ">="): conditions ">=": "" is not a version`,
		}},
		{"~> in SemVer", SemVer("x", "~> 1.0"), []string{`constraint semver(x, "~> 1.0"): conditions "~> 1.0": "~>" has no meaning in Semantic Versioning`}},
		{"and of nothing", And(), []string{`constraint and(): no parts`}},
		{"or of nothing", Or(nil), []string{`constraint or(): no parts`}},
		{"not of an or of nothing", Not(Or()), []string{`constraint or(): no parts`}},
		{"in nothing", In("x"), []string{`constraint x in (): no values`}},
		{"not in nothing", NotIn("x"), []string{`constraint x not in (): no values`}},
		{"all faults at once", In("", "a", true, 7, []int{1}), []string{
			`constraint "" in (7, "a", ?): empty attribute name`,
			`constraint "" in (7, "a", ?): value of type bool is neither text nor a number`,
			`constraint "" in (7, "a", ?): value of type []int is neither text nor a number`,
		}},
		{"bad pattern", Match("x", "a["), []string{"constraint match(x, \"a[\"): pattern \"a[\": error parsing regexp: missing closing ]: `[`"}},
		{"bad pattern, no attribute", Search("", "("), []string{
			`constraint search("", "("): empty attribute name`,
			"constraint search(\"\", \"(\"): pattern \"(\": error parsing regexp: missing closing ): `(`",
		}},
		{"bad pattern of two lines", NotMatch("x", "a\n("), []string{
			"constraint not-match(x, \"a\\n(\"): pattern \"a\\n(\": error parsing regexp: missing closing ): `a\\n(`",
		}},
		{"pattern with unbalanced halves", Match("x", "a)|(b"), []string{
			"constraint match(x, \"a)|(b\"): pattern \"a)|(b\": error parsing regexp: unexpected ): `a)|(b`",
		}},
		{"unique of nothing", Unique(""), []string{`constraint unique(""): empty attribute name`}},
		{"max-per", MaxPer("", 0), []string{
			`constraint max-per("", 0): empty attribute name`,
			`constraint max-per("", 0): limit 0 is less than 1`,
		}},
		{"percent", MaxPercent("zone", 101, 10), []string{`constraint max-per(zone, 101% of 10): percentage 101 is not from 1 to 100`}},
		{"percent of nothing", MaxPercent("zone", 30, 0), []string{`constraint max-per(zone, 30% of 0): number of tasks wanted 0 is less than 1`}},
		{"percent of nothing at all", MaxPercent("zone", 0, 0), []string{
			`constraint max-per(zone, 0% of 0): percentage 0 is not from 1 to 100`, `constraint max-per(zone, 0% of 0): number of tasks wanted 0 is less than 1`,
		}},
		{"share", MaxShare("zone", 0), []string{`constraint max-per(zone, 0%): percentage 0 is not from 1 to 100`}},
		{"group-by", GroupBy("").Skew(0).MinDomains(-2), []string{
			`constraint group-by("", skew 0, min-domains -2): empty attribute name`,
			`constraint group-by("", skew 0, min-domains -2): skew 0 is less than 1`,
			`constraint group-by("", skew 0, min-domains -2): min-domains -2 is less than 1`,
		}},
		{"targets of nothing", Targets("", 0, nil), []string{
			`constraint targets("", 0): empty attribute name`,
			`constraint targets("", 0): number of tasks wanted 0 is less than 1`,
			`constraint targets("", 0): no values`,
		}},
		{"targets", Targets("dc", 10, map[any]int{"a": 101, 1: 60, 1.0: 60, int8(7): 70, true: 3}).Others(-4), []string{
			`constraint targets(dc, 10, 1 60%, 7 70%, "a" 101%, others -4%): value 1 is given twice`,
			`constraint targets(dc, 10, 1 60%, 7 70%, "a" 101%, others -4%): value of type bool is neither text nor a number`,
			`constraint targets(dc, 10, 1 60%, 7 70%, "a" 101%, others -4%): percentage 101 of "a" is not from 0 to 100`,
			`constraint targets(dc, 10, 1 60%, 7 70%, "a" 101%, others -4%): the percentages make 130`,
			`constraint targets(dc, 10, 1 60%, 7 70%, "a" 101%, others -4%): percentage -4 of the others is not from 0 to 100`,
		}},
		{"zero Shares", Shares{}, []string{
			`constraint targets("", 0): empty attribute name`,
			`constraint targets("", 0): number of tasks wanted 0 is less than 1`,
			`constraint targets("", 0): no values`,
		}},
		{"in no domain", Colocate("", berth.Selector{}).Domains(0), []string{
			`constraint colocate("", own): empty attribute name`,
			`constraint colocate("", own): the number of domains is less than 1`,
		}},
		{"near in two domains", Near("zone", berth.Selector{}).Domains(2), []string{`constraint near(zone, own, domains 2): near is not about how many domains there are tasks in`}},
		{"toleration", Tolerate("", "a"), []string{`constraint tolerate("" = "a"): empty taint key`}},
		{"toleration of a key", TolerateKey(" "), []string{`constraint tolerate(" "): taint key " " has leading or trailing space`}},
		{"toleration of an effect", TolerateAll().Effect(9), []string{`constraint tolerate(*, effect effect 9): unknown effect 9`}},
		{"toleration for a time", TolerateKey("a").Effect(berth.NoSchedule).For(-1), []string{
			`constraint tolerate(a, effect no-schedule, for -1ns): only a taint of effect no-execute has tasks leave after a time`,
			`constraint tolerate(a, effect no-schedule, for -1ns): time -1ns is not whole milliseconds from 0 on`,
		}},
		{"missing parts", And(nil, nil), []string{
			`constraint (<nil> and <nil>): a part is missing`,
			`constraint (<nil> and <nil>): a part is missing`,
		}},
		{"not nothing", Not(nil), []string{`constraint not (<nil>): a part is missing`}},
		{"faulty parts", Or(In("x"), Not(Eq("", 1))), []string{
			`constraint x in (): no values`,
			`constraint "" = 1: empty attribute name`,
		}},
		{"zero Comparison", Comparison{}, []string{`constraint ""  : comparison without an operator`}},
		{"zero Pattern", Pattern{}, []string{`constraint ("", ""): pattern without an operator`}},
		{"zero Combination", Combination{}, []string{`constraint: combination without an operator`}},
		{"zero Cap", Cap{}, []string{
			`constraint max-per("", 0): empty attribute name`,
			`constraint max-per("", 0): limit 0 is less than 1`,
		}},
		{"zero Spread", Spread{}, []string{
			`constraint group-by("", skew 0, min-domains 0): empty attribute name`,
			`constraint group-by("", skew 0, min-domains 0): skew 0 is less than 1`,
			`constraint group-by("", skew 0, min-domains 0): min-domains 0 is less than 1`,
		}},
		{"zero Toleration", Toleration{}, []string{`constraint tolerate("" = ""): empty taint key`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.EqualError(t, tc.rule.Err(), strings.Join(tc.want, "\n"))
			assert.Error(t, berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{tc.rule}}).Err())
			refuses(t, tc.rule)
		})
	}
}

// refuses checks that a faulty rule, asked all the same, says no and does not panic.
func refuses(t *testing.T, rule berth.Constraint) {
	t.Helper()
	switch rule := rule.(type) {
	case berth.NodeRule:
		rule.Reads()
		for _, n := range []*berth.Node{{}, {ID: "n1", Attributes: berth.Attributes{"": 1, "x": "a"}}} {
			assert.False(t, rule.Allows(n))
			assert.NotEmpty(t, rule.Why(n))
		}
	case berth.DomainRule:
		if rule.Domain() != "" { // no node has the attribute "", so its limit is never asked
			assert.Zero(t, rule.Limit(berth.Domains{Number: 2, Least: 1}))
		}
	case berth.Toleration:
		assert.False(t, rule.Tolerates(berth.Taint{}))
	}
}

// What is said of many faults is no longer than twice as long for twice as many, though each says which rule it is of.
func TestFaultsOfLongRules(t *testing.T) {
	said := func(n int) []int {
		networks := make([]string, n)
		for i := range networks {
			networks[i] = fmt.Sprintf("no network %06d", i)
		}
		var lengths []int
		for _, rule := range []berth.Constraint{
			And(make([]berth.NodeRule, n)...), Not(Or(make([]berth.NodeRule, n)...)),
			InNetwork("ip", networks...),
		} {
			lengths = append(lengths, len(rule.Err().Error()))
		}
		return lengths
	}
	few, many := said(200), said(400)
	for i := range few {
		assert.Less(t, many[i], few[i]*21/10)
	}
}
