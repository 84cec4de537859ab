package berth_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

func labelled(name string, role berth.Role, labels ...string) *berth.Group {
	spec := berth.GroupSpec{Role: role}
	for i := 0; i < len(labels); i += 2 {
		if spec.Labels == nil {
			spec.Labels = map[string]string{}
		}
		spec.Labels[labels[i]] = labels[i+1]
	}
	return berth.NewGroup(name, spec)
}

// What label selectors of Kubernetes select: a missing label is unequal to every value, and in none.
func TestSelectorMatches(t *testing.T) {
	web, db, bare := labelled("web", "shop/front", "app", "web", "env", "prod"), labelled("db", "shop", "app", "db", "empty", ""), labelled("bare", "shopping")
	app := func(values ...string) berth.Selector { return berth.Label("app", values...) }
	for _, c := range []struct {
		s             berth.Selector
		web, db, bare bool
	}{
		{app("web"), true, false, false},
		{app("web", "db"), true, true, false},
		{app("web").Not(), false, true, true},
		{app("web", "db").Not(), false, false, true},
		{berth.Label("empty", ""), false, true, false},
		{berth.HasLabel("env"), true, false, false},
		{berth.HasLabel("env").Not(), false, true, true},
		{berth.InRole("shop"), true, true, false},
		{berth.InRole("shop/front"), true, false, false},
		{berth.InRole("shop").Not(), false, false, true},
		{berth.InRole(""), true, true, true},
		{berth.InGroup("bare"), false, false, true},
		{berth.AnyTask(), true, true, true},
		{berth.AnyTask().Not(), false, false, false},
		{app("web").And(berth.Label("env", "test")), false, false, false},
		{app("web").And(berth.Label("env", "test").Not()), true, false, false},
		{app("db").Or(berth.InGroup("bare")), false, true, true},
		{app("db").Or(berth.InGroup("bare")).Not(), true, false, false},
		{berth.Selector{}, false, false, false},
		{berth.Label(""), false, false, false},
	} {
		assert.Equal(t, [3]bool{c.web, c.db, c.bare}, [3]bool{c.s.Matches(web), c.s.Matches(db), c.s.Matches(bare)}, "%v", c.s)
	}
	assert.False(t, berth.AnyTask().Matches(nil))
	assert.False(t, berth.AnyTask().Matches(berth.NewGroup("", berth.GroupSpec{})))
}

func TestSelectorString(t *testing.T) {
	a, b, c := berth.Label("a", "1"), berth.Label("b", "2", "1", "2"), berth.HasLabel("c d")
	for want, s := range map[string]berth.Selector{
		`own`:                         {},
		`any`:                         berth.AnyTask(),
		`none`:                        berth.AnyTask().Not(),
		`a = "1"`:                     a,
		`b in ("1", "2")`:             b,
		`a != "1"`:                    a.Not(),
		`b not in ("1", "2")`:         b.Not(),
		`not exists("c d")`:           c.Not(),
		`in-role(shop/front)`:         berth.InRole("shop/front"),
		`not in-group("in")`:          berth.InGroup("in").Not(),
		`a = "1" and b in ("1", "2")`: b.And(a, b, a),
		`a = "1" or (b in ("1", "2") and exists("c d"))`: a.Or(c.And(b)),
	} {
		assert.Equal(t, want, s.String())
		again, err := berth.ParseSelector(want)
		require.NoError(t, err, want)
		assert.True(t, again == s, want)
	}
	// The laws by which selectors that choose alike are equal.
	for i, same := range [][2]berth.Selector{
		{a.And(b), b.And(a)}, {a.And(b).And(c), a.And(b.And(c))}, {a.Or(a), a}, {a.Not().Not(), a},
		{a.And(b).Not(), a.Not().Or(b.Not())}, {a.And(berth.AnyTask()), a}, {a.Or(berth.AnyTask()), berth.AnyTask()},
		{a.And(berth.AnyTask().Not()), berth.AnyTask().Not()}, {berth.InRole(""), berth.AnyTask()},
	} {
		assert.True(t, same[0] == same[1], "%d: %v and %v", i, same[0], same[1])
	}
}

