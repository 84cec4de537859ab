package offers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func inZone(id, zone string) berth.Node {
	n := node(id, 4, 0)
	n.Attributes = berth.Attributes{"zone": zone}
	return n
}

// Rules about nodes keep a framework's offers from the others, whether it has declared something or not, until the node is another or the
// terms are.
func TestTermsOfNodes(t *testing.T) {
	web := cpus("web", "f", 1)
	for name, demand := range map[string][]offers.Demand{
		"all": nil, "tasks": {{Group: web}}, "gang": {{Group: gangOf("mpi", "f", 4, 1)}},
		"daemon": {{Group: berth.NewGroup("agent", berth.GroupSpec{Role: "f", Request: res{"cpu": 4}, Mode: berth.Daemon})}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, inZone("n1", "a"), inZone("n2", "b"))
			f := w.subscribe(offers.Framework{Name: "f", Role: "f", Demand: demand, Terms: offers.Terms{Nodes: []berth.Constraint{constraints.Eq("zone", "b")}}})
			w.offer()
			assert.Equal(t, "n2", nodesOf(t, f))
			assert.Equal(t, "n1: excluded", whyNode(t, f, "n1"))
			if name == "gang" {
				return // it has all that it wants
			}
			require.NoError(t, w.state.UpdateNodes(inZone("n1", "b")))
			w.offer()
			assert.Equal(t, "n2 n1", nodesOf(t, f))
			require.NoError(t, f.SetTerms(offers.Terms{}))
			require.NoError(t, w.state.AddNodes(inZone("n3", "c")))
			w.offer()
			assert.Equal(t, "n2 n1 n3", nodesOf(t, f))
		})
	}
}

func TestTermsOfOneFramework(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Minute, MaxOutstanding: 1}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0), node("n4", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "f", Terms: offers.Terms{LeaseFor: 10 * time.Second, MaxOutstanding: 2}})
	g := w.subscribe(offers.Framework{Name: "g", Role: "g"})
	assert.Equal(t, 3, w.offer())
	assert.Len(t, ids(t, f), 2)
	assert.Len(t, ids(t, g), 1)
	assert.Equal(t, `framework "f" of role "f": 2 offers; full`, why(t, f))
	w.now = w.now.Add(10 * time.Second)
	n, err := w.x.Expire(ctx)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Empty(t, ids(t, f))
	assert.Len(t, ids(t, g), 1)
	require.NoError(t, f.SetTerms(offers.Terms{}))
	w.offer()
	assert.Len(t, ids(t, f), 1)
}

// A framework that lets leases end is offered nothing for a while, each time for twice as long, up to 64 times; a sign of life ends it.
func TestBackoff(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Second, Backoff: time.Minute}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
	pause := time.Minute
	for range 9 {
		require.Equal(t, 2, w.offer())
		w.now = w.now.Add(time.Second)
		require.Zero(t, w.offer(), "the leases have ended")
		until := w.now.Add(pause)
		assert.Equal(t, `framework "f" of role "f": 0 offers; backing off until `+until.UTC().Format(time.TimeOnly), why(t, f))
		assert.Equal(t, `n1: backing off until `+until.UTC().Format(time.TimeOnly), whyNode(t, f, "n1"))
		w.now = until.Add(-time.Nanosecond)
		require.Zero(t, w.offer())
		w.now = until
		pause = min(2*pause, 64*time.Minute)
	}
	require.Equal(t, 2, w.offer())
	require.NoError(t, f.Decline(ctx, ids(t, f)[:1], offers.Filter{For: time.Second}))
	w.now = w.now.Add(time.Second)
	w.offer()
	w.now = w.now.Add(time.Minute)
	assert.Equal(t, 2, w.offer(), "an answer ended the count")

	// So do a placement by the Book, and to revive.
	w.now = w.now.Add(time.Second)
	require.Zero(t, w.offer())
	require.NoError(t, f.Revive())
	require.Equal(t, 2, w.offer())
	schedule(t, f.Book(), cpus("web", "f", 1).Task("web-1"))
	w.now = w.now.Add(time.Second)
	w.offer()
	w.now = w.now.Add(time.Minute)
	assert.Equal(t, 2, w.offer())
}

// Others have meanwhile what a framework that has died would have kept idle.
func TestBackoffLeavesRoomToOthers(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Second, Backoff: time.Hour}, node("n1", 4, 0))
	w.subscribe(offers.Framework{Name: "dead", Role: "dead"})
	alive := w.subscribe(offers.Framework{Name: "zeal", Role: "zeal"})
	require.Equal(t, 1, w.offer())
	require.Empty(t, ids(t, alive))
	w.now = w.now.Add(time.Second)
	require.Equal(t, 1, w.offer())
	assert.Len(t, ids(t, alive), 1)
}

