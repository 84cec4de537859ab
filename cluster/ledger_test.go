package cluster_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

func core(n int64) berth.Resources { return berth.Resources{"cpu": n * 1000} }

func in(role berth.Role, name string, cores int64) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: core(cores)})
}

func until(h berth.Hold) *berth.Hold {
	h.Deadline = time.Unix(1000, 0)
	return &h
}

func forkOf(t testing.TB, cores ...int64) *cluster.Fork {
	var nodes []berth.Node
	for i, n := range cores {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i+1), Capacity: core(n)})
	}
	s, err := cluster.NewSnapshot(nodes...)
	require.NoError(t, err)
	return s.Fork()
}

func apply(t testing.TB, f *cluster.Fork, op berth.Op) {
	t.Helper()
	_, why := f.Apply(op)
	require.Equal(t, berth.None, why.Code, "%v: %v", op, why)
}

func place(t berth.Task, node string) berth.Op {
	return berth.Op{Kind: berth.Place, Task: t, Node: node}
}

func TestUsedIsOfTasksAndHoldsAndOfRolesBelow(t *testing.T) {
	f := forkOf(t, 100)
	web := in("eng/web", "web", 2)
	op := place(web.Task("w1"), "n1")
	op.Owner = "spark"
	apply(t, f, op)
	apply(t, f, place(web.Task("w2"), "n1"))
	apply(t, f, place(in("eng", "tool", 1).Task("t1"), "n1"))
	apply(t, f, place(in("ops", "dns", 5).Task("d1"), "n1"))
	apply(t, f, berth.Op{Kind: berth.Take, Hold: until(berth.Hold{ID: "h1", Owner: "spark", Role: "eng", Node: "n1", Resources: core(10)})})
	apply(t, f, berth.Op{Kind: berth.Take, Hold: until(berth.Hold{ID: "h2", Owner: "flink", Role: "eng/web", Node: "n1", Resources: core(20), Lease: berth.Optimistic})})

	assert.Equal(t, core(2+2+1+5+10+20), f.Used(""), "everybody's")
	assert.Equal(t, core(2+2+1+10+20), f.Used("eng"))
	assert.Equal(t, cluster.RoleView{Role: "eng", Used: core(35), Own: core(11), Quota: berth.Quota{Role: "eng"}}, f.Role("eng"))
	assert.Equal(t, core(2+2+20), f.Used("eng/web"))
	assert.Equal(t, core(2+10), f.UsedBy("spark"), "of a task in its name, and of its hold")
	assert.Equal(t, core(20), f.UsedBy("flink"))
	assert.Empty(t, f.UsedBy("nobody"))
	assert.Empty(t, f.Used("eng/web/front"))
	task, _ := f.Task("w1")
	assert.Equal(t, "spark", task.Owner)

	var roles []berth.Role
	for r := range f.Roles() {
		roles = append(roles, r.Role)
	}
	assert.Equal(t, []berth.Role{"", "eng", "eng/web", "ops"}, roles)

	before := f.Snapshot()
	require.NoError(t, f.RemoveNodes("n1"))
	assert.Empty(t, f.Used(""), "lost tasks have nothing, and holds end with their node")
	assert.Empty(t, f.UsedBy("spark"))
	assert.Equal(t, core(40), before.Used(""), "a snapshot stays as it was")
}

func TestUsedBeyondAnInt64(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n1", Capacity: berth.Resources{"io": math.MaxInt64}}, berth.Node{ID: "n2", Capacity: berth.Resources{"io": math.MaxInt64}})
	require.NoError(t, err)
	assert.Equal(t, berth.Resources{"io": math.MaxInt64}, s.Total())
	f := s.Fork()
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"io": math.MaxInt64}})
	apply(t, f, place(g.Task("a"), "n1"))
	apply(t, f, place(g.Task("b"), "n2"))
	assert.Equal(t, berth.Resources{"io": math.MaxInt64}, f.Used(""))
	require.NoError(t, f.SetQuotas(berth.Quota{Limits: berth.Resources{"io": math.MaxInt64}}))
	apply(t, f, berth.Op{Kind: berth.Release, ID: "a"})
	assert.Equal(t, berth.Resources{"io": math.MaxInt64}, f.Used(""), "exactly that now, and before it was twice as much")
	_, why := f.Apply(place(g.Task("c"), "n1")) // and not "a", which would be an exchange
	assert.Equal(t, berth.OverLimit, why.Code)
	apply(t, f, berth.Op{Kind: berth.Release, ID: "b"})
	assert.Empty(t, f.Used(""))
	apply(t, f, place(g.Task("a"), "n1"))
}

