package offers_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func gangOf(name string, role berth.Role, size int, cpu int64, rules ...berth.Constraint) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: res{"cpu": cpu}, Mode: berth.Gang, GangSize: size, Rules: rules})
}

func wants(name string, d ...offers.Demand) offers.Framework {
	return offers.Framework{Name: name, Role: berth.Role(name), Demand: d}
}

// A gang is offered on as many nodes as it takes in one pass, and can then be placed.
func TestGangIsOfferedWhole(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0), node("n3", 2, 0))
	g := gangOf("mpi", "a", 5, 1)
	a := w.subscribe(wants("a", offers.Demand{Group: g, Count: 5}))
	assert.Equal(t, 3, w.offer())
	assert.Equal(t, "n1 n2 n3", nodesOf(t, a))
	assert.Equal(t, res{"cpu": 1}, freeOn(t, w.state, "n3"))
	out := schedule(t, a.Book(), g.Tasks(5)...)
	assert.Len(t, out.Placed, 5)
	assert.Zero(t, w.offer(), "it has all it wants")
}

// A gang that does not fit keeps nothing from others, and is told how much of it would fit. When there is room for it, it is offered.
func TestGangThatDoesNotFitIsHeldBack(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(lease.String(), func(t *testing.T) {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 2, 0), node("n2", 2, 0), node("n3", 2, 0))
			g := gangOf("mpi", "a", 7, 1)
			a := w.subscribe(wants("a", offers.Demand{Group: g}))
			job := cpus("job", "b", 1)
			b := w.subscribe(wants("b", offers.Demand{Group: job, Count: 2}))
			assert.Equal(t, 1, w.offer())
			assert.Empty(t, ids(t, a))
			assert.Equal(t, "n1", nodesOf(t, b))
			schedule(t, b.Book(), job.Tasks(2)...)
			assert.Zero(t, w.offer())
			assert.Equal(t, "n2: incomplete: gang incomplete 4 of 7", whyNode(t, a, "n2"))
			assert.Equal(t, `framework "a" of role "a": 0 offers; 0 frameworks ahead; 3 nodes: 1 unfit (n1: lacks 0.001 cpu), 2 incomplete (n2: gang incomplete 4 of 7)`, why(t, a))
			require.NoError(t, w.state.AddNodes(node("n4", 3, 0)))
			assert.Equal(t, 3, w.offer())
			assert.Equal(t, "n2 n3 n4", nodesOf(t, a))
			out := schedule(t, a.Book(), g.Tasks(7)...)
			assert.Len(t, out.Placed, 7)
		})
	}
}

// Of two gangs that fit one after the other the one runs and then the other: neither gets a part that keeps both from being whole.
func TestTwoGangsRunOneAfterTheOther(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 3, 0), node("n2", 3, 0))
	first, second, job := gangOf("first", "a", 4, 1), gangOf("second", "b", 4, 1), cpus("job", "c", 1)
	a := w.subscribe(wants("a", offers.Demand{Group: first, Count: 4}))
	b := w.subscribe(wants("b", offers.Demand{Group: second, Count: 4}))
	c := w.subscribe(wants("c", offers.Demand{Group: job, Count: 1}))
	w.offer()
	require.Empty(t, ids(t, b))
	require.Len(t, schedule(t, a.Book(), first.Tasks(4)...).Placed, 4)
	require.Len(t, schedule(t, c.Book(), job.Task("job-1")).Placed, 1)
	assert.Zero(t, w.offer())
	require.NoError(t, w.state.Release("first-1", "first-2", "first-3", "first-4"))
	require.NoError(t, a.Want())
	w.offer()
	assert.Len(t, schedule(t, b.Book(), second.Tasks(4)...).Placed, 4)
}

// A gang whose framework has the lower share comes before single tasks of others, and after them where it has the higher one.
func TestGangIsOneGrantInItsTurn(t *testing.T) {
	g, job := gangOf("mpi", "a", 4, 1), cpus("job", "b", 1)
	for _, tc := range []struct {
		name  string
		taken *berth.Group // what runs already
		gang  int
	}{
		{"b", cpus("old", "b", 3), 4},
		{"a", cpus("old", "a", 3), 0},
	} {
		t.Run(tc.name+" has 3 of 8 cores", func(t *testing.T) {
			// Of the 5 others a gang of 4 takes its part first where its framework has nothing; else the tasks go first until both have 3, and
			// that leaves 2.
			w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
			schedule(t, w.state, tc.taken.Task("old-1"))
			a := w.subscribe(wants("a", offers.Demand{Group: g, Count: 4}))
			b := w.subscribe(wants("b", offers.Demand{Group: job}))
			w.offer()
			assert.Equal(t, tc.gang, cores(t, a), list(t, a))
			assert.Equal(t, 5-tc.gang, cores(t, b), list(t, b))
		})
	}
}

