package allocator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/allocator"
)

func turns(t *allocator.Turns) string {
	s := ""
	for role, name := range t.All() {
		s += fmt.Sprintf("%s@%s ", name, role)
	}
	return s
}

// Whatever is done through Turns is done to the DRF.
func TestTurnsAreTheDRF(t *testing.T) {
	d := newDRF(t, allocator.Config{})
	o := d.Turns()
	require.NoError(t, o.SetCapacity(res{"cpu": 10}))
	require.NoError(t, o.Add("r", "a"))
	require.NoError(t, o.Add("r", "b"))
	require.NoError(t, o.Charge("r", "a", res{"cpu": 3}))
	assert.Equal(t, "b@r a@r", order(d))
	assert.Equal(t, "b@r a@r ", turns(o))
	s, ok := d.Share(client("a@r"))
	require.True(t, ok)
	assert.Equal(t, "3/10 of cpu", s.String())

	require.NoError(t, o.Deactivate("r", "b"))
	assert.Equal(t, "a@r ", turns(o))
	require.NoError(t, o.Activate("r", "b"))
	require.NoError(t, o.Charge("r", "b", res{"cpu": 2}))
	require.NoError(t, o.Credit("r", "a", res{"cpu": 3}))
	for role, name := range o.All() { // a walk can end early
		assert.Equal(t, "a@r", name+"@"+string(role))
		break
	}
	require.NoError(t, o.Remove("r", "a"))
	assert.Equal(t, "b@r ", turns(o))
	assert.ErrorIs(t, o.Credit("r", "a", res{"cpu": 1}), allocator.ErrUnknown)

	var zero allocator.Turns
	assert.Empty(t, turns(&zero))
	require.NoError(t, zero.Add("r", "a"))
	assert.Equal(t, "a@r ", turns(&zero))
}

func ExampleDRF_Turns() {
	drf, err := allocator.New(allocator.Config{Capacity: res{"cpu": 9}})
	if err != nil {
		panic(err)
	}
	order := drf.Turns() // offers.Config{Order: order}
	fmt.Println(order.Add("eng", "ci"), order.Add("ops", "cron"), order.Charge("eng", "ci", res{"cpu": 1}))
	for role, name := range order.All() {
		fmt.Println(role, name)
	}
	// Output:
	// <nil> <nil> <nil>
	// ops cron
	// eng ci
}
