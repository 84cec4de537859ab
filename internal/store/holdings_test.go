package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

// What is yet to be entered of holds takes as much room as there are accounts, however many come and go before anybody asks.
func TestHoldsThatComeAndGoLeaveNothingToEnter(t *testing.T) {
	s := New()
	cpu := s.Dim("cpu")
	row := s.AddNode(s.testNode("n", "", 10))
	hold := func(role berth.Role) Record {
		return Record{Group: Holds, Row: row, Extra: &Extra{Hold: &berth.Hold{Role: role, Owner: "f"}, Cost: []Need{{cpu, 2}}}}
	}
	for i := range 10_000 {
		s.Remove(s.Add("h", hold(berth.Role(fmt.Sprint("r", i%3)))))
	}
	assert.Less(t, cap(s.dueHolds.at), 1000)
	s.Add("a", hold("r1"))
	s.Add("b", hold("r1/x"))
	assert.Equal(t, []string{"cpu 4"}, texts(s.UsedOf("r1")))
	assert.Equal(t, []string{"cpu 2"}, texts(s.OwnOf("r1")))
	assert.Empty(t, texts(s.UsedOf("r0")))
}
