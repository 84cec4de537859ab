package allocator_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// account is a book with quotas, a clock, and arrivals.
type account struct {
	book
	quotas map[berth.Role]berth.Quota
	now    time.Time
	heads  map[berth.Role]int64
}

func (a account) Quota(r berth.Role) berth.Quota { return a.quotas[r] }
func (a account) Time() time.Time                { return a.now }
func (a account) Head(r berth.Role) int64        { return a.heads[r] }

func guarantees(of map[berth.Role]res) map[berth.Role]berth.Quota {
	quotas := map[berth.Role]berth.Quota{}
	for r, g := range of {
		quotas[r] = berth.Quota{Role: r, Guarantees: g}
	}
	return quotas
}

// turnsOf gives the roles of a round task after task, until nothing more fits or so many turns are over.
func turnsOf(o allocator.Order, l account, demand map[berth.Role]res, most int) (turns []string) {
	round := o.Begin(l, slices.Sorted(maps.Keys(demand)))
	fits := func(r berth.Role) bool {
		for name, q := range demand[r] {
			if l.Used("")[name]+q > l.total[name] {
				return false
			}
		}
		return true
	}
	for len(turns) < most {
		role, ok := round.Next(fits)
		if !ok {
			break
		}
		g := groupOf(role, demand[role])
		l.move(g, 1)
		if l.heads != nil {
			l.heads[role] += 100
		}
		round.Charged(g, 1)
		turns = append(turns, string(role))
	}
	return turns
}

func TestPolicies(t *testing.T) {
	one := res{"cpu": 1}
	abc := map[berth.Role]res{"a": one, "b": one, "c": one}
	for _, tc := range []struct {
		name   string
		tree   allocator.Tree
		total  res
		own    map[berth.Role]res
		quotas map[berth.Role]res
		heads  map[berth.Role]int64
		demand map[berth.Role]res
		most   int
		want   string
	}{
		{"priority first, shares among equals", allocator.Tree{Policy: allocator.InTurn(allocator.ByPriority, allocator.ByShare), Priorities: map[berth.Role]int{"b": 1, "c": 1}},
			res{"cpu": 9}, map[berth.Role]res{"b": {"cpu": 1}}, nil, nil, abc, 4, "c b c b"},
		{"a role has the priority of the role above", allocator.Tree{Policy: allocator.ByPriority, Priorities: map[berth.Role]int{"a": 1, "a/y": 5}},
			res{"cpu": 9}, nil, nil, nil, map[berth.Role]res{"a/x": one, "a/y": one, "b": one}, 3, "a/y a/y a/y"},
		// Heads are 3, 1 and 2; each task placed brings one that came 100 later.
		{"first come, first served", allocator.Tree{Policy: allocator.ByArrival}, res{"cpu": 9}, nil, nil,
			map[berth.Role]int64{"a": 3, "b": 1, "c": 2}, abc, 5, "b c a b c"},
		{"a role arrives as the one whose turn it is in it", allocator.Tree{Policy: allocator.ByArrival}, res{"cpu": 9}, nil, nil,
			map[berth.Role]int64{"a/x": 9, "a/y": 4, "b": 5}, map[berth.Role]res{"a/x": one, "a/y": one, "b": one}, 4, "a/y b a/x a/y"},
		// Departments share fairly, the queues of one go by priority, those of the other as they came.
		{"a policy for each level", allocator.Tree{
			Priorities: map[berth.Role]int{"ci/release": 7},
			Below:      map[berth.Role]allocator.Policy{"ci": allocator.ByPriority, "lab": allocator.ByArrival},
		}, res{"cpu": 9}, nil, nil, map[berth.Role]int64{"lab/x": 2, "lab/y": 1},
			map[berth.Role]res{"ci/nightly": one, "ci/release": one, "lab/x": one, "lab/y": one}, 6, "ci/release lab/y ci/release lab/x ci/release lab/y"},
		{"a host's own: who has most", allocator.Tree{Policy: func(a, b *allocator.Sibling) int { return b.Share().Compare(a.Share()) }},
			res{"cpu": 9}, map[berth.Role]res{"b": {"cpu": 1}}, nil, nil, abc, 3, "b b b"},
		{"a policy that never says anything leaves it to the path", allocator.Tree{Policy: allocator.InTurn(nil, allocator.InTurn())},
			res{"cpu": 9}, nil, nil, nil, abc, 3, "a a a"},
		// YuniKorn's order of queues: a has 1 of 4 guaranteed, b 1 of 2, c nothing: a at 1/4; a and b at 1/2, b by its share of 1/12; a
		// at 2/4 and 3/4; then all that is guaranteed is there, and shares decide: c at 0 and 1, b and c at 2 of 12, b by path, c, b.
		{"what is guaranteed first, by parts of it", allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)},
			res{"cpu": 12}, map[berth.Role]res{"a": {"cpu": 1}, "b": {"cpu": 1}}, map[berth.Role]res{"a": {"cpu": 4}, "b": {"cpu": 2}}, nil,
			abc, 9, "a b a a c c b c b"},
		{"a guarantee below a role counts for the role", allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)},
			res{"cpu": 9}, map[berth.Role]res{"a": {"cpu": 3}}, map[berth.Role]res{"a/x": {"cpu": 2}}, nil,
			map[berth.Role]res{"a/x": one, "a/y": one, "b": one}, 5, "a/x a/x b b b"},
		// Of what could serve g, 2 gpus and 8 cpus, it has 4/8. Role b has 0, 2, 4, 6 and 8 of all 16 cpus when it is asked, of
		// which the last ties and goes to b by path; at 10/16 it is behind.
		{"shares of a pool", allocator.Tree{Pools: map[berth.Role]res{"g": {"gpu": 2, "cpu": 8}}}, res{"cpu": 16, "gpu": 2},
			map[berth.Role]res{"g": {"cpu": 4}}, nil, nil, map[berth.Role]res{"b": {"cpu": 2}, "g": {"cpu": 2}}, 6, "b b b b b g"},
		// One gpu in the cluster: as it is, its holder has a share of one and gets nothing more. At a factor of a tenth it has 0.1.
		{"one gpu, as it is", allocator.Tree{}, res{"cpu": 30, "gpu": 1}, map[berth.Role]res{"a": {"gpu": 1}}, nil, nil,
			map[berth.Role]res{"a": one, "b": one}, 6, "b b b b b b"},
		{"one gpu that counts a tenth", allocator.Tree{Factors: map[string]allocator.Weight{"gpu": 100}}, res{"cpu": 30, "gpu": 1},
			map[berth.Role]res{"a": {"gpu": 1}}, nil, nil, map[berth.Role]res{"a": one, "b": one}, 6, "b b b a a a"},
		{"one gpu that is excluded", allocator.Tree{Exclude: []string{"gpu"}}, res{"cpu": 30, "gpu": 1}, map[berth.Role]res{"a": {"gpu": 1}},
			nil, nil, map[berth.Role]res{"a": one, "b": one}, 6, "a b a b a b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.tree.Err())
			l := account{book{tc.total, map[berth.Role]res{}}, guarantees(tc.quotas), time.Time{}, tc.heads}
			for r, own := range tc.own {
				l.own[r] = own.Clone()
			}
			assert.Equal(t, tc.want, strings.Join(turnsOf(tc.tree, l, tc.demand, tc.most), " "))
		})
	}
}

