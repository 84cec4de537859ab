package cluster_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// reserve is the operation that reserves cores of a node for a role.
func reserve(id string, role berth.Role, node string, cpu int64) berth.Op {
	return berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: id, Role: role, Node: node, Lease: berth.Reserved, Resources: berth.Resources{"cpu": cpu}}}
}

func ofRole(role berth.Role, cpu int64) *berth.Group {
	return berth.NewGroup(fmt.Sprintf("%s-%d", role, cpu), berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": cpu}})
}

// TestReservations: who has what of a node of eight cores of which some are reserved.
func TestReservations(t *testing.T) {
	type use struct {
		role berth.Role
		cpu  int64
	}
	for _, c := range []struct {
		name     string
		static   map[berth.Role]berth.Resources
		reserved []use
		used     []use
		free     map[berth.Role]int64
		has      map[berth.Role]int64 // by the ledger
	}{
		{name: "nothing", free: map[berth.Role]int64{"": 8, "eng": 8}},
		{name: "reserved for a role and those below it", reserved: []use{{"eng", 3}},
			free: map[berth.Role]int64{"": 5, "ops": 5, "eng": 8, "eng/search": 8, "engine": 5}, has: map[berth.Role]int64{"": 3, "eng": 3, "eng/search": 0}},
		{name: "by the node itself", static: map[berth.Role]berth.Resources{"eng": {"cpu": 3}},
			free: map[berth.Role]int64{"": 5, "eng": 8}, has: map[berth.Role]int64{"eng": 3}},
		{name: "both add up", static: map[berth.Role]berth.Resources{"eng": {"cpu": 3}}, reserved: []use{{"eng", 2}},
			free: map[berth.Role]int64{"": 3, "eng": 8}, has: map[berth.Role]int64{"eng": 5}},
		{name: "not above", reserved: []use{{"eng/search", 3}}, free: map[berth.Role]int64{"eng": 5, "eng/search": 8, "eng/search/a": 8, "eng/ads": 5}},
		{name: "used first of what is reserved", reserved: []use{{"eng", 3}}, used: []use{{"eng", 2}},
			free: map[berth.Role]int64{"": 5, "eng": 6}, has: map[berth.Role]int64{"": 3, "eng": 3}},
		{name: "and beyond it", reserved: []use{{"eng", 3}}, used: []use{{"eng", 4}},
			free: map[berth.Role]int64{"": 4, "eng": 4}, has: map[berth.Role]int64{"": 4, "eng": 4}},
		{name: "by a role below, which is charged", reserved: []use{{"eng", 3}}, used: []use{{"eng/search", 2}},
			free: map[berth.Role]int64{"": 5, "eng": 6, "eng/search": 6}, has: map[berth.Role]int64{"eng": 3, "eng/search": 2}},
		{name: "others' tasks do not count", reserved: []use{{"eng", 3}}, used: []use{{"ops", 5}},
			free: map[berth.Role]int64{"": 0, "ops": 0, "eng": 3}, has: map[berth.Role]int64{"": 8, "eng": 3, "ops": 5}},
		{name: "an inner one is apart", reserved: []use{{"eng", 3}, {"eng/search", 2}},
			free: map[berth.Role]int64{"": 3, "eng": 6, "eng/search": 8}, has: map[berth.Role]int64{"eng": 5, "eng/search": 2}},
		{name: "what is used of the inner one is not of the outer", reserved: []use{{"eng", 3}, {"eng/search", 2}}, used: []use{{"eng/search", 2}},
			free: map[berth.Role]int64{"": 3, "eng": 6, "eng/search": 6}, has: map[berth.Role]int64{"eng": 5, "eng/search": 2}},
		{name: "what is used beyond the inner one is", reserved: []use{{"eng", 3}, {"eng/search", 2}}, used: []use{{"eng/search", 4}},
			free: map[berth.Role]int64{"": 3, "eng": 4, "eng/search": 4}, has: map[berth.Role]int64{"eng": 5, "eng/search": 4}},
		{name: "of two roles", reserved: []use{{"eng", 3}, {"ops", 4}}, used: []use{{"eng", 4}},
			free: map[berth.Role]int64{"": 0, "eng": 0, "ops": 4}, has: map[berth.Role]int64{"": 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, reservedFirst := range []bool{true, false} { // which came first does not matter
				f := cluster.NewFork()
				require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8}, Reserved: c.static}))
				reserving := func() {
					for i, r := range c.reserved {
						_, why := f.Apply(reserve(fmt.Sprint("r", i), r.role, "n1", r.cpu))
						require.Equal(t, berth.None, why.Code)
					}
				}
				if reservedFirst {
					reserving()
				}
				for i, u := range c.used {
					_, why := f.Apply(berth.Op{Kind: berth.Place, Task: ofRole(u.role, u.cpu).Task(fmt.Sprint("t", i)), Node: "n1"})
					require.Equal(t, berth.None, why.Code, "%v", why)
				}
				if !reservedFirst {
					reserving()
				}
				n, _ := f.Node("n1")
				for role, want := range c.free {
					assert.Equal(t, want, n.FreeFor(role)["cpu"], "free for %q", role)
					g := ofRole(role, max(want, 1))
					assert.Equal(t, want > 0, f.Fits(g, n), "%q", role)
					assert.False(t, f.Fits(ofRole(role, want+1), n), "%q", role)
				}
				for role, want := range c.has {
					assert.Equal(t, want, f.Used(role)["cpu"], "used by %q", role)
				}
				assert.False(t, n.Overcommitted())
				for i := range c.used {
					f.Apply(berth.Op{Kind: berth.Release, ID: fmt.Sprint("t", i)})
				}
				for i := range c.reserved {
					f.Apply(berth.Op{Kind: berth.Drop, ID: fmt.Sprint("r", i)})
				}
				require.NoError(t, f.UpdateNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8}}))
				assert.Equal(t, berth.Resources{"cpu": 8}, n.Free())
				assert.Empty(t, f.Used(""))
			}
		})
	}
}

