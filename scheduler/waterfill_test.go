package scheduler_test

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
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// crowd is roles that want more than there is, each with one kind of task.
type crowd struct {
	total  berth.Resources
	nodes  []berth.Node
	groups []*berth.Group
	weight []float64 // in units of the default
}

func (c *crowd) weights() map[berth.Role]allocator.Weight {
	of := map[berth.Role]allocator.Weight{}
	for i, g := range c.groups {
		of[g.Role()] = allocator.Weight(c.weight[i] * float64(allocator.DefaultWeight))
	}
	return of
}

// share is the dominant share of an amount.
func (c *crowd) share(r berth.Resources) (share float64) {
	for name, q := range r {
		share = max(share, float64(q)/float64(c.total[name]))
	}
	return share
}

// waterfill returns the shares to which weighted dominant resource fairness comes where tasks can be divided and all nodes are one: all shares
// rise together, by weight, and who needs a resource of which nothing is left stays where he is.
func (c *crowd) waterfill() []float64 {
	shares, rises := make([]float64, len(c.groups)), make([]bool, len(c.groups))
	left := map[string]float64{}
	for name := range c.total {
		left[name] = 1
	}
	for i := range rises {
		rises[i] = true
	}
	for slices.Contains(rises, true) {
		rate := map[string]float64{} // of each resource, for a rise of one by weight
		for i, g := range c.groups {
			if rises[i] {
				for name, q := range g.Cost() {
					rate[name] += c.weight[i] * float64(q) / float64(c.total[name]) / c.share(g.Cost())
				}
			}
		}
		rise, full := math.Inf(1), ""
		for _, name := range slices.Sorted(keys(rate)) {
			if r := rate[name]; r > 0 && left[name]/r < rise {
				rise, full = left[name]/r, name
			}
		}
		for name, r := range rate {
			left[name] -= r * rise
		}
		for i, g := range c.groups {
			if rises[i] {
				shares[i] += rise * c.weight[i]
				rises[i] = g.Cost()[full] == 0
			}
		}
	}
	return shares
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// The water level, in the examples of the papers: G1, G8, G9 with no bound, G7, G11.
func TestWaterfill(t *testing.T) {
	for _, tc := range []struct {
		total   berth.Resources
		tasks   []berth.Resources
		weights []float64
		want    []float64
	}{
		{berth.Resources{"cpu": 9, "memory": 18}, []berth.Resources{{"cpu": 1, "memory": 4}, {"cpu": 3, "memory": 1}}, []float64{1, 1}, []float64{2. / 3, 2. / 3}},
		{berth.Resources{"cpu": 9, "memory": 18}, []berth.Resources{{"cpu": 1, "memory": 4}, {"cpu": 3, "memory": 1}}, []float64{2, 1}, []float64{12. / 13, 6. / 13}},
		{berth.Resources{"cpu": 100, "memory": 100}, []berth.Resources{{"cpu": 4, "memory": 1}, {"cpu": 1, "memory": 16}, {"cpu": 16, "memory": 1}}, []float64{1, 1, 1}, []float64{16. / 33, 16. / 33, 16. / 33}},
		{berth.Resources{"cpu": 10, "memory": 10}, []berth.Resources{{"cpu": 1}, {"memory": 1}, {"cpu": 1}}, []float64{1, 1, 1}, []float64{.5, 1, .5}},
	} {
		c := &crowd{total: tc.total, weight: tc.weights}
		for i, r := range tc.tasks {
			c.groups = append(c.groups, berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Request: r}))
		}
		got := c.waterfill()
		for i := range got {
			assert.InDelta(t, tc.want[i], got[i], 1e-12, "%v", tc)
		}
	}
}

