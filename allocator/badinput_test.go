package allocator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

func TestBadInput(t *testing.T) {
	other := newDRF(t, allocator.Config{})
	foreign, err := other.Vector(res{"cpu": 1})
	require.NoError(t, err)
	deep := berth.Role(strings.Repeat("a/", 200) + "a")

	for _, tc := range []struct {
		name string
		do   func(*allocator.DRF) error
		is   error    // wrapped, if not nil
		says []string // all of them in one error
	}{
		{"add twice", func(d *allocator.DRF) error { return d.Add(client("a")) }, allocator.ErrExists, []string{`add "a"`}},
		{"add malformed role and name", func(d *allocator.DRF) error {
			return d.Add(allocator.Client{Role: "x//..", Name: "\x00"})
		}, nil, []string{"empty segment", `".." is reserved`, "control character"}},
		{"add name not UTF-8", func(d *allocator.DRF) error { return d.Add(allocator.Client{Name: "\xff"}) }, nil, []string{"not UTF-8"}},
		{"add below the deepest level", func(d *allocator.DRF) error { return d.Add(allocator.Client{Role: deep}) }, nil, []string{"201 segments, at most 100"}},
		{"remove unknown", func(d *allocator.DRF) error { return d.Remove(client("x")) }, allocator.ErrUnknown, []string{`remove "x"`}},
		{"remove a role that is no client", func(d *allocator.DRF) error { return d.Remove(client("b")) }, allocator.ErrUnknown, []string{`remove "b"`}},
		{"activate unknown", func(d *allocator.DRF) error { return d.Activate(client("x")) }, allocator.ErrUnknown, []string{`activate "x"`}},
		{"deactivate unknown", func(d *allocator.DRF) error { return d.Deactivate(client("x")) }, allocator.ErrUnknown, []string{`deactivate "x"`}},
		{"charge unknown, negative and unnamed", func(d *allocator.DRF) error {
			return d.Charge(client("x@y"), res{"cpu": -1, "": 1})
		}, allocator.ErrUnknown, []string{`charge "x@y": unknown client`, `resource "cpu"`, "negative", "empty name"}},
		{"credit more than held, of a known and a new name", func(d *allocator.DRF) error {
			return d.Credit(client("a"), res{"cpu": 6, "memory": 1, "tape": 1})
		}, berth.ErrNegative, []string{`credit "a"`, `"cpu": 5 - 6`, `"tape": 0 - 1`}},
		{"credit what another client holds", func(d *allocator.DRF) error {
			return d.Credit(client("f@b/c"), res{"cpu": 5})
		}, berth.ErrNegative, []string{`credit "f@b/c"`, `"cpu": 4 - 5`}},
		{"credit unknown, negative", func(d *allocator.DRF) error { return d.Credit(client("x"), res{"cpu": -1}) }, berth.ErrNegative, []string{`credit "x": unknown client`}},
		{"charge a foreign vector to nobody", func(d *allocator.DRF) error {
			return d.ChargeVector(client("x"), foreign)
		}, allocator.ErrForeign, []string{`charge "x": unknown client`}},
		{"credit the zero vector", func(d *allocator.DRF) error {
			return d.CreditVector(client("a"), allocator.Vector{})
		}, allocator.ErrForeign, []string{`credit "a"`}},
		{"vector of negatives", func(d *allocator.DRF) error {
			_, err := d.Vector(res{"cpu": -1, "memory": -2})
			return err
		}, berth.ErrNegative, []string{`"cpu"`, `"memory"`}},
		{"negative capacity", func(d *allocator.DRF) error { return d.SetCapacity(res{"cpu": -1, "gpu": -1}) }, berth.ErrNegative, []string{`"cpu"`, `"gpu"`}},
		{"more capacity removed than there is", func(d *allocator.DRF) error { return d.RemoveCapacity(res{"cpu": 101, "gpu": 1}) }, berth.ErrNegative, []string{`"cpu": 100 - 101`, `"gpu": 0 - 1`}},
		{"weight zero of a malformed role", func(d *allocator.DRF) error { return d.SetWeight("-x", 0) }, nil, []string{`weight of "-x"`, "begins with '-'", "weight 0 is not positive"}},
		{"negative weight of the root", func(d *allocator.DRF) error { return d.SetWeight("", -1500) }, nil, []string{"root has no siblings", "weight -1.5 is not positive"}},
		{"everything wrong with a configuration", func(*allocator.DRF) error {
			d, err := allocator.New(allocator.Config{
				Capacity: res{"cpu": -1, " ": 1},
				Weights:  map[berth.Role]allocator.Weight{"a": 0, "b/": 1000, deep: 1},
				Exclude:  []string{"", "gpu", "gpu"},
			})
			assert.Nil(t, d)
			return err
		}, berth.ErrNegative, []string{
			`"cpu"`, `resource " "`, `weight of "a"`, "empty segment", "201 segments", "exclude: resource: empty name", `resource "gpu": named twice`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100, "memory": 100}})
			play(t, d, "add a; add f@b/c; add g@b/c; charge a 5 5; charge f@b/c 4 4; off g@b/c")
			before := state(t, d)
			err := tc.do(d)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "allocator: "), err.Error())
			if tc.is != nil {
				assert.ErrorIs(t, err, tc.is)
			}
			for _, s := range tc.says {
				assert.ErrorContains(t, err, s)
			}
			assert.Equal(t, before, state(t, d), "state after an error")
		})
	}
}

