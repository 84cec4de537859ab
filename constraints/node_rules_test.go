package constraints

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

var (
	_ berth.NodeRule   = Comparison{}
	_ berth.NodeRule   = Pattern{}
	_ berth.NodeRule   = Combination{}
	_ berth.DomainRule = Cap{}
	_ berth.DomainRule = Spread{}
	_ berth.Toleration = Toleration{}
)

// node returns a node with one attribute x, or without if value is nil.
func node(value any) *berth.Node {
	n := &berth.Node{ID: "n1"}
	if value != nil {
		n.Attributes = berth.Attributes{"x": value}
	}
	return n
}

func TestOneAttribute(t *testing.T) {
	type verdicts map[any]bool // by the attribute's value; nil is a node without it
	for _, tc := range []struct {
		name string
		rule berth.NodeRule
		want verdicts
	}{
		{"Nomad 1: =", Eq("x", "foo"), verdicts{"foo": true, "bar": false, nil: false}},
		{"Nomad 1: !=", NotEq("x", "foo"), verdicts{"foo": false, "bar": true, nil: true}},
		{"Nomad 1: is_set", Exists("x"), verdicts{"foo": true, "": true, 0: true, nil: false}},
		{"Nomad 1: is_not_set", NotExists("x"), verdicts{"foo": false, "": false, 0: false, nil: true}},

		{"Nomad 2: numbers by size, not by digits", Less("x", 1), verdicts{10: false, 1: false, 0.5: true, nil: false}},
		{"Nomad 2: the other way round", Greater("x", 1), verdicts{10: true, 1: false, nil: false}},
		{"Nomad 2: fractions", Less("x", 10.5), verdicts{1.5: true, 10.5: false, 11.5: false}},
		{"Nomad 2: texts by their bytes", Less("x", "foo"), verdicts{"bar": true, "foo": false, "v10": false, 10: true, nil: false}},
		// Nomad compares by bytes whatever is no number, so that "bar" > 7; Kubernetes refuses it, and so do we.
		{"Kubernetes: Lt of a text", Less("x", 7), verdicts{"bar": false, "1": true, "6.9": true, "7": false, "0x1": false, "": false, "inf": false, "1e400": false}},
		{"Kubernetes: Gt of a text", Greater("x", 7), verdicts{"foo": false, "10": true, "-10": false, "": false}},
		{"ours: at most", AtMost("x", 7), verdicts{6: true, 7: true, 7.5: false, "7": true, nil: false}},
		{"ours: at least", AtLeast("x", 7), verdicts{6: false, 7: true, 7.5: true, "7": true, nil: false}},

		{"Nomad 2: regexp is a search", Search("x", "bar"), verdicts{"foobar": true, "foo": false, nil: false}},
		{"Nomad 2: regexp ^foo", Search("x", "^foo"), verdicts{"foobar": true}},
		{"Nomad 2: regexp ^bar", Search("x", "^bar"), verdicts{"foobar": false}},
		// Nomad refuses what is not a string; here a number is compared as it prints, as in Marathon.
		{"ours: search in a number", Search("x", "5$"), verdicts{7.5: true, 5: true, 51: false}},

		{"Marathon 5: LIKE", Match("x", "7"), verdicts{7: true, "7": true, 6: false, 77: false, nil: false}},
		{"Marathon 5: UNLIKE", NotMatch("x", "7"), verdicts{6: true, 7: false, "7": false, 77: true, nil: true}},
		// Our attributes are no ranges; the text they print as stands for them.
		{"Marathon 6: LIKE is a full match", Match("x", `\[6-7\]`), verdicts{"[6-7]": true, "[5-7]": false, "[6-7],": false}},
		{"Marathon 6: UNLIKE is a full match", NotMatch("x", `\[6-7\]`), verdicts{"[6-7]": false, "5-7": true}},
		{"arithmetic: the longer alternative is second", Match("x", "a|ab"), verdicts{"a": true, "ab": true, "abb": false}},
		{"arithmetic: lazy", Match("x", "a*?"), verdicts{"": true, "aaa": true, "ab": false}},
		{"arithmetic: open quotation", Match("x", `\Qa.b`), verdicts{"a.b": true, "axb": false}},
		{"arithmetic: lines", Match("x", "(?m)^a$"), verdicts{"a": true, "a\nb": false, "b\na": false}},
		{"arithmetic: a match further on", Match("x", "b"), verdicts{"ab": false, "b": true}},

		{"Kubernetes: In", In("x", "a", "b"), verdicts{"a": true, "b": true, "c": false, "": false, nil: false}},
		{"Kubernetes: NotIn", NotIn("x", "a", "b"), verdicts{"a": false, "b": false, "c": true, "": true, nil: true}},
		{"Kubernetes: Exists", Exists("x"), verdicts{"": true, nil: false}},
		{"Kubernetes: DoesNotExist", NotExists("x"), verdicts{"": false, nil: true}},
		{"Kubernetes: Gt", Greater("x", 4), verdicts{4: false, 5: true, nil: false}},
		{"Kubernetes: Lt", Less("x", 4), verdicts{4: false, 3: true, nil: false}},
		{"Kubernetes: Gt of a label that is no integer", Greater("x", 4), verdicts{"five": false}},

		{"Nomad 3: set_contains_all", ContainsAll("x", "foo", "  bar  "), verdicts{"foo,bar,baz": true, " bar ,foo": true, "foo,bam": false, "foobar": false, nil: false}},
		{"Nomad 3: set_contains_any", ContainsAny("x", "a "), verdicts{"  a,b  ": true, "b": false, "": false, nil: false}},
		{"Nomad 3: set_contains_any of two", ContainsAny("x", "c", "b"), verdicts{"a,b": true, "a": false}},
		{"Nomad 4: ~> 1.0", Version("x", "~> 1.0"), verdicts{"1.2.3": true, "2.0.1": false, "1.0": true, "0.9": false, "1": true, "v1.9": true, nil: false}},
		{"Nomad 4: a range", Version("x", ">= 1.0, < 1.4"), verdicts{"1.4": false, "1.3.9": true, "0.9": false}},
		{"Nomad 4: no pre-release in a range", Version("x", ">= 0.6.1"), verdicts{"1.3.0-beta1": false, "1.3.0": true, "latest": false, "": false, "1..2": false}},
		{"Nomad 4: but of the same numbers", Version("x", ">= 1.3.0-beta1"), verdicts{"1.3.0-beta2": true, "1.3.0-alpha": false, "1.4.0-beta2": false, "1.4": true}},
		{"Nomad 4: builds are of no account", Version("x", "1.3.0-beta1"), verdicts{"1.3.0-beta1+ent": true, "1.3.0": false}},
		{"go-version: ~> with three numbers", Version("x", "~> 1.2.3"), verdicts{"1.2.3": true, "1.2.9": true, "1.2.2": false, "1.3": false}},
		{"go-version: ~> of a pre-release", Version("x", "~> 1.2.0-rc1"), verdicts{"1.2.0-rc2": true, "1.2.1": false, "1.2.0-beta": false}},
		{"go-version: !=, > and <=", Version("x", "!= 1.5, >1, <= 2"), verdicts{"1.5.0": false, "1.6": true, "1": false, "2.0": true, "2.0.1": false}},
		{"Nomad 4: semver", SemVer("x", ">= 0.6.1"), verdicts{"1.3.0-beta1": true, "0.6.1": true, "0.6.1-rc1": false, nil: false}},
		{"Nomad 4: semver, before the release", SemVer("x", ">= 1.7.0"), verdicts{"1.7.0-beta": false, "1.7.0+b": true}},
		// The example of order in section 11 of Semantic Versioning 2.0.
		{"SemVer 11", SemVer("x", "> 1.0.0-alpha.beta, < 1.0.0-rc.1"), verdicts{
			"1.0.0-alpha": false, "1.0.0-alpha.1": false, "1.0.0-alpha.beta": false, "1.0.0-beta": true, "1.0.0-beta.2": true, "1.0.0-beta.11": true, "1.0.0-rc.1": false, "1.0.0": false}},

		{"SwarmKit: node.ip in a network", InNetwork("x", "10.1.0.0/16"), verdicts{"10.1.2.3": true, "10.2.0.1": false, "::ffff:10.1.2.3": true, "host": false, "": false, 10: false, nil: false}},
		{"SwarmKit: node.ip, one address", InNetwork("x", "10.1.2.3"), verdicts{"10.1.2.3": true, "10.1.2.4": false}},
		{"SwarmKit: node.ip, IPv6", InNetwork("x", "2001:db8::2", "fd00::/8"), verdicts{"2001:db8:0::2": true, "2001:db8::3": false, "fdff::1": true, "fd00::1%eth0": true, "10.0.0.1": false}},
		{"SwarmKit: node.ip != network", Not(InNetwork("x", "10.1.0.0/16")), verdicts{"10.1.2.3": false, "10.2.0.1": true, nil: true}},
		{"SwarmKit 11: no globs", Eq("x", "f*o"), verdicts{"foo": false, "f*o": true}},
		{"SwarmKit 11: letters of either case", Match("x", "(?i)foo"), verdicts{"FOO": true, "foo": true, "food": false}},

		{"DC/OS: passthrough", Everywhere(), verdicts{"a": true, nil: true}},
		{"Kubernetes: a term without expressions", Nowhere(), verdicts{"a": false, nil: false}},
		{"Kubernetes: terms are alternatives of what must all hold", Or(And(Exists("x"), NotIn("x", "a", "b")), And(In("x", "b"), Search("x", "b"))),
			verdicts{"a": false, "b": true, "c": true, nil: false}},

		{"Aurora 25: jvm 1.4", Eq("x", "1.4"), verdicts{"1.4": true, nil: false}},
		{"Aurora 25: jvm 1.2 or 1.4", In("x", "1.2", "1.4"), verdicts{"1.4": true, "1.6": false}},
		{"Aurora 25: jvm 1.0", Eq("x", "1.0"), verdicts{"1.4": false, "1.6": false}},
		{"Aurora 25: not jvm 1.6", Not(Eq("x", "1.6")), verdicts{"1.6": false, "1.4": true}},

		{"documented: text never equals a number", Eq("x", 7), verdicts{7: true, 7.0: true, "7": false}},
		{"documented: a number never equals text", In("x", "7", "8"), verdicts{7: false, "7": true}},
		{"arithmetic: values that look like a list", In("x", "a", "b"), verdicts{"a\"\n\"b": false, "a, b": false, "\"a\"": false}},
		{"arithmetic: values with line breaks", In("x", "a\nb", "c"), verdicts{"a\nb": true, "a": false, "b": false, "c": true}},
		{"arithmetic: -0 is 0", Eq("x", math.Copysign(0, -1)), verdicts{0: true}},
		{"documented: Not passes what was missing", Not(Greater("x", 1)), verdicts{nil: true, 1: true, 2: false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.rule.Err())
			assert.Len(t, tc.rule.Reads(), 1, "verdicts are kept by class")
			for value, want := range tc.want {
				assert.Equalf(t, want, tc.rule.Allows(node(value)), "%v with x = %#v", tc.rule, value)
			}
		})
	}
}

