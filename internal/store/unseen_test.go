package store

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

// texts returns amounts by name, "cpu 3".
func texts(amounts []Amount) []string {
	out := []string{}
	for _, x := range amounts {
		out = append(out, fmt.Sprintf("%s %d", x.Name, x.Sum.Int64()))
	}
	return out
}

// What is unseen is part of what a role has and of what those above it have, stays while accounts that nobody refers to are forgotten,
// and is made up for where records come and go.
func TestUnseen(t *testing.T) {
	s := New()
	amount := func(name string, q uint64) Amount { return Amount{name, Sum{Lo: q}} }
	s.SetOwn("a/b", []Amount{amount("cpu", 5), amount("gpu", 2)})
	s.SetOwn("a", []Amount{amount("cpu", 1)})
	assert.Equal(t, []string{"cpu 5", "gpu 2"}, texts(s.OwnOf("a/b")))
	assert.Equal(t, []string{"cpu 6", "gpu 2"}, texts(s.UsedOf("a")))
	assert.Equal(t, []string{"cpu 6", "gpu 2"}, texts(s.UsedOf("")))
	assert.Empty(t, texts(s.OwnOf("")))
	before := s.Snapshot()

	cpu, _ := s.DimOf("cpu")
	id := s.AddGroup(Group{Name: "g", Spec: berth.NewGroup("g", berth.GroupSpec{Role: "a/b"}), Request: []Need{{cpu, 3}}})
	row := s.AddNode(&Node{ID: "n1", Spec: &berth.Node{ID: "n1"}})
	s.Add("t", Record{Group: id, Row: row})
	assert.Equal(t, []string{"cpu 8", "gpu 2"}, texts(s.OwnOf("a/b")))
	s.SetOwn("a/b", []Amount{amount("cpu", 4), amount("ram", 7)})
	assert.Equal(t, []string{"cpu 4", "ram 7"}, texts(s.OwnOf("a/b")), "of which a task has 3")
	s.AddUnseen("a/b", []Need{{cpu, 2}})
	slot, _ := s.FindTask("t")
	s.Remove(slot)
	assert.Equal(t, []string{"cpu 3", "ram 7"}, texts(s.OwnOf("a/b")))
	assert.Equal(t, []string{"cpu 4", "ram 7"}, texts(s.UsedOf("")))

	for i := range 1000 { // accounts that come and go
		at := s.roleAccount(berth.Role(fmt.Sprint("r", i)))
		s.refer(at, 1)
		s.refer(at, -1)
		s.forgetAccounts()
	}
	assert.Equal(t, []string{"cpu 4", "ram 7"}, texts(s.UsedOf("a")))
	s.SetOwn("a/b", nil)
	s.SetOwn("a", nil)
	s.SetOwn("nobody", nil)
	assert.Empty(t, s.UsedOf(""))
	_, known := s.FindRole("nobody")
	assert.False(t, known)
	assert.Equal(t, []string{"cpu 6", "gpu 2"}, texts(before.UsedOf("")), "a view stays")
	assert.Contains(t, maps.Collect(roleNames(before)), "a/b")
	for range 100 {
		s.newAccounts = 1000
		s.forgetAccounts()
	}
	_, known = s.FindRole("a/b")
	assert.False(t, known, "nothing refers to it any more")
}

func roleNames(v *View) func(func(string, bool) bool) {
	return func(yield func(string, bool) bool) {
		for _, a := range v.EachRole() {
			if !yield(a.Name, true) {
				return
			}
		}
	}
}

// What a plan is told of a role is the same whether the role is of the group whose turn it is or not, and as accounts come to be.
func TestPlannedOf(t *testing.T) {
	s := New()
	s.Dim("cpu")
	g := berth.NewGroup("g", berth.GroupSpec{Role: "a/b", Request: berth.Resources{"cpu": 2}})
	h := berth.NewGroup("h", berth.GroupSpec{Role: "a/c", Request: berth.Resources{"cpu": 3}})
	var p Planned
	p.Reset(s.Present())
	p.Add(g, 2)
	p.Add(h, 1)
	check := func(want map[berth.Role]int64) {
		t.Helper()
		for _, turn := range []*berth.Group{g, h} {
			p.Turn(turn)
			for role, q := range want {
				assert.Equal(t, q, p.Of(role, "cpu").Int64(), "%q at the turn of %v", role, turn.Name())
				assert.Zero(t, p.Of(role, "gpu").Int64())
			}
		}
	}
	check(map[berth.Role]int64{"": 7, "a": 7, "a/b": 4, "a/c": 3, "d": 0})
	s.SetOwn("a/b", []Amount{{"cpu", Sum{Lo: 10}}})
	check(map[berth.Role]int64{"": 17, "a": 17, "a/b": 14, "a/c": 3, "d": 0})
}
