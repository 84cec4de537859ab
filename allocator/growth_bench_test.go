package allocator_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// BenchmarkGrowth does the same with n and with twice as many of what can be many: the time doubles, and what is
// left in memory when all of them are gone does not grow.
func BenchmarkGrowth(b *testing.B) {
	for _, row := range []struct {
		what string
		n    int
		run  func(b *testing.B, n int) *allocator.DRF
	}{
		{"roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return everyone(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("r%d", i)) })
		}},
		{"clients", 2000, func(b *testing.B, n int) *allocator.DRF {
			return everyone(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f%d@r", i)) })
		}},
		{"depth", 50, func(b *testing.B, n int) *allocator.DRF { // at most 100 levels
			role := berth.Role(strings.TrimSuffix(strings.Repeat("s/", n), "/"))
			return everyone(b, 500, func(i int) allocator.Client { return allocator.Client{Role: role, Name: fmt.Sprint(i)} })
		}},
		{"resources", 1000, ownResources},
		{"grants-in-one-walk", 2000, func(b *testing.B, n int) *allocator.DRF {
			d := newDRF(b, allocator.Config{Capacity: res{"cpu": 1 << 40}})
			for i := range n {
				require.NoError(b, d.Add(client(fmt.Sprintf("f%d@r", i))))
			}
			for c := range d.Order() {
				require.NoError(b, d.Charge(c, res{"cpu": 1}))
			}
			return d
		}},
		{"seats", 2000, func(b *testing.B, n int) *allocator.DRF {
			return seated(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f%d@r", i)) })
		}},
		{"seats-of-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return seated(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f@o%d/r%d", i%40, i)) })
		}},
		{"seats-of-closed-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return seated(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f%d@closed", i)) })
		}},
		{"gone", 2000, gone},
		{"fair-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Fair{}, n, 10, func(i int) berth.Role { return berth.Role(fmt.Sprintf("r%d", i)) })
		}},
		{"fair-tree", 2000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Fair{}, n, 10, func(i int) berth.Role { return berth.Role(fmt.Sprintf("o%d/r%d", i/40, i)) })
		}},
		{"fair-depth", 50, func(b *testing.B, n int) *allocator.DRF {
			role := berth.Role(strings.Repeat("s/", n))
			return orderRound(b, allocator.Fair{}, 200, 10, func(i int) berth.Role { return role + berth.Role(fmt.Sprint(i)) })
		}},
		{"fair-resources", 1000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Fair{}, 100, n, func(i int) berth.Role { return berth.Role(fmt.Sprintf("r%d", i)) })
		}},
		{"tree-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Tree{}, n, 10, func(i int) berth.Role { return berth.Role(fmt.Sprintf("r%d", i)) })
		}},
		{"tree-lottery", 2000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Tree{Policy: allocator.ByLottery}, n, 10, func(i int) berth.Role { return berth.Role(fmt.Sprintf("r%d", i)) })
		}},
		{"tree-rescaled", 1000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Tree{Hierarchical: true}, n, 10, func(i int) berth.Role { return berth.Role(fmt.Sprintf("o%d/r%d", i%3, i)) })
		}},
		{"tree-depth", 50, func(b *testing.B, n int) *allocator.DRF {
			role := berth.Role(strings.Repeat("s/", n))
			return orderRound(b, allocator.Tree{}, 200, 10, func(i int) berth.Role { return role + berth.Role(fmt.Sprint(i)) })
		}},
		{"tree-resources", 1000, func(b *testing.B, n int) *allocator.DRF {
			return orderRound(b, allocator.Tree{}, 100, n, func(i int) berth.Role { return berth.Role(fmt.Sprintf("r%d", i)) })
		}},
		{"queue-clients", 2000, func(b *testing.B, n int) *allocator.DRF {
			return queued(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f%d@r", i)) })
		}},
		{"queue-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			return queued(b, n, func(i int) allocator.Client { return client(fmt.Sprintf("f@o%d/r%d", i%40, i)) })
		}},
		{"usage-roles", 2000, func(b *testing.B, n int) *allocator.DRF {
			u, err := allocator.NewUsage(time.Hour)
			require.NoError(b, err)
			roles := make([]berth.Role, n)
			for i := range roles {
				roles[i] = berth.Role(fmt.Sprint("r", i))
			}
			l := account{book: book{res{"cpu": 5}, map[berth.Role]res{}}, now: time.Unix(0, 0)}
			for range 10 {
				l.now = l.now.Add(time.Minute)
				require.NoError(b, u.Observe(usedByAll{l}, roles...))
			}
			return nil
		}},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) {
				var left float64
				for b.Loop() {
					if row.what != "gone" {
						row.run(b, n)
						continue
					}
					before := heap()
					d := row.run(b, n)
					left = float64(max(0, heap()-before))
					runtime.KeepAlive(d)
				}
				if row.what == "gone" {
					b.ReportMetric(left, "bytes-left")
				}
			})
		}
	}
}

// seated lets n clients come and have ten turns by seat, all but those of a role that is closed.
func seated(b *testing.B, n int, name func(int) allocator.Client) *allocator.DRF {
	d := newDRF(b, allocator.Config{Capacity: res{"cpu": 1 << 40, "memory": 1 << 50}})
	require.NoError(b, d.SetIndex([]string{"cpu", "memory"}))
	require.NoError(b, d.CloseRole("closed"))
	seats := make([]allocator.Seat, n+1)
	for i := range seats {
		c := client("open")
		if i < n {
			c = name(i)
		}
		require.NoError(b, d.Add(c))
		var err error
		seats[i], err = d.Seat(c, i)
		require.NoError(b, err)
	}
	for range 10 * n {
		tag, ok := d.FirstTag()
		if !ok || d.ChargeSeat(seats[tag], []int32{0, 1}, []int64{500, 1 << 20}) != nil {
			b.Fatal("no turn")
		}
	}
	return d
}