func TestTwoAttributes(t *testing.T) {
	big, fast := AtLeast("memory", 64), Eq("disk", "ssd")
	nodes := map[string]*berth.Node{
		"both":    {ID: "n1", Attributes: berth.Attributes{"memory": 64, "disk": "ssd"}},
		"big":     {ID: "n2", Attributes: berth.Attributes{"memory": 64, "disk": "hdd"}},
		"fast":    {ID: "n3", Attributes: berth.Attributes{"memory": 32, "disk": "ssd"}},
		"neither": {ID: "n4"},
	}
	// The truth tables of the three connectives.
	for _, tc := range []struct {
		rule berth.NodeRule
		want map[string]bool
	}{
		{And(big, fast), map[string]bool{"both": true, "big": false, "fast": false, "neither": false}},
		{Or(big, fast), map[string]bool{"both": true, "big": true, "fast": true, "neither": false}},
		{Not(Or(big, fast)), map[string]bool{"both": false, "big": false, "fast": false, "neither": true}},
		{Or(Not(big), fast), map[string]bool{"both": true, "big": false, "fast": true, "neither": true}},
	} {
		t.Run(tc.rule.String(), func(t *testing.T) {
			require.NoError(t, tc.rule.Err())
			assert.Equal(t, []string{"disk", "memory"}, tc.rule.Reads())
			for name, want := range tc.want {
				assert.Equal(t, want, tc.rule.Allows(nodes[name]), name)
			}
		})
	}
}