// TestReservationsOfAnOwner are for what is placed in his name, of the very role.
func TestReservationsOfAnOwner(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8}}))
	op := reserve("r", "eng", "n1", 6)
	op.Hold.Owner = "marathon"
	_, why := f.Apply(op)
	require.Equal(t, berth.None, why.Code)
	place := func(role berth.Role, owner string) berth.Code {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: ofRole(role, 3).Task("t"), Node: "n1", Owner: owner})
		if why.Code == berth.None {
			f.Apply(berth.Op{Kind: berth.Release, ID: "t"})
		}
		return why.Code
	}
	assert.Equal(t, berth.Insufficient, place("eng", ""))
	assert.Equal(t, berth.Insufficient, place("eng", "spark"))
	assert.Equal(t, berth.Insufficient, place("eng/search", "marathon"))
	assert.Equal(t, berth.None, place("eng", "marathon"))
	_, why = f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "offer", Owner: "marathon", Role: "eng", Node: "n1", Resources: berth.Resources{"cpu": 7}, Deadline: time.Unix(1, 0)}})
	assert.Equal(t, berth.None, why.Code, "an offer to the owner has what is reserved for him")
	n, _ := f.Node("n1")
	assert.Equal(t, int64(1), n.Free()["cpu"])
}

// TestReservationRefused: what cannot be reserved says why, and changes nothing.
func TestReservationRefused(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8}, Devices: []berth.Device{{Class: "gpu"}}}))
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 6}}))
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: ofRole("ops", 1).Task("t"), Node: "n1"})
	require.Equal(t, berth.None, why.Code)
	with := func(change func(h *berth.Hold)) berth.Op {
		op := reserve("r", "ops", "n1", 2)
		change(op.Hold)
		return op
	}
	for _, c := range []struct {
		op  berth.Op
		why string
	}{
		{reserve("r", "ops", "n1", 9), "too little cpu in all"},
		{reserve("r", "lab", "n1", 8), "insufficient cpu"},
		{reserve("r", "eng/search", "n1", 7), "over limit eng: cpu 0.006"},
		{reserve("r", "", "n1", 1), `invalid hold "r": a reservation names a role`},
		{with(func(h *berth.Hold) { h.Deadline = time.Unix(1, 0) }), `invalid hold "r": a reservation has no deadline`},
		{with(func(h *berth.Hold) { h.Devices = []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1}} }), `invalid hold "r": neither devices nor ports can be reserved`},
		{with(func(h *berth.Hold) { h.Resources = berth.Resources{"gpu": 1} }), "only as devices: gpu"},
		{with(func(h *berth.Hold) { h.Resources = berth.Resources{"tape": 1} }), "too little tape in all"},
		{with(func(h *berth.Hold) { h.Node = "n2" }), "unknown node n2"},
		{berth.Op{Kind: berth.Evict, ID: "t", Hold: reserve("r", "ops", "n1", 1).Hold}, `invalid hold "r": the room of a task that is evicted is not reserved`},
	} {
		before := f.Version()
		_, why := f.Apply(c.op)
		assert.Equal(t, c.why, why.String())
		assert.Equal(t, before, f.Version())
	}
	err := (&berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 2}, Reserved: map[berth.Role]berth.Resources{"": {"cpu": 1}, "a//b": {"cpu": 1}, "c": {"cpu": 1, "tape": 1}}}).Err()
	assert.EqualError(t, err, `node "n": reserved: nothing can be reserved for the root role
node "n": reserved: role "a//b": empty segment
node "n": resource "cpu": 3 reserved of 2
node "n": resource "tape": 1 reserved of 0`)
}

