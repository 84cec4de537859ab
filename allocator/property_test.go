package allocator_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// pool is a random instance for the theorems of NSDI'11 section 5, which hold for divisible tasks on
// one pooled capacity with positive demands: tasks are tiny against the capacity, so the theorems must
// hold but for the few tasks by which the outcome may miss the divisible one.
type pool struct {
	capacity res
	users    []user
	slack    float64 // in shares: a task of the largest for each user, and one
}

func randomPool(rng *rand.Rand) pool {
	const size = 10_000
	names := []string{"cpu", "memory", "disk"}[:2+rng.IntN(2)]
	p := pool{capacity: res{}}
	for _, n := range names {
		p.capacity[n] = size + rng.Int64N(size)
	}
	for i := range 2 + rng.IntN(4) {
		u := user{client: fmt.Sprintf("u%d", i), demand: res{}}
		for _, n := range names {
			u.demand[n] = 1 + rng.Int64N(9)
			p.slack = max(p.slack, float64(u.demand[n])/float64(p.capacity[n]))
		}
		p.users = append(p.users, u)
	}
	p.slack *= float64(len(p.users) + 1)
	return p
}

// run fills the pool and returns what each user holds.
func (p pool) run(t *testing.T, users []user) map[string]res {
	d := newDRF(t, allocator.Config{Capacity: p.capacity})
	fill(t, d, users)
	held := make(map[string]res)
	for _, u := range users {
		held[u.client], _ = d.Charged(client(u.client))
	}
	return held
}

// value is the dominant share that a user gets out of a bundle: what it can really use of it.
func (p pool) value(u user, bundle res) float64 {
	tasks, share := math.Inf(1), 0.0
	for n, q := range u.demand {
		tasks = min(tasks, float64(bundle[n])/float64(q))
		share = max(share, float64(q)/float64(p.capacity[n]))
	}
	return tasks * share
}

func TestFairnessTheorems(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			p := randomPool(rng)
			held := p.run(t, p.users)
			free := p.capacity.Clone()
			for _, u := range p.users {
				var err error
				free, err = free.Minus(held[u.client])
				require.NoError(t, err)
			}
			part := res{}
			for n, q := range p.capacity {
				part[n] = q / int64(len(p.users))
			}
			for _, u := range p.users {
				own := p.value(u, held[u.client])
				assert.GreaterOrEqual(t, own, p.value(u, part)-p.slack, "sharing incentive: %s against 1/n of all", u.client)
				assert.False(t, free.Covers(u.demand), "Pareto efficiency: %s fits in %v", u.client, free)
				for _, o := range p.users {
					assert.GreaterOrEqual(t, own, p.value(u, held[o.client])-p.slack, "envy-freeness: %s of %s", u.client, o.client)
				}
			}
			for range 3 {
				liar := rng.IntN(len(p.users))
				lies := slices.Clone(p.users)
				lies[liar].demand = res{}
				for n := range p.capacity.All() {
					lies[liar].demand[n] = 1 + rng.Int64N(9)
				}
				u := p.users[liar]
				assert.LessOrEqual(t, p.value(u, p.run(t, lies)[u.client]), p.value(u, held[u.client])+p.slack,
					"strategy-proofness: %s with %v claims %v", u.client, u.demand, lies[liar].demand)
			}
		})
	}
}

// Crediting what was charged, in any order, leaves every share and so the order where it was. No two
// clients are given equal shares, for the counts that break ties are meant to stay.
func TestCreditUndoesCharge(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 3))
		d := newDRF(t, allocator.Config{Capacity: res{"cpu": 1_000_003, "memory": 1_000_033}})
		var clients []allocator.Client
		for i := range 30 {
			c := client(fmt.Sprintf("f%d@r%d", i, i%7))
			clients = append(clients, c)
			require.NoError(t, d.Add(c))
			require.NoError(t, d.Charge(c, res{"cpu": 1 + int64(i)*1000 + rng.Int64N(999), "memory": 1}))
		}
		before := slices.Collect(d.Order())
		type grant struct {
			c allocator.Client
			r res
		}
		var grants []grant
		for range 200 {
			g := grant{clients[rng.IntN(len(clients))], res{"cpu": rng.Int64N(5000), "memory": rng.Int64N(5000)}}
			require.NoError(t, d.Charge(g.c, g.r))
			grants = append(grants, g)
		}
		require.NotEqual(t, before, slices.Collect(d.Order()), "seed %d", seed)
		rng.Shuffle(len(grants), func(i, j int) { grants[i], grants[j] = grants[j], grants[i] })
		for _, g := range grants {
			require.NoError(t, d.Credit(g.c, g.r))
		}
		assert.Equal(t, before, slices.Collect(d.Order()), "seed %d", seed)
	}
}

