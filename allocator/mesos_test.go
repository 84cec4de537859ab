package allocator_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// Scenarios of Apache Mesos' sorter and allocator tests (src/tests/sorter_tests.cpp and
// hierarchical_allocator_tests.cpp, names given), as scripts. Commands, separated by ";":
//
//	pool C M            set the capacity to C CPUs and M memory; "grow" and "shrink" change it
//	add, remove, off, on CLIENT
//	charge CLIENT C M   credit CLIENT C M
//	weight ROLE W       in thousandths
//	-> A B C            the order is this
//	share ROLE N/D      the role's dominant share is this
func TestMesosScenarios(t *testing.T) {
	for _, tc := range []struct{ name, script string }{
		{"sorter DRF", mesosDRF("a", "b", "c", "d", "e", "f")},
		{"sorter DRF in deep branches", mesosDRF("a/a/a/a/a", "b/b/b/b", "c/c", "d/d/d", "e/e/e/e", "f/f")},
		{"sorter WDRF", `
			pool 100 100; add a; charge a 5 5; weight b 2000; add b; charge b 6 6; -> b a
			add c; charge c 4 4; -> b c a
			weight d 10000; add d; charge d 10 20; -> d b c a
			remove b; -> d c a
			charge d 10 25; share d 9/20; -> c d a
			weight e 100; add e; charge e 1 1; -> c d a e
			remove a; -> c d e`},
		{"sorter UpdateWeight", `
			pool 100 100; add a; charge a 5 5; add b; charge b 6 6; -> a b
			weight b 2000; -> b a`},
		{"sorter HierarchicalAllocation, amounts doubled to be whole", `
			pool 200 200; add a; add b/c; add b/d; -> a b/c b/d
			charge a 12 12; -> b/c b/d a
			charge b/c 8 8; charge b/d 6 6; share b 7/100; -> a b/d b/c
			charge a 4 4; -> b/d b/c a
			add b/e/f; -> b/e/f b/d b/c a
			charge b/e/f 7 7; share b 21/200; -> a b/d b/e/f b/c
			remove b/e/f; -> b/d b/c a
			credit b/c 6 6; -> b/c b/d a`},
		{"sorter HierarchicalIterationOrder: an inner client", `
			pool 100 100; add a/b; add c; add d; add d/e; -> a/b c d d/e
			charge c 8 8; -> a/b d d/e c
			charge d 3 3; charge d/e 2 2; -> a/b d/e d c
			charge a/b 6 6; -> d/e d a/b c`},
		{"sorter UpdateTotal", `
			pool 10 100; add a; charge a 2 1; add b; charge b 1 2; -> b a
			pool 100 10; -> a b`},
		{"sorter MultipleSlavesUpdateTotal", `
			grow 5 50; grow 5 50; add a; charge a 2 1; add b; charge b 1 3; -> b a
			shrink 5 50; grow 95 50; -> a b`},
		{"sorter RevocableResources: they count", `
			pool 20 100; add a; charge a 2 1; add b; charge b 1 1; charge b 9 0; share b 1/2; -> a b`},
		{"allocator UnreservedDRF", `
			pool 2 1024; add F1@role1; charge F1@role1 2 1024
			add F2@role2; grow 1 512; -> F2@role2 F1@role1
			charge F2@role2 1 512; grow 3 2048; -> F2@role2 F1@role1
			charge F2@role2 3 2048; add F3@role1; grow 4 4096; share role1 1/5; -> F3@role1 F1@role1 F2@role2
			charge F3@role1 4 4096; add F4@role1; grow 1 512; -> F2@role2 F4@role1 F1@role1 F3@role1`},
		{"allocator NestedRoleDRF", `
			pool 2 1024; add F1@a/b; charge F1@a/b 2 1024
			add F2@a/c; add F3@d/e; grow 1 512; -> F3@d/e F2@a/c F1@a/b
			charge F3@d/e 1 512; add F4@d/f; grow 2 1024; share a 2/5; share d 1/5; -> F4@d/f F3@d/e F2@a/c F1@a/b`},
		{"deactivated clients count in their role", `
			pool 10 10; add a/x; add a/y; add b; charge a/x 4 4; off a/x; charge b 2 2; -> b a/y
			share a 2/5; off a/y; -> b
			on a/y; on a/x; -> b a/y a/x`},
	} {
		t.Run(tc.name, func(t *testing.T) { play(t, newDRF(t, allocator.Config{}), tc.script) })
	}
}

func mesosDRF(names ...string) string {
	script := `
		pool 100 100; add a; charge a 5 5; add b; charge b 6 6; -> a b
		add c; charge c 1 1; add d; charge d 3 1; -> c d a b
		remove a; credit b 4 4; -> c b d
		add e; charge e 1 5; pool 50 100; -> c b e d
		pool 50 200; add f; charge f 5 1; charge c 0 15; -> e b d c f
		share e 1/40; share b 1/25; share d 3/50; share c 2/25; share f 1/10
		off d; -> e b c f; len 5; on d; -> e b d c f`
	var words []string
	for line := range strings.SplitSeq(script, "\n") {
		for _, w := range strings.Fields(line) {
			bare := strings.TrimSuffix(w, ";")
			if len(bare) == 1 && bare[0] >= 'a' && bare[0] <= 'f' {
				w = names[bare[0]-'a'] + w[1:]
			}
			words = append(words, w)
		}
		words = append(words, ";")
	}
	return strings.Join(words, " ")
}

