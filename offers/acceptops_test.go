package offers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// reservation is room of a node for a role.
func reservation(id string, role berth.Role, node string, cpu int64) berth.Hold {
	return berth.Hold{ID: id, Role: role, Node: node, Lease: berth.Reserved, Resources: res{"cpu": cpu}}
}

// answer is a plan of operations.
func answer(add ...func(p *cluster.Plan)) *cluster.Plan {
	p := new(cluster.Plan)
	for _, f := range add {
		f(p)
	}
	return p
}

func placing(g *berth.Group, id, node string) func(*cluster.Plan) {
	return func(p *cluster.Plan) { p.Place(g.Task(id), node) }
}

func reserving(h berth.Hold) func(*cluster.Plan) { return func(p *cluster.Plan) { p.Take(h) } }

func dropping(id string) func(*cluster.Plan) { return func(p *cluster.Plan) { p.Drop(id) } }

// What offers cover is done, whole; where anything is not, each operation says why and nothing is changed.
func TestAcceptWithOperations(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		for _, tc := range []struct {
			name    string
			plan    *cluster.Plan
			refused []string
			free    int64            // for everybody, of n1
			forRole map[string]int64 // what roles may have there
		}{
			{"reserve", answer(reserving(reservation("r", "eng", "n1", 4))), nil, 4, map[string]int64{"eng": 8, "ops": 4}},
			{"for a role below", answer(reserving(reservation("r", "eng/web", "n1", 8))), nil, 0, map[string]int64{"eng": 0, "eng/web": 8}},
			{"place in it", answer(reserving(reservation("r", "eng", "n1", 4)), placing(cpus("web", "eng", 3), "t", "n1")), nil, 4, map[string]int64{"eng": 5}},
			{"whichever is first", answer(placing(cpus("web", "eng", 3), "t", "n1"), reserving(reservation("r", "eng", "n1", 4))), nil, 4, map[string]int64{"eng": 5}},
			{"and beside it", answer(reserving(reservation("r", "eng/web", "n1", 5)), placing(cpus("web", "eng", 3), "t", "n1")), nil, 0, map[string]int64{"eng": 0, "eng/web": 5}},
			{"more than is offered", answer(placing(cpus("web", "eng", 3), "t", "n1"), reserving(reservation("r", "eng/web", "n1", 6))), []string{
				"place t on n1: not whole: the plan: hold r for role eng/web on n1: cpu 0.006: not held cpu",
				"hold r for role eng/web on n1: cpu 0.006: not held cpu"}, 8, nil},
			{"each with its fault", answer(reserving(reservation("r", "eng", "n1", 9)), placing(cpus("web", "eng", 3), "t", "n3"), dropping("x"), placing(cpus("web", "eng", 3), "u", "n1")), []string{
				"hold r for role eng on n1: cpu 0.009: too little cpu in all",
				"place t on n3: unknown node n3",
				"drop x: unknown hold x",
				"place u on n1: not whole: the plan: hold r for role eng on n1: cpu 0.009: too little cpu in all"}, 8, nil},
			{"of a node that is not offered", answer(reserving(reservation("r", "eng", "n2", 1))), []string{"hold r for role eng on n2: cpu 0.001: not held cpu"}, 8, nil},
			{"what another role has reserved", answer(dropping("ops")), []string{`drop ops: denied role "ops" is not at or below "eng"`}, 8, nil},
			{"what is another owner's", answer(dropping("owned")), []string{`drop owned: denied reserved for "other"`}, 8, nil},
			{"what is an offer", answer(dropping("offer-1")), []string{"drop offer-1: unknown hold offer-1"}, 8, nil},
			{"give back and take", answer(dropping("own"), reserving(reservation("own", "eng", "n1", 2))), nil, 6, map[string]int64{"eng": 8}},
		} {
			t.Run(fmt.Sprint(lease, " ", tc.name), func(t *testing.T) {
				w := newWorld(t, offers.Config{Lease: lease}, node("n1", 8, 0), node("n2", 8, 0))
				for _, h := range []berth.Hold{reservation("ops", "ops", "n2", 1), reservation("owned", "eng", "n2", 1), reservation("own", "eng", "n2", 1)} {
					if h.ID == "owned" {
						h.Owner = "other"
					}
					require.NoError(t, w.state.Hold(h))
				}
				s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
				w.offer()
				all, err := s.Offers(ctx)
				require.NoError(t, err)
				require.Equal(t, "n1", all[0].Node)
				given := []string{all[0].ID}
				if tc.name == "what is an offer" {
					tc.plan.Ops[0].ID = all[0].ID
					tc.refused = []string{fmt.Sprintf("drop %s: unknown hold %[1]s", all[0].ID)}
				}
				out, err := s.Accept(ctx, given, tc.plan, offers.Filter{For: time.Hour})
				require.NoError(t, err)
				var refused []string
				for _, r := range out.Refused {
					refused = append(refused, r.String())
				}
				assert.Equal(t, tc.refused, refused)
				if tc.refused != nil {
					assert.Empty(t, out.Placed)
					assert.Contains(t, ids(t, s), given[0], "the offer is as it was")
					require.NoError(t, s.Decline(ctx, given, offers.Filter{}))
				} else {
					assert.NotContains(t, ids(t, s), given[0])
				}
				n1, _ := snapshotOf(t, w.state).Node("n1")
				assert.Equal(t, tc.free, n1.Free()["cpu"])
				for role, want := range tc.forRole {
					assert.Equal(t, want, n1.FreeFor(berth.Role(role))["cpu"], role)
				}
			})
		}
	}
}

