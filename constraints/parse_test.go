package constraints

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// names need quotes or not, or look like a word of the language.
var names = []string{
	"zone", "node.id", "a-b_c/d:e", "7", "-5", "e", "not", "in", "and", "or", "exists", "unique", "tolerate", "skew",
	"two words", "größe", `a"b`, `a\b`, "(", "zone = 1", "a,b", "\u200b",
}

var values = []any{
	"", "a", `"`, "\n", "\xff", "größe", ")", "a\", \"b", "zone", 0, 7, -7.5, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e-7, int64(math.MaxInt64),
}

func anyRule(r *rand.Rand, depth int) berth.Constraint {
	switch name := pick(r, names); r.IntN(9) {
	case 0:
		rule := pick(r, []func(string) Cap{
			Unique, func(a string) Cap { return MaxPer(a, 1+r.IntN(3)) },
			func(a string) Cap { return MaxPercent(a, 1+r.IntN(100), 1+r.IntN(50)) }, func(a string) Cap { return MaxShare(a, 1+r.IntN(100)) },
		})(name)
		if r.IntN(2) == 0 {
			rule = rule.Of(anySelector(r, 3))
		}
		if r.IntN(3) == 0 {
			rule = rule.WithoutStopping()
		}
		return rule
	case 8:
		rule := Targets(name, 1+r.IntN(20), map[any]int{pick(r, values[:9]): r.IntN(50), pick(r, values[9:]): r.IntN(51)})
		if r.IntN(2) == 0 {
			rule = rule.Of(anySelector(r, 3)).WithoutStopping()
		}
		if r.IntN(2) == 0 {
			rule = rule.Others(r.IntN(101))
		}
		return rule
	case 1:
		rule := GroupBy(name).Skew(1 + r.IntN(3)).MinDomains(1 + r.IntN(3))
		over := r.IntN(4)
		if over&1 != 0 {
			rule = rule.CordonedToo()
		}
		if over&2 != 0 {
			rule = rule.ExcludedToo()
		}
		if r.IntN(2) == 0 {
			rule = rule.Of(anySelector(r, 3)).WithoutStopping()
		}
		return rule
	case 7:
		rule := pick(r, []func(string, berth.Selector) Pair{Apart, Near, Avoid, Colocate})(name, anySelector(r, 3))
		if r.IntN(3) == 0 {
			return rule.WithoutStopping()
		}
		return pick(r, []Pair{rule, Near(name, berth.Selector{}), Colocate(name, anySelector(r, 3)).Domains(2 + r.IntN(3))})
	case 2:
		t := pick(r, []Toleration{TolerateAll(), TolerateKey(name), Tolerate(name, ""), Tolerate(name, name), TolerateOver(name, -3), TolerateUnder(name, math.MaxInt64)})
		switch r.IntN(4) {
		case 0:
			t = t.Effect(berth.Effect(r.IntN(3)))
		case 1:
			t = t.For(time.Duration(r.IntN(1e6)) * time.Millisecond)
		case 2:
			t = t.For(0).Effect(berth.NoExecute)
		}
		return t
	default:
		return anyNodeRule(r, depth)
	}
}

func anySelector(r *rand.Rand, depth int) berth.Selector {
	name := pick(r, names)
	switch r.IntN(9) {
	case 0:
		return berth.InGroup(name)
	case 1:
		return berth.HasLabel(name)
	case 2:
		return berth.InRole(pick(r, []berth.Role{"", "a", "a/b", "größe"}))
	case 3, 4:
		if depth > 0 {
			return anySelector(r, depth-1).And(anySelector(r, depth-1), anySelector(r, depth-1))
		}
	case 5, 6:
		if depth > 0 {
			return anySelector(r, depth-1).Or(anySelector(r, depth-1))
		}
	case 7:
		if depth > 0 {
			return anySelector(r, depth-1).Not()
		}
	}
	return berth.Label(name, pick(r, []string{"", "a", `"`, "größe", ")", "a\", \"b"}), pick(r, []string{"a", "zone"}))
}

