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

// contest is two frameworks of equal right that want more than there is, and whatever a third one does.
type contest struct {
	*world
	honest map[string]*offers.Subscription
	number int
	ends   map[int][]string
	rng    map[string]*rand.Rand // how long the tasks of each run, whatever the others do
}

const (
	contestSteps = 600
	contestCores = 120 // of cpu in all
)

func newContest(t *testing.T) *contest {
	var nodes []berth.Node
	for i := range 10 {
		nodes = append(nodes, node(fmt.Sprint("n", i), contestCores/10, 0))
	}
	c := &contest{world: newWorld(t, offers.Config{LeaseFor: 5 * time.Second, Backoff: 5 * time.Second, DeclineBackoff: 5 * time.Second}, nodes...),
		honest: map[string]*offers.Subscription{}, ends: map[int][]string{}, rng: map[string]*rand.Rand{}}
	for i, name := range []string{"a", "b"} {
		g := cpus(name, berth.Role(name), int64(i+1))
		c.honest[name] = c.subscribe(offers.Framework{Name: name, Role: berth.Role(name), Demand: []offers.Demand{{Group: g}}})
		c.rng[name] = rand.New(rand.NewPCG(uint64(i), 12))
	}
	return c
}

// use starts what a framework can start on what it is offered; each task runs for three to twelve seconds.
func (c *contest) use(step int, name string, s *offers.Subscription, g *berth.Group) {
	open, err := s.Offers(ctx)
	require.NoError(c.t, err)
	plan, ids := &cluster.Plan{}, []string{}
	for _, o := range open {
		ids = append(ids, o.ID)
		for left := o.Resources["cpu"]; left >= g.Cost()["cpu"]; left -= g.Cost()["cpu"] {
			c.number++
			task := g.Task(fmt.Sprintf("%s-%d", name, c.number))
			at := step + 3 + c.rng[name].IntN(10)
			plan.Place(task, o.Node)
			c.ends[at] = append(c.ends[at], task.ID)
		}
	}
	out, err := s.Accept(ctx, ids, plan, offers.Filter{})
	require.NoError(c.t, err)
	require.Empty(c.t, out.Refused)
}

// over plays, and returns how many cores each of the two had in the mean over the last third.
func (c *contest) over(mischief func(step int)) map[string]float64 {
	had := map[string]float64{}
	for step := range contestSteps {
		c.now = c.now.Add(time.Second)
		for _, id := range c.ends[step] {
			if _, runs := c.state.Task(id); runs {
				require.NoError(c.t, c.state.Release(id))
			}
		}
		c.offer()
		for _, name := range []string{"a", "b"} {
			c.use(step, name, c.honest[name], cpus(name, berth.Role(name), map[string]int64{"a": 1, "b": 2}[name]))
		}
		if mischief != nil {
			mischief(step)
		}
		if step >= contestSteps*2/3 {
			for name := range c.honest {
				had[name] += float64(snapshotOf(c.t, c.state).Used(berth.Role(name))["cpu"]) / (contestSteps / 3)
			}
		}
	}
	return had
}