// The order depends on what was done, not on the order in which clients were added, weights set or
// resource names first seen.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	build := func(rng *rand.Rand) *allocator.DRF {
		d := newDRF(t, allocator.Config{})
		for _, i := range rng.Perm(3) {
			require.NoError(t, d.AddCapacity(res{[]string{"cpu", "memory", "disk"}[i]: 100}))
		}
		for _, i := range rng.Perm(60) {
			c := client(fmt.Sprintf("f%d@r%d/s%d", i, i%5, i%3))
			require.NoError(t, d.Add(c))
			require.NoError(t, d.Charge(c, res{"cpu": int64(i % 4), "memory": int64(i % 4), "disk": int64(i % 3)}))
		}
		for _, i := range rng.Perm(5) {
			require.NoError(t, d.SetWeight(berth.Role(fmt.Sprintf("r%d", i)), allocator.Weight(1000+i)))
		}
		return d
	}
	want := build(rand.New(rand.NewPCG(0, 4)))
	for seed := uint64(1); seed < 20; seed++ {
		got := build(rand.New(rand.NewPCG(seed, 4)))
		require.Equal(t, order(want), order(got), "seed %d", seed)
		for c := range want.Order() {
			w, _ := want.Share(c)
			g, _ := got.Share(c)
			require.Equal(t, w, g, "seed %d: %v", seed, c)
		}
	}
}

// A walk survives any change made in it: it follows the levels as it came to them, and leaves out who
// is gone.
func TestChangesDuringWalk(t *testing.T) {
	for _, role := range []string{"", "@one/role"} {
		t.Run("role "+role, func(t *testing.T) {
			d := newDRF(t, allocator.Config{Capacity: res{"cpu": 1000}})
			var all []string
			for i := range 200 {
				all = append(all, fmt.Sprintf("c%03d%s", i, role))
				require.NoError(t, d.Add(client(all[i])))
			}
			var got []string
			for c := range d.Order() {
				got = append(got, c.String())
				require.NoError(t, d.Charge(c, res{"cpu": 5}))
				if len(got) == 50 {
					require.NoError(t, d.AddCapacity(res{"cpu": 1000}))
					first, ok := d.Next(nil) // brings every level up to date under the walk
					require.True(t, ok)
					require.Equal(t, all[50], first.String())
				}
				if len(got) == 100 {
					require.NoError(t, d.Remove(client(all[150])))
					require.NoError(t, d.Deactivate(client(all[151])))
					require.NoError(t, d.Remove(c))
					require.NoError(t, d.Add(client("c100b"+role)))
				}
			}
			assert.Equal(t, slices.Concat(all[:150], all[152:]), got)
			want := slices.Concat([]string{"c100b" + role}, all[:99], all[100:150], all[152:])
			assert.Equal(t, strings.Join(want, " "), order(d))
		})
	}
}

// Walks within walks each follow the order as it was when they began, whatever the others change.
func TestWalksWithinWalks(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 1000}})
	for i := range 60 {
		require.NoError(t, d.Add(client(fmt.Sprintf("c%02d", i))))
	}
	charge := func() {
		require.NoError(t, d.Charge(client(fmt.Sprintf("c%02d", rng.IntN(60))), res{"cpu": rng.Int64N(50)}))
	}
	outer, before := []string{}, order(d)
	for c := range d.Order() {
		outer = append(outer, c.String())
		charge()
		inner, before := []string{}, order(d)
		for c := range d.Order() {
			inner = append(inner, c.String())
			if len(inner) == 20 {
				require.NoError(t, d.AddCapacity(res{"cpu": 1}))
			}
			charge()
			next, _ := d.Next(nil)
			require.Equal(t, strings.Fields(order(d))[0], next.String())
		}
		require.Equal(t, before, strings.Join(inner, " "))
	}
	require.Equal(t, before, strings.Join(outer, " "))
}

func TestCompareIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	// Few bits from the top make near-ties and carries in every word of the products.
	quantity := func() int64 { return max(1, (math.MaxInt64-rng.Int64N(4))>>rng.IntN(3)<<rng.IntN(3)&math.MaxInt64) }
	weighted := func(s allocator.Share) *big.Rat {
		return new(big.Rat).Quo(big.NewRat(s.Used, s.Total), big.NewRat(int64(s.Weight), 1))
	}
	seen := make(map[int]int)
	for range 20_000 {
		a := allocator.Share{Used: quantity(), Total: quantity(), Weight: allocator.Weight(quantity())}
		b := allocator.Share{Used: quantity(), Total: quantity(), Weight: allocator.Weight(quantity())}
		want := weighted(a).Cmp(weighted(b))
		require.Equal(t, want, a.Compare(b), "%+v and %+v", a, b)
		seen[want]++
	}
	assert.Len(t, seen, 3, "less, equal and greater")
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 1 << 40, "memory": 1 << 40}})
	for i := range 1000 {
		require.NoError(t, d.Add(client(fmt.Sprintf("f%d@r%d", i, i%50))))
	}
	v, err := d.Vector(res{"cpu": 500, "memory": 1 << 20})
	require.NoError(t, err)
	turn := func() {
		c, ok := d.Next(nil)
		require.True(t, ok)
		require.NoError(t, d.ChargeVector(c, v))
	}
	for range 2000 {
		turn()
	}
	give := client("f7@r7")
	assert.Zero(t, testing.AllocsPerRun(2000, func() {
		_ = d.ChargeVector(give, v)
		_ = d.CreditVector(give, v)
	}))
}
