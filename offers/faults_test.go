package offers_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// between is a State that lets something happen once, before the next commit. With forks, every snapshot is of a line of
// history of its own.
type between struct {
	*scheduler.State
	f     func()
	forks bool
}

func (b *between) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	s, err := b.State.Snapshot(ctx)
	if err == nil && b.forks {
		s = s.Fork().Snapshot()
	}
	return s, err
}

func (b *between) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	if f := b.f; f != nil {
		b.f = nil
		f()
	}
	return b.State.Commit(ctx, p)
}

// newBetween is newWorld on such a State.
func newBetween(t testing.TB, cfg offers.Config, nodes ...berth.Node) (*world, *between) {
	w := newWorld(t, cfg, nodes...)
	src := &between{State: w.state}
	w.drf = new(allocator.DRF)
	cfg.Order = w.drf.Turns()
	var err error
	w.x, err = offers.NewExchange(src, cfg)
	require.NoError(t, err)
	return w, src
}

func named(id string, cpu int64) berth.Node {
	n := node(id, cpu, 0)
	n.Attributes = berth.Attributes{"name": id}
	return n
}

// checkOffers holds every offer of a framework against the State: its hold is there, and its attributes are those of
// its node.
func checkOffers(t testing.TB, w *world, s *offers.Subscription) {
	t.Helper()
	all, err := s.Offers(ctx)
	require.NoError(t, err)
	truth := snapshotOf(t, w.state)
	holds := map[string]berth.Hold{}
	for h := range truth.Holds() {
		holds[h.ID] = h
	}
	for _, o := range all {
		n, ok := truth.Node(o.Node)
		require.True(t, ok, "offer %s is of %s, which is not there", o.ID, o.Node)
		assert.Equal(t, n.Node().Attributes, o.Attributes, o.ID)
		assert.Equal(t, holds[o.ID].Node, o.Node, o.ID)
		assert.True(t, holds[o.ID].Resources.Equal(o.Resources), o.ID)
	}
}

// Nodes leave and come back, on other rows of the source, between a pass's snapshot and its commit.
func TestFault05NodeOnAnotherRow(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    func(t *testing.T, w *world)
	}{
		{"one returns of two", func(t *testing.T, w *world) {
			require.NoError(t, w.state.RemoveNodes("n0", "n1"))
			require.NoError(t, w.state.AddNodes(named("n0", 1000)))
		}},
		{"another node has its row", func(t *testing.T, w *world) {
			require.NoError(t, w.state.RemoveNodes("n0"))
			require.NoError(t, w.state.AddNodes(named("nx", 1000)))
			require.NoError(t, w.state.AddNodes(named("n0", 1000)))
		}},
		{"two change places", func(t *testing.T, w *world) {
			require.NoError(t, w.state.RemoveNodes("n0", "n1"))
			require.NoError(t, w.state.AddNodes(named("n0", 1000)))
			require.NoError(t, w.state.AddNodes(named("n1", 1000)))
		}},
		{"it is described anew", func(t *testing.T, w *world) {
			n := named("n0", 1000)
			n.Attributes = berth.Attributes{"name": "other"}
			require.NoError(t, w.state.UpdateNodes(n))
		}},
		{"all leave", func(t *testing.T, w *world) { require.NoError(t, w.state.RemoveNodes("n0", "n1")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, src := newBetween(t, offers.Config{MaxOutstanding: 3}, named("n0", 1000), named("n1", 1000))
			f := w.subscribe(offers.Framework{Name: "f"})
			src.f = func() { tc.f(t, w) }
			w.offer()
			checkOffers(t, w, f)
			w.check(map[string]berth.Role{"f": ""}, nil)
			checkBooks(t, w, map[string]berth.Role{"f": ""})
			// Its offers end when their leases do, and others are made then.
			w.now = w.now.Add(time.Hour)
			assert.Empty(t, list(t, f))
			assert.Equal(t, snapshotOf(t, w.state).Len(), w.offer())
			checkOffers(t, w, f)
			w.check(map[string]berth.Role{"f": ""}, nil)
			checkBooks(t, w, map[string]berth.Role{"f": ""})
		})
	}
}

