package offers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func ExampleSubscription_Over() {
	state, x, _ := twoNodes()
	_ = state.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}})
	spark, _ := x.Subscribe(offers.Framework{Name: "spark", Role: "eng"})
	pass(x)
	show("spark", spark)
	over, _ := spark.Over(context.Background())
	fmt.Println(over)
	// Output:
	// spark: offer-1 (n1: cpu 2)
	// [over limit eng: cpu 2 (2 used)]
}

func quota(role berth.Role, limits res) berth.Quota { return berth.Quota{Role: role, Limits: limits} }

// texts prints a list, one to a string.
func texts[T any](list []T) []string {
	out := []string{}
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func over(t testing.TB, s *offers.Subscription) []string {
	t.Helper()
	x, err := s.Over(t.Context())
	require.NoError(t, err)
	return texts(x)
}

// Frameworks of a role get what its limit leaves, and the rest of a node is there for others.
func TestOffersAreCutToLimits(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("lease %d", lease), func(t *testing.T) {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 4, 8), node("n2", 4, 8))
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 5})))
			a := w.subscribe(offers.Framework{Name: "a", Role: "eng/a"})
			assert.Empty(t, over(t, a))
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.004, memory 8 B", "n2: cpu 0.001, memory 8 B"}, list(t, a), "5 in all")
			assert.Equal(t, []string{"over limit eng: cpu 0.005 (0.005 used)"}, over(t, a))
			b := w.subscribe(offers.Framework{Name: "b", Role: "ops"})
			w.offer()
			if lease == berth.Exclusive {
				assert.Equal(t, []string{"n2: cpu 0.003"}, list(t, b))
			} else {
				assert.Equal(t, []string{"n1: cpu 0.004, memory 8 B", "n2: cpu 0.004, memory 8 B"}, list(t, b))
			}
			c := w.subscribe(offers.Framework{Name: "c", Role: "eng/c"})
			declineAll(t, b, offers.Filter{For: time.Hour})
			w.offer()
			if lease == berth.Exclusive {
				assert.Empty(t, list(t, c), "nothing is left of the limit")
			} else {
				assert.Equal(t, []string{"n1: memory 8 B", "n2: memory 8 B"}, list(t, c))
			}

			// Once the limit leaves more, a pass looks again at nodes that have not changed.
			assert.Zero(t, w.offer())
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 6})))
			w.offer()
			assert.Equal(t, []string{"over limit eng: cpu 0.006 (0.006 used)"}, over(t, a))
			require.NoError(t, w.state.SetQuotas(quota("eng", nil)))
			assert.Empty(t, over(t, a))
		})
	}
}

// Of devices, a class is cut and an amount of them is.
func TestOffersOfDevicesAreCutToLimits(t *testing.T) {
	n1 := berth.Node{ID: "n1", Capacity: res{"cpu": 4}, Devices: []berth.Device{{Class: "gpu", ID: "g0"}, {Class: "gpu", ID: "g1"}}}
	w := newWorld(t, offers.Config{}, n1)
	require.NoError(t, w.state.SetQuotas(quota("eng", res{"gpu": 1500})))
	a := w.subscribe(offers.Framework{Name: "a", Role: "eng"})
	w.offer()
	all, err := a.Offers(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, res{"cpu": 4, "gpu": 1500}, all[0].Cost())
	assert.Equal(t, []berth.DeviceShare{{Class: "gpu", ID: "g0", Units: 1000}, {Class: "gpu", ID: "g1", Units: 500}}, all[0].Devices)
}