// TestReservedIsSaid: an explanation says for whom what a task lacks is reserved.
func TestReservedIsSaid(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}, Reserved: map[berth.Role]berth.Resources{"eng": {"cpu": 3000}, "lab": {"cpu": 1000}}}))
	assert.Equal(t, "1 insufficient cpu; nearest n1: lacks 1 cpu (3 reserved for eng, 1 for lab); 1 more cpu on n1 would do", f.Explain(ofRole("ops", 5000)).String())
	assert.Equal(t, "1 insufficient cpu; nearest n1: lacks 1 cpu (1 reserved for lab); 1 more cpu on n1 would do", f.Explain(ofRole("eng", 8000)).String())
	assert.Equal(t, "1 insufficient cpu; nearest n1: lacks 1 cpu (3 reserved for eng); 1 more cpu on n1 would do", f.Explain(ofRole("lab/x", 6000)).String())
}

// floors is a slow account of one resource of one node, by what a reservation is said to be: each unit that is used is covered by one unit that is
// reserved for whom it is used, as many as can be, and what covers nothing is idle.
type floors struct {
	capacity int64
	reserved map[berth.Role]int64
	used     map[berth.Role]int64
}

// idle is all that is reserved less a largest matching of units used with units reserved, found by augmenting paths.
func (f *floors) idle() int64 {
	type unit struct{ role berth.Role }
	var uses, floors []unit
	for role, n := range f.used {
		for range n {
			uses = append(uses, unit{role})
		}
	}
	for role, n := range f.reserved {
		for range n {
			floors = append(floors, unit{role})
		}
	}
	covers := make([]int, len(floors)) // one more than the index of the use
	var augment func(u int, seen []bool) bool
	augment = func(u int, seen []bool) bool {
		for i := range floors {
			if !seen[i] && uses[u].role.Within(floors[i].role) {
				seen[i] = true
				if covers[i] == 0 || augment(covers[i]-1, seen) {
					covers[i] = u + 1
					return true
				}
			}
		}
		return false
	}
	covered := int64(0)
	for u := range uses {
		if augment(u, make([]bool, len(floors))) {
			covered++
		}
	}
	return int64(len(floors)) - covered
}