// The example of the paper on hierarchical DRF: ten cpus, ten gpus, an organisation that wants cpus, and one of which one half wants
// cpus and the other gpus. Each organisation is to have half of the cpus, whatever ends and comes again, and the gpus go to the only one
// that wants them. With shares that just add up, the gpus alone make the second organisation's share one: each cpu that
// becomes free goes to the first, and the second ends with none.
func TestHierarchicalStarvation(t *testing.T) {
	demand := map[berth.Role]res{"org1": {"cpu": 1}, "org2/c": {"cpu": 1}, "org2/g": {"gpu": 1}}
	for _, tc := range []struct {
		name  string
		order allocator.Order
		idle  bool // org2/g wants no more than the gpus that it has, of which some are free
		want  map[berth.Role]int64
	}{
		{"rescaled", allocator.Tree{Hierarchical: true}, false, map[berth.Role]int64{"org1": 5, "org2/c": 5, "org2/g": 10}},
		{"rescaled, gpus idle", allocator.Tree{Hierarchical: true}, true, map[berth.Role]int64{"org1": 5, "org2/c": 5, "org2/g": 8}},
		{"added up", allocator.Tree{}, false, map[berth.Role]int64{"org1": 10, "org2/c": 0, "org2/g": 10}},
		// At 8/10 org1 ties, and is first by path; at 9/10 it is behind.
		{"added up, gpus idle", allocator.Fair{}, true, map[berth.Role]int64{"org1": 9, "org2/c": 1, "org2/g": 8}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 16))
			b := book{res{"cpu": 10, "gpu": 10}, map[berth.Role]res{}}
			has := func(r berth.Role) int64 { return b.own[r]["cpu"] + b.own[r]["gpu"] }
			low := int64(10)
			for step := range 400 {
				wants := maps.Clone(demand)
				if tc.idle && has("org2/g") >= 8 {
					delete(wants, "org2/g")
				}
				turnsOf(tc.order, account{book: b}, wants, 20)
				if step > 300 {
					low = min(low, has("org2/c"))
				}
				if step == 0 && tc.idle {
					b.own["org2/g"]["gpu"] = 8
				}
				if step < 399 { // a task ends
					if r := []berth.Role{"org1", "org2/c", "org2/g"}[rng.IntN(3)]; has(r) > 0 && (r != "org2/g" || !tc.idle) {
						b.move(groupOf(r, demand[r]), -1)
					}
				}
			}
			for r, want := range tc.want {
				assert.Equal(t, want, has(r), r)
			}
			assert.Equal(t, tc.want["org2/c"], low, "all along")
		})
	}
}