// contest is twenty roles of weights 1 to 3 on a hundred nodes of three shapes, of which some run tiny tasks and some huge ones, and a third
// each needs most of cpu, of memory and of disk.
func contest(seed uint64) *crowd {
	rng := rand.New(rand.NewPCG(seed, 77))
	c := &crowd{total: berth.Resources{}}
	for i := range 100 {
		r := []berth.Resources{
			{"cpu": 32_000, "memory": 128_000, "disk": 1_000_000}, {"cpu": 64_000, "memory": 128_000, "disk": 1_000_000},
			{"cpu": 32_000, "memory": 256_000, "disk": 2_000_000}}[i%3]
		c.nodes = append(c.nodes, berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: r})
		c.total, _ = c.total.Plus(r)
	}
	for i := range 20 {
		// A task is so much of a node, of the resource it needs most, and a fifth to a half of that of the others.
		size := []float64{.01, .02, .25, .4}[rng.IntN(4)]
		part := func(name string, of int) int64 {
			whole := map[string]float64{"cpu": 32_000, "memory": 128_000, "disk": 1_000_000}[name]
			if i%3 == of {
				return int64(whole * size)
			}
			return int64(whole * size * (.2 + .3*rng.Float64()))
		}
		r := berth.Resources{"cpu": part("cpu", 0), "memory": part("memory", 1), "disk": part("disk", 2)}
		name := fmt.Sprintf("r%02d", i)
		c.groups = append(c.groups, berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: r}))
		c.weight = append(c.weight, float64(1+rng.IntN(3)))
	}
	return c
}

// over lets tasks come and go: place lets roles have room, step after step, and each task ends after one to fifteen steps. It returns the mean
// and the worst gap to the water level over the second half, by weight, and the mean use of each resource.
func (c *crowd) over(t *testing.T, seed uint64, state *scheduler.State, steps int, place func(step int)) (mean, worst float64, use map[string]float64) {
	rng := rand.New(rand.NewPCG(seed, 78))
	level := c.waterfill()
	ends, known := map[int][]string{}, map[string]bool{}
	use = map[string]float64{}
	n := 0
	for step := range steps {
		if len(ends[step]) > 0 {
			require.NoError(t, state.Release(ends[step]...))
		}
		place(step)
		snapshot := snapshotOf(t, state)
		for node := range snapshot.Nodes() {
			for task := range node.Tasks() {
				if !known[task.ID] {
					known[task.ID] = true
					at := step + 1 + rng.IntN(15)
					ends[at] = append(ends[at], task.ID)
				}
			}
		}
		if step < steps/2 {
			continue
		}
		for i, g := range c.groups {
			gap := math.Abs(c.share(snapshot.Used(g.Role()))-level[i]) / c.weight[i]
			mean, worst = mean+gap, max(worst, gap)
		}
		for name, q := range snapshot.Used("") {
			use[name] += float64(q) / float64(c.total[name]) / float64(steps-steps/2)
		}
		n += len(c.groups)
	}
	return mean / float64(n), worst, use
}

// everywhere is global mode: one scheduler with an order has as many tasks as would run if nobody else did.
func (c *crowd) everywhere(t *testing.T, state *scheduler.State, strategy placement.Strategy) func(step int) {
	s, err := scheduler.New(state, scheduler.Config{Order: allocator.Fair{Weights: c.weights()}, Strategy: strategy})
	require.NoError(t, err)
	level := c.waterfill()
	number := 0
	return func(int) {
		snapshot := snapshotOf(t, state)
		var tasks []berth.Task
		for i, g := range c.groups {
			want := int(1.2*(level[i]-c.share(snapshot.Used(g.Role())))/c.share(g.Cost())) + 20
			for range max(0, want) {
				tasks = append(tasks, g.Task(fmt.Sprintf("t%06d", number)))
				number++
			}
		}
		_, err := s.Schedule(t.Context(), tasks...)
		require.NoError(t, err)
	}
}