func anyNodeRule(r *rand.Rand, depth int) berth.NodeRule {
	name := pick(r, names)
	some := make([]any, 1+r.IntN(3))
	for i := range some {
		some[i] = pick(r, values)
	}
	switch n := r.IntN(15); {
	case n == 12:
		return pick(r, []func(string, ...string) Comparison{ContainsAll, ContainsAny})(name, pick(r, []string{"", "a", `"`, "größe"}), "b")
	case n == 13:
		networks := []string{"10.0.0.0/8", "::ffff:10.1.2.3", "fe80::1/10", "10.1.2.3"}
		return pick(r, []Comparison{Everywhere(), Nowhere(), InNetwork(name, networks[:1+r.IntN(4)]...)})
	case n == 14:
		return pick(r, []func(a, b string) Comparison{Version, SemVer})(name, pick(r, []string{"1.2", ">=v1.0-rc.1,< 2", "!= 3.1.4+b"}))
	case n < 3 && depth > 0:
		parts := make([]berth.NodeRule, 1+r.IntN(4))
		for i := range parts {
			parts[i] = anyNodeRule(r, depth-1)
		}
		return pick(r, []func(...berth.NodeRule) berth.NodeRule{And, Or})(parts...)
	case n < 4 && depth > 0:
		return Not(anyNodeRule(r, depth-1))
	case n < 5:
		return pick(r, []func(a, b string) Pattern{Match, NotMatch, Search})(name, pick(r, []string{"", "a.*", `\)"`, `\Q(`, "größe"}))
	case n < 6:
		return pick(r, []func(string) Comparison{Exists, NotExists})(name)
	case n < 8:
		return pick(r, []func(string, ...any) Comparison{In, NotIn})(name, some...)
	case n < 10:
		return pick(r, []func(string, any) Comparison{Eq, NotEq})(name, some[0])
	}
	return pick(r, []func(string, any) Comparison{Less, AtMost, Greater, AtLeast})(name, pick(r, values[4:]))
}

// What a rule prints parses back to an equal one.
func TestParseWhatIsPrinted(t *testing.T) {
	r := newRand(t)
	kinds := map[string]int{}
	for range 20_000 {
		rule := anyRule(r, 4)
		require.NoError(t, rule.Err())
		same(t, rule)
		if c, ok := rule.(Combination); ok {
			kinds[c.op]++
		}
		p := berth.Preference{Weight: r.Int64N(2001) - 1000, Rule: rule}
		again, err := ParsePreference(p.String())
		require.NoError(t, err)
		require.Equal(t, p.String(), again.String())
	}
	assert.Len(t, kinds, 3, "all combinations came up")
}

// same checks that a rule prints, parses and prints as the same rule.
func same(t testing.TB, rule berth.Constraint) {
	t.Helper()
	again, err := Parse(rule.String())
	require.NoError(t, err, "%v", rule)
	require.Equal(t, rule.String(), again.String())
	require.IsType(t, rule, again)
	if !strings.Contains(rule.String(), "match(") && !strings.Contains(rule.String(), "search(") {
		require.True(t, rule == again, "%v", rule)
	}
	written, err := rule.(interface{ MarshalText() ([]byte, error) }).MarshalText()
	require.NoError(t, err)
	require.Equal(t, rule.String(), string(written))
}

func TestParseOtherwiseWritten(t *testing.T) {
	for text, want := range map[string]berth.Constraint{
		`  zone="a" `:                                    Eq("zone", "a"),
		`zone  in("b","a","b")`:                          In("zone", "a", "b"),
		`zone not  in ( 1 )`:                             NotIn("zone", 1),
		`generation>=+7.0`:                               AtLeast("generation", 7),
		`max-per( zone , 1 )`:                            Unique("zone"),
		`max-per(zone, 30%of 10)`:                        MaxPercent("zone", 30, 10),
		`max-per(zone,+30% , without stopping)`:          MaxShare("zone", 30).WithoutStopping(),
		`group-by(zone,min-domains 2)`:                   GroupBy("zone").MinDomains(2),
		`tolerate( * )`:                                  TolerateAll(),
		`tolerate(a="")`:                                 Tolerate("a", ""),
		`not(a = 1)`:                                     Not(Eq("a", 1)),
		`(a = 1 or b = 1  or(c = 1 or a = 2))`:           Or(Eq("a", 1), Eq("b", 1), Or(Eq("c", 1), Eq("a", 2))),
		`((a = 1 and b = 1) and c = 1)`:                  And(Eq("a", 1), Eq("b", 1), Eq("c", 1)),
		`everywhere`:                                     Everywhere(),
		`nowhere = 1`:                                    Eq("nowhere", 1),
		`in-network(ip,"10.9.9.9/8" , "::ffff:1.2.3.4")`: InNetwork("ip", "1.2.3.4", "10.0.0.0/8"),
		`version(kernel, "  >=v5.4,<6 ")`:                Version("kernel", ">= 5.4, < 6"),
		`not = 1`:                                        Eq("not", 1),
		`not in (1)`:                                     In("not", 1),
		`not not in (1)`:                                 NotIn("not", 1),
		`(exists(exists)and"x y"="\x61")`:                And(Exists("exists"), Eq("x y", "a")),
	} {
		rule, err := Parse(text)
		require.NoError(t, err, text)
		assert.True(t, want == rule, "%s: %v", text, rule)
	}
}