// The same with a daemon, which must reach every node there is in the end.
func TestFault05DaemonReachesNodesThatCameBetween(t *testing.T) {
	w, src := newBetween(t, offers.Config{MaxOutstanding: 3}, named("n0", 1000))
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: res{"cpu": 100}})
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: agent}}})
	src.f = func() {
		require.NoError(t, w.state.RemoveNodes("n0"))
		require.NoError(t, w.state.AddNodes(named("nx", 1000)))
		require.NoError(t, w.state.AddNodes(named("n0", 1000)))
	}
	for range 2 {
		w.offer()
		checkOffers(t, w, f)
		schedule(t, f.Book(), agent.Everywhere())
	}
	coverage, err := scheduler.CoverageOf(snapshotOf(t, w.state), agent)
	require.NoError(t, err)
	assert.Equal(t, []string{"n0", "nx"}, append(coverage.Running, coverage.Pending...), coverage)
	for _, n := range []string{"n0", "nx"} {
		_, placed := snapshotOf(t, w.state).Task("agent@" + n)
		assert.True(t, placed, n)
	}
}

// A node that was away between two looks of a Book: its tasks are lost, and its filters are gone.
func TestFault05NodeAwayBetweenTwoLooks(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	schedule(t, f.Book(), cpus("web", "", 1).Tasks(1)...)
	declineAll(t, f, offers.Filter{For: time.Hour})
	snapshotOf(t, f.Book())
	require.NoError(t, w.state.RemoveNodes("n1"))
	require.NoError(t, w.state.AddNodes(node("n1", 4, 0)))
	task, ok := snapshotOf(t, f.Book()).Task("web-1")
	require.True(t, ok, "a lost task is known until it is released")
	assert.Equal(t, berth.Lost, task.State)
	assert.Equal(t, 1, w.offer(), "the node is another, and not filtered")
	assert.Equal(t, res{"cpu": 4}, freeOn(t, f.Book(), "n1"))
	w.check(map[string]berth.Role{"f": ""}, nil)
	checkBooks(t, w, map[string]berth.Role{"f": ""})
}