// byOffers is offer mode: each role has a framework that declares its task and takes all it is offered.
func (c *crowd) byOffers(t *testing.T, state *scheduler.State) func(step int) {
	drf, err := allocator.New(allocator.Config{Weights: c.weights()})
	require.NoError(t, err)
	x, err := offers.NewExchange(state, offers.Config{Order: drf.Turns(), LeaseFor: time.Hour})
	require.NoError(t, err)
	var subs []*offers.Subscription
	for _, g := range c.groups {
		f, err := x.Subscribe(offers.Framework{Name: g.Name(), Role: g.Role(), Demand: []offers.Demand{{Group: g}}})
		require.NoError(t, err)
		subs = append(subs, f)
	}
	number := 0
	return func(int) {
		_, err := x.Offer(t.Context())
		require.NoError(t, err)
		for i, f := range subs {
			all, err := f.Offers(t.Context())
			require.NoError(t, err)
			var ids []string
			plan := &cluster.Plan{}
			for _, o := range all {
				ids = append(ids, o.ID)
				for range o.Resources["cpu"] / c.groups[i].Cost()["cpu"] {
					plan.Place(c.groups[i].Task(fmt.Sprintf("t%06d", number)), o.Node)
					number++
				}
			}
			if len(ids) > 0 {
				out, err := f.Accept(t.Context(), ids, plan, offers.Filter{})
				require.NoError(t, err)
				require.Empty(t, out.Refused)
			}
		}
	}
}

// Twenty roles of tiny and huge tasks, as many on cpu, on memory and on disk, that come and go: both modes keep within 0.01 of the water level
// in the mean, and use four fifths of cpu and memory. (Over forty steps and two seeds it was 0.004 in global mode with BalancedAllocation, at 0.87
// of both, 0.006 to 0.008 with BinPack, at 0.79 and 0.80, and 0.006 by offers, at 0.81 and 0.83.)
func TestGapOverTime(t *testing.T) {
	c := contest(1)
	for _, mode := range []struct {
		name  string
		steps int
		place func(state *scheduler.State) func(int)
	}{
		{"global", 16, func(s *scheduler.State) func(int) {
			return c.everywhere(t, s, placement.Best(placement.BalancedAllocation()))
		}},
		{"offers", 16, func(s *scheduler.State) func(int) { return c.byOffers(t, s) }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			state := newState(t, scheduler.StateConfig{})
			require.NoError(t, state.AddNodes(c.nodes...))
			begin := time.Now()
			mean, worst, use := c.over(t, 1, state, mode.steps, mode.place(state))
			t.Logf("gap mean %.4f, worst %.4f, use %v, took %v", mean, worst, use, time.Since(begin))
			assert.LessOrEqual(t, mean, 0.01)
			assert.GreaterOrEqual(t, use["cpu"], 0.80)
			assert.GreaterOrEqual(t, use["memory"], 0.80)
		})
	}
}

// pooled is roles that want more than there is, on one node.
func pooled(rng *rand.Rand, roles int) *crowd {
	c := &crowd{total: berth.Resources{}}
	for _, name := range []string{"cpu", "memory", "disk"} {
		c.total[name] = int64(1+rng.IntN(9)) * int64(roles) * 1_000_000
	}
	c.nodes = []berth.Node{{ID: "all", Capacity: c.total}}
	for i := range roles {
		// A task is from a tenth to all of the role's part, if the parts were equal.
		r := berth.Resources{}
		for name, q := range c.total {
			r[name] = 1 + rng.Int64N(q/int64(roles))
		}
		name := fmt.Sprintf("r%04d", i)
		c.groups = append(c.groups, berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: r}))
		c.weight = append(c.weight, float64(1+rng.IntN(3)))
	}
	return c
}

// filling checks a filling task after task.
type filling struct {
	*crowd
	t      *testing.T
	free   berth.Resources
	costs  []berth.Resources
	tasks  []float64 // shares of one
	shares []float64
	steps  int
}