// cores adds up the cpu of a framework's offers.
func cores(t testing.TB, s *offers.Subscription) (n int) {
	t.Helper()
	all, err := s.Offers(ctx)
	require.NoError(t, err)
	for _, o := range all {
		n += int(o.Resources["cpu"])
	}
	return n
}

// What is wanted beyond the size is offered piece by piece, and a gang that lost a task gets it back.
func TestGangBeyondItsSize(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0))
	g := gangOf("mpi", "a", 2, 1)
	a := w.subscribe(wants("a", offers.Demand{Group: g, Count: 3}))
	w.offer()
	w.offer()
	assert.Equal(t, 3, cores(t, a))
	require.Len(t, schedule(t, a.Book(), g.Tasks(3)...).Placed, 3)
	require.NoError(t, w.state.Release("mpi-1", "mpi-2"))
	w.offer()
	w.offer()
	assert.Equal(t, 2, cores(t, a))
}

// Rules among the tasks of a gang hold for the whole of it, and a framework that may not have as many offers as it would take has none.
func TestGangWithRulesAndCaps(t *testing.T) {
	g := gangOf("mpi", "a", 3, 1, constraints.Unique(berth.NodeID))
	for most, want := range map[int]int{0: 3, 3: 3, 2: 0} {
		w := newWorld(t, offers.Config{MaxOutstanding: most}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0))
		a := w.subscribe(wants("a", offers.Demand{Group: g}))
		w.offer()
		assert.GreaterOrEqual(t, len(ids(t, a)), want, most)
		if want == 0 {
			assert.Empty(t, ids(t, a), most)
		}
	}
}

func TestGangDemandBelowItsSize(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	_, err := w.x.Subscribe(wants("a", offers.Demand{Group: gangOf("mpi", "a", 3, 1), Count: 2}))
	assert.EqualError(t, err, `offers: subscribe "a": demand "mpi": count 2 of a gang of 3, which is offered whole`)
}

// What others took between the pass and its commit may be on one node of a gang's: then none of it is offered.
func TestGangOfWhichAPartIsTakenIsNotOffered(t *testing.T) {
	w, source := newBetween(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0))
	a := w.subscribe(wants("a", offers.Demand{Group: gangOf("mpi", "a", 4, 1)}))
	source.f = func() { schedule(t, w.state, cpus("job", "", 1).Task("job-1")) }
	assert.Zero(t, w.offer())
	assert.Empty(t, ids(t, a))
	require.NoError(t, w.state.Release("job-1"))
	assert.Equal(t, 2, w.offer())
}

// In random histories a gang is whole or has nothing, and one that is held back does not fit.
func TestGangsAreWholeOrHeldBack(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 17))
		var nodes []berth.Node
		for i := range 2 + r.IntN(4) {
			nodes = append(nodes, node(fmt.Sprint("n", i), 1+r.Int64N(5), 0))
		}
		lease := berth.Lease(r.IntN(2))
		w := newWorld(t, offers.Config{Lease: lease}, nodes...)
		subs, groups := map[string]*offers.Subscription{}, map[string]*berth.Group{}
		for i := range 2 + r.IntN(4) {
			name := fmt.Sprint("f", i)
			g, count := gangOf(name, berth.Role(name), 1+r.IntN(6), 1+r.Int64N(2)), 0
			if r.IntN(3) == 0 {
				g = cpus(name, berth.Role(name), 1+r.Int64N(2))
			}
			if r.IntN(2) == 0 {
				count = g.GangSize() + r.IntN(3)
			}
			subs[name], groups[name] = w.subscribe(wants(name, offers.Demand{Group: g, Count: count})), g
		}
		number := 0
		for range 12 {
			before := map[string]int{}
			for name, s := range subs {
				before[name] = cores(t, s)
			}
			w.offer()
			snapshot := snapshotOf(t, w.state)
			for _, name := range slices.Sorted(maps.Keys(groups)) {
				g := groups[name]
				running := 0
				for n := range snapshot.Nodes() {
					for task := range n.Tasks() {
						if task.Group.Name() == name {
							running++
						}
					}
				}
				offered := cores(t, subs[name]) / int(g.Cost()["cpu"])
				have := running + offered
				require.True(t, cores(t, subs[name]) <= before[name] || have >= g.GangSize(), "seed %d: %s: %d run and %d are offered of a gang of %d", seed, name, running, offered, g.GangSize())
				if have < g.GangSize() && (lease == berth.Exclusive || offered == 0) { // a fork does not show its own optimistic offers
					require.Less(t, have+places(snapshot.Fork(), g), g.GangSize(), "seed %d: %s fits and is held back: %s", seed, name, why(t, subs[name]))
				}
			}
			for _, name := range slices.Sorted(maps.Keys(groups)) {
				g := groups[name]
				switch r.IntN(3) {
				case 0:
					var tasks []berth.Task
					for range cores(t, subs[name]) / int(g.Cost()["cpu"]) {
						number++
						tasks = append(tasks, g.Task(fmt.Sprint(name, "-", number)))
					}
					if len(tasks) > 0 {
						schedule(t, subs[name].Book(), tasks...)
					}
				case 1:
					for n := range snapshotOf(t, w.state).Nodes() {
						for task := range n.Tasks() {
							if task.Group.Name() == name && r.IntN(2) == 0 {
								require.NoError(t, w.state.Release(task.ID))
							}
						}
					}
				}
			}
			if r.IntN(4) == 0 {
				w.now = w.now.Add(time.Hour)
			}
		}
	}
}

