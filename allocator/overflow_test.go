package allocator_test

import (
	"cmp"
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

// Clients that together, or alone, hold more than an int64 stop neither themselves nor others.
func TestFault11ChargesBeyondInt64(t *testing.T) {
	const most = math.MaxInt64
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100, "memory": 100}})
	play(t, d, "add greedy@a; add other@a; add b; charge b 5 5")
	for range 3 {
		require.NoError(t, d.Charge(client("greedy@a"), res{"cpu": most, "disk": 1, "memory": most}))
	}
	require.NoError(t, d.Charge(client("other@a"), res{"cpu": most}))
	require.NoError(t, d.Charge(client("b"), res{"cpu": most - 5}))
	assert.Equal(t, "b other@a greedy@a", order(d), "2^63-1, 2^63-1 and three times that; role a has four times that")

	held, ok := d.Charged(client("greedy@a"))
	require.True(t, ok)
	assert.Equal(t, res{"cpu": most, "disk": 3, "memory": most}, held, "what is beyond an int64 reads as the largest")

	// 3*(2^63-1) = 2^64 + 2^63 - 3 has 65 bits; a quarter of it fits, 6917529027641081855.25, rounded up.
	s, _ := d.Share(client("greedy@a"))
	assert.Equal(t, allocator.Share{Used: 6917529027641081856, Total: 25, Resource: "cpu", Weight: 1000}, s)

	// Each credit is exact: in the end nobody holds more than what was charged first.
	assert.ErrorIs(t, d.Credit(client("b"), res{"memory": 6}), berth.ErrNegative)
	for range 3 {
		require.NoError(t, d.Credit(client("greedy@a"), res{"cpu": most, "disk": 1, "memory": most}))
	}
	assert.ErrorIs(t, d.Credit(client("greedy@a"), res{"cpu": 1}), berth.ErrNegative)
	require.NoError(t, d.Remove(client("other@a")))
	require.NoError(t, d.Credit(client("b"), res{"cpu": most - 5}))
	s, _ = d.RoleShare("")
	assert.Equal(t, "1/20 of cpu", s.String())
}

// A role too deep fails its own calls and nobody else's.
func TestFault11RoleTooDeep(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100}})
	deepest := berth.Role(strings.TrimSuffix(strings.Repeat("s/", 100), "/"))
	deep := deepest + "/s"
	require.NoError(t, d.Add(client("a")))
	require.NoError(t, d.Add(allocator.Client{Role: deepest}))
	assert.ErrorContains(t, d.Add(allocator.Client{Role: deep}), "101 segments, at most 100")
	assert.ErrorIs(t, d.Charge(allocator.Client{Role: deep}, res{"cpu": 1}), allocator.ErrUnknown)
	assert.ErrorContains(t, d.SetWeight(deep, 2000), "101 segments, at most 100")
	require.NoError(t, d.Charge(client("a"), res{"cpu": 1}))
	require.NoError(t, d.Charge(allocator.Client{Role: deepest}, res{"cpu": 2}))
	assert.Equal(t, "a "+string(deepest), order(d))
	assert.Equal(t, 2, d.Len())
}