// N10: the texts of SwarmKit's constraint_test.go, in the words that are used here: what it refuses is refused, and what it takes is
// taken, with "=" for "==" and the value in quotes. A name may begin with a digit here, if it is followed by no sign of its own.
func TestParseAsSwarmKitDoes(t *testing.T) {
	for _, text := range []string{"", " ", "nodeabc", "node ~ abc", `1node==a2`, "no de== x", "no*de==x", "==x", "node==", "node== ", `no de = "x"`, `no*de = "x"`, `= "x"`, "node =", "node = "} {
		_, err := Parse(text)
		var fault *berth.SyntaxError
		assert.ErrorAs(t, err, &fault, text)
	}
	for _, text := range []string{` node = "node1"`, `NoDe = "x"`, `no.de = "x"`, `_node = "_x"`, `node = "[a-b]+c*(n|b)/"`, `node = "node 1"`} {
		rule, err := Parse(text)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(text), rule.String())
	}
}

func TestParseFaults(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int
		want string
	}{
		{``, 0, "want a rule"},
		{`  `, 2, "want a rule"},
		{`)`, 0, "want a rule"},
		{`zone`, 4, `want =, !=, <, <=, >, >=, in or not in after the attribute "zone"`},
		{`zone ~ 3`, 5, `want =, !=`},
		{`zone not`, 5, `want =, !=`},
		{`"zone"(a)`, 6, `want =, !=`},
		{`"zone`, 0, "the quotes do not end"},
		{`"zo\qne" = 1`, 0, "the quotes do not end"},
		{`'zone' = 1`, 0, "want a rule"},
		{`zone = a`, 7, "want a text in quotes or a number"},
		{`zone = 1e999`, 7, "want a text in quotes or a number"},
		{`zone = inf`, 7, "want a text in quotes or a number"},
		{`zone = 0x10`, 8, "the rule has ended"},
		{`zone < "7"`, 0, `constraint zone < "7": value "7" is a number in quotes`},
		{`contains-all(zone)`, 17, `want ","`},
		{`contains-all(zone, "a,b")`, 0, `item "a,b" has a comma`},
		{`contains-any(zone, "a", 7)`, 24, "want a text in quotes"},
		{`in-network(ip, "10.0.0.0/33")`, 0, `"10.0.0.0/33" is neither a network nor an address`},
		{`version(kernel, "~ 1")`, 0, `conditions "~ 1": "~ 1" is not a version`},
		{`version(kernel, "")`, 0, `"" is not a version`},
		{`semver(kernel, "~> 1")`, 0, `"~>" has no meaning in Semantic Versioning`},
		{`everywhere()`, 0, `no rule is named "everywhere"`},
		{`(a = 1 and b = 1 or c = 1)`, 17, `want "and" or ")"`},
		{`(a = 1 and)`, 10, "want a rule"},
		{`zone = "a" b`, 11, "the rule has ended"},
		{`zone in`, 7, `want "("`},
		{`zone in ()`, 9, "want a text in quotes or a number"},
		{`zone in ("a"`, 12, `want "," or ")"`},
		{`zone in ("a",`, 13, "want a text in quotes or a number"},
		{`"" = 1`, 0, "empty attribute name"},
		{`unique()`, 7, "want a name"},
		{`unique(zone`, 11, `want ")" after what unique is about`},
		{`unique(zone, 2)`, 13, `want one of of, without, once`},
		{`unique(zone, over all-nodes)`, 13, `want one of of, without, once`},
		{`unique(zone, of own)`, 16, "a rule is of the group's own tasks if it does not say"},
		{`unique(zone, of a = )`, 20, "want a value"},
		{`unique(zone, of a = 1 b)`, 22, "want the end"},
		{`unique(zone, without)`, 20, `want "stopping"`},
		{`unique(zone, without stopping, without stopping)`, 31, "want one of of, without, once"},
		{`group-by(zone, over all)`, 20, `want cordoned-too, excluded-too or all-nodes`},
		{`apart(zone)`, 10, `want ","`},
		{`apart(zone, )`, 12, "want a part of a selector"},
		{`near(zone, a in (b)`, 19, `want ")" after what near is about`},
		{`near(zone, a in (b`, 16, "the parentheses do not end"},
		{`near(zone, a, over all-nodes)`, 12, "want =, !=, in or not in after the label"},
		{`max-per(zone)`, 12, `want ","`},
		{`max-per(zone, x)`, 14, "want a whole number"},
		{`max-per(zone, 30 %)`, 17, `want ")"`},
		{`max-per(zone, 30% or 10)`, 18, `want "of"`},
		{`max-per(zone, 30% of)`, 20, "want a whole number"},
		{`max-per(zone, 0% of 10)`, 0, "percentage 0 is not from 1 to 100"},
		{`max-per(zone, 10% of 0)`, 0, "number of tasks wanted 0 is less than 1"},
		{`max-per(zone, 0)`, 0, "limit 0 is less than 1"},
		{`max-per(zone, 99999999999999999999)`, 14, "want a whole number"},
		{`group-by(zone, skew 2, skew 2)`, 23, `want one of min-domains, of, over, skew, without, once`},
		{`group-by(zone, width 2)`, 15, `want one of min-domains, of, over, skew, without, once`},
		{`match(zone, "(")`, 0, "missing closing"},
		{`match(zone, a)`, 12, "want a text in quotes"},
		{`tolerate(key > "5")`, 15, "want a whole number"},
		{`tolerate(key, effect evict)`, 21, `effect "evict": unknown word`},
		{`tolerate(key, for ever)`, 18, "want a time such as 5m0s"},
		{`tolerate(*, for 1s, for 1s)`, 20, "want one of effect, for, once"},
		{`tolerate(key, for 1us)`, 0, "time 1µs is not whole milliseconds from 0 on"},
		{`tolerate(key, for -1s)`, 0, "time -1s is not whole milliseconds from 0 on"},
		{`tolerate(key, effect no-schedule, for 1s)`, 0, "only a taint of effect no-execute"},
		{`tolerate(key = value)`, 15, "want a text in quotes"},
		{`frobnicate(zone)`, 0, `no rule is named "frobnicate"`},
		{`(a = 1)`, 6, `want "and" or "or"`},
		{`(a = 1 xor b = 2)`, 7, `want "and" or "or"`},
		{`(a = 1 and b = 2`, 16, `want "and" or ")"`},
		{`(a = 1 and unique(zone))`, 11, "only rules about a node's attributes can be combined"},
		{`not (zone = )`, 12, "want a text in quotes or a number"},
		{strings.Repeat("not (", maxDepth+1), 5*maxDepth + 4, "nested deeper than 10000"},
	} {
		rule, err := Parse(c.text)
		assert.Nil(t, rule, c.text)
		var fault *berth.SyntaxError
		if assert.ErrorAs(t, err, &fault, c.text) {
			assert.Equal(t, c.at, fault.Offset, "%s: %v", c.text, err)
			assert.ErrorContains(t, fault.Err, c.want, c.text)
		}
	}
	_, err := Parse("zone in (" + strings.Repeat(`"a", `, 20))
	assert.EqualError(t, err, `constraints: offset 109, between "..., \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", " and "": want a text in quotes or a number`)
	assert.NotPanics(t, func() { _ = (&berth.SyntaxError{Offset: 9, Err: err}).Error() })

	for text, at := range map[string]int{`zone = 1`: 0, `5 zone = 1`: 0, `+x zone = 1`: 0, ``: 0, `+5 zone`: 7, `+99999999999999999999 zone = 1`: 0, `+-5 zone = 1`: 0} {
		_, err := ParsePreference(text)
		var fault *berth.SyntaxError
		if assert.ErrorAs(t, err, &fault, text) {
			assert.Equal(t, at, fault.Offset, text)
		}
	}
}