// places counts how many tasks of a group one after the other find a node of a fork.
func places(f *cluster.Fork, g *berth.Group) (n int) {
	for v := range f.Snapshot().Nodes() {
		for {
			if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint("try-", n)), Node: v.ID()}); why.Code != berth.None {
				break
			}
			n++
		}
	}
	return n
}

func ExampleDemand_gang() {
	state, exchange, _ := twoNodes() // of 4 cores each
	train := berth.NewGroup("train", berth.GroupSpec{Role: "ml", Request: berth.Resources{"cpu": 2000}, Mode: berth.Gang, GangSize: 5})
	ml, err := exchange.Subscribe(offers.Framework{Name: "ml", Role: "ml", Demand: []offers.Demand{{Group: train}}})
	if err != nil {
		log.Fatal(err)
	}
	tell := func() {
		pass(exchange)
		why, err := ml.Why(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(why)
	}
	tell()
	if err := state.AddNodes(berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 4000}}); err != nil {
		log.Fatal(err)
	}
	tell()
	// Output:
	// framework "ml" of role "ml": 0 offers; 0 frameworks ahead; 2 nodes: 2 incomplete (n1: gang incomplete 4 of 5)
	// framework "ml" of role "ml": 3 offers; 0 frameworks ahead; 3 nodes: 3 offered
}

// What a gang's rules about its own tasks say of a node is nothing to who wants as much, whoever came first: neither while the gang waits for two places
// more, on n1, where it may have no second task, nor once it is whole and wants a task more.
func TestGangWithRulesKeepsNothingFromOthers(t *testing.T) {
	for _, first := range []string{"gang", "job"} {
		for _, size := range []int{2, 3} {
			w := newWorld(t, offers.Config{}, node("n1", 4, 0))
			g := gangOf("mpi", "a", size, 1, constraints.MaxPer(berth.NodeID, 1))
			if size == 2 { // it has its other place on n2
				require.NoError(t, w.state.AddNodes(node("n2", 4, 0)))
			} else {
				require.NoError(t, w.state.Adopt(scheduler.Running{Task: g.Task("mpi-1"), Node: "n1", State: berth.Running}))
			}
			gang, job := wants("a", offers.Demand{Group: g}), wants("b", offers.Demand{Group: cpus("job", "b", 1)})
			if first == "gang" {
				w.subscribe(gang)
				w.subscribe(job)
			} else {
				w.subscribe(job)
				w.subscribe(gang)
			}
			w.offer()
			assert.Empty(t, freeOn(t, w.state, "n1"), "first %s, size %d", first, size)
		}
	}
}

// A gang that would be more than its framework may be offered at a time is told so on every node: of 4 cores 2 may be offered, and it takes 4.
func TestGangOverThePercentageIsToldSo(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0))
	a := wants("a", offers.Demand{Group: gangOf("mpi", "a", 4, 1)})
	a.Terms.MaxPercent = 50
	s := w.subscribe(a)
	assert.Zero(t, w.offer())
	assert.Equal(t, `framework "a" of role "a": 0 offers; 0 frameworks ahead; 2 nodes: 2 full`, why(t, s))
}