// A demand is offered as many pieces as the limits of its own role leave; the offers that are out count for it.
func TestDemandIsCutToLimits(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("lease %d", lease), func(t *testing.T) {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 8, 0), node("n2", 8, 0))
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 5}), quota("eng/web", res{"cpu": 3})))
			web, batch := cpus("web", "eng/web", 1), cpus("batch", "eng", 1)
			a := w.subscribe(offers.Framework{Name: "a", Role: "eng", Demand: []offers.Demand{{Group: web, Count: 9}}})
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.003"}, list(t, a))
			assert.Zero(t, w.offer(), "what is offered counts")
			assert.Equal(t, []string{"over limit eng/web: cpu 0.003 (0.003 used)"}, over(t, a))
			require.NoError(t, a.Want(offers.Demand{Group: web, Count: 9}, offers.Demand{Group: batch}))
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.003", "n1: cpu 0.002"}, list(t, a))
			assert.Equal(t, []string{"over limit eng/web: cpu 0.003 (0.003 used)", "over limit eng: cpu 0.005 (0.005 used)"}, over(t, a))

			// The Book knows the limits: what it is offered can be had, and no more of a role than its limit.
			s := snapshotOf(t, a.Book())
			assert.Equal(t, quota("eng/web", res{"cpu": 3}), s.Role("eng/web").Quota)
			assert.Equal(t, res{}, s.Used("eng"), "its own offers are its room")
			out := schedule(t, a.Book(), web.Tasks(4)...)
			assert.Len(t, out.Placed, 3)
			assert.Empty(t, out.Refused)
			assert.Equal(t, berth.Reason{Code: berth.OverLimit, Subject: "eng/web: cpu 0.003"}, out.Unplaced[0].Reason)
			assert.Equal(t, res{"cpu": 3}, snapshotOf(t, a.Book()).Used("eng"))
			truth := snapshotOf(t, w.state)
			assert.Equal(t, res{"cpu": 5}, truth.Used("eng"), "3 tasks and what is left of the offers")
			assert.Equal(t, res{"cpu": 5}, truth.UsedBy("a"), "the tasks are placed in its name, as the offers are held")
			assert.Equal(t, res{"cpu": 3}, truth.Used("eng/web"))
		})
	}
}

// A Book sees what others have, whatever they are: of the roles above what is needed to know what their limits leave.
func TestABookSeesLimitsOfRolesAbove(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 10, 0))
	require.NoError(t, w.state.SetQuotas(quota("", res{"cpu": 9}), quota("eng", res{"cpu": 6}), quota("ops", res{"cpu": 1})))
	a := w.subscribe(offers.Framework{Name: "a", Role: "eng/a"})
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.006"}, list(t, a))
	schedule(t, w.state, cpus("old", "ops", 1).Task("o1"))
	require.NoError(t, w.state.Hold(berth.Hold{ID: "h", Owner: "host", Role: "eng/b", Node: "n1", Resources: res{"cpu": 0}, Deadline: w.now.Add(time.Hour)}))
	require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 4}))) // fewer than are offered
	s := snapshotOf(t, a.Book())
	assert.Equal(t, res{"cpu": 1}, s.Used(""))
	assert.Equal(t, res{}, s.Used("eng"))
	assert.EqualValues(t, 4, s.Role("eng").Quota.Limits["cpu"])
	assert.Empty(t, s.Role("ops").Quota.Limits, "what does not bind it is not shown")

	// Drawing on an offer adds nothing, so what was offered can be used even though the role has more than its limit since.
	out := schedule(t, a.Book(), cpus("web", "eng/a", 1).Tasks(6)...)
	assert.Len(t, out.Placed, 4, "but a plan keeps the limit")
	assert.Empty(t, out.Refused)
	require.NoError(t, w.state.Release("web-1", "web-2"))
	assert.Equal(t, res{"cpu": 2}, snapshotOf(t, a.Book()).Used("eng"))
	require.NoError(t, w.state.SetQuotas(quota("eng", nil), quota("", nil)))
	assert.Empty(t, snapshotOf(t, a.Book()).Role("eng").Quota.Limits)
}

// limited is a State on which schedulers, two Exchanges with their frameworks and the host do what they like, within limits that come
// and go.
type limited struct {
	t      testing.TB
	worlds []*world
	state  *scheduler.State
	roles  map[string]berth.Role // of frameworks
	all    []berth.Role
}

func newLimited(t testing.TB, rng *rand.Rand) *limited {
	lease := berth.Lease(rng.IntN(2))
	l := &limited{
		t: t, roles: map[string]berth.Role{"a": "r", "b": "r/b", "c": "q/c"},
		all: []berth.Role{"", "r", "r/b", "r/b/x", "r/d", "q", "q/c"},
	}
	one := newWorld(t, offers.Config{Lease: lease, MaxOutstanding: 4}, cell(rng, 6)...)
	two := &world{t: t, state: one.state, drf: new(allocator.DRF), subs: map[string]*offers.Subscription{}}
	var err error
	two.x, err = offers.NewExchange(one.state, offers.Config{Lease: berth.Lease(rng.IntN(2)), Order: two.drf.Turns(), Prefix: "two-"})
	require.NoError(t, err)
	l.worlds, l.state = []*world{one, two}, one.state
	for _, w := range l.worlds {
		for _, name := range []string{"a", "b", "c"} {
			f := offers.Framework{Name: name, Role: l.roles[name]}
			if rng.IntN(2) == 0 {
				g := randomGroup(rng, "demand-"+name, l.below(rng, f.Role))
				f.Demand = []offers.Demand{{Group: g, Count: rng.IntN(4)}}
			}
			w.subscribe(f)
		}
	}
	return l
}

