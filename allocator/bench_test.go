package allocator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/allocator"
)

// One turn is what an allocation cycle does for each grant: take the first client, charge it, and have
// the order right again.
func BenchmarkTurn(b *testing.B) {
	for _, roles := range []int{1, 50} {
		for _, clients := range []int{50, 200, 1000} {
			b.Run(fmt.Sprintf("roles=%d/clients=%d", roles, clients), func(b *testing.B) {
				d := crowd(b, clients, roles)
				v, err := d.Vector(res{"cpu": 500, "memory": 1 << 20})
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					c, _ := d.Next(nil)
					if err := d.ChargeVector(c, v); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// The same by seat.
func BenchmarkSeatTurn(b *testing.B) {
	for _, roles := range []int{1, 50} {
		for _, clients := range []int{50, 200, 1000} {
			b.Run(fmt.Sprintf("roles=%d/clients=%d", roles, clients), func(b *testing.B) {
				d := crowd(b, clients, roles)
				require.NoError(b, d.SetIndex([]string{"cpu", "memory"}))
				seats := make([]allocator.Seat, clients)
				for i := range seats {
					var err error
					seats[i], err = d.Seat(client(fmt.Sprintf("f%d@r%d", i, i%roles)), i)
					require.NoError(b, err)
				}
				index, amounts := []int32{0, 1}, []int64{500, 1 << 20}
				b.ReportAllocs()
				for b.Loop() {
					tag, _ := d.FirstTag()
					if err := d.ChargeSeat(seats[tag], index, amounts); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A node joins, which moves every share, and the next turn is asked for.
func BenchmarkNodeJoins(b *testing.B) {
	for _, clients := range []int{50, 200, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			d := crowd(b, clients, 1)
			node := res{"cpu": 64_000, "memory": 256 << 20}
			b.ReportAllocs()
			for b.Loop() {
				if err := d.AddCapacity(node); err != nil {
					b.Fatal(err)
				}
				d.Next(nil)
			}
		})
	}
}

func BenchmarkAddRoles(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		crowd(b, 3000, 3000)
	}
}

func crowd(b *testing.B, clients, roles int) *allocator.DRF {
	d := newDRF(b, allocator.Config{Capacity: res{"cpu": 1 << 40, "memory": 1 << 50}})
	for i := range clients {
		c := client(fmt.Sprintf("f%d@r%d", i, i%roles))
		require.NoError(b, d.Add(c))
		require.NoError(b, d.Charge(c, res{"cpu": int64(i * 7919 % 1000), "memory": int64(i * 104729 % 100_000)}))
	}
	return d
}
