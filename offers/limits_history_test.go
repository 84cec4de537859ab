package offers_test

import (
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
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

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
func (l *limited) do(rng *rand.Rand, what int, task string) (refused []cluster.Refusal, err error) {
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
		p := &cluster.Plan{Version: snapshot.Version()}
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

// accounts checks that the orders were told what the ledger says: what the clients in a role were charged is what the role has.
func (l *limited) accounts() {
	for _, w := range l.worlds {
		_, err := w.x.Expire(ctx)
		require.NoError(l.t, err)
		truth := snapshotOf(l.t, l.state)
		clients := []allocator.Client{}
		for _, role := range l.all {
			clients = append(clients, allocator.Client{Role: role})
		}
		for name := range w.subs {
			clients = append(clients, allocator.Client{Role: l.roles[name], Name: name})
		}
		for _, role := range l.all {
			if l.framed(role) {
				continue // tasks of a framework of a role above are the framework's
			}
			sum := res{}
			for _, c := range clients {
				if c.Role.Within(role) {
					got, _ := w.drf.Charged(c)
					if sum, err = sum.Plus(got); err != nil {
						l.t.Fatal(err)
					}
				}
			}
			require.True(l.t, sum.Equal(truth.Used(role)), "the clients in %q were charged %v, it has %v", role, sum, truth.Used(role))
		}
	}
}

// framed reports whether a role is below that of a framework.
func (l *limited) framed(role berth.Role) bool {
	for _, of := range l.roles {
		if role != of && role.Within(of) {
			return true
		}
	}
	return false
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
				above, below := mine.Within(role), role.Within(mine)
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
				l.accounts()
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
		l.accounts()
	}
}