func (l *limited) below(rng *rand.Rand, role berth.Role) berth.Role {
	for {
		if r := l.all[rng.IntN(len(l.all))]; r == role || role == "" || strings.HasPrefix(string(r), string(role)+"/") {
			return r
		}
	}
}

func (l *limited) quota(rng *rand.Rand) berth.Quota {
	q := quota(l.all[rng.IntN(len(l.all))], res{})
	for _, name := range []string{"cpu", "memory", "gpu"} {
		if rng.IntN(2) == 0 {
			q.Limits[name] = int64(rng.IntN(16)) * map[string]int64{"cpu": 1, "memory": 2, "gpu": 500}[name]
		}
	}
	return q
}

// do does one thing, the last of which sets limits. It returns what a Book's own plan had refused.
func (l *limited) do(rng *rand.Rand, what int, task string) (refused []berth.Refusal, err error) {
	w := l.worlds[rng.IntN(2)]
	name := []string{"a", "b", "c"}[rng.IntN(3)]
	s := w.subs[name]
	switch what {
	case 0, 1:
		_, err = w.x.Offer(ctx)
	case 2, 3:
		sched, err := scheduler.New(s.Book(), scheduler.Config{Attempts: 1, Exhaustive: rng.IntN(2) == 0})
		if err != nil {
			return nil, err
		}
		out, err := sched.Schedule(ctx, randomGroup(rng, task, l.below(rng, l.roles[name])).Tasks(3)...)
		if err != nil {
			return nil, err
		}
		return out.Refused, nil
	case 4:
		sched, err := scheduler.New(l.state, scheduler.Config{Exhaustive: rng.IntN(2) == 0})
		if err != nil {
			return nil, err
		}
		_, err = sched.Schedule(ctx, randomGroup(rng, task, l.below(rng, "")).Tasks(3)...)
		return nil, err
	case 5:
		hold := berth.Hold{
			ID: task, Owner: "host", Role: l.below(rng, ""), Node: fmt.Sprintf("n%d", rng.IntN(6)), Lease: berth.Lease(rng.IntN(2)),
			Resources: res{"cpu": int64(rng.IntN(4))}, Deadline: w.state.Now().Add(time.Minute),
		}
		_ = l.state.Hold(hold) // there may be no room
	case 6:
		all, err := s.Offers(ctx)
		if err != nil || len(all) == 0 {
			return nil, err
		}
		_, err = s.Accept(ctx, []string{all[0].ID}, placeOn(randomGroup(rng, task, l.below(rng, l.roles[name])).Task(task), all[0].Node), offers.Filter{})
		return nil, ignore(err)
	case 7:
		snapshot, err := l.state.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		p := &berth.Plan{Version: snapshot.Version()}
		for n := range snapshot.Nodes() {
			for t := range n.Tasks() {
				if rng.IntN(3) == 0 {
					hold := &berth.Hold{
						ID: t.ID, Owner: "host", Role: l.below(rng, ""), Node: n.ID(), Resources: t.Group.Spec().Request, Deadline: l.state.Now().Add(time.Minute),
					}
					if rng.IntN(2) == 0 {
						hold = nil
					}
					p.Evict(t.ID, hold)
				}
			}
		}
		_, err = l.state.Commit(ctx, p)
		return nil, err
	case 8:
		err = l.state.SetQuotas(l.quota(rng))
	}
	return nil, err
}

// ignore passes over what is no fault where others do things at the same time.
func ignore(err error) error {
	if err != nil && strings.Contains(err.Error(), "offer") {
		return nil
	}
	return err
}

// use is what each role has, and whether its limits were changed.
func (l *limited) use() (used map[berth.Role]res, limits map[berth.Role]res) {
	used, limits = map[berth.Role]res{}, map[berth.Role]res{}
	snapshot := snapshotOf(l.t, l.state)
	for _, role := range l.all {
		r := snapshot.Role(role)
		used[role], limits[role] = r.Used, r.Quota.Limits
	}
	return used, limits
}