// room is how much more a role may use, and free how much is neither used nor idle.
func (f *floors) room(role berth.Role) int64 {
	for n := int64(1); ; n++ {
		f.used[role] += n
		fits := f.free() >= 0
		f.used[role] -= n
		if !fits {
			return n - 1
		}
	}
}

func (f *floors) free() int64 {
	left := f.capacity - f.idle()
	for _, n := range f.used {
		left -= n
	}
	return left
}

// TestReservationsInHistories compares random histories of one node with the slow account, holds quota-limit-never-exceeded and
// ledger-equals-sum against them, and that a rollback
// leaves no trace.
func TestReservationsInHistories(t *testing.T) {
	roles := []berth.Role{"a", "a/b", "a/b/c", "a/d", "e"}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 17))
		f := cluster.NewFork()
		model := &floors{capacity: 6 + int64(rng.IntN(10)), reserved: map[berth.Role]int64{}, used: map[berth.Role]int64{}}
		node := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": model.capacity}}
		if rng.IntN(2) == 0 {
			node.Reserved = map[berth.Role]berth.Resources{"a": {"cpu": 2}}
			model.reserved["a"] = 2
		}
		require.NoError(t, f.AddNodes(node))
		limits := map[berth.Role]int64{}
		for _, role := range roles {
			if rng.IntN(3) == 0 {
				limits[role] = 2 + int64(rng.IntN(8))
				require.NoError(t, f.SetQuotas(berth.Quota{Role: role, Limits: berth.Resources{"cpu": limits[role]}}))
			}
		}
		overLimit := f.Used("a")["cpu"] > limits["a"] // by what the node has reserved from the beginning
		type thing struct {
			id   string
			kind berth.OpKind
			role berth.Role
			cpu  int64
		}
		var there []thing
		var saved cluster.Savepoint
		var before string
		for step := range 60 {
			role, cpu := roles[rng.IntN(len(roles))], int64(1+rng.IntN(4))
			id := fmt.Sprint("x", step)
			switch rng.IntN(7) {
			case 0, 1, 2: // a task or a hold
				room := model.room(role)
				op := berth.Op{Kind: berth.Place, Task: ofRole(role, cpu).Task(id), Node: "n1"}
				if rng.IntN(3) == 0 {
					op = berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: id, Owner: "o", Role: role, Node: "n1", Resources: berth.Resources{"cpu": cpu}, Deadline: time.Unix(1, 0)}}
				}
				_, why := f.Apply(op)
				if why.Code == berth.OverLimit {
					break
				}
				require.Equal(t, cpu <= room, why.Code == berth.None, "seed %d step %d: %v wants %d of %d: %v", seed, step, role, cpu, room, why)
				if why.Code == berth.None {
					model.used[role] += cpu
					there = append(there, thing{id, op.Kind, role, cpu})
				}
			case 3: // a reservation
				_, why := f.Apply(reserve(id, role, "n1", cpu))
				if why.Code == berth.OverLimit {
					break
				}
				model.reserved[role] += cpu
				if model.free() < 0 {
					model.reserved[role] -= cpu
					require.NotEqual(t, berth.None, why.Code, "seed %d step %d", seed, step)
				} else if why.Code != berth.None { // more would be reserved than there is
					model.reserved[role] -= cpu
					sum := cpu
					for _, n := range model.reserved {
						sum += n
					}
					require.Greater(t, sum, model.capacity, "seed %d step %d: %v", seed, step, why)
				} else {
					there = append(there, thing{id, berth.Drop, role, cpu})
				}
			case 4, 5:
				if len(there) == 0 {
					break
				}
				i := rng.IntN(len(there))
				x := there[i]
				there = slices.Delete(there, i, i+1)
				switch x.kind {
				case berth.Place:
					f.Apply(berth.Op{Kind: berth.Release, ID: x.id})
					model.used[x.role] -= x.cpu
				case berth.Take:
					f.Apply(berth.Op{Kind: berth.Drop, ID: x.id})
					model.used[x.role] -= x.cpu
				default:
					f.Apply(berth.Op{Kind: berth.Drop, ID: x.id})
					model.reserved[x.role] -= x.cpu
				}
			case 6: // trials that are taken back
				saved, before = f.Savepoint(), shown(f, roles)
				f.Apply(reserve("trial", role, "n1", cpu))
				f.Apply(berth.Op{Kind: berth.Place, Task: ofRole(role, cpu).Task("trial"), Node: "n1"})
				if len(there) > 0 {
					f.Apply(berth.Op{Kind: berth.Drop, ID: there[0].id})
					f.Apply(berth.Op{Kind: berth.Release, ID: there[0].id})
				}
				_ = f.UpdateNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 3}, Reserved: map[berth.Role]berth.Resources{"e": {"cpu": 1}}})
				if rng.IntN(2) == 0 {
					_ = f.RemoveNodes("n1")
				}
				require.NoError(t, f.Rollback(saved))
				require.Equal(t, before, shown(f, roles), "seed %d step %d", seed, step)
			}
			n, _ := f.Node("n1")
			require.Equal(t, model.free(), n.Free()["cpu"], "seed %d step %d", seed, step)
			total := int64(0)
			for _, of := range n.Idle() {
				total += of["cpu"]
			}
			require.Equal(t, model.idle(), total, "seed %d step %d", seed, step)
			for _, role := range roles {
				require.Equal(t, model.room(role), n.FreeFor(role)["cpu"], "seed %d step %d: %v", seed, step, role)
				sum := int64(0)
				for of, idle := range n.Idle() {
					if of.Within(role) {
						sum += idle["cpu"]
					}
				}
				for of, used := range model.used {
					if of.Within(role) {
						sum += used
					}
				}
				require.Equal(t, sum, f.Used(role)["cpu"], "seed %d step %d: %v", seed, step, role)
				if most, ok := limits[role]; ok && !(overLimit && berth.Role("a").Within(role)) {
					require.LessOrEqual(t, sum, most, "seed %d step %d: %v", seed, step, role)
				}
			}
		}
	}
}

