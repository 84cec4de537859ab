package berth_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

func ExampleAttributes_Nest() {
	n := berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a", "rack": "r1"}.Nest("zone", "rack")}
	fmt.Println(n.Attributes["zone/rack"])
	// Output: a/r1
}

// Labels of Kubernetes have slashes: rules ask for the name.
func ExampleNested() {
	labels := berth.Attributes{"topology.kubernetes.io/zone": "a", "rack": "r1"}.Nest("topology.kubernetes.io/zone", "rack")
	fmt.Println(labels[berth.Nested("topology.kubernetes.io/zone", "rack")], berth.Nested("zone", "rack"))
	// Output: a/r1 zone/rack
}

// Lists of different names make different names.
func TestNested(t *testing.T) {
	some := []string{"a", "b", "a/b", `"a"`, `"a/b"`, `a"`, "/"}
	made := map[string][]string{}
	add := func(names ...string) {
		name := berth.Nested(names...)
		assert.Empty(t, made[name], "%q, as %q", names, name)
		made[name] = names
	}
	for _, a := range some {
		for _, b := range some {
			add(a, b)
			for _, c := range some {
				add(a, b, c)
			}
		}
	}
}

func TestNest(t *testing.T) {
	of := func(parts ...any) berth.Attributes {
		a := berth.Attributes{}
		for i, part := range parts {
			if part != nil {
				a[string(rune('a'+i))] = part
			}
		}
		return a.Nest("a", "b", "c")
	}
	assert.Equal(t, berth.Attributes{"a": "x", "b": 7, "c": "y z", "a/b": "x/7", "a/b/c": "x/7/y z"}, of("x", 7, "y z"))
	assert.Equal(t, berth.Attributes{"a": "x", "c": "y"}, of("x", nil, "y"))
	assert.Equal(t, berth.Attributes{"a": "x", "b": "y", "a/b": "x/y"}, of("x", "y"))
	assert.Equal(t, berth.Attributes{"a": "x", "b": true}, of("x", true), "what is no value is not read")
	assert.Equal(t, berth.Attributes{}, of())
	assert.Nil(t, berth.Attributes(nil).Nest("a", "b"))
	assert.Equal(t, berth.Attributes{"a": 1}, berth.Attributes{"a": 1}.Nest("a"))

	// Different parts never make one value.
	some := []any{"", "x", "x/y", "y", "/", `"x`, `"x"`, "1", 1, 1.5, "1.5"}
	made := map[any]string{}
	for _, a := range some {
		for _, b := range some {
			value := of(a, b)["a/b"]
			assert.NotContains(t, made, value, "%#v and %#v, as %s", a, b, made[value])
			made[value] = fmt.Sprintf("%#v and %#v", a, b)
		}
	}
}