// Whatever a third framework does wrong, the two others have what they have without it, within one of their tasks.
func TestMisbehavingFrameworksHurtNobody(t *testing.T) {
	without := newContest(t).over(nil)
	require.InDelta(t, contestCores/2, without["a"], 2)
	require.InDelta(t, contestCores/2, without["b"], 2)
	bad := func(c *contest, name string) *offers.Subscription {
		return c.subscribe(offers.Framework{Name: name, Role: "bad"})
	}
	declined := func(c *contest, s *offers.Subscription, f offers.Filter) {
		for _, id := range ids(c.t, s) {
			require.NoError(c.t, s.Decline(ctx, []string{id}, f))
		}
	}
	for _, tc := range []struct {
		name string
		with func(c *contest) func(step int)
	}{
		{"never answers", func(c *contest) func(int) {
			bad(c, "bad")
			return nil
		}},
		{"accepts twice", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(int) {
				all := ids(c.t, s)
				for range 2 {
					_, err := s.Accept(ctx, append(all, all...), &cluster.Plan{}, offers.Filter{})
					require.True(c.t, err != nil || len(all) == 0)
				}
				_, err := s.Accept(ctx, all, &cluster.Plan{}, offers.Filter{})
				require.NoError(c.t, err)
				_, err = s.Accept(ctx, all, &cluster.Plan{}, offers.Filter{})
				require.True(c.t, err != nil || len(all) == 0)
			}
		}},
		{"accepts another's", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(step int) {
				own := ids(c.t, s)
				for k := range 50 {
					if id := fmt.Sprint("offer-", step*10+k); !slices.Contains(own, id) {
						_, err := s.Accept(ctx, []string{id}, placeOn(cpus("bad", "bad", 1).Task("bad-1"), "n1"), offers.Filter{})
						require.Error(c.t, err)
					}
				}
				declined(c, s, offers.Filter{})
			}
		}},
		{"accepts too much", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(int) {
				plan := &cluster.Plan{}
				for k := range 30 {
					plan.Place(cpus("bad", "bad", contestCores).Task(fmt.Sprint("bad-", k)), fmt.Sprint("n", k%10))
				}
				out, err := s.Accept(ctx, ids(c.t, s), plan, offers.Filter{})
				require.NoError(c.t, err)
				require.Empty(c.t, out.Placed)
			}
		}},
		{"declines a million times", func(c *contest) func(int) {
			s := bad(c, "bad")
			left := 1_000_000
			if testing.Short() {
				left = 20_000
			}
			return func(int) {
				declined(c, s, offers.Filter{})
				for k := 0; k < 5000 && left > 0; k++ {
					left--
					require.Error(c.t, s.Decline(ctx, []string{"offer-0"}, offers.Filter{}))
				}
			}
		}},
		{"declines, and revives", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(int) {
				declined(c, s, offers.Filter{For: time.Hour})
				require.NoError(c.t, s.Suppress())
				require.NoError(c.t, s.Revive())
			}
		}},
		{"wants all and declines it", func(c *contest) func(int) {
			s := c.subscribe(offers.Framework{Name: "bad", Role: "bad", Demand: []offers.Demand{{Group: cpus("bad", "bad", 1)}}})
			return func(int) {
				declined(c, s, offers.Filter{})
				require.NoError(c.t, s.Want(offers.Demand{Group: cpus("bad", "bad", 1)}))
			}
		}},
		{"vanishes in the middle", func(c *contest) func(int) {
			s, g := bad(c, "bad"), cpus("bad", "bad", 1)
			c.rng["bad"] = rand.New(rand.NewPCG(3, 12))
			return func(step int) {
				if step < contestSteps/6 {
					c.use(step, "bad", s, g)
				} // and then there is no word of it, with offers out
			}
		}},
		{"comes and goes under its name", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(int) {
				require.NoError(c.t, s.Unsubscribe(ctx))
				s = bad(c, "bad")
			}
		}},
		{"disconnects and reconnects", func(c *contest) func(int) {
			s := bad(c, "bad")
			return func(int) {
				require.NoError(c.t, s.Disconnect(ctx))
				require.NoError(c.t, s.Reconnect())
			}
		}},
		{"takes names that are taken", func(c *contest) func(int) {
			return func(int) {
				for _, name := range []string{"a", "b"} {
					_, err := c.x.Subscribe(offers.Framework{Name: name, Role: "bad"})
					require.ErrorIs(c.t, err, offers.ErrSubscribed)
				}
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newContest(t)
			with := c.over(tc.with(c))
			assert.InDelta(t, without["a"], with["a"], 1, "a task of a is one core")
			assert.InDelta(t, without["b"], with["b"], 2, "a task of b is two")
		})
	}
}