// hostRule is a rule of a host that may look at anything.
type hostRule struct{ err error }

func (hostRule) String() string            { return "host rule" }
func (r hostRule) Err() error              { return r.err }
func (hostRule) Reads() []string           { return nil }
func (hostRule) Allows(n *berth.Node) bool { return n.ID == "n1" }
func (hostRule) Why(n *berth.Node) string  { return n.ID + " will not do" }

func TestCombinationOfHostRules(t *testing.T) {
	rule := Or(hostRule{}, Eq("x", "a"))
	require.NoError(t, rule.Err())
	assert.Empty(t, rule.Reads(), "a part may read anything, and so may the whole")
	assert.True(t, rule.Allows(&berth.Node{ID: "n1"}))
	assert.Equal(t, "n2 will not do, x is missing", rule.Why(&berth.Node{ID: "n2"}))

	broken := errors.New("out of order")
	rule = And(hostRule{err: broken}, Eq("x", "a"))
	assert.ErrorIs(t, rule.Err(), broken)
	assert.False(t, Not(rule).Allows(&berth.Node{ID: "n2"}), "a faulty part does not turn into a yes")
}

func TestWhy(t *testing.T) {
	for _, tc := range []struct {
		rule  berth.NodeRule
		value any
		want  string
	}{
		{Eq("x", "a"), "b", `x is "b"`},
		{Eq("x", "7"), 7, `x is 7`},
		{In("x", "a", "b"), nil, `x is missing`},
		{NotExists("x"), "", `x is ""`},
		{Less("x", 7), 9.5, `x is 9.5`},
		{Less("x", 7), "six", `x is "six", which is not a number`},
		{Less("x", "six"), "ten", `x is "ten"`},
		{ContainsAll("x", "a", "b"), "a", `x is "a"`},
		{InNetwork("x", "10.0.0.0/8"), "11.0.0.1", `x is "11.0.0.1"`},
		{InNetwork("x", "10.0.0.0/8"), "host7", `x is "host7", which is not an address`},
		{Version("x", ">= 5"), "4.19", `x is "4.19"`},
		{SemVer("x", ">= 5"), "latest", `x is "latest", which is not a version`},
		{Version("x", ">= 5"), nil, `x is missing`},
		{Nowhere(), 1, `no node is`},
		{Less("x", 7), nil, `x is missing`},
		{Match("x", "a+"), "b", `x is "b"`},
		{NotMatch("x", "a+"), "a", `x is "a"`},
		{Search("x", "a+"), nil, `x is missing`},
		{Eq("rack row", "a"), nil, `"rack row" is missing`},
		{Not(Exists("x")), 1, `exists(x) holds`},
		{And(Exists("x"), Eq("x", 2)), 1, `x is 1`},
		{And(Eq("x", 2), Exists("x")), 1, `x is 1`},
		{Or(Eq("x", 2), Exists("gpu")), 1, `x is 1, gpu is missing`},
		{And(nil, Exists("x")), 1, `the rule has a fault`},
	} {
		t.Run(tc.rule.String(), func(t *testing.T) {
			require.False(t, tc.rule.Allows(node(tc.value)))
			assert.Equal(t, tc.want, tc.rule.Why(node(tc.value)))
		})
	}
}

// What many nodes are asked about is not asked one by one for want of a name.
func TestConstantsReadNothingThatNodesHave(t *testing.T) {
	assert.Equal(t, []string{"everywhere"}, Everywhere().Reads())
	assert.True(t, Everywhere().Allows(nil))
	assert.Equal(t, []string{"nowhere", "x"}, Or(Nowhere(), Exists("x")).Reads())
}

func TestNodeIDIsAnAttribute(t *testing.T) {
	n := &berth.Node{ID: "n1"}
	assert.True(t, Eq(berth.NodeID, "n1").Allows(n))
	assert.False(t, NotIn(berth.NodeID, "n1", "n2").Allows(n))
	assert.True(t, Match(berth.NodeID, "n[0-9]").Allows(n))
}