// cached is a host's rule.
type cached struct {
	berth.NodeRule
	arguments string
}

func (n cached) String() string {
	if n.arguments == "" {
		return "cached"
	}
	return "cached(" + n.arguments + ")"
}

func TestParseOwn(t *testing.T) {
	errNowhere := errors.New("nowhere")
	own := Own{
		"cached": func(arguments string) (berth.Constraint, error) {
			if arguments == "nowhere" {
				return nil, errNowhere
			}
			return cached{Exists("cache"), arguments}, nil
		},
		"nothing": func(string) (berth.Constraint, error) { return nil, nil },
		"faulty":  func(string) (berth.Constraint, error) { return Exists(""), nil },
		"unmade":  nil,
		"unique":  func(string) (berth.Constraint, error) { return Exists("cache"), nil },
		"a b":     func(string) (berth.Constraint, error) { return Exists("cache"), nil },
	}
	for _, rule := range []berth.Constraint{
		cached{Exists("cache"), ""}, cached{Exists("cache"), `"eu", (3 + ")")`},
		And(cached{Exists("cache"), ""}, Not(Or(cached{Exists("cache"), ")("[1:] + ")"}, Eq("cached", 1)))),
		Eq("cached", 1), NotIn("cached", 1), Unique("cached"),
	} {
		again, err := own.Parse(rule.String())
		require.NoError(t, err)
		assert.True(t, again == rule, "%v", rule)
	}
	p, err := own.ParsePreference("-3 cached")
	require.NoError(t, err)
	assert.Equal(t, berth.Preference{Weight: -3, Rule: cached{Exists("cache"), ""}}, p)

	for text, want := range map[string]string{
		"cached(nowhere)": "cached: nowhere", "nothing": "nothing: no rule was made", "faulty()": "empty attribute name", "far(1)": `no rule is named "far"`,
		"cached(": "the parentheses do not end", `cached(")`: "the quotes do not end", "cached()x": "the rule has ended", "unmade": `"unmade" cannot be the name of a host's rule`,
	} {
		_, err := own.Parse(text)
		assert.ErrorContains(t, err, want, text)
	}
	_, err = own.Parse("cached(nowhere)")
	assert.ErrorIs(t, err, errNowhere)
	_, err = Parse("cached")
	assert.ErrorContains(t, err, "after the attribute")
	rule, err := own.Parse("unique(zone)")
	require.NoError(t, err, "a word of the language keeps its meaning")
	assert.Equal(t, Unique("zone"), rule)
}

