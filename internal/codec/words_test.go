package codec_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/codec"
)

// fill sets every part of a word, those that come to be included, to something that is not its zero. Who adds a field of a kind
// that is not known here says what it can be.
func fill(t *testing.T, r *rand.Rand, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<40), 1+r.Int64N(999_999_999)).UTC()))
		return
	case reflect.TypeFor[berth.Constraint]():
		v.Set(reflect.ValueOf([]berth.Constraint{constraints.Unique("zone"), constraints.In("a b", "x", 7.5)}[r.IntN(2)]))
		return
	case reflect.TypeFor[any]():
		v.Set(reflect.ValueOf([]any{"text", 7, 7.5, true == false, int8(-3)}[r.IntN(3)]))
		return
	case reflect.TypeFor[*berth.Group]():
		v.Set(reflect.ValueOf(anyGroup(r)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, r, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 3))
		for i := range v.Len() {
			fill(t, r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(t, r, key)
			fill(t, r, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("s%d", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt((r.Int64() + 1) * (1 - 2*int64(r.IntN(2))))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(1 + r.Uint64N(math.MaxUint8))
	default:
		t.Fatalf("what is a %v?", v.Type())
	}
}

// anyGroup returns a group without faults; one that has all that there is to say.
func anyGroup(r *rand.Rand) *berth.Group {
	return berth.NewGroup(fmt.Sprintf("g%d", r.IntN(5)), berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 1 + r.Int64N(1000)}})
}

// A word is read as it was written, every field of it, and its bytes are those of no other.
func testWord[T any](t *testing.T, write func(*codec.Encoder, *T), read func(*codec.Decoder) T) {
	r := rand.New(rand.NewPCG(1, 1))
	e, d := codec.NewEncoder(constraints.Parse), codec.NewDecoder(constraints.Parse)
	for range 50 {
		var word T
		fill(t, r, reflect.ValueOf(&word).Elem())
		e.Begin(nil)
		write(e, &word)
		require.NoError(t, e.Err())
		d.Begin(e.Buf, 0)
		again := read(d)
		require.NoError(t, d.End())
		if op, ok := any(&again).(*berth.Op); ok { // equal groups are not alike inside
			g := any(&word).(*berth.Op).Task.Group
			require.True(t, g.Equal(op.Task.Group))
			op.Task.Group = g
		}
		require.Equal(t, word, again)
	}
	var zero T
	e.Begin(nil)
	write(e, &zero)
	require.NoError(t, e.Err())
	d.Begin(e.Buf, 0)
	again := read(d)
	require.NoError(t, d.End())
	require.Equal(t, zero, again)
}

func TestWordsAreWhole(t *testing.T) {
	t.Run("node", func(t *testing.T) { testWord(t, (*codec.Encoder).Node, (*codec.Decoder).Node) })
	t.Run("hold", func(t *testing.T) {
		testWord(t, (*codec.Encoder).Hold, func(d *codec.Decoder) berth.Hold { return *d.Hold() })
	})
	t.Run("operation", func(t *testing.T) { testWord(t, (*codec.Encoder).Op, (*codec.Decoder).Op) })
	t.Run("grant", func(t *testing.T) {
		testWord(t, func(e *codec.Encoder, g *berth.Grant) { e.Grant(g) }, func(d *codec.Decoder) berth.Grant { return *d.Grant() })
	})
}

// Each field of a spec, alone, makes other bytes, which read back as an equal group.
func TestSpecIsWhole(t *testing.T) {
	fields := map[string]berth.GroupSpec{
		"Role":         {Role: "eng/search"},
		"Labels":       {Labels: map[string]string{"app": "web", "version": ""}},
		"Priority":     {Priority: -3},
		"Request":      {Request: berth.Resources{"cpu": 1, "memory": 0}},
		"Devices":      {Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2, Models: []string{"T4", "A100"}}, {Class: "fpga", Share: 3, Amounts: berth.Resources{"m": 0, "cells": 7}, Prefer: map[string]int64{"x": -2, "": 1}}}},
		"Ports":        {Ports: []berth.PortRange{{First: 80, Last: 81}}},
		"DynamicPorts": {DynamicPorts: 2},
		"Rules":        {Rules: []berth.Constraint{constraints.Unique("zone"), constraints.Match("a", "x.*")}},
		"Prefer": {Prefer: []berth.Preference{
			{Weight: -7, Rule: constraints.Eq("disk", "ssd")}, {Weight: 5, Rule: constraints.Near("rack", berth.Label("app", "cache")).WithoutStopping()},
			{Weight: 1, Rule: constraints.GroupBy("zone").Of(berth.HasLabel("app")).CordonedToo()},
		}},
		"Mode":     {Mode: berth.Daemon},
		"GangSize": {Mode: berth.Gang, GangSize: 3},
	}
	e, d := codec.NewEncoder(constraints.Parse), codec.NewDecoder(constraints.Parse)
	plain := encode(t, e, berth.NewGroup("g", berth.GroupSpec{}))
	spec := reflect.TypeFor[berth.GroupSpec]()
	for i := range spec.NumField() {
		name := spec.Field(i).Name
		s, ok := fields[name]
		require.True(t, ok, "a spec with a %s is to be written, and a sample of it to be here", name)
		g := berth.NewGroup("g", s)
		require.NoError(t, g.Err())
		bytes := encode(t, e, g)
		assert.NotEqual(t, plain, bytes, name)
		d.Begin(bytes, 0)
		again := d.Group()
		require.NoError(t, d.End())
		assert.True(t, g.Equal(again), "%s: %+v, read back %+v", name, g.Spec(), again.Spec())
		assert.Equal(t, bytes, encode(t, e, again))
	}
	request := reflect.TypeFor[berth.DeviceRequest]()
	assert.Equal(t, 6, request.NumField(), "a field of a request for devices is to be written, and to be in the sample")
}

