package allocator_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
)

func TestAccountQuotas(t *testing.T) {
	l := account{book: book{res{"cpu": 20, "memory": 50}, map[berth.Role]res{
		"eng": {"cpu": 1}, "eng/a": {"cpu": 4, "memory": 9}, "eng/b": {"cpu": 3}, "ops": {"cpu": 6},
	}}, quotas: map[berth.Role]berth.Quota{
		"":      {Limits: res{"cpu": 18}},
		"eng":   {Role: "eng", Limits: res{"cpu": 10, "memory": 10}, Guarantees: res{"cpu": 9}},
		"eng/a": {Role: "eng/a", Guarantees: res{"cpu": 3, "memory": 12}},
		"ops":   {Role: "ops", Guarantees: res{"cpu": 5}},
	}}
	a := allocator.NewAccount(l)
	assert.Equal(t, []berth.Lack{
		berth.Exceeded("eng", "cpu", 10, 8, 3), berth.Exceeded("eng", "memory", 10, 9, 1),
		berth.Exceeded("", "cpu", 18, 14, 1),
	}, a.Over("eng/a", res{"cpu": 5, "memory": 2}))
	assert.Empty(t, a.Over("eng/a", res{"cpu": 2, "tape": 9}))
	assert.Equal(t, res{"cpu": 2, "memory": 1}, a.Room("eng/b"))
	assert.Equal(t, res{"cpu": 4}, a.Room("ops"))
	assert.Equal(t, res{"cpu": 1}, a.Lacks("eng"))
	assert.Equal(t, res{"memory": 3}, a.Lacks("eng/a"))

	for _, tc := range []struct {
		role  berth.Role
		takes res
		want  string
	}{
		{"eng/a", res{"memory": 3}, "eng/a"},
		{"eng/a", res{"memory": 4}, ""},            // 13 of 12
		{"eng/a", res{"cpu": 1}, "eng"},            // a has its cpus, eng not
		{"eng/b", res{"cpu": 1, "tape": 1}, "eng"}, // tape comes along
		{"eng/b", res{"cpu": 2}, ""},
		{"ops", res{"cpu": 1}, ""},
	} {
		got, ok := a.Claim(tc.role, tc.takes)
		assert.Equal(t, tc.want != "", ok, "%s %v", tc.role, tc.takes)
		assert.EqualValues(t, tc.want, got)
	}
	for _, tc := range []struct {
		role   berth.Role
		takes  res
		claims berth.Role
		want   bool
	}{
		{"ops", res{"cpu": 1}, "eng", true},
		{"ops", res{"cpu": 2}, "eng", false},    // 4 of 5
		{"ops", res{"memory": 2}, "eng", true},  // of which nothing is guaranteed
		{"eng/b", res{"cpu": 3}, "ops", false},  // eng is short itself
		{"eng/b", res{"cpu": 3}, "eng/a", true}, // within eng, of which both are
		{"eng/a", res{"cpu": 1}, "eng/b", true},
		{"eng/a", res{"cpu": 2}, "eng/b", false},
		{"eng/b", res{"cpu": 1}, "eng", false}, // from itself
		{"eng", res{"cpu": 1}, "eng/b", true},  // what eng has itself, to one below it
	} {
		assert.Equal(t, tc.want, a.Spares(tc.role, tc.takes, tc.claims), "%s loses %v to %s", tc.role, tc.takes, tc.claims)
	}
}

// Whatever is charged to forks of forks, each is the ledger with its own charges, and no limit that Over does not name is exceeded.
func TestAccountForks(t *testing.T) {
	roles := []berth.Role{"", "a", "a/x", "a/y", "b", "b/z/w"}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 41))
		base := account{book: book{res{"cpu": 100}, map[berth.Role]res{"a": {"cpu": 7}, "b/z": {"cpu": 2, "gpu": 1}}}, quotas: map[berth.Role]berth.Quota{
			"a": {Role: "a", Limits: res{"cpu": 20}}, "b": {Role: "b", Limits: res{"gpu": 4, "cpu": 9}}, "a/x": {Role: "a/x", Limits: res{"gpu": 2}},
		}}
		type trial struct {
			a    *allocator.Account
			want book
		}
		own := map[berth.Role]res{"a": {"cpu": 7}, "b/z": {"cpu": 2, "gpu": 1}}
		trials := []trial{{allocator.NewAccount(base), book{base.total, own}}}
		for range 120 {
			tr := &trials[rng.IntN(len(trials))]
			role, r := roles[rng.IntN(len(roles))], res{[]string{"cpu", "gpu"}[rng.IntN(2)]: rng.Int64N(4)}
			switch rng.IntN(5) {
			case 0:
				own := map[berth.Role]res{}
				for k, v := range tr.want.own {
					own[k] = v.Clone()
				}
				trials = append(trials, trial{tr.a.Fork(), book{tr.want.total, own}})
			case 1:
				ok := tr.want.own[role].Covers(r)
				require.Equal(t, ok, tr.a.Credit(role, r) == nil)
				if ok && tr.want.own[role] != nil {
					for name, q := range r {
						tr.want.own[role][name] -= q
					}
				}
			default:
				if len(tr.a.Over(role, r)) > 0 {
					continue
				}
				require.NoError(t, tr.a.Charge(role, r))
				if tr.want.own[role] == nil {
					tr.want.own[role] = res{}
				}
				for name, q := range r {
					tr.want.own[role][name] += q
				}
			}
			for i := range trials {
				for _, r := range roles {
					require.True(t, trials[i].want.Used(r).Equal(trials[i].a.Used(r)), "seed %d: %s", seed, r)
					for name, limit := range trials[i].a.Quota(r).Limits {
						require.LessOrEqual(t, trials[i].a.Used(r)[name], limit)
					}
				}
			}
		}
		require.Greater(t, len(trials), 3)
	}
}