// A node that comes back just before its offer is accepted has not been offered.
func TestFault05AcceptedTooLate(t *testing.T) {
	w, src := newBetween(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	id := ids(t, f)
	src.f = func() {
		require.NoError(t, w.state.RemoveNodes("n1"))
		require.NoError(t, w.state.AddNodes(node("n1", 4, 0)))
	}
	out, err := f.Accept(ctx, id, placeOn(cpus("web", "", 1).Task("web-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	assert.Equal(t, "place web-1 on n1: unknown hold f", refusals(out))
	assert.Zero(t, snapshotOf(t, w.state).Tasks())
	w.check(map[string]berth.Role{"f": ""}, nil)
}

// Two Exchanges on one State, whose frameworks have one name, place what each was offered and no more.
func TestFault06ExchangesOfOneState(t *testing.T) {
	for _, tc := range []struct{ name, a, b string }{
		{"two prefixes", "a-", "b-"}, {"one prefix", "a-", "a-"}, {"the default", "", ""}, {"one begins the other", "a-", "a-a-"},
	} {
		for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
			t.Run(fmt.Sprintf("%s/lease=%d", tc.name, lease), func(t *testing.T) {
				w := newWorld(t, offers.Config{Prefix: tc.a, Lease: lease}, node("n1", 1000, 0))
				g := func(name string) *berth.Group { return cpus(name, "", 100) }
				join := func(x *offers.Exchange, name string) *offers.Subscription {
					s, err := x.Subscribe(offers.Framework{Name: "fw", Demand: []offers.Demand{{Group: g(name), Count: 5}}})
					require.NoError(t, err)
					return s
				}
				other, err := offers.NewExchange(w.state, offers.Config{Order: new(allocator.DRF).Turns(), Prefix: tc.b, Lease: lease})
				require.NoError(t, err)
				one, two := join(w.x, "one"), join(other, "two")
				require.Equal(t, 1, w.offer())
				p := &cluster.Plan{Version: snapshotOf(t, two.Book()).Version()}
				p.Place(g("two").Task("two-1"), "n1")
				early, err := two.Book().Commit(ctx, p)
				require.NoError(t, err)
				require.Len(t, early.Refused, 1, "it was offered nothing yet")
				n, err := other.Offer(ctx)
				require.NoError(t, err)
				require.Equal(t, 1, n)
				assert.Equal(t, []string{"n1: cpu 0.5"}, list(t, one))
				assert.Equal(t, []string{"n1: cpu 0.5"}, list(t, two))
				owners := map[string]int{}
				for h := range snapshotOf(t, w.state).Holds() {
					owners[h.Owner]++
				}
				assert.Len(t, owners, 2, "the owners of two exchanges")
				assert.Equal(t, res{"cpu": 500}, freeOn(t, one.Book(), "n1"))
				assert.Equal(t, res{"cpu": 500}, freeOn(t, two.Book(), "n1"))

				// What is planned beyond what the Book shows is refused.
				p = &cluster.Plan{Version: snapshotOf(t, one.Book()).Version()}
				for _, task := range g("one").Tasks(6) {
					p.Place(task, "n1")
				}
				out, err := one.Book().Commit(ctx, p)
				require.NoError(t, err)
				assert.Len(t, out.Placed, 5)
				assert.Len(t, out.Refused, 1)
				assert.Equal(t, []string{"n1: cpu 0.5"}, list(t, two))
				assert.Len(t, schedule(t, two.Book(), g("two").Tasks(6)...).Placed, 5)
				held, _ := w.drf.Charged(allocator.Client{Name: "fw"})
				assert.Equal(t, res{"cpu": 500}, held)
			})
		}
	}
}

// An Exchange that was started anew leaves the holds of the one before alone.
func TestFault06ExchangeStartedAnew(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	w.subscribe(offers.Framework{Name: "f"})
	require.Equal(t, 2, w.offer())
	drf := new(allocator.DRF)
	x, err := offers.NewExchange(w.state, offers.Config{Order: drf.Turns()})
	require.NoError(t, err)
	f, err := x.Subscribe(offers.Framework{Name: "f"})
	require.NoError(t, err)
	require.NoError(t, w.state.AddNodes(node("n3", 4, 0)))
	n, err := x.Offer(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	assert.Empty(t, freeOn(t, f.Book(), "n1"), "what was offered to the one before is not its own")
	held, _ := drf.Charged(allocator.Client{Name: "f"})
	assert.Equal(t, res{"cpu": 4}, held)
	p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
	p.Place(cpus("web", "", 1).Task("web-1"), "n1")
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Len(t, out.Refused, 1)
	w.now = w.now.Add(time.Hour)
	n, err = x.Offer(ctx)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

// A hold that somebody makes under the name of a framework is not among its offers, and cannot be drawn on.
func TestFault06AHoldOfTheSameOwner(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("web", "", 1), Count: 6}}})
	require.Equal(t, 2, w.offer())
	require.Equal(t, []string{"n1: cpu 0.004", "n2: cpu 0.002"}, list(t, f))
	require.NoError(t, w.state.Hold(berth.Hold{ID: "mine", Owner: "f", Node: "n2", Resources: res{"cpu": 2}, Deadline: w.now.Add(time.Hour)}))
	assert.Equal(t, res{"cpu": 2}, freeOn(t, f.Book(), "n2"))
	p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
	p.Place(cpus("big", "", 3).Task("big-1"), "n2")
	p.Place(cpus("web", "", 1).Task("web-1"), "n1")
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "place big-1 on n2: denied somebody else holds room on n2 as f, too", refusals(out))
	out, err = f.Accept(ctx, []string{"offer-2"}, placeOn(cpus("big", "", 3).Task("big-1"), "n2", cpus("web", "", 1).Task("web-2"), "n2"), offers.Filter{})
	require.NoError(t, err)
	assert.Equal(t, "place big-1 on n2: not held cpu", refusals(out))
	assert.Len(t, out.Placed, 1)
	var left []string
	for h := range snapshotOf(t, w.state).Holds() {
		left = append(left, h.ID)
	}
	assert.Equal(t, []string{"offer-1", "mine"}, left)
	held, _ := w.drf.Charged(allocator.Client{Name: "f"})
	assert.Equal(t, res{"cpu": 5}, held, "3 offered and 1 used on n1, 1 used on n2")
}