func encode(t *testing.T, e *codec.Encoder, g *berth.Group) []byte {
	e.Begin(nil)
	e.Group(g)
	require.NoError(t, e.Err())
	return e.Buf
}

// An attribute is read back in its type.
func TestValues(t *testing.T) {
	text, err := berth.ValueOf("a")
	require.NoError(t, err)
	number, err := berth.ValueOf(7.5)
	require.NoError(t, err)
	n := berth.Node{Attributes: berth.Attributes{}}
	for i, v := range []any{
		"", "text", int(-1), int8(-128), int16(-1 << 15), int32(math.MinInt32), int64(math.MinInt64), uint(7), uint8(255), uint16(math.MaxUint16),
		uint32(math.MaxUint32), uint64(math.MaxUint64), float32(1.5), math.Inf(1), math.Copysign(0, -1), text, number, berth.Value{},
	} {
		n.Attributes[fmt.Sprint(i)] = v
	}
	e, d := codec.NewEncoder(constraints.Parse), codec.NewDecoder(constraints.Parse)
	e.Begin(nil)
	e.Node(&n)
	require.NoError(t, e.Err())
	d.Begin(e.Buf, 0)
	again := d.Node()
	require.NoError(t, d.End())
	assert.Equal(t, n, again)
	assert.True(t, math.Signbit(again.Attributes["14"].(float64)))

	e.Begin(nil)
	e.Node(&berth.Node{ID: "n1", Attributes: berth.Attributes{"b": true, "a": nil, "c": 1}})
	assert.EqualError(t, e.Err(), "node \"n1\": attribute \"a\": value of type <nil> is neither text nor a number\n"+
		"node \"n1\": attribute \"b\": value of type bool is neither text nor a number")
}

// Equal groups are one group, in the bytes and when they are read.
func TestGroupsAreNamedOnce(t *testing.T) {
	a, b, other := berth.NewGroup("g", berth.GroupSpec{Priority: 1}), berth.NewGroup("g", berth.GroupSpec{Priority: 1}), berth.NewGroup("h", berth.GroupSpec{})
	write := func(groups ...*berth.Group) []byte {
		e := codec.NewEncoder(constraints.Parse)
		for _, g := range groups {
			e.Group(g)
		}
		require.NoError(t, e.Err())
		return e.Buf
	}
	bytes := write(a, nil, other, b, other, a)
	assert.Equal(t, write(b, nil, other, a, other, b), bytes)
	d := codec.NewDecoder(constraints.Parse)
	var known *berth.Group
	for range 2 {
		d.Begin(bytes, 0)
		first, none, second := d.Group(), d.Group(), d.Group()
		assert.Nil(t, none)
		assert.True(t, a.Equal(first) && other.Equal(second))
		assert.True(t, first == d.Group() && second == d.Group() && first == d.Group())
		require.NoError(t, d.End())
		assert.True(t, known == nil || known == first, "it is made once for all messages")
		known = first
	}
}

// host is a rule that no package but the host's knows.
type host struct{ berth.NodeRule }

func (host) String() string { return "near-cache" }

func TestHostRules(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{host{constraints.Exists("cache")}}})
	e := codec.NewEncoder(constraints.Parse)
	e.Group(g)
	assert.ErrorContains(t, e.Err(), `group "web": rule near-cache of type codec_test.host cannot be written: constraints: offset 10`)
	own := constraints.Own{"near-cache": func(string) (berth.Constraint, error) { return host{constraints.Exists("cache")}, nil }}
	e = codec.NewEncoder(own.Parse)
	e.Group(g)
	require.NoError(t, e.Err())
	d := codec.NewDecoder(own.Parse)
	d.Begin(e.Buf, 0)
	assert.True(t, g.Equal(d.Group()))
	d = codec.NewDecoder(constraints.Parse)
	d.Begin(e.Buf, 0)
	assert.Nil(t, d.Group())
	assert.ErrorContains(t, d.Err(), "byte 14: rule: constraints: offset 10")

	e = codec.NewEncoder(constraints.Own{"near-cache": func(string) (berth.Constraint, error) { return constraints.Exists("x"), nil }}.Parse)
	e.Group(g)
	assert.ErrorContains(t, e.Err(), "it reads back as exists(x)")
	e.Begin(nil)
	e.Group(berth.NewGroup("", berth.GroupSpec{}))
	assert.EqualError(t, e.Err(), "group: empty name")
}
