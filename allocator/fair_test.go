package allocator_test

import (
	"fmt"
	"maps"
	"math"
	"math/big"
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

// book is a ledger that is kept in the plainest way: what each role has itself.
type book struct {
	total res
	own   map[berth.Role]res
}

func (b book) Total() res                   { return b.total }
func (b book) Own(r berth.Role) res         { return b.own[r] }
func (b book) Quota(berth.Role) berth.Quota { return berth.Quota{} }
func (b book) Time() time.Time              { return time.Time{} }

func (b book) Used(r berth.Role) res {
	used := res{}
	for role, own := range b.own {
		if r == "" || role == r || strings.HasPrefix(string(role), string(r)+"/") {
			for name, q := range own {
				used[name] += q
			}
		}
	}
	return used
}

func (b book) move(g *berth.Group, tasks int64) {
	if b.own[g.Role()] == nil {
		b.own[g.Role()] = res{}
	}
	for name, q := range g.Cost() {
		b.own[g.Role()][name] += q * tasks
	}
}

func groupOf(role berth.Role, cost res) *berth.Group {
	return berth.NewGroup("g-"+strings.ReplaceAll(string(role), "/", "-"), berth.GroupSpec{Role: role, Request: cost})
}

// grant gives the roles of a round task after task, until nothing more fits. It returns the turns, with the ledger as it is then.
func grant(o allocator.Order, b book, demand map[berth.Role]res) (turns []string) {
	groups := map[berth.Role]*berth.Group{}
	for role, cost := range demand {
		groups[role] = groupOf(role, cost)
	}
	fits := func(r berth.Role) bool {
		for name, q := range demand[r] {
			if b.Used("")[name]+q > b.total[name] {
				return false
			}
		}
		return true
	}
	round := o.Begin(b, slices.Sorted(maps.Keys(demand)))
	for {
		role, ok := round.Next(fits)
		if !ok {
			return turns
		}
		b.move(groups[role], 1)
		round.Charged(groups[role], 1)
		turns = append(turns, string(role))
	}
}

// The example of NSDI'11: of 9 CPUs and 18 GB, A's tasks take 1 and 4, which is 4/18 = 2/9 of memory, B's 3 and 1, which is 3/9 =
// 1/3 of cpu. Equal shares are settled by path, so the turns are
//
//	A at 0 of 0     A has 2/9
//	B at 0          B has 1/3
//	A at 2/9 < 1/3  A has 4/9
//	B at 1/3 < 4/9  B has 2/3
//	A at 4/9 < 2/3  A has 2/3
//
// and then 3+6 = 9 CPUs are taken, and 12+2 = 14 GB.
func TestFairOfThePaper(t *testing.T) {
	b := book{total: res{"cpu": 9, "memory": 18}, own: map[berth.Role]res{}}
	turns := grant(allocator.Fair{}, b, map[berth.Role]res{"A": {"cpu": 1, "memory": 4}, "B": {"cpu": 3, "memory": 1}})
	assert.Equal(t, []string{"A", "B", "A", "B", "A"}, turns)
	assert.Equal(t, res{"cpu": 3, "memory": 12}, b.own["A"])
	assert.Equal(t, res{"cpu": 6, "memory": 2}, b.own["B"])
}

func TestFair(t *testing.T) {
	one := res{"cpu": 1}
	for _, tc := range []struct {
		name   string
		fair   allocator.Fair
		total  res
		own    map[berth.Role]res
		demand map[berth.Role]res
		want   string
	}{
		// At weight 2, A's share counts half: after B's turn at 0, A is asked at 2/9/2 = 1/9, 2/9 and 1/3, which ties with B's and
		// goes to A by path. At 4 A and 1 B there are 7 of 9 CPUs and 17 of 18 GB, and neither's task fits.
		{"weights of the paper's example", allocator.Fair{Weights: map[berth.Role]allocator.Weight{"A": 2000}},
			res{"cpu": 9, "memory": 18}, nil, map[berth.Role]res{"A": {"cpu": 1, "memory": 4}, "B": {"cpu": 3, "memory": 1}}, "A B A A A"},
		{"what a role has counts", allocator.Fair{}, res{"cpu": 10}, map[berth.Role]res{"a": {"cpu": 3}},
			map[berth.Role]res{"a": one, "b": one}, "b b b a b a b"},
		{"so does what waits for nothing", allocator.Fair{}, res{"cpu": 10}, map[berth.Role]res{"a/other": {"cpu": 3}},
			map[berth.Role]res{"a/x": one, "b": one}, "b b b a/x b a/x b"},
		// The organisations have half each, whatever number of teams they have.
		{"tree", allocator.Fair{}, res{"cpu": 8}, nil, map[berth.Role]res{"a/x": one, "a/y": one, "a/z": one, "b": one},
			"a/x b a/y b a/z b a/x b"},
		{"weights in a tree", allocator.Fair{Weights: map[berth.Role]allocator.Weight{"a": 2000, "a/y": 3000}}, res{"cpu": 9}, nil,
			map[berth.Role]res{"a/x": one, "a/y": one, "b": one}, "a/x b a/y a/y b a/y a/x b a/y"},
		// The root's own is at 0, then ties with a's 1; a/x is below what a has itself; the root's ties at 2, and a/x's with a's own at 1.
		{"a role beside those below it", allocator.Fair{}, res{"cpu": 6}, map[berth.Role]res{"a": {"cpu": 1}},
			map[berth.Role]res{"a": one, "a/x": one, "": one}, "  a/x  a"},
		{"excluded", allocator.Fair{Exclude: []string{"gpu"}}, res{"cpu": 4, "gpu": 1}, map[berth.Role]res{"a": {"gpu": 1}},
			map[berth.Role]res{"a": one, "b": one}, "a b a b"},
		{"nothing that counts", allocator.Fair{}, res{"memory": 3, "tape": 2}, map[berth.Role]res{"a": {"disk": 1}},
			map[berth.Role]res{"a": {"tape": 1}, "b": {"tape": 1}}, "a b"},
		// A turn is worth a quarter of 16: four tasks of 1, two of 2 or of 3. In the second example a has 6, so that b has two turns,
		// and then there are 2 left, which a has no use for.
		{"grain", allocator.Fair{Grain: 250_000}, res{"cpu": 16}, nil, map[berth.Role]res{"a": one, "b": {"cpu": 2}},
			"a a a a b b a a a a b b"},
		{"a grain is reached by the task that exceeds it", allocator.Fair{Grain: 250_000}, res{"cpu": 16}, nil,
			map[berth.Role]res{"a": {"cpu": 3}, "b": one}, "a a b b b b b b b b b b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.fair.Err())
			b := book{total: tc.total, own: map[berth.Role]res{}}
			for role, own := range tc.own {
				b.own[role] = own.Clone()
			}
			turns := grant(tc.fair, b, tc.demand)
			assert.Equal(t, tc.want, strings.Join(turns, " "))
		})
	}
}

