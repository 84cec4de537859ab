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
