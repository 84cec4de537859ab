package allocator_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// A share of s, held for a time t after nothing, is used at s*(1-2^(-t/h)), and is 2^(-t/h) of what it was a time t after it ended.
func TestUsageDecays(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, steps := range []int{1, 3, 100} { // however often it is observed
		u, err := allocator.NewUsage(time.Hour)
		require.NoError(t, err)
		l := account{book: book{res{"cpu": 100, "memory": 10}, map[berth.Role]res{"a/x": {"cpu": 20, "memory": 6}, "a": {"cpu": 5}}}, now: start}
		require.NoError(t, u.Observe(l, "a"), "the first only sets the time")
		assert.Zero(t, u.Of("a"))
		for i := range steps {
			l.now = start.Add(time.Duration(i+1) * 90 * time.Minute / time.Duration(steps))
			require.NoError(t, u.Observe(l, "a", "a/x", "b", "a"))
		}
		want := 600_000 * (1 - math.Pow(2, -1.5)) // memory, 6 of 10
		assert.InDelta(t, want, u.Of("a"), 20, "in %d steps", steps)
		assert.InDelta(t, want, u.Of("a/x"), 20)
		assert.Zero(t, u.Of("b"))
		was := u.Of("a")
		require.NoError(t, u.Observe(account{now: start}, "a"), "time does not go back")
		assert.Equal(t, was, u.Of("a"))
		for i := range steps {
			l.now = start.Add(90*time.Minute + time.Duration(i+1)*150*time.Minute/time.Duration(steps))
			require.NoError(t, u.Observe(l))
		}
		assert.InDelta(t, want*math.Pow(2, -2.5), u.Of("a"), 20)
		l.now = l.now.Add(1000 * time.Hour)
		require.NoError(t, u.Observe(l))
		assert.Zero(t, u.Of("a"), "forgotten")
	}
}

// The table of KAI's document on time-based fair share: two queues of equal weight have used 0.6 and 0.2 of the cluster. At k = 0.5 they
// get 0.5+0.5*(0.5-0.6) = 0.45 and 0.5+0.5*(0.5-0.2) = 0.65, which is 0.41 and 0.59 of both.
func TestUsageWeights(t *testing.T) {
	u := new(allocator.Usage)
	require.NoError(t, u.UnmarshalText([]byte("usage half-life=1h0m0s at=2026-01-01T00:00:00Z\n600000000000 0 \"a\"\n200000000000 0 \"b\"\n")))
	for _, tc := range []struct {
		k    int64
		a, b float64
	}{{0, .5, .5}, {500, .45 / 1.1, .65 / 1.1}, {1000, .4 / 1.2, .8 / 1.2}, {2000, .3 / 1.4, 1.1 / 1.4}, {9000, 0, 1}} {
		w := u.Weights(nil, tc.k, "a", "b", "a")
		require.NoError(t, allocator.Fair{Weights: w}.Err())
		sum := float64(w["a"] + w["b"])
		assert.InDelta(t, tc.a, float64(w["a"])/sum, 1e-5, "k %d", tc.k)
		assert.InDelta(t, tc.b, float64(w["b"])/sum, 1e-5, "k %d", tc.k)
	}
	w := u.Weights(map[berth.Role]allocator.Weight{"a": math.MaxInt64, "b": math.MaxInt64}, 1000, "a", "b")
	assert.InDelta(t, 2, float64(w["b"])/float64(w["a"]), 1e-5)
	w = (*allocator.Usage)(nil).Weights(map[berth.Role]allocator.Weight{"a": 3000}, 1000, "a", "b")
	assert.InDelta(t, 3, float64(w["a"])/float64(w["b"]), 1e-5)
}