// slow is what a Fair does, in the most obvious way: the tree and all shares, as fractions, anew for each turn.
type slow struct {
	fair  allocator.Fair
	book  book
	roles []berth.Role
	last  berth.Role
	got   res // in this turn
	taken int // tasks in this turn
}

func (s *slow) share(used res, w allocator.Weight) *big.Rat {
	most := new(big.Rat)
	for name, total := range s.book.total {
		if total > 0 && !slices.Contains(s.fair.Exclude, name) {
			if share := big.NewRat(used[name], total); share.Cmp(most) > 0 {
				most = share
			}
		}
	}
	return most.Mul(most, big.NewRat(int64(allocator.DefaultWeight), int64(w)))
}

func (s *slow) next(can func(berth.Role) bool) (berth.Role, bool) {
	if s.taken > 0 && s.got != nil && can(s.last) {
		over := false
		for name, total := range s.book.total {
			if q := s.got[name]; total > 0 && q > 0 && !slices.Contains(s.fair.Exclude, name) {
				worth := new(big.Int).Div(new(big.Int).Mul(big.NewInt(total), big.NewInt(s.fair.Grain)), big.NewInt(1_000_000))
				over = over || big.NewInt(q).Cmp(worth) >= 0
			}
		}
		if !over {
			return s.last, true
		}
	}
	s.got, s.taken = res{}, 0
	var waiting []berth.Role
	for _, r := range s.roles {
		if can(r) {
			waiting = append(waiting, r)
		}
	}
	if len(waiting) == 0 {
		return "", false
	}
	at := berth.Role("")
	for {
		type child struct {
			role  berth.Role
			own   bool
			share *big.Rat
		}
		var children []child
		for _, r := range waiting {
			switch {
			case r == at:
				children = append(children, child{r, true, s.share(s.book.Own(r), allocator.DefaultWeight)})
			case at == "" || strings.HasPrefix(string(r), string(at)+"/"):
				below := r
				for below.Parent() != at {
					below = below.Parent()
				}
				w := s.fair.Weights[below]
				if w == 0 {
					w = allocator.DefaultWeight
				}
				children = append(children, child{below, false, s.share(s.book.Used(below), w)})
			}
		}
		first := slices.MinFunc(children, func(a, b child) int {
			if c := a.share.Cmp(b.share); c != 0 {
				return c
			}
			return strings.Compare(string(a.role), string(b.role)) // the role itself is the shortest
		})
		if at = first.role; first.own || len(children) == 0 || slices.Contains(waiting, at) && !slices.ContainsFunc(waiting, func(r berth.Role) bool {
			return strings.HasPrefix(string(r), string(at)+"/")
		}) {
			s.last = at
			return at, true
		}
	}
}