// Quota in a tree of roles, which Mesos charges upwards and does not enforce downwards: there a role below escapes the limit of the one above
// (its tests of that are disabled). Here every limit on the way to the root counts.
func TestHierarchicalQuota(t *testing.T) {
	type limits map[berth.Role]int64
	for _, c := range []struct {
		name   string
		limits limits
		asks   []berth.Role // a core for each, in order
		want   string       // whether it gets it
	}{
		{"no limit", limits{}, []berth.Role{"a", "a/b", "c"}, "+++"},
		{"a role's own limit", limits{"a": 1}, []berth.Role{"a", "a", "c"}, "+-+"},
		{"a limit counts what the roles below have", limits{"a": 2}, []berth.Role{"a/b", "a/c", "a", "c"}, "++-+"},
		{"and binds them", limits{"a": 1}, []berth.Role{"a", "a/b", "a/b/c", "ab"}, "+--+"},
		{"the lower limit first", limits{"a": 5, "a/b": 1}, []berth.Role{"a/b", "a/b", "a/c", "a/c"}, "+-++"},
		{"limits below add up to more than the one above", limits{"a": 2, "a/b": 2, "a/c": 2}, []berth.Role{"a/b", "a/c", "a/b", "a/c"}, "++--"},
		{"zero is a limit", limits{"a": 0}, []berth.Role{"a", "a/b", "c"}, "--+"},
		{"zero below", limits{"a/b": 0}, []berth.Role{"a/b", "a/c"}, "-+"},
		{"the root's is everybody's", limits{"": 2}, []berth.Role{"a/b", "c", "", "d"}, "++--"},
		{"far below, through roles without any", limits{"a": 1}, []berth.Role{"a/b/c/d/e/f", "a/b/c/d/e/f"}, "+-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, how := range []string{"place", "hold", "evict to a hold", "draw on a hold of another role"} {
				f := forkOf(t, 100)
				for role, most := range c.limits {
					require.NoError(t, f.SetQuotas(berth.Quota{Role: role, Limits: core(most)}))
				}
				got := ""
				for i, role := range c.asks {
					g, id := in(role, fmt.Sprint("g", i), 1), fmt.Sprint(i)
					hold := until(berth.Hold{ID: id, Owner: "o" + id, Role: role, Node: "n1", Resources: core(1)})
					op := place(g.Task(id), "n1")
					switch how {
					case "hold":
						op = berth.Op{Kind: berth.Take, Hold: hold}
					case "evict to a hold":
						apply(t, f, place(berth.NewTask("v"+id, berth.GroupSpec{}), "n1")) // takes nothing
						op = berth.Op{Kind: berth.Evict, ID: "v" + id, Hold: hold}
					case "draw on a hold of another role":
						if c.limits[""] > 0 {
							continue // the hold itself is everybody's
						}
						hold.Role = "elsewhere"
						apply(t, f, berth.Op{Kind: berth.Take, Hold: hold})
						op.From = hold.Owner
					}
					before := dump(f) + fmt.Sprint(slices.Collect(f.Roles()))
					_, why := f.Apply(op)
					switch why.Code {
					case berth.None:
						got += "+"
					case berth.OverLimit:
						got += "-"
						assert.Equal(t, before, dump(f)+fmt.Sprint(slices.Collect(f.Roles())), "what is refused changes nothing")
					default:
						t.Fatal(why)
					}
				}
				if got != "" {
					assert.Equal(t, c.want, got, how)
				}
			}
		})
	}
}

func TestLimitsOfWhatIsExchanged(t *testing.T) {
	f := forkOf(t, 10)
	web := in("eng/web", "web", 4)
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng", Limits: core(4)}))
	apply(t, f, place(web.Task("w1"), "n1"))

	_, why := f.Apply(berth.Op{Kind: berth.Evict, ID: "w1", Hold: until(berth.Hold{ID: "h", Owner: "o", Role: "eng/batch", Node: "n1", Resources: core(5)})})
	assert.Equal(t, "over limit eng: cpu 4", why.String(), "4 come back, and 5 are asked for")
	apply(t, f, berth.Op{Kind: berth.Evict, ID: "w1", Hold: until(berth.Hold{ID: "h", Owner: "o", Role: "eng/batch", Node: "n1", Resources: core(4)})})
	assert.Equal(t, core(4), f.Used("eng/batch"))

	op := place(web.Task("w2"), "n1")
	_, why = f.Apply(op)
	assert.Equal(t, berth.OverLimit, why.Code, "the hold has it all")
	op.From = "o"
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng/web", Limits: core(3)}))
	_, why = f.Apply(op)
	assert.Equal(t, "over limit eng/web: cpu 3", why.String(), "what is held for another role is more of this one")
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng/web"}))
	apply(t, f, op)
	assert.Equal(t, core(4), f.Used("eng/web"))
	assert.Empty(t, f.Used("eng/batch"))
}

