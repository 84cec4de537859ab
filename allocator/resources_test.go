package allocator_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// With more resources than can be looked at one by one, whatever is added, taken back, joins and leaves,
// every dominant share is the largest, and the first by name of equals.
func TestDominantOfManyResources(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 8))
		const resources = 60
		some := func(n int, most int64) res {
			r := res{}
			for range n {
				r[fmt.Sprintf("r%02d", rng.IntN(resources))] = rng.Int64N(most)
			}
			return r
		}
		d := newDRF(t, allocator.Config{Exclude: []string{"r07"}})
		capacity, held := res{}, map[string]res{}
		clients := []string{"f@a", "g@a", "h@a/b", "b"}
		for _, c := range clients {
			require.NoError(t, d.Add(client(c)))
			held[c] = res{}
		}
		vectors := map[string]allocator.Vector{}
		for step := range 800 {
			c := clients[rng.IntN(len(clients))]
			switch op := rng.IntN(20); {
			case op == 0:
				capacity = some(rng.IntN(80), 9)
				require.NoError(t, d.SetCapacity(capacity))
			case op == 1:
				r := some(3, 5)
				capacity, _ = capacity.Plus(r)
				require.NoError(t, d.AddCapacity(r))
			case op == 2:
				require.NoError(t, d.Credit(client(c), held[c]))
				held[c] = res{}
			case op < 8:
				r := res{}
				for name, q := range held[c].All() {
					if rng.IntN(3) == 0 {
						r[name] = rng.Int64N(q + 1)
					}
				}
				held[c], _ = held[c].Minus(r)
				require.NoError(t, d.Credit(client(c), r))
			case op < 12: // a vector that may have outlived its resources
				key := fmt.Sprint(rng.IntN(5))
				r := res{"r0" + key: 2, "r1" + key: 1}
				if _, ok := vectors[key]; !ok {
					var err error
					vectors[key], err = d.Vector(r)
					require.NoError(t, err)
				}
				held[c], _ = held[c].Plus(r)
				require.NoError(t, d.ChargeVector(client(c), vectors[key]))
			default:
				r := some(rng.IntN(6), 4)
				held[c], _ = held[c].Plus(r)
				require.NoError(t, d.Charge(client(c), r))
			}
			if rng.IntN(3) == 0 {
				continue // let changes pile up before the next look
			}
			got, ok := d.Charged(client(c))
			require.True(t, ok)
			require.True(t, got.Equal(held[c]), "seed %d, step %d: %v holds %v, want %v", seed, step, c, got, held[c])
			require.True(t, capacity.Equal(d.Capacity()), "seed %d, step %d", seed, step)
			for _, at := range []struct {
				role  berth.Role
				holds []string
			}{{"", clients}, {"a", clients[:3]}, {"a/b", clients[2:3]}, {"b", clients[3:]}} {
				sum := res{}
				for _, c := range at.holds {
					sum, _ = sum.Plus(held[c])
				}
				want := allocator.Share{Weight: allocator.DefaultWeight}
				for name, total := range capacity.All() {
					s := allocator.Share{Used: sum[name], Total: total, Resource: name, Weight: allocator.DefaultWeight}
					if name != "r07" && s.Compare(want) > 0 {
						want = s
					}
				}
				got, ok := d.RoleShare(at.role)
				require.True(t, ok)
				require.Equal(t, want, got, "seed %d, step %d, role %q", seed, step, at.role)
			}
		}
	}
}

// What is gone leaves no trace: a resource, client or role that comes again begins as a new one.
func TestForgottenComesAgain(t *testing.T) {
	d := newDRF(t, allocator.Config{Exclude: []string{"gpu"}})
	v, err := d.Vector(res{"gpu": 1, "tape": 1})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, d.AddCapacity(res{"gpu": 1, "tape": 4}))
		play(t, d, "add f@a/b; add z; charge z 0 0")
		require.NoError(t, d.ChargeVector(client("f@a/b"), v))
		s, ok := d.RoleShare("a")
		require.True(t, ok)
		require.Equal(t, "1/4 of tape", s.String())
		require.Equal(t, []allocator.Client{client("z"), client("f@a/b")}, slices.Collect(d.Order()))
		require.NoError(t, d.RemoveCapacity(res{"gpu": 1, "tape": 4}))
		play(t, d, "remove f@a/b; remove z")
		_, ok = d.RoleShare("a")
		require.False(t, ok)
		require.Empty(t, d.Capacity())
	}
}
