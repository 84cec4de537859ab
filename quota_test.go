package berth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

func TestQuota(t *testing.T) {
	q := berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 10_000, "gpu": 0}, Guarantees: berth.Resources{"cpu": 4_000}}
	assert.NoError(t, q.Err())
	assert.Equal(t, "eng: at most cpu 10, gpu 0, at least cpu 4", q.String())
	c := q.Clone()
	c.Limits["cpu"], c.Guarantees["cpu"] = 1, 1
	assert.EqualValues(t, 10_000, q.Limits["cpu"], "a copy of its own")
	assert.Equal(t, "/: no quota", berth.Quota{}.String())

	bad := berth.Quota{Role: "eng//a", Limits: berth.Resources{"cpu": 1, "": 1, "mem": -1}, Guarantees: berth.Resources{"cpu": 2}}
	assert.EqualError(t, bad.Err(), `quota of eng//a: role "eng//a": empty segment
quota of eng//a: limits: resource: empty name
quota of eng//a: limits: resource "mem": quantity is negative: -1
quota of eng//a: resource "cpu": 2 guaranteed, but a limit of 1`)
	assert.ErrorIs(t, bad.Err(), berth.ErrNegative)
}

func TestOwnerErr(t *testing.T) {
	assert.NoError(t, berth.Op{}.OwnerErr(), "nobody's")
	assert.NoError(t, berth.Op{Owner: "spark"}.OwnerErr())
	assert.EqualError(t, berth.Op{Owner: " spark"}.OwnerErr(), `owner " spark": leading or trailing space`)
}