// A plan that is to be whole and only places is done whole, too.
func TestAcceptWholeLaunch(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	w.offer()
	g := cpus("web", "eng", 3)
	p := answer(placing(g, "a", "n1"), placing(g, "b", "n1"))
	p.Whole = true
	out, err := s.Accept(ctx, ids(t, s), p, offers.Filter{})
	require.NoError(t, err)
	require.Len(t, out.Refused, 2)
	assert.Equal(t, "not held cpu", out.Refused[1].Reason.String())
	assert.Len(t, ids(t, s), 2)
	p.Ops[1].Node = "n2"
	out, err = s.Accept(ctx, ids(t, s), p, offers.Filter{})
	require.NoError(t, err)
	assert.Len(t, out.Placed, 2)
	assert.Empty(t, ids(t, s))
}

// What is reserved for the framework alone is not for others of its role, and the framework may give it back.
func TestReserveForOneself(t *testing.T) {
	w := newWorld(t, offers.Config{Prefix: "x-"}, node("n1", 8, 0))
	s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	w.offer()
	mine := reservation("r", "eng", "n1", 8)
	mine.Owner = "f"
	_, err := s.Accept(ctx, ids(t, s), answer(reserving(mine)), offers.Filter{})
	require.NoError(t, err)
	h, _ := snapshotOf(t, w.state).Hold("r")
	assert.Equal(t, "x-f", h.Owner)
	other := w.subscribe(offers.Framework{Name: "g", Role: "eng"})
	w.offer()
	assert.Empty(t, ids(t, other))
	assert.Equal(t, []string{"n1: cpu 0.008"}, list(t, s), "a framework that has declared nothing is offered what is reserved for it")
	out, err := s.Accept(ctx, ids(t, s), answer(placing(cpus("web", "eng", 3), "t", "n1"), dropping("r")), offers.Filter{})
	require.NoError(t, err)
	require.Empty(t, out.Refused)
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.005"}, list(t, other))
}

// The filter of an answer is of what was not used, and not of what was reserved.
func TestReservedRoomComesBackAtOnce(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 8, 0))
	s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	w.offer()
	_, err := s.Accept(ctx, ids(t, s), answer(placing(cpus("web", "eng", 1), "t", "n1"), reserving(reservation("r", "eng", "n1", 5))), offers.Filter{For: time.Hour})
	require.NoError(t, err)
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.007"}, list(t, s), "four that are reserved and idle with the three of which nothing was reserved")
}