// state prints everything that can be asked.
func state(t *testing.T, d *allocator.DRF) []string {
	t.Helper()
	out := []string{d.Capacity().String(), order(d)}
	for _, s := range []string{"a", "f@b/c", "g@b/c", "x", "x@y"} {
		held, ok := d.Charged(client(s))
		share, _ := d.Share(client(s))
		if !ok {
			held = res{}
		}
		out = append(out, s+" "+held.String()+" "+share.String())
	}
	for _, r := range []berth.Role{"", "a", "b", "b/c", "x", "-x"} {
		share, _ := d.RoleShare(r)
		out = append(out, string(r)+" "+share.String())
	}
	return out
}

// A nil DRF, and so a nil Turns in an interface, and a copy of one in use say so.
func TestNilAndCopiedDRF(t *testing.T) {
	original := newDRF(t, allocator.Config{Capacity: res{"cpu": 10}})
	require.NoError(t, original.Add(client("f@r")))
	before := order(original)
	copied := *original
	for want, d := range map[string]*allocator.DRF{": DRF is nil": nil, ": DRF is a copy of one in use": &copied} {
		c := client("f@r")
		_, err := d.Vector(res{"cpu": 1})
		for what, err := range map[string]error{
			"vector":           err,
			"capacity":         d.SetCapacity(res{"cpu": 1}),
			"add capacity":     d.AddCapacity(nil),
			"remove capacity":  d.RemoveCapacity(nil),
			`weight of "r"`:    d.SetWeight("r", 1),
			"add":              d.Add(c),
			`remove "f@r"`:     d.Remove(c),
			`activate "f@r"`:   d.Activate(c),
			`deactivate "f@r"`: d.Deactivate(c),
			`charge "f@r"`:     d.Charge(c, res{"cpu": 1}),
			`credit "f@r"`:     d.CreditVector(c, allocator.Vector{}),
		} {
			assert.ErrorContains(t, err, "allocator: "+what+want)
		}
		assert.Zero(t, d.Len())
		assert.Empty(t, d.Capacity())
		assert.Empty(t, order(d))
		_, ok := d.Next(nil)
		assert.False(t, ok)
		_, ok = d.Charged(c)
		assert.False(t, ok)
		_, ok = d.Share(c)
		assert.False(t, ok)
		_, ok = d.RoleShare("")
		assert.False(t, ok)

		assert.ErrorContains(t, d.Turns().SetCapacity(nil), want)
		for range d.Turns().All() {
			t.Error("nobody can have a turn")
		}
	}
	assert.Equal(t, before, order(original))
	assert.Equal(t, res{"cpu": 10}, original.Capacity())

	var unused allocator.DRF
	mayBeCopied := unused
	require.NoError(t, mayBeCopied.Add(client("a")))
	assert.Empty(t, order(&unused))
}

func TestZeroDRF(t *testing.T) {
	var d allocator.DRF
	assert.Empty(t, order(&d))
	assert.Empty(t, d.Capacity())
	_, ok := d.Next(nil)
	assert.False(t, ok)
	_, ok = d.RoleShare("")
	assert.False(t, ok)
	require.Error(t, d.Charge(client("a"), nil))
	require.NoError(t, d.SetWeight("a", 2000))
	play(t, &d, "add a; add b; charge a 5 5; charge b 3 3; -> a b; pool 10 10; -> a b; charge a 2 2; -> b a; remove a; remove b; ->")
	assert.Zero(t, d.Len())
}

// A resource of which there is none is held but not considered; a share may exceed one; a name first
// seen late counts once there is capacity.
func TestResourceWithoutCapacity(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 10, "gpu": 0}})
	play(t, d, "add a; add b; charge a 0 0; charge b 1 0")
	require.NoError(t, d.Charge(client("a"), res{"gpu": 7}))
	assert.Equal(t, "a b", order(d))
	s, _ := d.Share(client("a"))
	assert.Equal(t, "0", s.String())
	require.NoError(t, d.AddCapacity(res{"gpu": 4}))
	assert.Equal(t, "b a", order(d))
	s, _ = d.Share(client("a"))
	assert.Equal(t, "7/4 of gpu", s.String())
	require.NoError(t, d.RemoveCapacity(res{"gpu": 4}))
	assert.Equal(t, "a b", order(d))
	assert.Equal(t, res{"cpu": 10}, d.Capacity())
}