// A task that was lost with its node, released, and comes again by another door is its role's to pay for.
func TestFault07LostTaskComesAgain(t *testing.T) {
	g := cpus("web", "shop", 1)
	roles := map[string]berth.Role{"f": "shop", "other": "zoo"}
	for _, tc := range []struct {
		name string
		away func(t *testing.T, w *world)
	}{
		{"lost with its node", func(t *testing.T, w *world) {
			require.NoError(t, w.state.RemoveNodes("n1"))
			w.offer()
			require.NoError(t, w.state.AddNodes(node("n1", 4, 0)))
			w.offer()
			require.NoError(t, w.state.Release("web-1"))
		}},
		{"lost and not seen to be", func(t *testing.T, w *world) {
			require.NoError(t, w.state.RemoveNodes("n1"))
			require.NoError(t, w.state.AddNodes(node("n1", 4, 0)))
			require.NoError(t, w.state.Release("web-1"))
		}},
		{"released and not seen to be", func(t *testing.T, w *world) { require.NoError(t, w.state.Release("web-1")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 4, 0))
			f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
			w.offer()
			require.Len(t, schedule(t, f.Book(), g.Task("web-1")).Placed, 1)
			declineAll(t, f, offers.Filter{})
			require.NoError(t, f.Suppress())
			tc.away(t, w)
			// The host's own scheduler has the whole cluster in view.
			require.Len(t, schedule(t, w.state, g.Task("web-1")).Placed, 1)
			w.offer()
			w.check(roles, nil)
			p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
			p.Release("web-1")
			out, err := f.Book().Commit(ctx, p)
			require.NoError(t, err)
			assert.Len(t, out.Refused, 1, "it is not the framework's to release")

			// Nor is it a later framework's that places one of its own under that ID.
			require.NoError(t, w.state.Release("web-1"))
			other := w.subscribe(offers.Framework{Name: "other", Role: "zoo"})
			w.offer()
			require.Len(t, schedule(t, other.Book(), cpus("zebra", "zoo", 1).Task("web-1")).Placed, 1)
			w.check(roles, map[string]string{"web-1": "other"})
		})
	}
}

// A framework that ends a task of its own and places another under its ID, all in one plan, pays for the new one.
func TestFault07ReplacedInOnePlan(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	schedule(t, f.Book(), cpus("web", "shop", 1).Task("web-1"))
	p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
	p.Release("web-1")
	p.Place(cpus("web2", "shop", 2).Task("web-1"), "n1")
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	require.Len(t, out.Placed, 1, refusals(out))
	w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"web-1": "f"})
	checkBooks(t, w, map[string]berth.Role{"f": "shop"})
}