func TestALimitBelowWhatIsThereOnlyStopsMore(t *testing.T) {
	f := forkOf(t, 10)
	web := berth.NewGroup("web", berth.GroupSpec{Role: "eng", Request: core(2)})
	apply(t, f, place(web.Task("w1"), "n1"))
	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng", Limits: core(1)}))
	assert.Equal(t, core(2), f.Used("eng"))
	require.NoError(t, f.Adopt(web.Task("w2"), "n1", nil, berth.Running), "it runs already")
	assert.Equal(t, core(4), f.Used("eng"))
	_, why := f.Apply(place(web.Task("w3"), "n1"))
	assert.Equal(t, berth.OverLimit, why.Code)
	apply(t, f, place(berth.NewTask("m", berth.GroupSpec{Role: "eng", Request: berth.Resources{}}), "n1"))

	n, _ := f.Node("n1")
	assert.False(t, f.Fits(web, n))
	assert.Equal(t, []berth.Lack{berth.Exceeded("eng", "cpu", 1000, 4000, 5000)}, f.Lacks(web, n))
	assert.Equal(t, "over limit eng: cpu 1 (4 used); raising the limit eng: cpu 1 by 5 would do", f.Explain(web).String())
	large := berth.NewGroup("large", berth.GroupSpec{Role: "eng", Request: core(20)})
	assert.Equal(t, "over limit eng: cpu 1 (4 used), 1 too little cpu in all; nearest n1: lacks 14 cpu (it has 10 in all); "+
		"raising the limit eng: cpu 1 by 23 and 14 more cpu on n1 would do", f.Explain(large).String())

	require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng"}))
	apply(t, f, place(web.Task("w3"), "n1"))
}

func TestSetQuotasIsWholeOrNot(t *testing.T) {
	f := forkOf(t, 10)
	good := berth.Quota{Role: "eng", Limits: core(1), Guarantees: berth.Resources{"gpu": 500}}
	err := f.SetQuotas(good, berth.Quota{Role: "a//b"}, berth.Quota{Role: "ops", Limits: core(-1)})
	assert.EqualError(t, err, "quota of a//b: role \"a//b\": empty segment\nquota of ops: limits: resource \"cpu\": quantity is negative: -1000")
	assert.Equal(t, berth.Quota{Role: "eng"}, f.Role("eng").Quota)
	version := f.Version()
	require.NoError(t, f.SetQuotas(good))
	assert.Equal(t, good, f.Role("eng").Quota)
	assert.NotEqual(t, version, f.Version(), "a plan may depend on it")
	good.Limits["cpu"] = 7
	assert.EqualValues(t, 1000, f.Role("eng").Quota.Limits["cpu"], "the caller's map is read once")
	child := f.Snapshot().Fork()
	require.NoError(t, child.SetQuotas(berth.Quota{Role: "eng"}))
	assert.Empty(t, child.Role("eng").Quota.Limits)
	assert.EqualValues(t, 1000, f.Role("eng").Quota.Limits["cpu"], "fork-never-leaks")
}