// Combinations that are too deep for a text are at fault.
func TestDepth(t *testing.T) {
	rule := Not(Exists("a"))
	for range maxDepth - 1 {
		rule = Not(rule)
	}
	require.NoError(t, rule.Err())
	same(t, rule)
	rule = Not(rule)
	assert.EqualError(t, rule.Err(), "constraint: combination of 10001 parts in each other, more than 10000")
	assert.False(t, rule.Allows(&berth.Node{}))
	_, err := rule.MarshalText()
	assert.ErrorContains(t, err, "10001 parts in each other")
	assert.Error(t, And(rule, Exists("a")).Err())
}

func TestRulesAsJSON(t *testing.T) {
	spec := berth.GroupSpec{
		Rules:  []berth.Constraint{Unique("zone"), In("zone", "b", "a"), TolerateAll()},
		Prefer: []berth.Preference{{Weight: 3, Rule: Search("cpu", "xeon")}},
	}
	data, err := json.Marshal(berth.NewGroup("web", spec))
	require.NoError(t, err)
	assert.Contains(t, string(data), `"Prefer":["+3 search(cpu, \"xeon\")"]`)
	assert.Contains(t, string(data), `"Rules":["unique(zone)","zone in (\"a\", \"b\")","tolerate(*)"]`)

	_, err = json.Marshal([]berth.Constraint{Unique("zone"), Unique("")})
	assert.ErrorContains(t, err, "empty attribute name")
}

func FuzzParse(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f.Add(anyRule(r, 3).String())
	}
	f.Add("cached(1) ")
	f.Add("+5 cached")
	own := Own{"cached": func(arguments string) (berth.Constraint, error) {
		if _, err := strconv.Atoi(arguments); err != nil {
			return nil, err
		}
		return cached{Exists("cache"), arguments}, nil
	}}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := own.ParsePreference(text); err == nil {
			again, err := own.ParsePreference(p.String())
			require.NoError(t, err)
			require.Equal(t, p.String(), again.String())
		}
		rule, err := own.Parse(text)
		if err != nil {
			var fault *berth.SyntaxError
			require.ErrorAs(t, err, &fault)
			require.True(t, 0 <= fault.Offset && fault.Offset <= len(text))
			return
		}
		require.NoError(t, rule.Err())
		again, err := own.Parse(rule.String())
		require.NoError(t, err)
		require.Equal(t, rule.String(), again.String())
	})
}
