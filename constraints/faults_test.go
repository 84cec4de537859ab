package constraints

import (
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
		{"order of texts", Greater("x", "7"), []string{`constraint x > "7": value "7" is text: only numbers have an order`}},
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
		{"group-by", GroupBy("").Skew(0).MinDomains(-2), []string{
			`constraint group-by("", skew 0, min-domains -2): empty attribute name`,
			`constraint group-by("", skew 0, min-domains -2): skew 0 is less than 1`,
			`constraint group-by("", skew 0, min-domains -2): min-domains -2 is less than 1`,
		}},
		{"toleration", Tolerate("", "a"), []string{`constraint tolerate("" = "a"): empty taint key`}},
		{"toleration of a key", TolerateKey(" "), []string{`constraint tolerate(" "): taint key " " has leading or trailing space`}},
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