// Random histories of forks of forks: what every role has is what its tasks and holds come to, no operation makes it exceed a limit, and
// none is refused for a limit that it would not exceed.
func TestLedgerEqualsSum(t *testing.T) {
	roles := []berth.Role{"", "a", "a/b", "a/b/c", "a/d", "e"}
	owners := []string{"", "f", "g"}
	refused := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		some := func(n int64) int64 { return r.Int64N(n) }
		forks := []*cluster.Fork{forkOf(t, 30, 20)}
		for step := range 150 {
			k := r.IntN(len(forks))
			f := forks[k]
			id := fmt.Sprint("t", step)
			role := roles[r.IntN(len(roles))]
			node := fmt.Sprint("n", 1+r.IntN(3))
			cost := berth.Resources{"cpu": some(5) * 1000, "memory": some(3)}
			g := berth.NewGroup(fmt.Sprint("g", r.IntN(8)), berth.GroupSpec{})
			g = berth.NewGroup(fmt.Sprint(g.Name(), role), berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1000 * int64(len(g.Name()))}})
			if r.IntN(2) == 0 {
				g = berth.NewGroup(id, berth.GroupSpec{Role: role, Request: cost})
			}
			before := map[berth.Role]berth.Resources{}
			for _, role := range roles {
				before[role] = f.Used(role)
			}
			asked := f.Snapshot()
			op, why := berth.Op{}, berth.Reason{}
			hold := until(berth.Hold{ID: "h" + id, Owner: owners[1+r.IntN(2)], Role: role, Node: node, Resources: cost, Lease: berth.Lease(r.IntN(2))})
			var tasks []string
			for n := range f.Nodes() {
				for t := range n.Tasks() {
					tasks = append(tasks, t.ID)
				}
			}
			switch c := r.IntN(20); {
			case c < 8:
				op = place(g.Task(id), node)
				op.Owner = owners[r.IntN(3)]
				if held := slices.Collect(f.Holds()); len(held) > 0 && r.IntN(2) == 0 {
					h := held[r.IntN(len(held))]
					op.Node, op.From = h.Node, h.Owner
				}
			case c < 11:
				op = berth.Op{Kind: berth.Take, Hold: hold}
			case c == 11 && len(tasks) > 0:
				op = berth.Op{Kind: berth.Evict, ID: tasks[r.IntN(len(tasks))], Hold: hold}
			case c < 14 && len(tasks) > 0:
				op = berth.Op{Kind: berth.Release, ID: tasks[r.IntN(len(tasks))]}
			case c == 14:
				before = nil
				_ = f.AdoptFor(owners[r.IntN(3)], g.Task(id), node, nil, berth.Running)
			case c == 15:
				if f.AddNodes(berth.Node{ID: node, Capacity: berth.Resources{"cpu": 20_000, "memory": 9}}) != nil && r.IntN(3) == 0 {
					_ = f.RemoveNodes(node)
				}
			case c == 16:
				if len(forks) < 6 {
					forks = append(forks, f.Snapshot().Fork())
				} else {
					forks[r.IntN(len(forks))] = f.Snapshot().Fork()
				}
			default:
				q := berth.Quota{Role: role}
				if r.IntN(3) > 0 {
					q.Limits = berth.Resources{"cpu": before[role]["cpu"] + (some(12)-3)*1000}
					q.Limits["cpu"] = max(0, q.Limits["cpu"])
				}
				require.NoError(t, f.SetQuotas(q))
			}
			if op.Kind != berth.Place || op.Task.ID != "" {
				_, why = f.Apply(op)
			}
			requireSums(t, f, roles, owners, fmt.Sprintf("seed %d, step %d", seed, step))
			for rv := range f.Roles() {
				for name, most := range rv.Quota.Limits {
					if before != nil && rv.Used[name] > most && rv.Used[name] > before[rv.Role][name] {
						t.Fatalf("seed %d, step %d: quota-limit-never-exceeded: %v of %q: %d of %d", seed, step, name, rv.Role, rv.Used[name], most)
					}
				}
			}
			if why.Code == berth.OverLimit { // it is done where there are no limits, and exceeds one that there was
				refused++
				free := asked.Fork()
				var quotas []berth.Quota
				for rv := range free.Roles() {
					quotas = append(quotas, rv.Quota)
					require.NoError(t, free.SetQuotas(berth.Quota{Role: rv.Role}))
				}
				if _, why := free.Apply(op); why.Code != berth.None {
					continue // there is more against it
				}
				over := false
				for _, q := range quotas {
					for name, most := range q.Limits {
						now := free.Used(q.Role)[name]
						over = over || now > most && now > before[q.Role][name]
					}
				}
				if op.Kind == berth.Place && op.From == "" || op.Kind == berth.Take {
					require.True(t, over, "seed %d, step %d: %v: %v", seed, step, op, why)
				}
			}
		}
	}
	assert.Greater(t, refused, 100, "limits were of consequence")
}

func requireSums(t *testing.T, f *cluster.Fork, roles []berth.Role, owners []string, at string) {
	own, by := map[berth.Role]berth.Resources{}, map[string]berth.Resources{}
	for _, role := range roles {
		own[role] = berth.Resources{}
	}
	for _, owner := range owners {
		by[owner] = berth.Resources{}
	}
	enter := func(role berth.Role, owner string, cost berth.Resources) {
		for name, q := range cost {
			own[role][name] += q
			by[owner][name] += q
		}
	}
	for n := range f.Nodes() {
		for t := range n.Tasks() {
			enter(t.Group.Role(), t.Owner, t.Group.Cost())
		}
	}
	for h := range f.Holds() {
		enter(h.Role, h.Owner, h.Cost())
	}
	for _, role := range roles {
		used := berth.Resources{}
		for below := range own {
			if role == "" || below == role || len(below) > len(role) && below[:len(role)+1] == role+"/" {
				for name, q := range own[below] {
					used[name] += q
				}
			}
		}
		require.True(t, used.Equal(f.Used(role)), "%s: %q has %v, its tasks and holds come to %v", at, role, f.Used(role), used)
		require.True(t, own[role].Equal(f.Role(role).Own), "%s: %q alone", at, role)
	}
	for _, owner := range owners[1:] {
		require.True(t, by[owner].Equal(f.UsedBy(owner)), "%s: owner %s", at, owner)
	}
}