// A framework ends the tasks that it has placed, lost ones included, and nobody else's.
func TestFault08BookEndsItsOwnTasksOnly(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 9, 0))
	boss := w.subscribe(offers.Framework{Name: "boss", Role: ""})
	a := w.subscribe(offers.Framework{Name: "a", Role: "shop", Demand: []offers.Demand{{Group: cpus("a", "shop", 1), Count: 1}}})
	b := w.subscribe(offers.Framework{Name: "b", Role: "shop", Demand: []offers.Demand{{Group: cpus("b", "shop", 1), Count: 1}}})
	require.NoError(t, boss.Want())
	w.offer()
	require.Len(t, schedule(t, a.Book(), cpus("a", "shop", 1).Tasks(1)...).Placed, 1)
	require.Len(t, schedule(t, b.Book(), cpus("b", "shop", 1).Tasks(1)...).Placed, 1)
	require.Len(t, schedule(t, w.state, cpus("host", "shop", 1).Tasks(1)...).Placed, 1)
	end := func(s *offers.Subscription, ids ...string) string {
		p := &cluster.Plan{Version: snapshotOf(t, s.Book()).Version()}
		for _, id := range ids {
			p.Release(id)
			p.Evict(id, nil)
		}
		out, err := s.Book().Commit(ctx, p)
		require.NoError(t, err)
		return refusals(out)
	}
	not := func(id, framework string) string {
		why := fmt.Sprintf(`%s: denied task "%s" was not placed by framework "%s"`, id, id, framework)
		return "release " + why + "; evict " + why
	}
	for _, s := range []struct {
		name string
		*offers.Subscription
		not []string
	}{{"boss", boss, []string{"a-1", "b-1", "host-1"}}, {"a", a, []string{"b-1", "host-1"}}, {"b", b, []string{"a-1", "host-1"}}} {
		for _, id := range s.not {
			assert.Equal(t, not(id, s.name), end(s.Subscription, id))
		}
	}
	assert.Equal(t, 3, snapshotOf(t, w.state).Tasks())

	// Nor by a plan that places a task of that ID, in vain.
	p := &cluster.Plan{Version: snapshotOf(t, a.Book()).Version()}
	p.Place(cpus("none", "shop", 0).Task("b-1"), "n1")
	p.Evict("b-1", nil)
	out, err := a.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Len(t, out.Refused, 2)
	assert.Equal(t, 3, snapshotOf(t, w.state).Tasks())

	assert.Equal(t, "evict a-1: unknown task a-1", end(a, "a-1"), "it is released once")
	require.NoError(t, w.state.RemoveNodes("n1"))
	assert.Equal(t, not("b-1", "boss"), end(boss, "b-1"))
	assert.Equal(t, "evict b-1: unknown task b-1", end(b, "b-1"), "a lost task is the framework's to release")
}

// deep returns a role of that many segments.
func deep(n int) berth.Role { return berth.Role("a" + strings.Repeat("/a", n-1)) }

