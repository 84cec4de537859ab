package allocator_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// A seat says who sits there while the client is known, and is not that of a client of the same name that comes later.
func TestSeatEndsWithItsClient(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100}})
	require.NoError(t, d.SetIndex([]string{"cpu"}))
	var old []allocator.Seat
	for i := range 40 {
		c := client(fmt.Sprintf("f%d@r", i))
		require.NoError(t, d.Add(c))
		s, err := d.Seat(c, i)
		require.NoError(t, err)
		again, err := d.Seat(c, i)
		require.NoError(t, err)
		require.Equal(t, s, again)
		require.NotContains(t, old, s)
		old = append(old, s)
		if i%2 == 0 {
			require.NoError(t, d.Remove(c))
			require.NoError(t, d.Add(c))
		}
	}
	for i, s := range old {
		gone := i%2 == 0
		for _, err := range []error{
			d.ChargeSeat(s, []int32{0}, []int64{1}), d.CreditSeat(s, []int32{0}, []int64{1}), d.ActivateSeat(s, true),
		} {
			require.Equal(t, gone, errors.Is(err, allocator.ErrUnknown), "%d: %v", i, err)
		}
		assert.False(t, d.Before(s, s))
	}
	assert.Len(t, slices.Collect(d.Tags()), 20, "those without a seat are passed by")
	assert.Len(t, slices.Collect(d.Order()), 40)
}

func TestSeatBadInput(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100}})
	a := client("a")
	require.NoError(t, d.Add(a))
	s, err := d.Seat(a, 0)
	require.NoError(t, err)
	require.NoError(t, d.SetIndex([]string{"cpu", "", "memory"}))
	for _, tc := range []struct {
		what string
		err  error
		want string
	}{
		{"unknown client", func() error { _, err := d.Seat(client("b"), 0); return err }(), `allocator: seat "b": unknown client`},
		{"nobody's seat", d.ChargeSeat(0, nil, nil), "allocator: charge seat 0: no client has this seat: unknown client"},
		{"a seat never given", d.CreditSeat(99, nil, nil), "allocator: credit seat 99: no client has this seat: unknown client"},
		{"the largest number", d.ActivateSeat(math.MaxUint64, true), "allocator: activate seat 18446744073709551615: no client has this seat: unknown client"},
		{"lengths", d.ChargeSeat(s, []int32{0}, nil), `allocator: charge "a": 1 indexes and 0 amounts: as many amounts as indexes are wanted`},
		{"all faults at once", d.ChargeSeat(s, []int32{-1, 0, 1, 2, 3}, []int64{1, -1, 1, 1, 1}), `allocator: charge "a": index -1: no resource has it
resource "cpu": -1: quantity is negative
index 1: no resource has it
index 3: no resource has it`},
		{"too little, in two parts", d.CreditSeat(s, []int32{0, 2, 0}, []int64{1, 1, 2}), `allocator: credit "a": resource "cpu": 0 - 3: quantity is negative
resource "memory": 0 - 1: quantity is negative`},
		{"names", d.SetIndex([]string{"cpu", "a\x00b", "\xff"}), "index 1"},
		{"role", d.CloseRole("a//b"), `allocator: close "a//b"`},
		{"a copy", func() error { c := *d; return c.SetIndex(nil) }(), "copy"},
		{"nil", (*allocator.DRF)(nil).OpenRole("a"), "nil"},
		{"nil seat", (*allocator.DRF)(nil).ChargeSeat(1, nil, nil), "nil"},
	} {
		assert.ErrorContains(t, tc.err, tc.want, tc.what)
	}
	held, _ := d.Charged(a)
	assert.Empty(t, held)
	assert.False(t, d.Before(s, 7))
	require.NoError(t, d.ChargeSeat(s, nil, nil), "an empty charge counts as one")
	var nobody *allocator.DRF
	_, ok := nobody.FirstTag()
	assert.False(t, ok)
}

// What is charged by an index goes to the resource that had its name then, whatever the index names later.
func TestIndexIsReplaced(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100, "memory": 100}})
	a := client("a")
	require.NoError(t, d.Add(a))
	s, err := d.Seat(a, 0)
	require.NoError(t, err)
	require.NoError(t, d.SetIndex([]string{"cpu", "disk"}))
	require.NoError(t, d.ChargeSeat(s, []int32{0, 1}, []int64{3, 4}))
	require.NoError(t, d.CreditSeat(s, []int32{1}, []int64{4})) // nobody holds disk any more, and there is none
	require.NoError(t, d.Charge(a, res{"disk": 2}))
	require.NoError(t, d.ChargeSeat(s, []int32{1}, []int64{1}), "the index leads to the resource of that name")
	require.NoError(t, d.SetIndex([]string{"memory", "cpu"}))
	require.NoError(t, d.ChargeSeat(s, []int32{0}, []int64{10}))
	held, _ := d.Charged(a)
	assert.Equal(t, res{"cpu": 3, "disk": 3, "memory": 10}, held)
}

