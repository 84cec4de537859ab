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
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
)

func join(t testing.TB, s *offers.Subscription, f offers.Framework) *offers.Subscription {
	t.Helper()
	part, err := s.Join(f)
	require.NoError(t, err)
	return part
}

// withRoles prints a part's offers with the role they are made to: "n1 as ads: cpu 2".
func withRoles(t testing.TB, s *offers.Subscription) (out []string) {
	t.Helper()
	all, err := s.Offers(ctx)
	require.NoError(t, err)
	for _, o := range all {
		line := fmt.Sprintf("%s as %s: cpu %d", o.Node, o.Role, o.Resources["cpu"])
		if m := o.Resources["memory"]; m > 0 {
			line += fmt.Sprintf(", memory %d", m)
		}
		out = append(out, line)
	}
	return out
}

// A framework in two roles has two turns, and each offer is made to one of the roles, answered in it and charged to it.
func TestOfferIsOfOneRole(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	ads := w.subscribe(offers.Framework{Name: "spark", Role: "ads"})
	eng := join(t, ads, offers.Framework{Role: "eng"})
	assert.Equal(t, []berth.Role{"ads", "eng"}, ads.Roles())
	again, ok := ads.In("eng")
	assert.True(t, ok && again == eng)
	_, ok = ads.In("shop")
	assert.False(t, ok)

	assert.Equal(t, 2, w.offer())
	assert.Equal(t, []string{"n1 as ads: cpu 4"}, withRoles(t, ads))
	assert.Equal(t, []string{"n2 as eng: cpu 4"}, withRoles(t, eng), "ads has had its turn")

	_, err := ads.Accept(ctx, ids(t, eng), placeOn(cpus("a", "ads", 1).Task("a-1"), "n2"), offers.Filter{})
	require.ErrorIs(t, err, offers.ErrOtherRole)
	require.EqualError(t, err, `offers: accept: framework "spark": offer "offer-2": role "eng": the offer was made to the framework in another role`)
	require.ErrorIs(t, eng.Decline(ctx, ids(t, ads), offers.Filter{}), offers.ErrOtherRole)
	_, err = eng.Accept(ctx, ids(t, eng), placeOn(cpus("a", "ads", 1).Task("a-1"), "n2"), offers.Filter{})
	require.ErrorContains(t, err, `framework "spark" in role "eng": task "a-1": role "ads" is not at or below "eng"`)

	out, err := eng.Accept(ctx, ids(t, eng), placeOn(cpus("e", "eng", 1).Task("e-1"), "n2"), offers.Filter{})
	require.NoError(t, err)
	require.Len(t, out.Placed, 1)
	for role, cpu := range map[berth.Role]int64{"ads": 4, "eng": 1} {
		got, _ := w.drf.Charged(allocator.Client{Role: role, Name: "spark"})
		assert.Equal(t, res{"cpu": cpu}, got, string(role))
		assert.Equal(t, res{"cpu": cpu}, snapshotOf(t, w.state).Used(role), string(role))
	}
	assert.Equal(t, res{"cpu": 4}, snapshotOf(t, w.state).UsedBy("spark"))
	assert.Equal(t, res{"cpu": 1}, snapshotOf(t, w.state).UsedBy("spark@eng"))
	refused, err := ads.Book().Commit(ctx, &cluster.Plan{Version: snapshotOf(t, ads.Book()).Version(), Ops: []berth.Op{{Kind: berth.Release, ID: "e-1"}}})
	require.NoError(t, err)
	require.Len(t, refused.Refused, 1, "a part ends its own tasks")

	require.NoError(t, ads.Unsubscribe(ctx))
	assert.Equal(t, []berth.Role{"eng"}, eng.Roles(), "the other part stays")
	_, err = w.x.Subscribe(offers.Framework{Name: "spark", Role: "ads"})
	require.ErrorIs(t, err, offers.ErrSubscribed)
	_ = join(t, eng, offers.Framework{Name: "spark", Role: "ads"})
	require.NoError(t, eng.Unsubscribe(ctx))
	require.Nil(t, eng.Roles())
	_, ok = eng.In("ads")
	require.False(t, ok)
}