// A plan that names no offer has no room, of whatever kind: devices that are whole, shared, unhealthy or gone, ports, what is reserved for the role.
func TestAcceptWithoutOffersHasNoRoom(t *testing.T) {
	gpus := func(d ...berth.Device) berth.Node {
		n := node("n1", 8, 8)
		n.Devices, n.Ports = d, []berth.PortRange{{First: 80, Last: 82, Protocol: berth.TCP}}
		return n
	}
	gpu := func(d berth.DeviceRequest) berth.GroupSpec {
		d.Class = "gpu"
		return berth.GroupSpec{Role: "eng", Devices: []berth.DeviceRequest{d}}
	}
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		a, b, c, d := berth.Device{Class: "gpu", ID: "a"}, berth.Device{Class: "gpu", ID: "b"}, berth.Device{Class: "gpu", ID: "c", Capacity: res{"memory": 9}}, berth.Device{Class: "gpu", ID: "d"}
		w := newWorld(t, offers.Config{Lease: lease}, gpus(a, b, c, d))
		s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
		out := schedule(t, w.state, berth.NewTask("old", gpu(berth.DeviceRequest{Count: 1})), berth.NewTask("share", gpu(berth.DeviceRequest{Share: 300})), cpus("full", "", 6).Task("full"))
		require.Len(t, out.Placed, 3)
		require.NoError(t, w.state.Hold(reservation("r", "eng", "n1", 2)))
		b.Unhealthy = true
		shrunk := gpus(b, c, d) // the first of the tasks has none of them
		shrunk.Capacity["cpu"] = 7
		require.NoError(t, w.state.UpdateNodes(shrunk))
		w.offer()
		for name, spec := range map[string]berth.GroupSpec{
			"one": gpu(berth.DeviceRequest{Count: 1}), "share": gpu(berth.DeviceRequest{Share: 100}), "memory": gpu(berth.DeviceRequest{Share: 100, Amounts: res{"memory": 1}}),
			"port": {Role: "eng", DynamicPorts: 1}, "memory alone": {Role: "eng", Request: res{"memory": 1}}, "reserved": {Role: "eng", Request: res{"cpu": 1}},
		} {
			p := new(cluster.Plan)
			p.Place(berth.NewTask("t", spec), "n1")
			p.Whole = true
			out, err := s.Accept(ctx, nil, p, offers.Filter{})
			require.NoError(t, err, name)
			assert.Empty(t, out.Placed, "%v: %s", lease, name)
			assert.Len(t, out.Refused, 1, "%v: %s", lease, name)
		}
	}
}

// What cannot be done at all is an error with every fault.
func TestAcceptFaults(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 8, 0))
	s := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	other := reservation("b", "eng", "n1", 1)
	other.Owner = "g"
	hold := reservation("c", "eng", "n1", 1)
	hold.Lease, hold.Owner, hold.Deadline = berth.Exclusive, "f", w.now.Add(time.Hour)
	p := answer(reserving(reservation("a", "ops", "n1", 1)), reserving(other), reserving(hold), dropping(""), reserving(berth.Hold{ID: "d", Lease: berth.Reserved}))
	p.Ops = append(p.Ops, berth.Op{Kind: berth.Take}, berth.Op{Kind: berth.Release, ID: "t"})
	_, err := s.Accept(ctx, nil, p, offers.Filter{})
	require.Error(t, err)
	for _, want := range []string{
		`hold "a": role "ops" is not at or below "eng"`, `hold "b": owner "g" is not the framework, "f"`, `hold "c": a framework makes no holds but reservations`,
		"drop: no ID", `hold "d": node: empty name`, "hold: none given", "release t: on offers tasks are placed, and room is reserved and given back",
	} {
		assert.ErrorContains(t, err, want)
	}
}