// takes is told that a role has had more tasks, or with a negative number less. Of the roles that can run another, none was above any other before it had
// its last task: so no two are further from each other than the larger of their tasks, by weight.
func (f *filling) takes(i int, tasks int64) {
	for name, q := range f.costs[i] {
		f.free[name] -= q * tasks
	}
	f.shares[i] += f.tasks[i] * float64(tasks)
	low, high := math.Inf(1), 0.0
	for k, cost := range f.costs {
		if f.free["cpu"] >= cost["cpu"] && f.free["memory"] >= cost["memory"] && f.free["disk"] >= cost["disk"] {
			level := f.shares[k] / f.weight[k]
			low, high = min(low, level), max(high, level-f.tasks[k]/f.weight[k])
		}
	}
	f.steps++
	const rounding = 1e-9
	require.LessOrEqual(f.t, high, low+rounding, "after %d tasks, %s being last", f.steps, f.groups[i].Role())
}

func TestGapAtMostOneTask(t *testing.T) {
	for _, roles := range []int{2, 3, 8, 40, 200, 1000} {
		rng := rand.New(rand.NewPCG(uint64(roles), 5))
		c := pooled(rng, roles)
		number := map[berth.Role]int{}
		for i, g := range c.groups {
			number[g.Role()] = i
		}
		check := func(t *testing.T) *filling {
			f := &filling{crowd: c, t: t, free: c.total.Clone(), shares: make([]float64, roles)}
			for _, g := range c.groups {
				f.costs, f.tasks = append(f.costs, g.Cost()), append(f.tasks, c.share(g.Cost()))
			}
			return f
		}
		t.Run(fmt.Sprintf("global, %d roles", roles), func(t *testing.T) {
			state := newState(t, scheduler.StateConfig{})
			require.NoError(t, state.AddNodes(c.nodes...))
			s, err := scheduler.New(state, scheduler.Config{Order: allocator.Fair{Weights: c.weights()}})
			require.NoError(t, err)
			var tasks []berth.Task
			for i, g := range c.groups {
				tasks = append(tasks, g.Tasks(int(3*c.weight[i]/c.share(g.Cost())/float64(roles))+5)...)
			}
			out, err := s.Schedule(t.Context(), tasks...)
			require.NoError(t, err)
			f := check(t)
			for _, op := range out.Placed {
				f.takes(number[op.Task.Group.Role()], 1)
			}
			require.Greater(t, f.steps, roles/2)
		})
		t.Run(fmt.Sprintf("offers, %d roles", roles), func(t *testing.T) {
			state := newState(t, scheduler.StateConfig{})
			require.NoError(t, state.AddNodes(c.nodes...))
			drf, err := allocator.New(allocator.Config{Weights: c.weights()})
			require.NoError(t, err)
			f := check(t)
			order := &told{Turns: drf.Turns(), charged: func(role berth.Role, r berth.Resources, sign int64) {
				i := number[role]
				f.takes(i, sign*(r["cpu"]/f.costs[i]["cpu"]))
			}}
			x, err := offers.NewExchange(state, offers.Config{Order: order, LeaseFor: time.Hour})
			require.NoError(t, err)
			for _, g := range c.groups {
				_, err := x.Subscribe(offers.Framework{Name: g.Name(), Role: g.Role(), Demand: []offers.Demand{{Group: g}}})
				require.NoError(t, err)
			}
			_, err = x.Offer(t.Context())
			require.NoError(t, err)
			require.Greater(t, f.steps, roles/2)
		})
	}
}

// told is an order that tells what it is told.
type told struct {
	*allocator.Turns
	charged func(berth.Role, berth.Resources, int64)
}

func (o *told) Charge(role berth.Role, name string, r berth.Resources) error {
	err := o.Turns.Charge(role, name, r)
	o.charged(role, r, 1)
	return err
}

func (o *told) Credit(role berth.Role, name string, r berth.Resources) error {
	err := o.Turns.Credit(role, name, r)
	o.charged(role, r, -1)
	return err
}