// A closed role is passed by with all below it, clients that come later included.
func TestClosedRole(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 100}})
	for _, c := range []string{"x@eng", "y@eng/search", "z@ops"} {
		require.NoError(t, d.Add(client(c)))
	}
	require.NoError(t, d.CloseRole("eng"))
	assert.Equal(t, "z@ops", order(d))
	require.NoError(t, d.Add(client("w@eng/ads")))
	require.NoError(t, d.Charge(client("z@ops"), res{"cpu": 1}))
	assert.Equal(t, "z@ops", order(d))
	require.NoError(t, d.Deactivate(client("y@eng/search")))
	require.NoError(t, d.OpenRole("eng"))
	assert.Equal(t, "x@eng w@eng/ads z@ops", order(d))
	require.NoError(t, d.CloseRole(""))
	assert.Empty(t, order(d))
	require.NoError(t, d.CloseRole("new/one"))
	require.NoError(t, d.OpenRole(""))
	require.NoError(t, d.Add(client("new/one")))
	assert.Equal(t, "x@eng w@eng/ads z@ops", order(d))
	require.NoError(t, d.OpenRole("new/one"))
	assert.Equal(t, "x@eng w@eng/ads new/one z@ops", order(d), "ops alone has a charge")
}

func TestSeatsAllocateNothing(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 1 << 40, "memory": 1 << 40}})
	require.NoError(t, d.SetIndex([]string{"cpu", "memory"}))
	seats := make([]allocator.Seat, 1000)
	for i := range seats {
		c := client(fmt.Sprintf("f%d@r%d", i, i%50))
		require.NoError(t, d.Add(c))
		var err error
		seats[i], err = d.Seat(c, i)
		require.NoError(t, err)
	}
	index, amounts := []int32{0, 1}, []int64{500, 1 << 20}
	turn := func() {
		tag, _ := d.FirstTag()
		_ = d.ChargeSeat(seats[tag], index, amounts)
	}
	for range 2000 {
		turn()
	}
	assert.Zero(t, testing.AllocsPerRun(2000, func() {
		_ = d.ChargeSeat(seats[57], index, amounts)
		_ = d.CreditSeat(seats[57], index, amounts)
	}))
}

// A scheduler that makes a great many grants finds its clients and resources once.
func ExampleDRF_Seat() {
	drf, _ := allocator.New(allocator.Config{Capacity: berth.Resources{"cpu": 8000, "memory": 64}})
	_ = drf.SetIndex([]string{"cpu", "memory"})
	queues := []string{"etl", "web"}
	seats := make([]allocator.Seat, len(queues))
	for i, name := range queues {
		c := allocator.Client{Role: berth.Role(name)}
		_ = drf.Add(c)
		seats[i], _ = drf.Seat(c, i) // the tag: where the caller finds it again
	}
	for range 3 {
		i, _ := drf.FirstTag()
		if err := drf.ChargeSeat(seats[i], []int32{0, 1}, []int64{1000, 4}); err != nil {
			fmt.Println(err)
		}
		fmt.Println(queues[i])
	}
	_ = drf.CloseRole("web") // at its limit, say: nobody there has a turn
	i, _ := drf.FirstTag()
	fmt.Println("and then", queues[i])
	// Output:
	// etl
	// web
	// etl
	// and then etl
}

// So many charges at once are so many charges one after another: what is held, and whose turn it is where shares are alike, is the same.
func TestChargeSeatTimes(t *testing.T) {
	amounts := func(n int64) []int64 { return []int64{2, n} }
	once, often := newDRF(t, allocator.Config{Capacity: res{"cpu": 100, "memory": 100}}), newDRF(t, allocator.Config{Capacity: res{"cpu": 100, "memory": 100}})
	var seats [2][]allocator.Seat
	for k, d := range []*allocator.DRF{once, often} {
		require.NoError(t, d.SetIndex([]string{"cpu", "memory"}))
		for i, c := range []allocator.Client{client("a@r"), client("b@r"), client("c@s/t")} {
			require.NoError(t, d.Add(c))
			s, err := d.Seat(c, i)
			require.NoError(t, err)
			seats[k] = append(seats[k], s)
		}
	}
	for step := range 30 {
		who, times, more := step*7%3, int64(step%4), int64(step%5)
		require.NoError(t, once.ChargeSeatTimes(seats[0][who], []int32{0, 1}, amounts(more), times))
		for range times {
			require.NoError(t, often.ChargeSeat(seats[1][who], []int32{0, 1}, amounts(more)))
		}
		require.Equal(t, slices.Collect(often.Order()), slices.Collect(once.Order()), "step %d", step)
		for _, c := range []allocator.Client{client("a@r"), client("b@r"), client("c@s/t")} {
			want, _ := often.Charged(c)
			got, _ := once.Charged(c)
			require.Equal(t, want, got, "step %d: %v", step, c)
		}
	}
	// More than an int64 in all is no fault, as it is none of so many charges.
	require.NoError(t, once.ChargeSeatTimes(seats[0][0], []int32{0}, []int64{math.MaxInt64}, 5))
	assert.ErrorIs(t, once.ChargeSeatTimes(seats[0][0], []int32{0}, []int64{1}, -1), berth.ErrNegative)
	assert.ErrorIs(t, once.ChargeSeatTimes(seats[0][0], []int32{0}, []int64{-1}, 0), berth.ErrNegative)
	assert.ErrorIs(t, once.ChargeSeatTimes(0, []int32{0}, []int64{1}, 1), allocator.ErrUnknown)
}