// Roles that are too deep for the order, and tasks that hold more than an int64 together, come in by another door: they
// are charged as far as there is somebody, and a number, to charge; everybody else goes on.
func TestFault11OddTasksStopNobody(t *testing.T) {
	adopt := func(t *testing.T, w *world, id string, role berth.Role, cpu int64, on string) {
		require.NoError(t, w.state.Adopt(scheduler.Running{Task: cpus(id, role, cpu).Task(id), Node: on}))
	}
	all := func(t *testing.T, w *world, s *offers.Subscription) {
		t.Helper()
		w.offer()
		_, err := s.Offers(ctx)
		require.NoError(t, err)
		snapshotOf(t, s.Book())
		_, err = s.Snapshot(ctx)
		require.NoError(t, err)
		_, err = w.x.Expire(ctx)
		require.NoError(t, err)
	}
	t.Run("a deep role", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 9, 0))
		f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
		adopt(t, w, "odd", deep(101), 2, "n1")
		adopt(t, w, "odder", deep(5000), 3, "n1")
		all(t, w, f)
		assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, f))
		held, ok := w.drf.Charged(allocator.Client{Role: deep(100)})
		require.True(t, ok, "the deepest ancestor pays")
		assert.Equal(t, res{"cpu": 5}, held)
		require.NoError(t, w.state.Release("odd", "odder"))
		all(t, w, f)
		_, ok = w.drf.Charged(allocator.Client{Role: deep(100)})
		assert.False(t, ok)
		assert.Equal(t, 1, w.drf.Len(), "who has nothing is no client")
	})
	t.Run("more than an int64", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0), node("n4", 4, 8))
		f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
		for i, n := range []string{"n1", "n2", "n3"} {
			adopt(t, w, fmt.Sprintf("odd%d", i), "odd", math.MaxInt64, n)
		}
		all(t, w, f)
		assert.Equal(t, []string{"n4: cpu 0.004, memory 8 B"}, list(t, f), "memory can be charged")
		held, _ := w.drf.Charged(allocator.Client{Role: "odd"})
		assert.Equal(t, res{"cpu": math.MaxInt64}, held)
		// What was too much is charged as soon as there are numbers for it.
		require.NoError(t, w.state.Release("odd0", "odd2"))
		declineAll(t, f, offers.Filter{})
		require.NoError(t, f.Suppress())
		all(t, w, f)
		held, _ = w.drf.Charged(allocator.Client{Role: "odd"})
		assert.Equal(t, res{"cpu": math.MaxInt64}, held)
		require.NoError(t, w.state.Release("odd1"))
		require.NoError(t, f.Revive())
		all(t, w, f)
		assert.Len(t, list(t, f), 4)
		w.check(map[string]berth.Role{"f": "f"}, nil)
	})
	t.Run("devices without devices", func(t *testing.T) {
		gpus := node("n1", 4, 0)
		gpus.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu"}}
		w := newWorld(t, offers.Config{}, gpus)
		f := w.subscribe(offers.Framework{Name: "f", Role: "odd"})
		g := berth.NewGroup("odd", berth.GroupSpec{Role: "odd", Devices: []berth.DeviceRequest{{Class: "gpu", Share: 900}}})
		// It takes 900 units of the class, and no particular device.
		require.NoError(t, w.state.Adopt(scheduler.Running{Task: g.Task("odd-1"), Node: "n1"}))
		snapshotOf(t, f.Book())
		all(t, w, f)
		require.Len(t, list(t, f), 1)
		o, err := f.Offers(ctx)
		require.NoError(t, err)
		assert.Equal(t, []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}, {Class: "gpu", ID: "1", Units: 100}}, o[0].Devices, "1100 units are free")
	})
	t.Run("tasks named like the Exchange's pieces", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
		for i := range 3 {
			adopt(t, w, fmt.Sprintf("piece %d of an offer", i+1), "odd", 1, "n2")
		}
		f := w.subscribe(offers.Framework{Name: "f", Role: "f", Demand: []offers.Demand{{Group: cpus("web", "f", 1), Count: 4}}})
		all(t, w, f)
		assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, f))
	})
}