// Two roles that each want the whole cluster, which one task fills: by shares alone the first by path would have it each time; by what was
// used, they take turns.
func TestUsageGivesTurns(t *testing.T) {
	u, err := allocator.NewUsage(10 * time.Hour)
	require.NoError(t, err)
	tree := allocator.Tree{Policy: allocator.InTurn(allocator.ByUsage, allocator.ByShare), Usage: u, Weights: map[berth.Role]allocator.Weight{"b": 2000}}
	whole := res{"cpu": 10}
	got := map[string]int{}
	l := account{book: book{total: whole}, now: time.Unix(0, 0)}
	for range 300 {
		l.own = map[berth.Role]res{} // the task of the hour before has ended
		for _, r := range turnsOf(tree, l, map[berth.Role]res{"a": whole, "b": whole}, 1) {
			got[r]++
		}
		require.NoError(t, u.Observe(l, "a", "b"))
		l.now = l.now.Add(time.Hour)
	}
	assert.InDelta(t, 100, got["a"], 6, "b has twice the weight")
	assert.InDelta(t, 200, got["b"], 6)
}

func TestUsageText(t *testing.T) {
	u, err := allocator.NewUsage(time.Minute)
	require.NoError(t, err)
	l := account{book: book{res{"cpu": 3}, map[berth.Role]res{"a/\"b\"": {"cpu": 1}, "": {"cpu": 1}}}, now: time.Unix(5, 7)}
	require.NoError(t, u.Observe(l, "", "a", `a/"b"`))
	l.now = l.now.Add(time.Second)
	require.NoError(t, u.Observe(l, "", "a", `a/"b"`))
	text, err := u.MarshalText()
	require.NoError(t, err)
	back := new(allocator.Usage)
	require.NoError(t, back.UnmarshalText(text))
	again, err := back.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again))
	assert.Equal(t, u.Of("a"), back.Of("a"))

	for _, bad := range []string{"", "usage", "usage half-life=0s at=never", "usage half-life=1s at=noon", "usage half-life=1s at=never\nx", "usage half-life=1s at=never\n1 -1 \"a\"",
		"usage half-life=1s at=never\n1 1 \"a//b\"", "usage half-life=1s at=never\n1 1 a", "usage half-life=1s at=never\n1 1 \"a\"\n1 1 \"a\"", "usage half-life=1s at=never\n9999999999999999 1 \"a\""} {
		assert.Error(t, back.UnmarshalText([]byte(bad)), "%q", bad)
	}
	assert.Equal(t, u.Of("a"), back.Of("a"), "left as it was")
	for _, err := range []error{
		u.Observe(nil), u.Observe(l, "a//b"), new(allocator.Usage).Observe(l), (*allocator.Usage)(nil).Observe(l), (*allocator.Usage)(nil).UnmarshalText(text),
		func() error { _, err := new(allocator.Usage).MarshalText(); return err }(),
		func() error { _, err := (*allocator.Usage)(nil).MarshalText(); return err }(),
		func() error { _, err := allocator.NewUsage(0); return err }(),
	} {
		assert.Error(t, err)
	}
}

// A team has had most of the cluster for a day; for a while it gets less than its half.
func ExampleUsage() {
	usage, _ := allocator.NewUsage(24 * time.Hour)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ledger := account{book: book{berth.Resources{"cpu": 10}, map[berth.Role]berth.Resources{"a": {"cpu": 8}, "b": {"cpu": 2}}}}
	for hour := range 25 { // the host does this with its State's snapshot
		ledger.now = day.Add(time.Duration(hour) * time.Hour)
		if err := usage.Observe(ledger, "a", "b"); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("%.2f %.2f\n", float64(usage.Of("a"))/1e6, float64(usage.Of("b"))/1e6)
	weights := usage.Weights(nil, 1000, "a", "b")
	order := allocator.Fair{Weights: weights} // and the next plans are made by these
	fmt.Printf("%.2f %.2f\n", float64(order.Weights["a"])/2e6, float64(order.Weights["b"])/2e6)
	// Output:
	// 0.40 0.10
	// 0.60 0.90
}