func TestJoinFaults(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	s := w.subscribe(offers.Framework{Name: "spark", Role: "ads"})
	_, err := s.Join(offers.Framework{Name: "flink", Role: "ads", Terms: offers.Terms{MaxPercent: 101}, Demand: []offers.Demand{{Group: cpus("g", "eng", 1)}}})
	require.ErrorIs(t, err, offers.ErrSubscribed)
	for _, part := range []string{`the framework is "spark", not "flink"`, `role "ads"`, "MaxPercent", `demand "g"`} {
		require.ErrorContains(t, err, part)
	}
	assert.Equal(t, []berth.Role{"ads"}, s.Roles())
	require.NoError(t, s.Unsubscribe(ctx))
	_, err = s.Join(offers.Framework{Role: "eng"})
	require.ErrorIs(t, err, offers.ErrUnsubscribed)
	for _, none := range []*offers.Subscription{nil, {}} {
		_, err = none.Join(offers.Framework{Role: "eng"})
		require.ErrorIs(t, err, offers.ErrNotMade)
		_, ok := none.In("eng")
		require.False(t, ok)
		require.Nil(t, none.Roles())
		require.ErrorIs(t, none.Disconnect(ctx), offers.ErrNotMade)
		require.ErrorIs(t, none.Reconnect(), offers.ErrNotMade)
	}
}

// Offer constraints, caps and suppression are those of the part.
func TestTermsOfOneRole(t *testing.T) {
	zone := func(id, z string) berth.Node {
		n := node(id, 2, 0)
		n.Attributes = berth.Attributes{"zone": z, "region": z[:2]}
		return n
	}
	rule := func(text string) offers.Terms {
		r, err := constraints.Parse(text)
		require.NoError(t, err)
		return offers.Terms{Nodes: []berth.Constraint{r}}
	}
	w := newWorld(t, offers.Config{}, zone("n1", "eu-a"), zone("n2", "eu-b"), zone("n3", "us-a"), zone("n4", "us-b"))
	ads := w.subscribe(offers.Framework{Name: "spark", Role: "ads", Terms: rule(`region = "eu"`)})
	eng := join(t, ads, offers.Framework{Role: "eng", Terms: rule(`zone = "us-b"`)})
	two := join(t, ads, offers.Framework{Role: "ops", Terms: offers.Terms{MaxOutstanding: 1}})
	require.NoError(t, two.Suppress())
	w.offer()
	assert.Equal(t, []string{"n1 as ads: cpu 2", "n2 as ads: cpu 2"}, withRoles(t, ads))
	assert.Equal(t, []string{"n4 as eng: cpu 2"}, withRoles(t, eng))
	assert.Empty(t, withRoles(t, two), "suppressed in this role alone")
	why, err := eng.WhyNode(ctx, "n3")
	require.NoError(t, err)
	assert.Equal(t, "n3: excluded", why.String())

	declineAll(t, ads, offers.Filter{For: time.Hour})
	require.NoError(t, two.Revive())
	w.offer()
	assert.Empty(t, withRoles(t, ads), "a revive in one role leaves the filters of others alone")
	assert.Equal(t, []string{"n1 as ops: cpu 2"}, withRoles(t, two), "one at a time")
	reports, err := w.x.Why(ctx, "")
	require.NoError(t, err)
	var of []string
	for _, r := range reports {
		of = append(of, fmt.Sprintf("%s %s %v", r.Framework, r.Role, r.Cause))
	}
	assert.Equal(t, []string{"spark ads waiting", "spark eng waiting", "spark ops full"}, of)
}