// Who reserves something of what it is offered makes use of it, and who reserves nothing does not.
func TestDeclineBackoffOfWhoReserves(t *testing.T) {
	for cpu, want := range []int{0, 1} {
		w := newWorld(t, offers.Config{DeclineBackoff: 10 * time.Second}, node("n1", 4, 0))
		f := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
		require.Equal(t, 1, w.offer())
		out, err := f.Accept(ctx, ids(t, f), answer(reserving(reservation("r", "eng", "n1", int64(cpu)))), offers.Filter{})
		require.NoError(t, err)
		require.Empty(t, out.Refused)
		assert.Equal(t, want, w.offer(), "%d reserved", cpu)
	}
}

// Who gives back all that it has waits, longer each time, whatever else it says; once it places something it begins anew.
func TestDeclineBackoff(t *testing.T) {
	w := newWorld(t, offers.Config{DeclineBackoff: 10 * time.Second}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	wait := func(s int) int {
		w.now = w.now.Add(time.Duration(s) * time.Second)
		return w.offer()
	}
	require.Equal(t, 2, wait(0))
	require.NoError(t, f.Decline(ctx, ids(t, f)[:1], offers.Filter{}))
	assert.Equal(t, 1, wait(0), "it has another offer still")
	declineAll(t, f, offers.Filter{})
	why, err := f.Why(ctx)
	require.NoError(t, err)
	assert.Equal(t, `framework "f" of role "": 0 offers; backing off until 00:16:50`, why.String())
	assert.Zero(t, wait(9))
	require.NoError(t, f.Revive())
	assert.Zero(t, wait(0), "no word helps")
	assert.Equal(t, 2, wait(1))
	declineAll(t, f, offers.Filter{})
	assert.Zero(t, wait(19))
	assert.Equal(t, 2, wait(1), "twice as long")
	require.NoError(t, f.Unsubscribe(ctx))
	f = w.subscribe(offers.Framework{Name: "f"})
	assert.Zero(t, wait(39), "nor does another subscription")
	require.Equal(t, 2, wait(1))
	_, err = f.Accept(ctx, ids(t, f), placeOn(cpus("web", "", 1).Task("web-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	assert.Equal(t, 2, wait(0), "it has placed something")
	declineAll(t, f, offers.Filter{})
	assert.Zero(t, wait(9))
	assert.Equal(t, 2, wait(1), "and begins anew")

	// A framework of another name has nothing to do with it, and after a long time nor has one of the same.
	require.NoError(t, f.Unsubscribe(ctx))
	g := w.subscribe(offers.Framework{Name: "g"})
	assert.Equal(t, 2, wait(0))
	require.NoError(t, g.Unsubscribe(ctx))
	wait(20 + 64*10)
	w.subscribe(offers.Framework{Name: "f"})
	assert.Equal(t, 2, wait(0))
	_, err = offers.NewExchange(w.state, offers.Config{Order: w.drf.Turns(), DeclineBackoff: -1})
	assert.ErrorContains(t, err, "DeclineBackoff is negative or too long (-1ns)")
}

// growPartings lets n frameworks come that give back all they get, and leave; their names are remembered for a while.
func growPartings(b *testing.B, n int) {
	w := newWorld(b, offers.Config{DeclineBackoff: time.Second}, node("n1", 4, 0))
	const log = 1 << 17 // changes that a State remembers at most
	for range log / 2 {
		require.NoError(b, w.state.Cordon("n1"))
		require.NoError(b, w.state.Uncordon("n1"))
	}
	number := 0
	for b.Loop() {
		for range n {
			number++
			f, err := w.x.Subscribe(offers.Framework{Name: fmt.Sprint("f", number)})
			if err != nil {
				b.Fatal(err)
			}
			w.offer()
			if err := f.Decline(ctx, ids(b, f), offers.Filter{}); err != nil {
				b.Fatal(err)
			}
			if err := f.Unsubscribe(ctx); err != nil {
				b.Fatal(err)
			}
		}
		w.now = w.now.Add(time.Hour)
	}
}