func TestSelectorFaults(t *testing.T) {
	for want, s := range map[string]berth.Selector{
		`label: empty name`:                  berth.Label("", "x"),
		`label "a": no values`:               berth.Label("a"),
		`label "a": value "\n": control`:     berth.Label("a", "\n"),
		`label "a": value "\xff": not UTF-8`: berth.Label("a", "\xff"),
		`role "a//b": empty segment`:         berth.InRole("a//b").Or(berth.AnyTask()),
		`group: empty name`:                  berth.InGroup(""),
		`selector own: the tasks of the group itself are selected alone`: berth.AnyTask().And(berth.Selector{}),
		`selector own`: berth.Selector{}.Not(),
	} {
		assert.ErrorContains(t, s.Err(), want)
		_, err := s.MarshalText()
		assert.ErrorContains(t, err, want)
		assert.False(t, s.Matches(labelled("a", "")))
	}
	both := berth.Label("").And(berth.HasLabel(" x")).Err()
	assert.EqualError(t, both, "label \" x\": leading or trailing space\nlabel \"\": no values\nlabel: empty name")

	g := berth.NewGroup("g", berth.GroupSpec{Labels: map[string]string{"": "x", "b": "\x00"}})
	assert.EqualError(t, g.Err(), "group \"g\": label: empty name\ngroup \"g\": label \"b\": value \"\\x00\": control character")
}

func TestParseSelectorFaults(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int
		want string
	}{
		{``, 0, "want a part of a selector"},
		{`a`, 1, `want =, !=, in or not in after the label "a"`},
		{`a = `, 4, "want a value"},
		{`a = b c`, 6, "want the end"},
		{`a = "b`, 4, "want a value"},
		{`a in b`, 5, `want "("`},
		{`a in (b,`, 8, "want a value"},
		{`a not b`, 6, `want "in"`},
		{`(a = b`, 6, `want ")"`},
		{`a = b and`, 9, "want a part of a selector"},
		{`a = b or own`, 9, "want a part of a selector"},
		{`exists a`, 7, `want "("`},
		{`exists(a b)`, 9, `want ")"`},
		{`a = b; c`, 5, "want the end"},
		{`in-role(a//b)`, 0, "empty segment"},
		{`not ` + strings.Repeat("(", 1000), 1003, "nested deeper than 1000"},
	} {
		_, err := berth.ParseSelector(c.text)
		var fault *berth.SyntaxError
		if assert.ErrorAs(t, err, &fault, c.text) {
			assert.Equal(t, c.at, fault.Offset, "%s: %v", c.text, err)
			assert.ErrorContains(t, err, c.want, c.text)
		}
	}
	s := berth.AnyTask()
	require.Error(t, s.UnmarshalText([]byte("x")))
	assert.Equal(t, berth.AnyTask(), s, "it stays as it was")
}

// randomSelector returns a selector over few labels, so that it often matches.
func randomSelector(r *rand.Rand, depth int) berth.Selector {
	some := func(n int) string { return string(rune('a' + r.IntN(n))) }
	switch n := r.IntN(10); {
	case n < 3 && depth > 0:
		return randomSelector(r, depth-1).And(randomSelector(r, depth-1), randomSelector(r, depth-1))
	case n < 5 && depth > 0:
		return randomSelector(r, depth-1).Or(randomSelector(r, depth-1))
	case n < 6 && depth > 0:
		return randomSelector(r, depth-1).Not()
	case n < 7:
		return berth.HasLabel(some(3))
	case n < 8:
		return berth.InRole(berth.Role(some(2) + "/" + some(2)))
	}
	return berth.Label(some(3), some(3), some(3))
}