// A framework in several roles is offered what as many frameworks, each in one of them, would be, whatever they do.
func TestPartsAreAsFrameworks(t *testing.T) {
	roles := []berth.Role{"a", "a/x", "b"}
	for seed := range uint64(12) {
		nodes := []berth.Node{node("n1", 4, 8), node("n2", 6, 4), node("n3", 5, 5)}
		one, many := newWorld(t, offers.Config{}, nodes...), newWorld(t, offers.Config{}, nodes...)
		var parts, apart []*offers.Subscription
		for i, role := range roles {
			f := offers.Framework{Name: "f", Role: role}
			if i == 0 {
				parts = append(parts, one.subscribe(f))
			} else {
				parts = append(parts, join(t, parts[0], f))
			}
			f.Name = fmt.Sprint("f", i)
			apart = append(apart, many.subscribe(f))
		}
		for _, w := range []*world{one, many} {
			w.subscribe(offers.Framework{Name: "other", Role: "b"})
		}
		rng := rand.New(rand.NewPCG(seed, 12))
		for step := range 60 {
			who, what, n := rng.IntN(len(roles)), rng.IntN(8), rng.IntN(3)
			both := [][]*offers.Subscription{parts, apart}
			for k, w := range []*world{one, many} {
				s := both[k][who]
				switch what {
				case 0, 1:
					w.offer()
				case 2:
					declineAll(t, s, offers.Filter{For: time.Duration(n) * time.Second})
				case 3, 4:
					schedule(t, s.Book(), cpus(fmt.Sprint("g", step), roles[who], int64(n+1)).Tasks(2)...)
				case 5:
					if n == 0 {
						require.NoError(t, s.Suppress())
					} else {
						require.NoError(t, s.Revive())
					}
				case 6:
					require.NoError(t, s.Want(offers.Demand{Group: cpus("want", roles[who], int64(n+1)), Count: 3}))
				case 7:
					w.now = w.now.Add(time.Duration(n) * 10 * time.Second)
					var running []string
					for n := range snapshotOf(t, w.state).Nodes() {
						for task := range n.Tasks() {
							running = append(running, task.ID)
						}
					}
					if slices.Sort(running); len(running) > 0 {
						require.NoError(t, w.state.Release(running[n%len(running)]))
					}
				}
			}
			for i := range roles {
				require.Equal(t, withRoles(t, apart[i]), withRoles(t, parts[i]), "seed %d, step %d: %s", seed, step, roles[i])
				a, _ := many.drf.Charged(allocator.Client{Role: roles[i], Name: fmt.Sprint("f", i)})
				b, _ := one.drf.Charged(allocator.Client{Role: roles[i], Name: "f"})
				require.Equal(t, a, b, "seed %d, step %d: %s", seed, step, roles[i])
			}
		}
	}
}

// A framework that begins anew has its tasks back in each of its roles, in whatever order it comes to them.
func TestResumeInRoles(t *testing.T) {
	for _, order := range [][]berth.Role{{"ads", "eng"}, {"eng", "ads"}} {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
		ads := w.subscribe(offers.Framework{Name: "spark", Role: "ads"})
		eng := join(t, ads, offers.Framework{Role: "eng"})
		w.offer()
		schedule(t, ads.Book(), cpus("a", "ads", 1).Tasks(2)...)
		schedule(t, eng.Book(), cpus("e", "eng", 1).Tasks(3)...)
		require.NoError(t, ads.Unsubscribe(ctx))
		require.NoError(t, eng.Unsubscribe(ctx))

		first := w.subscribe(offers.Framework{Name: "spark", Role: order[0]})
		second := join(t, first, offers.Framework{Role: order[1]})
		tasks := map[berth.Role]int64{"ads": 2, "eng": 3}
		for i, s := range []*offers.Subscription{first, second} {
			n, err := s.Resume(ctx)
			require.NoError(t, err)
			assert.EqualValues(t, tasks[order[i]], n, string(order[i]))
			got, _ := w.drf.Charged(allocator.Client{Role: order[i], Name: "spark"})
			assert.Equal(t, res{"cpu": tasks[order[i]]}, got)
			n, err = s.Resume(ctx)
			require.NoError(t, err)
			assert.Zero(t, n, "once")
		}
	}
}

