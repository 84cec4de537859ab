package berth_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

const most = math.MaxInt64

func TestResourcesErr(t *testing.T) {
	for name, c := range map[string]struct {
		r    berth.Resources
		want string // one line per fault; empty for none
	}{
		"nil":            {nil, ""},
		"zero and most":  {berth.Resources{"cpu": 0, "x": most}, ""},
		"any other name": {berth.Resources{"nvidia.com/gpu": 1, "größe": 1, "two words": 1}, ""},
		"negative":       {berth.Resources{"cpu": -1}, `resource "cpu": quantity is negative: -1`},
		"empty name":     {berth.Resources{"": 1}, `resource: empty name`},
		"all together, in name order": {berth.Resources{"b ": -2, "a": math.MinInt64, "": 0, "c\n": 1, "d\x00e": 1, "\xff": 1, "fine": 3},
			"resource: empty name\n" +
				"resource \"a\": quantity is negative: -9223372036854775808\n" +
				"resource \"b \": leading or trailing space\n" +
				"resource \"b \": quantity is negative: -2\n" +
				"resource \"c\\n\": leading or trailing space\n" +
				"resource \"d\\x00e\": control character\n" +
				"resource \"\\xff\": not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) { assertErr(t, c.want, c.r.Err()) })
	}
}

func assertErr(t *testing.T, want string, err error) {
	t.Helper()
	if want == "" {
		assert.NoError(t, err)
		return
	}
	assert.EqualError(t, err, want)
}

func TestResourcesArithmetic(t *testing.T) {
	type R = berth.Resources
	plus := func(a, b R) (R, error) { return a.Plus(b) }
	minus := func(a, b R) (R, error) { return a.Minus(b) }
	times := func(n int64) func(a, b R) (R, error) { return func(a, _ R) (R, error) { return a.Times(n) } }
	for name, c := range map[string]struct {
		op   func(a, b R) (R, error)
		a, b R
		want R
		err  string
		is   error
	}{
		"plus":               {op: plus, a: R{"cpu": 1, "x": 2}, b: R{"cpu": 3, "y": 4}, want: R{"cpu": 4, "x": 2, "y": 4}},
		"plus nil":           {op: plus, a: R{"cpu": 1}, want: R{"cpu": 1}},
		"plus up to most":    {op: plus, a: R{"cpu": most - 1}, b: R{"cpu": 1}, want: R{"cpu": most}},
		"plus beyond":        {op: plus, a: R{"a": most, "b": 1, "c": most}, b: R{"a": 1, "b": 1, "c": most}, is: berth.ErrOverflow, err: "resource \"a\": 9223372036854775807 + 1: quantity overflows int64\nresource \"c\": 9223372036854775807 + 9223372036854775807: quantity overflows int64"},
		"plus negative":      {op: plus, a: R{"a": -1}, b: R{"b": -2}, is: berth.ErrNegative, err: "resource \"a\": quantity is negative: -1\nresource \"b\": quantity is negative: -2"},
		"minus":              {op: minus, a: R{"cpu": 5, "x": 2}, b: R{"cpu": 5}, want: R{"cpu": 0, "x": 2}},
		"minus of nothing":   {op: minus, b: R{"cpu": 0}, want: R{"cpu": 0}},
		"minus below zero":   {op: minus, a: R{"a": 1}, b: R{"a": 2, "b": most}, is: berth.ErrNegative, err: "resource \"a\": 1 - 2: quantity is negative\nresource \"b\": 0 - 9223372036854775807: quantity is negative"},
		"times":              {op: times(3), a: R{"cpu": 5, "x": 0}, want: R{"cpu": 15, "x": 0}},
		"times zero":         {op: times(0), a: R{"cpu": most}, want: R{"cpu": 0}},
		"times up to most":   {op: times(2), a: R{"cpu": most / 2}, want: R{"cpu": most - 1}},
		"times beyond":       {op: times(2), a: R{"a": most/2 + 1, "b": most, "c": 1}, is: berth.ErrOverflow, err: "resource \"a\": 4611686018427387904 * 2: quantity overflows int64\nresource \"b\": 9223372036854775807 * 2: quantity overflows int64"},
		"times negative":     {op: times(-1), a: R{"cpu": 1}, is: berth.ErrNegative, err: "factor -1: quantity is negative"},
		"times of a bad one": {op: times(1), a: R{"cpu": -1}, is: berth.ErrNegative, err: `resource "cpu": quantity is negative: -1`},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := c.a.Clone(), c.b.Clone()
			got, err := c.op(c.a, c.b)
			assertErr(t, c.err, err)
			assert.Equal(t, c.want, got)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			assert.Equal(t, a, c.a.Clone(), "an operand changed")
			assert.Equal(t, b, c.b.Clone(), "an operand changed")
		})
	}
}

func TestCoversAndEqual(t *testing.T) {
	type R = berth.Resources
	assert.True(t, R{"a": 1, "b": 2}.Covers(R{"a": 1}))
	assert.False(t, R{"a": 1}.Covers(R{"a": 1, "b": 1}))
	assert.True(t, R(nil).Covers(R{"a": 0}))
	assert.True(t, R{"a": 0}.Equal(nil), "absent is zero")
	assert.False(t, R{"a": 1}.Equal(R{"a": 2}))
	assert.NotNil(t, R(nil).Clone())
	for name := range (R{"a": 1, "b": 2}).All() {
		assert.Equal(t, "a", name)
		break
	}
}

func TestFormatQuantity(t *testing.T) {
	for _, c := range []struct {
		name string
		q    int64
		want string
	}{
		{"cpu", 0, "0"}, {"cpu", 500, "0.5"}, {"cpu", 12345, "12.345"}, {"cpu", -1500, "-1.5"},
		{"memory", 0, "0 B"}, {"memory", 1023, "1023 B"}, {"memory", 1024, "1 KiB"}, {"memory", 1 << 30, "1 GiB"}, {"memory", 1288490189, "1.2 GiB"}, {"memory", 1<<20 - 1, "1 MiB"}, {"memory", 1<<20 - 1<<10, "1023 KiB"},
		{"disk", 5 << 40, "5 TiB"}, {"disk", most, "8 EiB"}, {"memory", math.MinInt64, "-8 EiB"}, {"memory", -2048, "-2 KiB"},
		{"gpu", 300, "300"}, {"x", math.MinInt64, "-9223372036854775808"},
	} {
		assert.Equal(t, c.want, berth.FormatQuantity(c.name, c.q), "%s %d", c.name, c.q)
	}
	assert.Equal(t, "nothing", berth.Resources{}.String())
}