func play(t *testing.T, d *allocator.DRF, script string) {
	t.Helper()
	for step := range strings.FieldsFuncSeq(script, func(r rune) bool { return r == ';' || r == '\n' }) {
		f := strings.Fields(step)
		if len(f) == 0 {
			continue
		}
		amounts := func(at int) res {
			cpu, err := strconv.ParseInt(f[at], 10, 64)
			require.NoError(t, err, step)
			memory, err := strconv.ParseInt(f[at+1], 10, 64)
			require.NoError(t, err, step)
			return res{"cpu": cpu, "memory": memory}
		}
		var err error
		switch f[0] {
		case "pool":
			err = d.SetCapacity(amounts(1))
		case "grow":
			err = d.AddCapacity(amounts(1))
		case "shrink":
			err = d.RemoveCapacity(amounts(1))
		case "add":
			err = d.Add(client(f[1]))
		case "remove":
			err = d.Remove(client(f[1]))
		case "off":
			err = d.Deactivate(client(f[1]))
		case "on":
			err = d.Activate(client(f[1]))
		case "charge":
			err = d.Charge(client(f[1]), amounts(2))
		case "credit":
			err = d.Credit(client(f[1]), amounts(2))
		case "weight":
			var w int
			w, err = strconv.Atoi(f[2])
			require.NoError(t, err, step)
			err = d.SetWeight(berth.Role(f[1]), allocator.Weight(w))
		case "->":
			require.Equal(t, strings.Join(f[1:], " "), order(d), step)
		case "share":
			s, ok := d.RoleShare(berth.Role(f[1]))
			require.True(t, ok, step)
			num, den := s.Fraction()
			require.Equal(t, f[2], fmt.Sprintf("%d/%d", num, den), step)
		case "len":
			require.Equal(t, f[1], strconv.Itoa(d.Len()), step)
		default:
			require.Fail(t, "unknown command", step)
		}
		require.NoError(t, err, step)
	}
}

// allocator DRFWithFairnessExclusion: the only GPU is in the first node, which F1 gets. Excluded, it
// changes nothing in the chain of UnreservedDRF; counted, role1 has all of a resource and comes last.
func TestMesosExclusion(t *testing.T) {
	for _, tc := range []struct {
		name    string
		exclude []string
		want    string
		share   string
	}{
		{"excluded", []string{"gpus"}, "F3@role1 F1@role1 F2@role2", "1/5 of cpu"},
		{"counted", nil, "F2@role2 F3@role1 F1@role1", "1/1 of gpus"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDRF(t, allocator.Config{Capacity: res{"gpus": 1, "cpu": 10, "memory": 7680}, Exclude: tc.exclude})
			play(t, d, "add F1@role1; add F2@role2; add F3@role1; charge F2@role2 4 2560")
			require.NoError(t, d.Charge(client("F1@role1"), res{"gpus": 1, "cpu": 2, "memory": 1024}))
			assert.Equal(t, tc.want, order(d))
			s, _ := d.RoleShare("role1")
			assert.Equal(t, tc.share, s.String())
		})
	}
}

// allocator SameShareFairness: two clients that give back whatever they get take turns.
func TestMesosSameShareFairness(t *testing.T) {
	d := newDRF(t, allocator.Config{Capacity: res{"cpu": 2, "memory": 1024}})
	require.NoError(t, d.Add(client("F1@r")))
	require.NoError(t, d.Add(client("F2@r")))
	var turns []string
	for range 10 {
		c, ok := d.Next(nil)
		require.True(t, ok)
		turns = append(turns, c.Name)
		require.NoError(t, d.Charge(c, d.Capacity()))
		require.NoError(t, d.Credit(c, d.Capacity()))
	}
	assert.Equal(t, strings.Fields(strings.Repeat("F1 F2 ", 5)), turns)
}

// allocator UpdateWeight: six equal nodes, shared out from nothing again after each change of weight.
// Mesos shuffles nodes; here they are all alike.
func TestMesosUpdateWeightShares(t *testing.T) {
	for _, tc := range []struct {
		weights map[berth.Role]allocator.Weight
		roles   []string
		want    map[string]int
	}{
		{nil, []string{"role1", "role2"}, map[string]int{"role1": 3, "role2": 3}},
		{map[berth.Role]allocator.Weight{"role2": 2000}, []string{"role1", "role2"}, map[string]int{"role1": 2, "role2": 4}},
		{map[berth.Role]allocator.Weight{"role2": 2000, "role3": 3000}, []string{"role1", "role2", "role3"},
			map[string]int{"role1": 1, "role2": 2, "role3": 3}},
	} {
		t.Run(fmt.Sprint(tc.weights), func(t *testing.T) {
			d := newDRF(t, allocator.Config{Capacity: res{"cpu": 12, "memory": 6144}, Weights: tc.weights})
			var users []user
			for _, r := range tc.roles {
				users = append(users, user{client: r, demand: res{"cpu": 2, "memory": 1024}})
			}
			tasks, _ := fill(t, d, users)
			assert.Equal(t, tc.want, tasks)
		})
	}
}