// hierarchicalShare is what a Tree with Hierarchical works out step by step, in fractions and anew: see the comment in the source.
type leaf struct {
	role  berth.Role
	has   res
	waits bool
}

func hierarchicalShare(total res, weights map[berth.Role]allocator.Weight, at berth.Role, leaves []leaf) (vector map[string]float64, waits bool) {
	vector = map[string]float64{}
	children := map[berth.Role][]leaf{}
	for _, l := range leaves {
		if l.role == at {
			for name, q := range l.has {
				vector[name] = float64(q) / float64(total[name])
			}
			return vector, l.waits
		}
		below := l.role
		for below.Parent() != at {
			below = below.Parent()
		}
		children[below] = append(children[below], l)
	}
	type child struct {
		v      map[string]float64
		s, w   float64
		waits_ bool
	}
	var all []child
	least, leastOver := math.Inf(1), math.Inf(1)
	for r, ls := range children {
		v, w := hierarchicalShare(total, weights, r, ls)
		c := child{v: v, w: 1, waits_: w}
		if x := weights[r]; x > 0 {
			c.w = float64(x) / 1000
		}
		for _, q := range v {
			c.s = max(c.s, q)
		}
		if waits = waits || w; w && c.s > 0 && c.s/c.w < leastOver {
			least, leastOver = c.s, c.s/c.w
		}
		all = append(all, c)
	}
	waiting := map[string]float64{}
	for _, c := range all {
		for name, q := range c.v {
			if c.waits_ && c.s > 0 {
				waiting[name] += q / c.s * c.w * leastOver
			} else {
				vector[name] += q
			}
		}
	}
	for name := range vector {
		switch {
		case !waits:
		case math.IsInf(least, 1):
			vector[name] = 0
		case waiting[name] == 0:
			vector[name] = min(vector[name], least)
		}
	}
	for name, q := range waiting {
		vector[name] += q
	}
	return vector, waits
}

// The turns of a Tree with Hierarchical are those of the shares worked out anew, wherever these are not as good as equal.
func TestHierarchicalAgainstReference(t *testing.T) {
	roles := []berth.Role{"a", "b/x", "b/y", "b/z", "c/x/l", "c/x/m", "c/y", "d/one"}
	turns := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 21))
		tree := allocator.Tree{Hierarchical: true, Weights: map[berth.Role]allocator.Weight{}}
		for _, r := range []berth.Role{"a", "b", "b/x", "c/x", "c/x/l"} {
			if rng.IntN(3) == 0 {
				tree.Weights[r] = allocator.Weight(500 * (1 + rng.Int64N(6)))
			}
		}
		b := book{res{"cpu": 1000, "memory": 3000, "gpu": 40}, map[berth.Role]res{}}
		left, groups := map[berth.Role]int{}, map[berth.Role]*berth.Group{}
		for _, r := range roles {
			demand := res{}
			for name, q := range b.total {
				if rng.IntN(2) == 0 {
					demand[name] = rng.Int64N(q/30 + 1)
				}
			}
			groups[r] = groupOf(r, demand)
			if rng.IntN(3) == 0 {
				b.move(groups[r], rng.Int64N(5))
			}
			if rng.IntN(5) > 0 {
				left[r] = 1 + rng.IntN(20)
			}
		}
		can := func(r berth.Role) bool { return left[r] > 0 }
		round := tree.Begin(b, slices.Collect(maps.Keys(left)))
		for {
			got, ok := round.Next(can)
			if !ok {
				break
			}
			var leaves []leaf
			for _, r := range roles {
				leaves = append(leaves, leaf{r, b.own[r], can(r)})
			}
			for at := berth.Role(""); at != got; { // the turn goes down the tree by the lowest share over weight
				next, share := got, map[berth.Role]float64{}
				for next.Parent() != at {
					next = next.Parent()
				}
				for _, r := range roles {
					if !can(r) || !r.Within(at) || r == at {
						continue
					}
					for r.Parent() != at {
						r = r.Parent()
					}
					w := 1.0
					if x := tree.Weights[r]; x > 0 {
						w = float64(x) / 1000
					}
					v, _ := hierarchicalShare(b.total, tree.Weights, r, slices.DeleteFunc(slices.Clone(leaves), func(l leaf) bool { return !l.role.Within(r) }))
					share[r] = 0
					for _, q := range v {
						share[r] = max(share[r], q/w)
					}
				}
				for r, s := range share {
					require.LessOrEqual(t, share[next], s*(1+1e-6)+1e-9, "seed %d, turn %d: %s before %s", seed, turns, next, r)
				}
				at = next
			}
			n := 1 + rng.IntN(2)
			b.move(groups[got], int64(n))
			round.Charged(groups[got], n)
			left[got] -= n
			if rng.IntN(6) == 0 && n > 1 {
				b.move(groups[got], -1)
				round.Credited(groups[got], 1)
			}
			turns++
		}
	}
	assert.Greater(t, turns, 2000)
}