// A demand whose rule panics is out of a pass; everybody else is offered what they want, and the host is told.
func TestFault11ARuleThatPanicsStopsNobody(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	odd := berth.NewGroup("odd", berth.GroupSpec{Role: "odd", Request: res{"cpu": 1}, Rules: []berth.Constraint{panics{}}})
	w.subscribe(offers.Framework{Name: "odd", Role: "odd", Demand: []offers.Demand{{Group: odd}}})
	good := w.subscribe(offers.Framework{Name: "zoo", Role: "zoo", Demand: []offers.Demand{{Group: cpus("zebra", "zoo", 1), Count: 3}}})
	n, err := w.x.Offer(ctx)
	assert.ErrorContains(t, err, `framework "odd": demand "odd": a rule panicked: boom`)
	assert.Equal(t, 1, n)
	assert.Equal(t, []string{"n1: cpu 0.003"}, list(t, good))
	out, err := w.subs["odd"].Accept(ctx, nil, placeOn(odd.Task("odd-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	assert.Len(t, out.Refused, 1)
	whole := w.subscribe(offers.Framework{Name: "whole", Role: "odd"})
	require.NoError(t, w.subs["odd"].Want())
	w.offer()
	out, err = whole.Accept(ctx, ids(t, whole), placeOn(odd.Task("odd-1"), "n1", cpus("fine", "odd", 1).Task("fine-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	assert.Equal(t, "place odd-1 on n1: invalid a rule panicked: boom", refusals(out))
	assert.Len(t, out.Placed, 1)
	w.check(map[string]berth.Role{"odd": "odd", "zoo": "zoo", "whole": "odd"}, map[string]string{"fine-1": "whole"})
}

// panics is a rule that does.
type panics struct{}

func (panics) String() string          { return "panics" }
func (panics) Err() error              { return nil }
func (panics) Reads() []string         { return []string{"none"} }
func (panics) Allows(*berth.Node) bool { panic("boom") }
func (panics) Why(*berth.Node) string  { return "" }

// Of a resource without end on every node only so much can be charged as there are numbers; the rest of the nodes is
// offered all the same.
func TestFault12UnlimitedResources(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("lease=%d", lease), func(t *testing.T) {
			unlimited := func(id string) berth.Node {
				return berth.Node{ID: id, Capacity: res{"cpu": 4000, "tokens": math.MaxInt64}}
			}
			w := newWorld(t, offers.Config{Lease: lease}, unlimited("n1"), unlimited("n2"), node("n3", 4000, 0))
			a := w.subscribe(offers.Framework{Name: "a", Role: "a"})
			b := w.subscribe(offers.Framework{Name: "b", Role: "b"})
			want := 3
			if lease == berth.Optimistic {
				want = 6
			}
			assert.Equal(t, want, w.offer())
			offered := map[string]int64{}
			for _, s := range []*offers.Subscription{a, b} {
				all, err := s.Offers(ctx)
				require.NoError(t, err)
				for _, o := range all {
					offered[o.Node] += o.Resources["cpu"]
				}
			}
			assert.Equal(t, map[string]int64{"n1": int64(want) / 3 * 4000, "n2": int64(want) / 3 * 4000, "n3": int64(want) / 3 * 4000}, offered)

			// They can be used, to the last token.
			g := berth.NewGroup("g", berth.GroupSpec{Role: "b", Request: res{"cpu": 4000, "tokens": math.MaxInt64}})
			require.Len(t, schedule(t, b.Book(), g.Tasks(1)...).Placed, 1)
			snapshotOf(t, a.Book())
			snapshotOf(t, b.Book())
			require.NoError(t, w.state.Release("g-1"))
			w.offer()
			declineAll(t, a, offers.Filter{})
			declineAll(t, b, offers.Filter{})
			w.check(map[string]berth.Role{"a": "a", "b": "b"}, nil)
		})
	}
}

// A Book is no source of an Exchange.
func TestFault13ExchangeOverABook(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	type wrapped struct {
		*offers.Book
	}
	for _, source := range []offers.Source{f.Book(), wrapped{Book: f.Book()}, &wrapped{Book: f.Book()}} {
		_, err := offers.NewExchange(source, offers.Config{Order: new(allocator.DRF).Turns()})
		assert.ErrorContains(t, err, "the source is a Book")
	}
}

// An explanation tells a node that is not offered from one that is full, or too small.
func TestFault19NotOffered(t *testing.T) {
	reasons := func(out *cluster.Outcome) string {
		require.Len(t, out.Unplaced, 1)
		return out.Unplaced[0].String()
	}
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		w := newWorld(t, offers.Config{Lease: lease}, node("n1", 2000, 0), node("n2", 2000, 0))
		f := w.subscribe(offers.Framework{Name: "f"})
		try := func(cpu int64) *cluster.Outcome { return schedule(t, f.Book(), cpus("t", "", cpu).Task("t")) }
		assert.Equal(t, "0/2 nodes for t: 2 not offered; nearest n1: not offered", reasons(try(1000)), "before the first pass")
		w.offer()
		assert.Equal(t, "0/2 nodes for t: 2 too little cpu in all; nearest n1: lacks 1 cpu (it has 2 in all); 1 more cpu on n1 would do", reasons(try(3000)))
		require.Len(t, schedule(t, f.Book(), cpus("web", "", 2000).Tasks(1)...).Placed, 1)
		assert.Equal(t, "0/2 nodes for t: 2 too little cpu in all; nearest n2: lacks 1 cpu (it has 2 in all); 1 more cpu on n2 would do", reasons(try(3000)))
		declineAll(t, f, offers.Filter{For: time.Hour})
		out := try(3000)
		assert.Equal(t, []cluster.ReasonCount{
			{Reason: berth.Reason{Code: berth.TooSmall, Subject: "cpu"}, Nodes: 2}, // whether offered or not
			{Reason: berth.Reason{Code: berth.NotOffered}, Nodes: 1},
		}, out.Unplaced[0].Why.Counts, out.Unplaced[0])
		assert.Equal(t, []cluster.ReasonCount{
			{Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, Nodes: 1}, // n1 is full
			{Reason: berth.Reason{Code: berth.NotOffered}, Nodes: 1},
		}, try(2000).Unplaced[0].Why.Counts)
		// Rules are told of either.
		zoned := cpus("u", "", 1000, constraints.Eq("zone", "a"))
		out = schedule(t, f.Book(), zoned.Task("u"))
		assert.Equal(t, 2, out.Unplaced[0].Why.Counts[0].Nodes, out.Unplaced[0])
		assert.Equal(t, berth.RuleBroken, out.Unplaced[0].Reason.Code)
		// What takes nothing is placed anywhere.
		assert.Len(t, schedule(t, f.Book(), berth.NewGroup("none", berth.GroupSpec{}).Tasks(1)...).Placed, 1)
	}
}

// What the fast engine says of a Book is what looking at every node says.
func TestFault19EngineSaysWhatTheBookSays(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 19))
		w := newWorld(t, offers.Config{MaxOutstanding: 1 + rng.IntN(4)}, cell(rng, 12)...)
		a := w.subscribe(offers.Framework{Name: "a", Role: "a"})
		w.subscribe(offers.Framework{Name: "b", Role: "b"})
		engine := placement.NewEngine(placement.BinPack())
		for step := range 6 {
			w.offer()
			snapshot := snapshotOf(t, a.Book())
			engine.Start(snapshot)
			for i := range 8 {
				g := randomGroup(rng, fmt.Sprintf("g%d-%d", step, i), "a")
				want := snapshot.Fork().Explain(g)
				require.Equal(t, want, engine.Explain(g), "seed %d: %v", seed, g.Spec())
			}
			schedule(t, a.Book(), randomGroup(rng, fmt.Sprintf("t%d", step), "a").Tasks(2)...)
			if rng.IntN(2) == 0 {
				declineAll(t, a, offers.Filter{})
			}
		}
	}
}