// shown prints what a fork shows of its node and of roles.
func shown(f *cluster.Fork, roles []berth.Role) string {
	n, _ := f.Node("n1")
	s := fmt.Sprint(n.Free(), n.Idle(), n.Capacity())
	for _, role := range append(roles, "") {
		s += fmt.Sprint(" ", role, f.Used(role), n.FreeFor(role))
	}
	return s
}

// What is reserved is right again once some of it is dropped of which there was more than a number can be.
func TestReservationsBeyondTheLargestNumber(t *testing.T) {
	const most = math.MaxInt64
	f := cluster.NewFork()
	n := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": most}}
	require.NoError(t, f.AddNodes(n))
	for id, q := range map[string]int64{"r1": most - 10, "r2": 7} {
		_, why := f.Apply(reserve(id, "eng", "n1", q))
		require.Zero(t, why)
	}
	n.Reserved = map[berth.Role]berth.Resources{"eng": {"cpu": most - 5}}
	require.NoError(t, f.UpdateNodes(n))
	for _, id := range []string{"r1", "r2"} {
		_, why := f.Apply(berth.Op{Kind: berth.Drop, ID: id})
		require.Zero(t, why)
	}
	at, _ := f.Node("n1")
	assert.Equal(t, map[berth.Role]berth.Resources{"eng": {"cpu": most - 5}}, at.Idle())
	assert.Equal(t, berth.Resources{"cpu": most - 5}, f.Used("eng"))
}