// Chances are those of the weights: at 1 to 5 of 15, the winner of 20,000 turns is each with 1/15 to 5/15 of them; a share p of n draws
// is within 4 standard deviations of p, sqrt(p(1-p)/n), which is 0.0133 at most. Mesos' random sorter, which shuffles by the same
// law, has this as WeightedShuffleTest.
func TestLottery(t *testing.T) {
	const n = 20_000
	tree := allocator.Tree{Policy: allocator.ByLottery, Weights: map[berth.Role]allocator.Weight{}, Seed: 3}
	demand := map[berth.Role]res{}
	for i := range 5 {
		r := berth.Role(fmt.Sprint("r", i+1))
		tree.Weights[r], demand[r] = allocator.Weight(1000*(i+1)), res{"cpu": 1}
	}
	l := account{book: book{res{"cpu": n}, map[berth.Role]res{}}}
	turns := turnsOf(tree, l, demand, n)
	again := turnsOf(tree, account{book: book{res{"cpu": n}, map[berth.Role]res{}}}, demand, 100)
	assert.Equal(t, turns[:100], again, "same inputs, same draws")
	tree.Seed++
	other := turnsOf(tree, account{book: book{res{"cpu": n}, map[berth.Role]res{}}}, demand, 100)
	assert.NotEqual(t, other, again)
	twice := 0
	for i, r := range turns {
		if i > 0 && r == turns[i-1] {
			twice++
		}
	}
	for i := range 5 {
		p := float64(i+1) / 15
		part := float64(l.own[berth.Role(fmt.Sprint("r", i+1))]["cpu"]) / n
		assert.InDelta(t, p, part, 4*math.Sqrt(p*(1-p)/n), "r%d", i+1)
	}
	// Turns do not depend on each other: two in a row are of one role with a chance of the sum of all p*p = 55/225.
	p := 55. / 225
	assert.InDelta(t, p, float64(twice)/n, 4*math.Sqrt(p*(1-p)/n))

	// Who comes later has no arrears to make up: ten turns after a thousand, of two equals, hardly all go to the newcomer. And each plan
	// draws anew.
	first := map[string]int{}
	for i := range 200 {
		l := account{book: book{res{"cpu": 1000}, map[berth.Role]res{}}, now: time.Unix(int64(i), 0)}
		first[turnsOf(allocator.Tree{Policy: allocator.ByLottery}, l, map[berth.Role]res{"a": {"cpu": 1}, "b": {"cpu": 1}}, 1)[0]]++
	}
	assert.InDelta(t, 100, first["a"], 4*math.Sqrt(200*.25), "the first turn of 200 plans")
}

func TestTreeOfBadInput(t *testing.T) {
	bad := allocator.Tree{
		Weights:    map[berth.Role]allocator.Weight{"a": 0},
		Below:      map[berth.Role]allocator.Policy{"b//c": nil},
		Priorities: map[berth.Role]int{"/": 1},
		Exclude:    []string{"x", "x"},
		Factors:    map[string]allocator.Weight{"gpu": -1, "\x00": 5},
		Pools:      map[berth.Role]res{"p": {"cpu": -1}},
	}
	require.Error(t, bad.Err())
	for _, want := range []string{`weight of "a"`, `policy below: role "b//c"`, `priority: role "/"`, `"x": named twice`, `factor of "gpu": -0.001 is not positive`, `pool of "p"`, `factor: resource "\x00"`} {
		assert.ErrorContains(t, bad.Err(), want)
	}
	for _, l := range []allocator.Ledger{nil, account{book: book{res{"cpu": 5}, map[berth.Role]res{"a": {"cpu": 1 << 62}}}}} {
		round := bad.Begin(l, []berth.Role{"a", "b", "a", "", "x/y"})
		seen := 0
		for range 20 {
			if r, ok := round.Next(nil); ok {
				round.Charged(groupOf(r, res{"cpu": math.MaxInt64}), math.MaxInt)
				round.Credited(groupOf(r, res{"gpu": 1}), 1)
				round.Charged(groupOf("elsewhere", res{"gpu": 1}), -1)
				seen++
			}
		}
		assert.Equal(t, 20, seen)
		_, ok := round.Next(func(berth.Role) bool { return false })
		assert.False(t, ok)
	}
}