// While a framework is away its offers are others', and what it has counts; when it is back it takes part in the roles in which it is not suppressed.
func TestDisconnect(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0))
	ads := w.subscribe(offers.Framework{Name: "spark", Role: "ads"})
	eng := join(t, ads, offers.Framework{Role: "eng"})
	other := w.subscribe(offers.Framework{Name: "other", Role: "ops", Demand: []offers.Demand{}})
	w.offer()
	require.Equal(t, []string{"n1 as ads: cpu 4", "n3 as ads: cpu 4"}, withRoles(t, ads))
	schedule(t, ads.Book(), cpus("a", "ads", 1).Task("a-1"))
	declineAll(t, eng, offers.Filter{For: time.Hour})
	require.NoError(t, eng.Suppress())
	had := ids(t, ads)
	require.NotEmpty(t, had)

	require.NoError(t, eng.Disconnect(ctx), "of all parts")
	require.NoError(t, ads.Disconnect(ctx), "once is enough")
	assert.Empty(t, ids(t, ads))
	ended, ok, err := ads.Ended(ctx, had[0])
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, offers.Ended{End: offers.Disconnected}, ended)
	err = ads.Decline(ctx, had[:1], offers.Filter{})
	require.ErrorIs(t, err, offers.ErrExpired)
	require.ErrorContains(t, err, "the offer has ended: disconnected")
	why, err := ads.Why(ctx)
	require.NoError(t, err)
	assert.Equal(t, `framework "spark" of role "ads": 0 offers; away`, why.String())
	got, _ := w.drf.Charged(allocator.Client{Role: "ads", Name: "spark"})
	assert.Equal(t, res{"cpu": 1}, got, "its task runs and counts")
	late := join(t, ads, offers.Framework{Role: "late"})
	assert.Zero(t, w.offer(), "nor is a role that it joins meanwhile offered anything")
	require.NoError(t, eng.Revive(), "which is kept for when it is back")
	require.NoError(t, eng.Suppress())
	assert.Zero(t, w.offer())
	require.NoError(t, other.Want(offers.Demand{Group: cpus("o", "ops", 4), Count: 1}))
	assert.Equal(t, 1, w.offer(), "others are")

	require.NoError(t, late.Reconnect())
	require.NoError(t, ads.Reconnect(), "once is enough")
	w.offer()
	assert.Empty(t, withRoles(t, eng), "suppressed as before")
	assert.NotEmpty(t, append(withRoles(t, ads), withRoles(t, late)...))
	require.NoError(t, eng.Revive())
	declineAll(t, ads, offers.Filter{})
	declineAll(t, late, offers.Filter{})
	w.offer()
	assert.NotEmpty(t, withRoles(t, eng), "and its filters are forgotten")
}

// moody is an order that panics when somebody is to have turns, or none any more, as long as it is told to.
type moody struct {
	*allocator.Turns
	bad bool
}

func (m *moody) strike() {
	if m.bad {
		panic("boom")
	}
}

func (m *moody) Activate(role berth.Role, name string) error {
	m.strike()
	return m.Turns.Activate(role, name)
}

func (m *moody) Deactivate(role berth.Role, name string) error {
	m.strike()
	return m.Turns.Deactivate(role, name)
}

// A framework goes, and comes, in all of its roles, though the order panics at the first.
func TestDisconnectWhileTheOrderPanics(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	order := &moody{Turns: w.drf.Turns()}
	var err error
	w.x, err = offers.NewExchange(w.state, offers.Config{Order: order})
	require.NoError(t, err)
	demand := func(role berth.Role) []offers.Demand {
		return []offers.Demand{{Group: cpus("of-"+string(role), role, 1), Count: 1}}
	}
	a := w.subscribe(offers.Framework{Name: "f", Role: "a", Demand: demand("a")})
	b := join(t, a, offers.Framework{Role: "b", Demand: demand("b")})
	during := func(f func()) {
		order.bad = true
		require.PanicsWithValue(t, "boom", f)
		order.bad = false
	}
	during(func() { _ = a.Disconnect(ctx) })
	w.offer()
	assert.Empty(t, list(t, a))
	assert.Empty(t, list(t, b), "in the other role as well")
	during(func() { _ = a.Reconnect() })
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, a))
	assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, b))
}