func randomGroup(r *rand.Rand) *berth.Group {
	var labels []string
	for _, key := range []string{"a", "b", "c"} {
		if r.IntN(3) > 0 {
			labels = append(labels, key, string(rune('a'+r.IntN(3))))
		}
	}
	return labelled("g", berth.Role(fmt.Sprintf("%c/%c", 'a'+r.IntN(2), 'a'+r.IntN(2))), labels...)
}

// And, Or and Not are those of what is selected, whatever the normal form makes of them; what is printed reads back equal;
// and a group that is selected has one of the labels that the selector needs.
func TestSelectorLaws(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	matched := 0
	for range 5000 {
		x, y, g := randomSelector(r, 3), randomSelector(r, 3), randomGroup(r)
		require.Equal(t, x.Matches(g) && y.Matches(g), x.And(y).Matches(g), "%v, %v", x, y)
		require.Equal(t, x.Matches(g) || y.Matches(g), x.Or(y).Matches(g), "%v, %v", x, y)
		require.Equal(t, !x.Matches(g), x.Not().Matches(g), "%v", x)
		again, err := berth.ParseSelector(x.String())
		require.NoError(t, err)
		require.True(t, x == again, "%v", x)
		if needs, ok := x.Needs(); ok && x.Matches(g) {
			matched++
			has := false
			for _, label := range needs {
				v, there := g.Label(label[0])
				has = has || there && v == label[1]
			}
			require.True(t, has, "%v selects %v", x, g.Labels())
		}
	}
	assert.NotZero(t, matched)
}

func FuzzParseSelector(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		f.Add(randomSelector(r, 3).String())
	}
	f.Add(`not (a = "\x00" or "b c" in (x, "y"))`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := berth.ParseSelector(text)
		if err != nil {
			require.Equal(t, berth.Selector{}, s)
			return
		}
		again, err := berth.ParseSelector(s.String())
		require.NoError(t, err)
		require.True(t, s == again, "%v and %v", s, again)
		require.True(t, s.IsOwn() || s == s.Not().Not())
	})
}

func ExampleSelector() {
	web := berth.Label("app", "web", "api").And(berth.Label("env", "test").Not())
	fmt.Println(web)
	for _, env := range []string{"prod", "test"} {
		g := berth.NewGroup("api-"+env, berth.GroupSpec{Labels: map[string]string{"app": "api", "env": env}})
		fmt.Println(g, web.Matches(g))
	}
	// Output:
	// app in ("api", "web") and env != "test"
	// api-prod true
	// api-test false
}

func ExampleParseSelector() {
	s, err := berth.ParseSelector(`app = web or (in-role(shop) and not exists(legacy))`)
	fmt.Println(s, err)
	_, err = berth.ParseSelector(`app == web`)
	fmt.Println(err)
	// Output:
	// app = "web" or (not exists(legacy) and in-role(shop)) <nil>
	// selector: offset 5, between "app =" and "= web": want a value
}

func TestGroupOfSelector(t *testing.T) {
	for _, c := range []struct {
		of   berth.Selector
		name string
		ok   bool
	}{
		{berth.InGroup("web"), "web", true},
		{berth.InGroup("web").Or(berth.InGroup("web")), "web", true},
		{berth.InGroup("web").Not().Not(), "web", true},
		{berth.InGroup("web").Not(), "", false},
		{berth.InGroup("web").And(berth.HasLabel("a")), "", false},
		{berth.InGroup("web").Or(berth.InGroup("db")), "", false},
		{berth.InGroup(""), "", false},
		{berth.InRole("web"), "", false},
		{berth.AnyTask(), "", false},
		{berth.Selector{}, "", false},
	} {
		name, ok := c.of.Group()
		assert.Equal(t, c.ok, ok, "%v", c.of)
		assert.Equal(t, c.name, name, "%v", c.of)
	}
}

func ExampleSelector_Group() {
	fmt.Println(berth.InGroup("web").Group())
	fmt.Println(berth.InGroup("web").And(berth.Label("tier", "a")).Group())
	// Output:
	// web true
	//  false
}
