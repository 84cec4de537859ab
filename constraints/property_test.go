package constraints

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// newRand returns a source with a fixed seed, so that a failure repeats; it is printed for those who vary it.
func newRand(t *testing.T) *rand.Rand {
	const seed = 20260401
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// operands are few, so that random rules and nodes often meet; some are made to be confused.
var operands = []any{"a", "b", "7", "", "\"a\"", "a\nb", `a", "b`, 7, 8, 7.5}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func pickSome(r *rand.Rand) []any {
	some := make([]any, 1+r.IntN(3))
	for i := range some {
		some[i] = pick(r, operands)
	}
	return some
}

var unary = map[string]func(string, any) Comparison{
	"=": Eq, "!=": NotEq, "<": Less, "<=": AtMost, ">": Greater, ">=": AtLeast,
	"exists":     func(attribute string, _ any) Comparison { return Exists(attribute) },
	"not-exists": func(attribute string, _ any) Comparison { return NotExists(attribute) },
}

// randomComparison returns a valid comparison of the operator.
func randomComparison(r *rand.Rand, op string) Comparison {
	attribute := pick(r, []string{"x", "y"})
	switch op {
	case "in":
		return In(attribute, pickSome(r)...)
	case "not in":
		return NotIn(attribute, pickSome(r)...)
	case "<", "<=", ">", ">=":
		return unary[op](attribute, pick(r, []any{7, 7.5, 8, int8(7), uint64(8), float32(7.5), "a", "b", "\"a\"", "a\nb"}))
	}
	return unary[op](attribute, pick(r, operands))
}

// everyNode returns a node for each pair of values of x and y, missing ones included, with numbers on both
// sides of and between all operands: what two comparisons decide differently, they do on one of these.
func everyNode() []*berth.Node {
	values := append([]any{nil, 6, 7.25, 7.75, 9}, operands...)
	var nodes []*berth.Node
	for _, x := range values {
		for _, y := range values {
			n := &berth.Node{ID: "n", Attributes: berth.Attributes{}}
			if x != nil {
				n.Attributes["x"] = x
			}
			if y != nil {
				n.Attributes["y"] = y
			}
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Comparisons of one operator print alike if and only if they decide alike, and if and only if they are equal.
func TestPrintAlikeDecideAlike(t *testing.T) {
	r, nodes := newRand(t), everyNode()
	ops := append(slices.Sorted(maps.Keys(unary)), "in", "not in")
	alike := 0
	for range 3000 {
		op := pick(r, ops)
		a, b := randomComparison(r, op), randomComparison(r, op)
		require.NoError(t, a.Err())
		same := true
		for _, n := range nodes {
			same = same && a.Allows(n) == b.Allows(n)
		}
		require.Equal(t, same, a.String() == b.String(), "%v and %v", a, b)
		require.Equal(t, same, a == b, "%v and %v", a, b)
		if same {
			alike++
		}
	}
	assert.NotZero(t, alike, "some pairs are alike")
}

func TestNegations(t *testing.T) {
	r, nodes := newRand(t), everyNode()
	for range 200 {
		values := pickSome(r)
		value, number := values[0], pick(r, []any{7, 7.5, 8})
		for _, n := range nodes {
			v, present := n.Attribute("x")
			_, isNumber := numberOf(v)
			require.NotEqual(t, In("x", values...).Allows(n), NotIn("x", values...).Allows(n), "in %v: %v", values, n.Attributes)
			require.NotEqual(t, Eq("x", value).Allows(n), NotEq("x", value).Allows(n), "= %v: %v", value, n.Attributes)
			require.NotEqual(t, Exists("x").Allows(n), NotExists("x").Allows(n))
			require.Equal(t, isNumber, Less("x", number).Allows(n) != AtLeast("x", number).Allows(n), "< %v: %v", number, n.Attributes)
			require.Equal(t, isNumber, Greater("x", number).Allows(n) != AtMost("x", number).Allows(n), "> %v: %v", number, n.Attributes)
			if !present {
				require.False(t, In("x", values...).Allows(n))
				require.True(t, NotIn("x", values...).Allows(n))
			}
		}
	}
}

// In is an Or of Eqs: two routes to one verdict.
func TestInIsAnyOfEq(t *testing.T) {
	r, nodes := newRand(t), everyNode()
	for range 200 {
		values := pickSome(r)
		for _, n := range nodes {
			want := slices.ContainsFunc(values, func(v any) bool { return Eq("x", v).Allows(n) })
			require.Equal(t, want, In("x", values...).Allows(n), "in %v: %v", values, n.Attributes)
		}
	}
}

func TestOrderOfValuesAndAttributesDoesNotMatter(t *testing.T) {
	r := newRand(t)
	names := []string{"a", "b", "c", "d", "e", "x"}
	for range 200 {
		values := pickSome(r)
		shuffled := append(slices.Clone(values), pick(r, values))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		rule := In("x", values...)
		require.Equal(t, rule, In("x", shuffled...), "in %v and in %v", values, shuffled)

		value := pick(r, operands)
		want := rule.Allows(&berth.Node{ID: "n", Attributes: berth.Attributes{"x": value}})
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		n := &berth.Node{ID: "n", Attributes: berth.Attributes{}}
		for _, name := range names {
			n.Attributes[name] = pick(r, operands)
			if name == "x" {
				n.Attributes[name] = value
			}
		}
		require.Equal(t, want, rule.Allows(n), "in %v: %v", values, n.Attributes)
	}
}

func TestRulesAreComparable(t *testing.T) {
	pattern := Match("x", "a+")
	same := pattern
	assert.True(t, pattern == same)
	assert.False(t, pattern == Match("x", "a+"), "documented: compiled apart")
	assert.Equal(t, pattern.String(), Match("x", "a+").String())

	// Of all others, a rule made again is equal, and no two of the list are.
	rules := func() []berth.Constraint {
		return []berth.Constraint{
			Eq("x", "a"), Eq("x", 7), Eq("x", "7"), In("x", "a"), NotEq("x", "a"), NotIn("x", "a"), Exists("x"),
			NotExists("x"), Less("x", 7), AtMost("x", 7), Greater("x", 7), AtLeast("x", 7),
			Unique("x"), MaxPer("x", 2), UniqueNode(), GroupBy("x"), GroupBy("x").Skew(2), GroupBy("x").MinDomains(2),
			Tolerate("x", ""), Tolerate("x", "a"), TolerateKey("x"), TolerateAll(), TolerateKey("*"),
			Not(Eq("x", "a")), And(Eq("x", "a"), Exists("x")), Or(Eq("x", "a"), Exists("x")),
			Exists(`x) or exists(y`), Eq(`x = "a" and x`, "a"), Exists("not"), Not(Exists("x")),
		}
	}
	seen := map[berth.Constraint]string{}
	printed := map[string]bool{}
	for _, rule := range rules() {
		require.NotContains(t, seen, rule)
		require.NotContains(t, printed, rule.String())
		seen[rule], printed[rule.String()] = rule.String(), true
	}
	for _, rule := range rules() {
		assert.Equal(t, rule.String(), seen[rule])
	}
	assert.Equal(t, Unique("x"), MaxPer("x", 1))
	assert.Equal(t, GroupBy("x"), GroupBy("x").Skew(1).MinDomains(1))
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"", "a+", "^a$", "(?i)A", `\Qa.b`, "a|ab", "a[", "(", "a)|(b", "(?m)^a$", `\`, "a{1001}", "\xff", "x*?", `\bfoo\B`} {
		f.Add(seed, "foobar")
		f.Add(seed, "a\nb")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		n := node(text)
		full, unlike, search := Match("x", pattern), NotMatch("x", pattern), Search("x", pattern)
		if full.Err() != nil {
			_, err := regexp.Compile(pattern)
			require.Error(t, err)
			assert.Contains(t, full.Err().Error(), fmt.Sprintf("%q", pattern))
			assert.False(t, full.Allows(n) || unlike.Allows(n) || search.Allows(n))
			return
		}
		assert.Equal(t, full.Allows(n), !unlike.Allows(n))
		if full.Allows(n) {
			assert.True(t, search.Allows(n), "a full match is a match")
		}
		// The usual way to ask for a full match, where it can be written.
		if anchored, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err == nil && !strings.Contains(pattern, `\Q`) {
			assert.Equal(t, anchored.MatchString(text), full.Allows(n))
		}
	})
}

func FuzzIn(f *testing.F) {
	f.Add("a", "b", "a")
	f.Add("a\"\n\"b", "", "a")
	f.Add("\xff", "\ufffd", "\xff")
	f.Add(", ", "x, ", ",")
	f.Fuzz(func(t *testing.T, a, b, value string) {
		n := node(value)
		rule := In("x", a, b)
		require.NoError(t, rule.Err())
		assert.Equal(t, value == a || value == b, rule.Allows(n))
		assert.Equal(t, rule, In("x", b, a, b))
		assert.NotContains(t, rule.String(), "\n")
		assert.Equal(t, a == value, Eq("x", a) == Eq("x", value))
		assert.Equal(t, a == value, Eq("x", a).String() == Eq("x", value).String())

		// As a name, too: it prints in one piece, or is a fault.
		named := Exists(value)
		assert.Equal(t, a == value, Exists(a).String() == named.String())
		assert.Equal(t, named.Err() == nil, (&berth.Node{ID: "n", Attributes: berth.Attributes{value: 1}}).Err() == nil || value == berth.NodeID)
	})
}