// everyone lets n clients come, have a turn and go.
func everyone(b *testing.B, n int, name func(int) allocator.Client) *allocator.DRF {
	d := newDRF(b, allocator.Config{Capacity: res{"cpu": 1 << 40, "memory": 1 << 50}})
	v, err := d.Vector(res{"cpu": 500, "memory": 1 << 20})
	require.NoError(b, err)
	for i := range n {
		require.NoError(b, d.Add(name(i)))
	}
	for range n {
		c, ok := d.Next(nil)
		if !ok || d.ChargeVector(c, v) != nil {
			b.Fatal("no turn")
		}
	}
	for i := range n {
		require.NoError(b, d.Remove(name(i)))
	}
	return d
}

// orderRound gives n roles five turns each by an Order, of so many resources that there are, each role having one of its own.
func orderRound(b *testing.B, o allocator.Order, n, resources int, role func(int) berth.Role) *allocator.DRF {
	l := book{total: res{}, own: map[berth.Role]res{}}
	of := func(i int) string { return fmt.Sprint("res-", i%resources) }
	for i := range resources {
		l.total[of(i)] = 1 << 40
	}
	var roles []berth.Role
	groups := map[berth.Role]*berth.Group{}
	for i := range n {
		r := role(i)
		roles = append(roles, r)
		groups[r] = berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Role: r, Request: res{of(i): 1, of(i + 1): int64(i % 7)}})
	}
	round := o.Begin(plain{l}, roles)
	turns := map[berth.Role]int{}
	for range 5 * n {
		r, ok := round.Next(func(r berth.Role) bool { return turns[r] < 5 })
		if !ok {
			b.Fatal("no turn")
		}
		turns[r]++
		round.Charged(groups[r], 1)
	}
	return nil
}

// usedByAll is an account in which each role has the same.
type usedByAll struct{ account }

func (usedByAll) Used(berth.Role) berth.Resources { return berth.Resources{"cpu": 1} }
func (usedByAll) Own(berth.Role) berth.Resources  { return berth.Resources{"cpu": 1} }

// queued lets n clients of a Queue come, have ten turns each by seat, and go.
func queued(b *testing.B, n int, name func(int) allocator.Client) *allocator.DRF {
	q, err := allocator.NewQueue(allocator.Tree{Policy: allocator.InTurn(allocator.ByPriority, allocator.ByShare)})
	require.NoError(b, err)
	require.NoError(b, q.SetCapacity(res{"cpu": 1 << 40, "memory": 1 << 50}))
	require.NoError(b, q.SetIndex([]string{"cpu", "memory"}))
	seats := make([]uint64, n)
	for i := range seats {
		c := name(i)
		require.NoError(b, q.Add(c.Role, c.Name))
		seats[i], err = q.Seat(c.Role, c.Name, i)
		require.NoError(b, err)
	}
	for range 10 * n {
		tag, ok := q.FirstTag()
		if !ok || q.ChargeSeat(seats[tag], []int32{0, 1}, []int64{500, 1 << 20}) != nil {
			b.Fatal("no turn")
		}
	}
	for i := range n {
		c := name(i)
		require.NoError(b, q.Remove(c.Role, c.Name))
	}
	return nil
}

// plain is a book that answers at once, since nobody has anything.
type plain struct{ book }

func (plain) Used(berth.Role) berth.Resources { return nil }

// ownResources lets n nodes join that each bring a resource of their own, of which one client takes a part, and gives
// it back before they leave. The order is asked for as often.
func ownResources(b *testing.B, n int) *allocator.DRF {
	d := newDRF(b, allocator.Config{})
	require.NoError(b, d.Add(client("f@eng/search")))
	require.NoError(b, d.Add(client("g@ops")))
	of := func(i int, q int64) res { return res{"cpu": q, fmt.Sprint("node-", i): int64(i%7)*q + q} }
	for i := range n {
		require.NoError(b, d.AddCapacity(of(i, 100)))
	}
	for _, do := range []func(allocator.Client, berth.Resources) error{d.Charge, d.Credit} {
		for i := range n {
			require.NoError(b, do(client("f@eng/search"), of(i, 10)))
			if _, ok := d.Next(nil); !ok {
				b.Fatal("no turn")
			}
		}
	}
	for i := range n {
		require.NoError(b, d.RemoveCapacity(of(i, 100)))
	}
	return d
}

// gone lets n clients come at once, each in a role of its own on a node with a resource of its own, and go again.
func gone(b *testing.B, n int) *allocator.DRF {
	d := newDRF(b, allocator.Config{})
	come := func(i int) (allocator.Client, res) {
		return client(fmt.Sprintf("f@gone/r%d", i)), res{"cpu": 5, fmt.Sprint("node-", i): 1}
	}
	require.NoError(b, d.Add(client("stays")))
	for i := range n {
		c, r := come(i)
		require.NoError(b, d.AddCapacity(r))
		require.NoError(b, d.Add(c))
		require.NoError(b, d.Charge(c, r))
		require.NoError(b, d.Charge(client("stays"), r))
		require.NoError(b, d.SetWeight(c.Role, 2000))
	}
	for range d.Order() {
	}
	for i := range n {
		c, r := come(i)
		require.NoError(b, d.Remove(c))
		require.NoError(b, d.Credit(client("stays"), r))
		require.NoError(b, d.RemoveCapacity(r))
		require.NoError(b, d.SetWeight(c.Role, allocator.DefaultWeight))
	}
	return d
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