// What is less than is offered at all stays until more is free, for those who have declared nothing; what is cut for a demand is what it asks for.
func TestLeastAmounts(t *testing.T) {
	w := newWorld(t, offers.Config{Least: []berth.Resources{{"cpu": 2}, {"memory": 8}}}, node("n1", 1, 4), node("n2", 2, 1), node("n3", 1, 8), node("n4", 4, 0))
	schedule(t, w.state, cpus("job", "", 3).Task("job-1")) // on n4
	f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
	assert.Equal(t, 2, w.offer())
	assert.Equal(t, "n2 n3", nodesOf(t, f))
	assert.Equal(t, "n4: too little", whyNode(t, f, "n4"))
	require.NoError(t, w.state.Release("job-1"))
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, "n2 n3 n4", nodesOf(t, f))
	g := w.subscribe(offers.Framework{Name: "g", Role: "g", Demand: []offers.Demand{{Group: cpus("web", "g", 1), Count: 1}}})
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, "n1", nodesOf(t, g))
}

// Of what nodes do not limit there is no part that would be too much.
func TestMaxPercentOfTheUnlimited(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", math.MaxInt64, 4), node("n2", math.MaxInt64, 4))
	f := w.subscribe(offers.Framework{Name: "f", Terms: offers.Terms{MaxPercent: 50}})
	assert.Equal(t, 1, w.offer(), "half of the memory")
	assert.Equal(t, "n1", nodesOf(t, f))
}

// Where a limit leaves less than is offered at all, it is the limit that is told.
// A framework's own terms take the place of what holds for all: less, more, or nothing at all.
func TestLeastOfTerms(t *testing.T) {
	w := newWorld(t, offers.Config{Least: []berth.Resources{{"cpu": 2}}}, node("n1", 1, 4), node("n2", 2, 1), node("n3", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Terms: offers.Terms{Least: []berth.Resources{{"cpu": 3}, {"memory": 4}}}})
	w.offer()
	assert.Equal(t, "n1 n3", nodesOf(t, f))
	declineAll(t, f, offers.Filter{})
	require.NoError(t, f.SetTerms(offers.Terms{Least: []berth.Resources{}}))
	w.offer()
	assert.Equal(t, "n1 n2 n3", nodesOf(t, f))
	declineAll(t, f, offers.Filter{})
	require.NoError(t, f.SetTerms(offers.Terms{}))
	w.offer()
	assert.Equal(t, "n2 n3", nodesOf(t, f))
	why, err := f.WhyNode(ctx, "n1")
	require.NoError(t, err)
	assert.Equal(t, offers.TooLittle, why.Cause)
	assert.ErrorContains(t, f.SetTerms(offers.Terms{Least: []berth.Resources{{}}}), "amounts 1 of Least: nothing")
}

func TestLimitsLeaveLessThanTheLeast(t *testing.T) {
	w := newWorld(t, offers.Config{Least: []berth.Resources{{"cpu": 2}}}, node("n1", 4, 0), node("n2", 1, 0))
	require.NoError(t, w.state.SetQuotas(quota("f", res{"cpu": 1})))
	f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
	assert.Zero(t, w.offer())
	assert.Equal(t, "n1: limited", whyNode(t, f, "n1"))
	assert.Equal(t, "n2: too little", whyNode(t, f, "n2"))
}

// angry panics on nodes that it names, and is at fault if it is told so.
type angry struct {
	berth.NodeRule
	node string
	err  error
}

func (a angry) Err() error { return a.err }

func (a angry) Allows(n *berth.Node) bool {
	if n.ID == a.node {
		panic("angry")
	}
	return a.NodeRule.Allows(n)
}

func TestTermsAtFault(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	_, err := w.x.Subscribe(offers.Framework{Name: "f", Terms: offers.Terms{LeaseFor: -1, MaxOutstanding: -2, Nodes: []berth.Constraint{
		nil, constraints.Unique("zone"), angry{constraints.Exists("zone"), "", errors.New("no")}, (*constraints.Comparison)(nil),
	}}})
	assert.EqualError(t, err, `offers: subscribe "f": terms: LeaseFor is negative (-1ns)
offers: subscribe "f": terms: MaxOutstanding is negative (-2)
offers: subscribe "f": terms: rule 1 of Nodes: none given
offers: subscribe "f": terms: rule 2 of Nodes: unique(zone) is not about nodes
offers: subscribe "f": terms: rule 3 of Nodes: no
offers: subscribe "f": terms: rule 4 of Nodes: none given`)

	f := w.subscribe(offers.Framework{Name: "f", Terms: offers.Terms{Nodes: []berth.Constraint{angry{constraints.Everywhere(), "n1", nil}}}})
	n, err := w.x.Offer(ctx)
	assert.EqualError(t, err, `offers: offer: framework "f": a rule about nodes panicked: angry`)
	assert.Equal(t, 1, n)
	assert.Equal(t, "n2", nodesOf(t, f))
	assert.EqualError(t, f.SetTerms(offers.Terms{LeaseFor: -1}), `offers: set terms: framework "f": LeaseFor is negative (-1ns)`)

	_, err = offers.NewExchange(w.state, offers.Config{Order: new(allocator.DRF).Turns(), Least: []berth.Resources{{}, {"cpu": -1}}, Backoff: -1})
	assert.EqualError(t, err, `offers: config: amounts 1 of Least: nothing
offers: config: amounts 2 of Least: resource "cpu": quantity is negative: -1
offers: config: Backoff is negative or too long (-1ns)`)
}