// A Fair says what the slow one says, for random trees, weights, grains, demands, and tasks that are taken back.
func TestFairAgainstReference(t *testing.T) {
	turns := 0
	for seed := range uint64(300) {
		turns += fairAgainst(t, seed, 4)
	}
	require.Greater(t, turns, 3000)
}

func FuzzFairAgainstReference(f *testing.F) {
	f.Add(uint64(0), uint64(5))
	f.Add(uint64(1<<63), uint64(77))
	f.Fuzz(func(t *testing.T, seed, stream uint64) { fairAgainst(t, seed, stream) })
}

// fairAgainst compares the turns of a random round, and returns how many there were.
func fairAgainst(t *testing.T, seed, stream uint64) (turns int) {
	all := []berth.Role{"", "a", "a/x", "a/y", "a/x/deep", "a-b", "b", "b/+odd", "c/z", "c/z/w", "d"}
	rng := rand.New(rand.NewPCG(seed, stream))
	amounts := func(most int64) res {
		r := res{}
		for _, name := range []string{"cpu", "memory", "gpu"} {
			if rng.IntN(3) > 0 {
				r[name] = rng.Int64N(most)
			}
		}
		return r
	}
	f := allocator.Fair{Weights: map[berth.Role]allocator.Weight{}}
	for _, r := range all[1:] {
		if rng.IntN(3) == 0 {
			f.Weights[r] = []allocator.Weight{500, 2000, 333, 7_000, 1 << 62}[rng.IntN(5)]
		}
	}
	if rng.IntN(4) == 0 {
		f.Exclude = []string{"gpu"}
	}
	if rng.IntN(2) == 0 {
		f.Grain = rng.Int64N(300_000)
	}
	require.NoError(t, f.Err())
	b := book{total: amounts(200), own: map[berth.Role]res{}}
	left := map[berth.Role]int{}
	groups := map[berth.Role][]*berth.Group{}
	for _, r := range all {
		if rng.IntN(3) == 0 {
			b.own[r] = amounts(30)
		}
		if rng.IntN(2) == 0 {
			left[r] = rng.IntN(12)
			groups[r] = []*berth.Group{groupOf(r, amounts(10)), groupOf(r, amounts(5))}
		}
	}
	roles := slices.Collect(maps.Keys(left))
	ref := &slow{fair: f, book: b, roles: roles}
	round := f.Begin(b, slices.Clone(roles))
	var tree allocator.Round // with the default policy, and a turn for each task, it says the same
	if f.Grain == 0 {
		tree = allocator.Tree{Weights: f.Weights, Exclude: f.Exclude}.Begin(b, slices.Clone(roles))
	}
	can := func(r berth.Role) bool { return left[r] > 0 }
	for {
		want, more := ref.next(can)
		got, ok := round.Next(can)
		require.Equal(t, more, ok, "seed %d", seed)
		require.Equal(t, want, got, "seed %d: of %v by %+v", seed, b, f)
		if tree != nil {
			got, ok := tree.Next(can)
			require.Equal(t, more, ok, "seed %d", seed)
			require.Equal(t, want, got, "seed %d: tree of %v by %+v", seed, b, f)
		}
		if !ok {
			break
		}
		turns++
		g, n := groups[want][rng.IntN(2)], 1+rng.IntN(2)
		left[want] -= n
		if rng.IntN(8) == 0 {
			continue // it found no room
		}
		b.move(g, int64(n))
		round.Charged(g, n)
		if tree != nil {
			tree.Charged(g, n)
		}
		ref.taken += n
		for name, q := range g.Cost() {
			ref.got[name] += q * int64(n)
		}
		if rng.IntN(10) == 0 {
			b.move(g, -1)
			round.Credited(g, 1)
			if tree != nil {
				tree.Credited(g, 1)
			}
			ref.got = nil // and the turn is over
		}
	}
	return turns
}