// Many nodes that do not limit a resource have more of it together than an int64: who uses some of it has
// next to no share of it, and the rest is shared out as before.
func TestFault12UnlimitedOnManyNodes(t *testing.T) {
	const nodes = 1000
	d := newDRF(t, allocator.Config{})
	for range nodes {
		require.NoError(t, d.AddCapacity(res{"cpu": 4000, "tokens": math.MaxInt64}))
	}
	assert.Equal(t, res{"cpu": 4_000_000, "tokens": math.MaxInt64}, d.Capacity())
	play(t, d, "add a; add b; add c")
	require.NoError(t, d.Charge(client("a"), res{"cpu": 4000, "tokens": 1_000_000}))
	require.NoError(t, d.Charge(client("b"), res{"cpu": 2000, "tokens": 2_000_000}))
	require.NoError(t, d.Charge(client("c"), res{"tokens": math.MaxInt64}))
	s, _ := d.Share(client("a"))
	assert.Equal(t, "1/1000 of cpu", s.String())
	s, _ = d.Share(client("c"))
	assert.InDelta(t, 1.0/nodes, s.Float64(), 1e-12)
	assert.Equal(t, "tokens", s.Resource)
	assert.Equal(t, "b a c", order(d), "1/2000; twice 1/1000 and one charge, by name")
	require.NoError(t, d.Charge(client("c"), res{"tokens": 1}))
	require.NoError(t, d.Charge(client("a"), nil))
	assert.Equal(t, "b a c", order(d), "a token more is more, though both had two charges")

	for range nodes - 1 {
		require.NoError(t, d.RemoveCapacity(res{"cpu": 4000, "tokens": math.MaxInt64}))
	}
	assert.Equal(t, res{"cpu": 4000, "tokens": math.MaxInt64}, d.Capacity())
	s, _ = d.Share(client("b"))
	assert.Equal(t, "1/2 of cpu", s.String())
	assert.ErrorIs(t, d.RemoveCapacity(res{"cpu": 4001}), berth.ErrNegative)

	// A total that is handed in as a whole can be no more than an int64, and that much is fine.
	require.NoError(t, d.SetCapacity(res{"cpu": 4000, "tokens": math.MaxInt64}))
	assert.Equal(t, "b a c", order(d))
}

// The order beyond an int64 is that of fractions of big integers.
func TestOrderIsExactBeyondInt64(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 6))
		// Few bits from the top make near-ties and carries in every word of the products.
		quantity := func() int64 { return (math.MaxInt64 - rng.Int64N(3)) >> (rng.IntN(2) * rng.IntN(40)) }
		names := []string{"cpu", "memory"}
		d := newDRF(t, allocator.Config{})
		capacity := map[string]*big.Int{}
		add := func(sums map[string]*big.Int, r res) {
			for name, q := range r {
				if sums[name] == nil {
					sums[name] = new(big.Int)
				}
				sums[name].Add(sums[name], big.NewInt(q))
			}
		}
		for range 1 + rng.IntN(20) {
			r := res{names[0]: quantity(), names[1]: quantity()}
			add(capacity, r)
			require.NoError(t, d.AddCapacity(r))
		}
		type standing struct {
			role  string
			share *big.Rat
		}
		var want []standing
		for i := range 12 {
			role := berth.Role(fmt.Sprintf("r%02d", i))
			require.NoError(t, d.Add(allocator.Client{Role: role}))
			weight := allocator.Weight(1 + rng.Int64N(3))
			if rng.IntN(3) == 0 {
				weight = allocator.Weight(quantity())
			}
			require.NoError(t, d.SetWeight(role, weight))
			held := map[string]*big.Int{}
			for range 3 { // of each, so that counts decide nothing
				r := res{names[rng.IntN(2)]: quantity(), names[rng.IntN(2)]: quantity()}
				add(held, r)
				require.NoError(t, d.Charge(allocator.Client{Role: role}, r))
			}
			share := new(big.Rat)
			for name, q := range held {
				if s := new(big.Rat).SetFrac(q, capacity[name]); s.Cmp(share) > 0 {
					share = s
				}
			}
			got, _ := d.RoleShare(role)
			exact, _ := share.Float64()
			require.InEpsilon(t, exact, got.Float64(), 1e-12, "seed %d", seed)
			want = append(want, standing{string(role), share.Quo(share, big.NewRat(int64(weight), 1))})
		}
		slices.SortFunc(want, func(a, b standing) int { return cmp.Or(a.share.Cmp(b.share), cmp.Compare(a.role, b.role)) })
		var roles []string
		for _, s := range want {
			roles = append(roles, s.role)
		}
		require.Equal(t, strings.Join(roles, " "), order(d), "seed %d", seed)
	}
}