// A filter outlives a pass, however far passes are apart: the others are asked before who has declined.
func TestFilterOutlivesAPass(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n0", 4, 0), node("n1", 4, 0))
	schedule(t, w.state, cpus("used", "b", 4).Tasks(1)...) // so that it is a's turn whenever a is asked
	a := w.subscribe(offers.Framework{Name: "a", Role: "a"})
	b := w.subscribe(offers.Framework{Name: "b", Role: "b"})
	var got []string
	for range 6 {
		require.Equal(t, 1, w.offer())
		for name, s := range w.subs {
			if len(list(t, s)) > 0 {
				got = append(got, name)
				declineAll(t, s, offers.Filter{For: time.Second})
			}
		}
		w.now = w.now.Add(time.Minute)
	}
	assert.Equal(t, []string{"a", "b", "a", "b", "a", "b"}, got)
	require.NoError(t, b.Suppress())
	w.offer()
	declineAll(t, a, offers.Filter{For: time.Second})
	w.now = w.now.Add(time.Minute)
	assert.Zero(t, w.offer(), "one pass is not for who has declined")
	assert.Equal(t, 1, w.offer(), "the next one is")
}

// The same where both have declared what they want, so that each pass looks at every node.
func TestFilterOutlivesAPassOfDemand(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n0", 4, 0), node("n1", 4, 0))
	schedule(t, w.state, cpus("used", "b", 4).Tasks(1)...)
	a := w.subscribe(offers.Framework{Name: "a", Role: "a", Demand: []offers.Demand{{Group: cpus("a", "a", 4)}}})
	b := w.subscribe(offers.Framework{Name: "b", Role: "b", Demand: []offers.Demand{{Group: cpus("b", "b", 4)}}})
	require.Equal(t, 1, w.offer())
	require.Len(t, list(t, a), 1)
	declineAll(t, a, offers.Filter{For: time.Second})
	w.now = w.now.Add(time.Minute)
	require.Equal(t, 1, w.offer())
	assert.Len(t, list(t, b), 1)
}