// Whatever is answered in whatever order, nothing that another was offered or has is touched, what is refused changes nothing, and the
// accounts are right.
func TestAcceptOperationsAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 19))
		w := newWorld(t, offers.Config{Lease: berth.Lease(seed % 2)}, node("n0", 9, 9), node("n1", 8, 8))
		names := []string{"a", "b"}
		roles := map[string]berth.Role{"a": "r", "b": "r/x"}
		for _, name := range names {
			w.subscribe(offers.Framework{Name: name, Role: roles[name]})
		}
		held := []string{"r0"}
		for step := range 40 {
			name := names[rng.IntN(2)]
			s := w.subs[name]
			w.offer()
			all, err := s.Offers(ctx)
			require.NoError(t, err)
			var given []string
			for _, o := range all {
				if rng.IntN(3) > 0 {
					given = append(given, o.ID)
				}
			}
			p := new(cluster.Plan)
			for k := range 1 + rng.IntN(3) {
				id, on := fmt.Sprintf("%s-%d-%d", name, step, k), fmt.Sprint("n", rng.IntN(2))
				role := []berth.Role{roles[name], "r/x"}[rng.IntN(2)]
				switch rng.IntN(4) {
				case 0, 1:
					p.Place(cpus("g"+id, roles[name], 1+rng.Int64N(3)).Task(id), on)
				case 2:
					h := reservation(id, role, on, 1+rng.Int64N(4))
					if rng.IntN(3) == 0 {
						h.Owner = name
					}
					p.Take(h)
					held = append(held, id)
				case 3:
					p.Drop(held[rng.IntN(len(held))])
				}
			}
			p.Whole = true
			before := snapshotOf(t, w.state)
			out, err := s.Accept(ctx, given, p, offers.Filter{})
			require.NoError(t, err)
			after := snapshotOf(t, w.state)
			if len(out.Refused) > 0 {
				require.Len(t, out.Refused, len(p.Ops), "seed %d, step %d", seed, step)
				require.Equal(t, before.Version(), after.Version(), "seed %d, step %d", seed, step)
			}
			for n := range after.Nodes() {
				require.False(t, n.Overcommitted(), "seed %d, step %d", seed, step)
				was, _ := before.Node(n.ID())
				if seed%2 == 0 { // what everybody may have is no less, for the offers were taken before
					require.GreaterOrEqual(t, n.Free()["cpu"], was.Free()["cpu"], "seed %d, step %d: %v\n%v", seed, step, n.ID(), p)
				}
			}
			for h := range before.Holds() {
				if h.Lease == berth.Exclusive && !slices.Contains(given, h.ID) {
					_, still := after.Hold(h.ID)
					require.True(t, still, "seed %d, step %d: %s", seed, step, h.ID)
				}
			}
			if rng.IntN(3) == 0 {
				for task := range after.TasksOf("r") {
					require.NoError(t, w.state.Release(task.ID))
				}
			}
			w.now = w.now.Add(time.Duration(rng.IntN(20)) * time.Second)
			_, err = w.x.Expire(ctx)
			require.NoError(t, err)
			w.checkRoles(roles)
		}
	}
}

// A framework that reserves nothing under the names that offers are about to have keeps nobody from his.
func TestReservationsOfNothingUnderTheNamesOfOffers(t *testing.T) {
	w := newWorld(t, offers.Config{Prefix: "x-"}, node("n1", 8, 0))
	bad := w.subscribe(offers.Framework{Name: "bad", Role: "bad"})
	p := answer()
	for i := range 50 {
		p.Take(berth.Hold{ID: fmt.Sprint("x-", i), Role: "bad", Node: "n1", Lease: berth.Reserved, Resources: res{"cpu": 0}})
	}
	out, err := bad.Accept(ctx, nil, p, offers.Filter{})
	require.NoError(t, err)
	require.Empty(t, out.Refused)
	good := w.subscribe(offers.Framework{Name: "good", Role: "good"})
	require.NoError(t, bad.Unsubscribe(ctx))
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.008"}, list(t, good))
}

// A reservation may have any name that is free.
func TestReservationsOfAnyName(t *testing.T) {
	n1 := node("n1", 8, 0)
	n1.Reserved = map[berth.Role]res{"other": {"cpu": 1}}
	w := newWorld(t, offers.Config{}, n1)
	f := w.subscribe(offers.Framework{Name: "others", Role: "eng"})
	w.offer()
	for i, name := range []string{"others-0", "others-1", "others-2", "hold with spaces", "\u00e9", "offer-1/2", "0"} {
		out, err := f.Accept(ctx, ids(t, f), answer(reserving(reservation(name, "eng", "n1", 1))), offers.Filter{})
		require.NoError(t, err)
		require.Empty(t, out.Refused, name)
		require.Equal(t, 1, w.offer(), i)
	}
}

// Room that is idle and not offered is no part of an answer, however much beyond its limit the role is.
func TestAcceptBeyondALimit(t *testing.T) {
	for _, limit := range []int64{0, 1, 3, 4, 100} {
		w := newWorld(t, offers.Config{}, node("n1", 8, 0))
		require.NoError(t, w.state.Hold(reservation("r", "eng", "n1", 4)))
		require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "eng", Limits: res{"cpu": limit}}))
		f := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
		p := answer(placing(cpus("web", "eng", 2), "t", "n1"))
		p.Whole = true
		out, err := f.Accept(ctx, nil, p, offers.Filter{})
		require.NoError(t, err)
		require.Len(t, out.Refused, 1, "limit %d: it has no offer", limit)
		t.Log(out.Refused[0])
	}
}