func ExampleTerms() {
	zone := func(id, zone string) berth.Node {
		return berth.Node{ID: id, Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"zone": zone}}
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, zone("n1", "a"), zone("n2", "b"))
	if err != nil {
		log.Fatal(err)
	}
	exchange, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), Backoff: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	onlyB, err := constraints.Parse(`zone = "b"`)
	if err != nil {
		log.Fatal(err)
	}
	spark, err := exchange.Subscribe(offers.Framework{Name: "spark", Terms: offers.Terms{LeaseFor: 5 * time.Minute, Nodes: []berth.Constraint{onlyB}}})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	for _, node := range []string{"n1", "n2"} {
		why, err := spark.WhyNode(context.Background(), node)
		fmt.Println(why, err)
	}
	// Output:
	// n1: excluded <nil>
	// n2: offered <nil>
}

// A window is how many demands without room let others pass; a framework without one lets all, and is not held up by who has one.
func TestWindow(t *testing.T) {
	for _, tc := range []struct {
		window int
		want   string
	}{
		{0, "n1: small, small, tiny"},
		{1, ""},
		{2, "n1: small, small"},
		{3, "n1: small, small, tiny"},
	} {
		for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 4, 0))
			schedule(t, w.state, cpus("used", "", 1).Tasks(1)...) // 3 are free
			demand := func(name string, cpu int64, n int) offers.Demand {
				return offers.Demand{Group: cpus(name, "f", cpu), Count: n}
			}
			f := w.subscribe(offers.Framework{Name: "f", Role: "f", Terms: offers.Terms{Window: tc.window}, Demand: []offers.Demand{
				demand("big", 4, 1), {Group: cpus("small", "f", 1), Count: 2}, demand("large", 5, 1), demand("tiny", 1, 1)}})
			told := func() string {
				all, err := f.Offers(ctx)
				require.NoError(t, err)
				have := int64(0)
				for _, o := range all {
					have += o.Resources["cpu"]
				}
				return []string{"", "n1: small", "n1: small, small", "n1: small, small, tiny"}[have]
			}
			w.offer()
			assert.Equal(t, tc.want, told(), "window %d, lease %v", tc.window, lease)
			w.offer() // and nothing changes as long as nothing happens
			assert.Equal(t, tc.want, told(), "window %d, lease %v", tc.window, lease)
			if tc.window == 1 {
				why, err := f.WhyNode(ctx, "n1")
				require.NoError(t, err)
				assert.Equal(t, "n1: unfit: lacks 0.001 cpu", why.String())
				other := w.subscribe(offers.Framework{Name: "other", Role: "other", Demand: []offers.Demand{{Group: cpus("o", "other", 1), Count: 1}}})
				w.offer()
				assert.Len(t, list(t, other), 1)
				declineAll(t, other, offers.Filter{})
				require.NoError(t, other.Want())

				// When the first has its room what stood behind has its turn, wherever there is any.
				require.NoError(t, w.state.AddNodes(node("n2", 4, 0)))
				w.offer()
				w.offer()
				assert.Equal(t, "n2 n1", nodesOf(t, f), "the first has n2")
			}
		}
	}
	assert.ErrorContains(t, offers.Terms{Window: -1}.Err(), "negative Window (-1)")
}

// The same with gangs, and with daemons, which wait for nobody.
func TestWindowOfGangs(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	gang := func(name string, n int) offers.Demand {
		return offers.Demand{Group: berth.NewGroup(name, berth.GroupSpec{Role: "f", Request: res{"cpu": 1}, Mode: berth.Gang, GangSize: n}), Count: n}
	}
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "f", Request: res{"cpu": 1}, Mode: berth.Daemon})
	f := w.subscribe(offers.Framework{Name: "f", Role: "f", Terms: offers.Terms{Window: 1}, Demand: []offers.Demand{gang("five", 5), gang("two", 2), {Group: agent}}})
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, f), "the daemon")
	assert.Zero(t, w.offer())
	require.NoError(t, f.SetTerms(offers.Terms{Window: 2}))
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, []string{"n1: cpu 0.001", "n1: cpu 0.002"}, list(t, f))
}