// Where demand is divisible, as it is cut into small tasks, and one resource is short, the shares of all who want more end within
// one task of each other, or within one task and the grain, weights counted.
func TestFairSharesEndEqual(t *testing.T) {
	for _, grain := range []int64{0, 5_000} {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 5))
			b := book{total: res{"cpu": 100_000}, own: map[berth.Role]res{}}
			demand := map[berth.Role]res{}
			f := allocator.Fair{Grain: grain, Weights: map[berth.Role]allocator.Weight{}}
			largest := int64(0)
			for i := range 2 + rng.IntN(20) {
				r := berth.Role(fmt.Sprintf("r%d", i))
				demand[r] = res{"cpu": 50 + rng.Int64N(200)}
				f.Weights[r] = allocator.Weight(1000 * (1 + rng.IntN(4)))
				largest = max(largest, demand[r]["cpu"])
			}
			grant(f, b, demand)
			levels := []float64{} // of each role, weighted
			for r, own := range b.own {
				levels = append(levels, float64(own["cpu"])/float64(f.Weights[r])*1000)
			}
			bound := float64(largest + 100_000*grain/1_000_000)
			assert.LessOrEqual(t, slices.Max(levels)-slices.Min(levels), bound, "seed %d", seed)
		}
	}
}

func TestFairOfBadInput(t *testing.T) {
	err := allocator.Fair{
		Weights: map[berth.Role]allocator.Weight{"": 1000, "a": 0, "b//c": 1}, Exclude: []string{"gpu", "gpu", ""}, Grain: -1,
	}.Err()
	for _, part := range []string{`weight of "": the root has no siblings`, `weight of "a": weight 0 is not positive`, "empty segment",
		`"gpu": named twice`, "exclude: ", "grain: -1 is not between 0 and 1000000"} {
		assert.ErrorContains(t, err, part)
	}
	assert.ErrorContains(t, allocator.Fair{Grain: 1_000_001}.Err(), "grain")
	assert.NoError(t, allocator.Fair{}.Err())

	// Whatever is asked of one that is at fault, or with faults, it answers.
	f := allocator.Fair{Weights: map[berth.Role]allocator.Weight{"a": -5}, Grain: math.MaxInt64}
	round := f.Begin(nil, []berth.Role{"b", "a//x", "/", "b", "a/", "a", "", "//"})
	seen := map[berth.Role]bool{}
	for {
		r, ok := round.Next(func(r berth.Role) bool { return !seen[r] })
		if !ok {
			break
		}
		seen[r] = true
	}
	assert.Len(t, seen, 7)
	_, ok := round.Next(nil)
	assert.False(t, ok, "nobody waits any more")
	round = f.Begin(book{total: res{"cpu": math.MaxInt64}}, []berth.Role{"a", "b"})
	round.Charged(nil, 1)
	round.Charged(groupOf("x/y", res{"cpu": math.MaxInt64}), math.MaxInt)
	round.Credited(groupOf("x/y", res{"cpu": math.MaxInt64}), math.MaxInt)
	round.Charged(groupOf("a", res{"cpu": math.MaxInt64}), math.MaxInt)
	round.Credited(groupOf("a", res{"cpu": 5}), -1)
	round.Credited(groupOf("b", res{"cpu": 5}), 7)
	r, ok := round.Next(nil)
	assert.True(t, ok)
	assert.Equal(t, berth.Role("b"), r)
	_, ok = allocator.Fair{}.Begin(book{}, nil).Next(nil)
	assert.False(t, ok)
}