func TestAccountOfBadInput(t *testing.T) {
	a := allocator.NewAccount(account{book: book{res{"cpu": 1}, map[berth.Role]res{"a": {"cpu": math.MaxInt64}}}})
	require.NoError(t, a.Charge("a", res{"cpu": 5}))
	assert.EqualValues(t, math.MaxInt64, a.Used("")["cpu"])
	for _, err := range []error{a.Charge("a//b", res{"x": -1}), a.Credit("b", res{"cpu": 1}), (*allocator.Account)(nil).Charge("a", nil), allocator.NewAccount(nil).Credit("a", nil)} {
		assert.Error(t, err)
	}
	var none *allocator.Account
	assert.Empty(t, none.Fork().Total())
	assert.Empty(t, none.Used("a"))
	assert.Empty(t, none.Over("a", res{"cpu": 1}))
	_, ok := none.Claim("a", res{"cpu": 1})
	assert.False(t, ok)
	assert.Zero(t, none.Time())
}

func TestCheckQuotas(t *testing.T) {
	quota := func(r berth.Role, guarantee, limit int64) berth.Quota {
		q := berth.Quota{Role: r, Guarantees: res{"cpu": guarantee}}
		if limit > 0 {
			q.Limits = res{"cpu": limit}
		}
		return q
	}
	for _, tc := range []struct {
		name   string
		quotas []berth.Quota
		want   string
	}{
		{"all fits", []berth.Quota{quota("a", 6, 8), quota("a/x", 2, 0), quota("a/y/z", 4, 0), quota("b", 4, 0)}, ""},
		{"more below than to it", []berth.Quota{quota("a", 5, 8), quota("a/x", 2, 0), quota("a/y", 4, 0)}, `quota of "a": resource "cpu": 6 guaranteed below it, but 5 to it`},
		{"more below than the limit", []berth.Quota{{Role: "a", Limits: res{"cpu": 3}}, quota("a/x", 4, 0)}, `4 guaranteed below it, but a limit of 3`},
		{"more than there is", []berth.Quota{quota("a/x", 6, 0), quota("b", 5, 0)}, `resource "cpu": 11 guaranteed, but there are 10`},
		{"what is guaranteed below counts once", []berth.Quota{quota("a", 6, 0), quota("a/x", 6, 0), quota("b", 4, 0)}, ""},
		{"faults of each", []berth.Quota{quota("a//b", 1, 0)}, `a//b`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := allocator.CheckQuotas(res{"cpu": 10}, tc.quotas...)
			if tc.want == "" {
				assert.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.True(t, strings.Contains(err.Error(), tc.want), err)
		})
	}
}

// What if search got two cores more, and who would be next then?
func ExampleAccount() {
	fork := cluster.NewFork()
	_ = fork.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}})
	_ = fork.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 3000}, Guarantees: berth.Resources{"cpu": 2000}})
	now := allocator.NewAccount(fork.Snapshot())
	trial := now.Fork()
	_ = trial.Charge("eng/search", berth.Resources{"cpu": 2000})
	fmt.Println(now.Lacks("eng"), "/", trial.Lacks("eng"), "/", trial.Room("eng/ads"))
	fmt.Println(trial.Over("eng/ads", berth.Resources{"cpu": 1500}))
	role, _ := allocator.Fair{}.Begin(trial, []berth.Role{"eng/ads", "ops"}).Next(nil)
	fmt.Println(role)
	// Output:
	// cpu 2 / nothing / cpu 1
	// [over limit eng: cpu 3 (2 used)]
	// ops
}