// sums checks ledger-equals-sum.
func (l *limited) sums() {
	snapshot := snapshotOf(l.t, l.state)
	want := map[berth.Role]res{}
	add := func(role berth.Role, cost res) {
		for ; ; role = role.Parent() {
			sum, err := want[role].Plus(cost)
			require.NoError(l.t, err)
			if want[role] = sum; role == "" {
				return
			}
		}
	}
	for n := range snapshot.Nodes() {
		require.False(l.t, n.Overcommitted(), n.ID())
		for t := range n.Tasks() {
			add(t.Group.Role(), t.Group.Cost())
		}
	}
	for h := range snapshot.Holds() {
		add(h.Role, h.Cost())
	}
	for _, role := range l.all {
		require.True(l.t, snapshot.Used(role).Equal(want[role]), "%q has %v, its tasks and holds come to %v", role, snapshot.Used(role), want[role])
	}
}

// books checks that each Book says of the roles that bind its framework what the State says, less what the framework was offered.
func (l *limited) books() {
	for _, w := range l.worlds {
		for name, s := range w.subs {
			book, mine := snapshotOf(l.t, s.Book()), l.roles[name]
			truth := snapshotOf(l.t, l.state)
			all, err := s.Offers(ctx)
			require.NoError(l.t, err)
			own := res{}
			for _, o := range all {
				own, err = own.Plus(o.Cost())
				require.NoError(l.t, err)
			}
			for _, role := range l.all {
				above, below := isWithin(role, mine), isWithin(mine, role)
				if !above && !below {
					continue
				}
				got := book.Used(role)
				if above {
					got, err = got.Plus(own)
					require.NoError(l.t, err)
				}
				require.True(l.t, got.Equal(truth.Used(role)), "%s's Book: %q has %v and %v is offered, the State says %v", name, role, book.Used(role), own, truth.Used(role))
				require.True(l.t, book.Role(role).Quota.Limits.Equal(truth.Role(role).Quota.Limits), "%s's Book: %v", name, book.Role(role).Quota)
			}
		}
	}
}

func isWithin(above, role berth.Role) bool {
	return above == "" || role == above || strings.HasPrefix(string(role), string(above)+"/")
}

// quota-limit-never-exceeded: whoever does what, at whichever door, no role gets more than its limit. Nor does a Book's own plan
// come up against a limit that it did not see.
func TestQuotaLimitNeverExceeded(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 8
	}
	reached := 0
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 83))
			l := newLimited(t, rng)
			for step := range 150 {
				before, _ := l.use()
				refused, err := l.do(rng, rng.IntN(9), fmt.Sprintf("t%d", step))
				require.NoError(t, err)
				for _, r := range refused {
					require.NotEqual(t, berth.OverLimit, r.Reason.Code, "%v", r)
				}
				after, limits := l.use()
				for role, most := range limits {
					for name, limit := range most {
						if after[role][name] == limit {
							reached++
						}
						if after[role][name] > limit && after[role][name] > before[role][name] {
							t.Fatalf("step %d: %s of %q went from %d to %d, with a limit of %d", step, name, role, before[role][name], after[role][name], limit)
						}
					}
				}
				l.sums()
				l.books()
				if l.worlds[0].now = l.worlds[0].now.Add(time.Second); step%7 == 0 {
					_, _, err := l.state.Expire()
					require.NoError(t, err)
				}
			}
		})
	}
	assert.Greater(t, reached, 100, "limits are come up against")
}

// The same with everybody at once: limits that stay are never exceeded, whoever looks and whenever.
func TestQuotaLimitNeverExceededAtTheSameTime(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 89))
		l := newLimited(t, rng)
		limits := map[berth.Role]res{"": {"cpu": 30}, "r": {"cpu": 12}, "r/b": {"cpu": 5}, "q": {"cpu": 6, "memory": 20}}
		for role, most := range limits {
			require.NoError(t, l.state.SetQuotas(quota(role, most)))
		}
		stop := make(chan struct{})
		var work, watch sync.WaitGroup
		faults := make(chan error, 16)
		fault := func(err error) {
			select {
			case faults <- err:
			default:
			}
		}
		for k := range 4 {
			work.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(k)))
				for i := range 60 {
					if _, err := l.do(rng, rng.IntN(8), fmt.Sprintf("t%d-%d", k, i)); err != nil {
						fault(err)
					}
				}
			})
		}
		watch.Go(func() {
			for {
				snapshot, err := l.state.Snapshot(ctx)
				if err != nil {
					fault(err)
				}
				for role, most := range limits {
					for name, limit := range most {
						if used := snapshot.Used(role)[name]; used > limit {
							fault(fmt.Errorf("%s of %q: %d, with a limit of %d", name, role, used, limit))
						}
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		work.Wait()
		close(stop)
		watch.Wait()
		close(faults)
		for err := range faults {
			t.Error(err)
		}
		l.sums()
		l.books()
	}
}