type noRound struct{}

func (noRound) Begin(allocator.Ledger, []berth.Role) allocator.Round { return nil }

func TestPriority(t *testing.T) {
	one := res{"cpu": 1}
	p := allocator.Priority{Of: map[berth.Role]int{"prod": 2, "prod/low": -1, "mid": 1}}
	require.NoError(t, p.Err())
	b := book{total: res{"cpu": 7}, own: map[berth.Role]res{"mid/a": {"cpu": 1}}}
	waits := map[berth.Role]int{"batch": 9, "prod/a": 2, "prod/low": 9, "mid/a": 1, "mid/b": 3, "other": 1}
	round := p.Begin(b, slices.Sorted(maps.Keys(waits)))
	var turns []string
	for range 12 {
		r, ok := round.Next(func(r berth.Role) bool { return waits[r] > 0 })
		require.True(t, ok)
		turns = append(turns, string(r))
		waits[r]--
		round.Charged(groupOf(r, one), 1)
	}
	// mid/b is at 0 and then at 1/7, which ties with mid/a's and goes to that by its path.
	assert.Equal(t, "prod/a prod/a mid/b mid/a mid/b mid/b batch other batch batch batch batch", strings.Join(turns, " "))

	// What a role above gets counts for those below a lower number: team a of eng was served by its priority, so b goes on.
	p = allocator.Priority{Of: map[berth.Role]int{"eng/a": 1}}
	round = p.Begin(book{total: res{"cpu": 10}}, []berth.Role{"eng/a", "eng/b", "ops"})
	r, _ := round.Next(nil)
	assert.Equal(t, berth.Role("eng/a"), r)
	round.Charged(groupOf("eng/a", res{"cpu": 2}), 1)
	r, _ = round.Next(func(r berth.Role) bool { return r != "eng/a" })
	assert.Equal(t, berth.Role("ops"), r, "eng has 2 of 10")
	round.Charged(groupOf("ops", res{"cpu": 3}), 1)
	round.Credited(groupOf("ops", res{"cpu": 1}), 1)
	r, _ = round.Next(func(r berth.Role) bool { return r != "eng/a" })
	assert.Equal(t, berth.Role("eng/b"), r, "2 and 2, by path")

	assert.ErrorContains(t, allocator.Priority{Then: (*allocator.Fair)(nil)}.Err(), "then: a nil pointer")
	r, ok := allocator.Priority{Then: (*allocator.Fair)(nil)}.Begin(nil, []berth.Role{"b", "a"}).Next(nil)
	assert.True(t, ok)
	assert.Equal(t, berth.Role("a"), r)
	_, ok = allocator.Priority{Then: noRound{}}.Begin(nil, []berth.Role{"a"}).Next(nil)
	assert.False(t, ok, "an order that begins no round holds back what it is to order")
	err := allocator.Priority{Of: map[berth.Role]int{"a//b": 1}, Then: allocator.Fair{Grain: -1}}.Err()
	assert.ErrorContains(t, err, "empty segment")
	assert.ErrorContains(t, err, "grain")
}
