package berth_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// words checks that the values of an enumeration up to the last have a word each, which is read back, and that there is none
// beyond.
func words[E ~uint8, P interface {
	*E
	encoding.TextUnmarshaler
}](t *testing.T, last E) {
	t.Helper()
	seen := map[string]bool{}
	for e := E(0); ; e++ {
		text, err := any(e).(encoding.TextMarshaler).MarshalText()
		if e > last {
			require.ErrorContains(t, err, fmt.Sprintf("no word for %d", e))
			break
		}
		require.NoError(t, err)
		assert.False(t, seen[string(text)], "%s stands for two values", text)
		seen[string(text)] = true
		assert.NotContains(t, string(text), " ", "a reason goes on behind a space")
		var again E
		require.NoError(t, P(&again).UnmarshalText(text))
		assert.Equal(t, e, again)
	}
	for _, bad := range []string{"", "frobnicate", " "} {
		again := last
		assert.ErrorContains(t, P(&again).UnmarshalText([]byte(bad)), fmt.Sprintf("%q: unknown word", bad))
		assert.Equal(t, last, again, "it stays as it was")
	}
}

func TestWords(t *testing.T) {
	words(t, berth.Daemon)
	words(t, berth.Orphan)
	words(t, berth.Evict)
	words(t, berth.NoExecute)
	words(t, berth.Reserved)
	words(t, berth.Invalid)
	words(t, berth.Colocate)
	assert.Equal(t, "prefer-no-schedule effect 9", fmt.Sprint(berth.PreferNoSchedule, " ", berth.Effect(9)))
	assert.Equal(t, "optimistic lease 9", fmt.Sprint(berth.Optimistic, " ", berth.Lease(9)))
}

func TestReasonText(t *testing.T) {
	for text, r := range map[string]berth.Reason{
		"none":                         {},
		"cordoned":                     {Code: berth.Cordoned},
		"too-small memory":             {Code: berth.TooSmall, Subject: "memory"},
		"domain-full max-per(zone, 2)": {Code: berth.DomainFull, Subject: "max-per(zone, 2)"},
		"denied  spaced":               {Code: berth.Denied, Subject: " spaced"},
	} {
		got, err := r.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
		var again berth.Reason
		require.NoError(t, again.UnmarshalText(got))
		assert.Equal(t, r, again)
	}
	r := berth.Reason{Code: berth.Denied}
	assert.ErrorContains(t, r.UnmarshalText([]byte("refused by x")), `reason "refused by x": code "refused": unknown word`)
	assert.Equal(t, berth.Denied, r.Code)
	_, err := berth.Reason{Code: 200}.MarshalText()
	assert.ErrorContains(t, err, "code: no word for 200")
}

// Nothing turns into {} or into a number without a meaning.
func TestJSON(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{
		Role: "shop", Mode: berth.Gang, GangSize: 2, Request: berth.Resources{"cpu": 500},
		Rules:  []berth.Constraint{constraints.Unique("zone")},
		Prefer: []berth.Preference{{Weight: -3, Rule: constraints.Eq("disk", "hdd")}},
	})
	data, err := json.Marshal(berth.Op{Kind: berth.Place, Task: g.Task("web-1"), Node: "n1"})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Kind":"place","Task":{"ID":"web-1","Group":{"Name":"web","Spec":{
		"Role":"shop","Labels":null,"Priority":0,"Request":{"cpu":500},"Devices":null,"Ports":null,"DynamicPorts":0,
		"Rules":["unique(zone)"],"Prefer":["-3 disk = \"hdd\""],"Mode":"gang","GangSize":2}}},
		"Node":"n1","ID":"","From":"","Owner":"","Grant":null,"Hold":null}`, string(data))
	byValue, err := json.Marshal(*g)
	require.NoError(t, err)
	byPointer, err := json.Marshal(g)
	require.NoError(t, err)
	assert.Equal(t, string(byPointer), string(byValue))
	assert.ErrorContains(t, json.Unmarshal(data, &berth.Op{}), "operation: not read from JSON")

	data, err = json.Marshal(berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": must(berth.ValueOf("a")), "generation": must(berth.ValueOf(7.5))}, Taints: []berth.Taint{{Key: "x"}}})
	require.NoError(t, err)
	assert.Contains(t, string(data), `"Attributes":{"generation":7.5,"zone":"a"},"Taints":[{"Key":"x","Value":"","Effect":"no-schedule"}]`)
	var n berth.Node
	require.NoError(t, json.Unmarshal(data, &n))
	assert.Equal(t, berth.Attributes{"zone": "a", "generation": 7.5}, n.Attributes)
	for _, v := range []any{"a", 7.5, "7.5"} {
		var again berth.Value
		require.NoError(t, json.Unmarshal(must(json.Marshal(must(berth.ValueOf(v)))), &again))
		assert.Equal(t, must(berth.ValueOf(v)), again)
	}
	for _, bad := range []string{"true", "{}", "[1]", "1e999"} {
		v := must(berth.ValueOf("kept"))
		assert.Error(t, json.Unmarshal([]byte(bad), &v), bad)
		assert.Equal(t, "kept", v.String())
	}

	for want, faulty := range map[string]any{
		"group: not made by NewGroup":                           berth.Group{},
		"group: empty name":                                     berth.NewGroup("", berth.GroupSpec{}),
		"constraint: none given":                                berth.GroupSpec{Rules: []berth.Constraint{nil}},
		`constraint unique(""): empty attribute name`:           berth.GroupSpec{Rules: []berth.Constraint{constraints.Unique("")}},
		`constraint exists(""): empty attribute name`:           berth.GroupSpec{Prefer: []berth.Preference{{Weight: 1, Rule: constraints.Exists("")}}},
		"mode: no word for 7":                                   berth.GroupSpec{Mode: 7},
		"code: no word for 99":                                  berth.Lack{Reason: berth.Reason{Code: 99}},
		"task state: no word for 9":                             berth.TaskState(9),
		`group "web": resource "cpu": quantity is negative: -1`: berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": -1}}).Tasks(1),
	} {
		_, err := json.Marshal(faulty)
		assert.ErrorContains(t, err, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
