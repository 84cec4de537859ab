package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

// why prints why a framework has no more offers.
func why(t testing.TB, s *offers.Subscription) string {
	t.Helper()
	w, err := s.Why(ctx)
	require.NoError(t, err)
	return w.String()
}

func whyNode(t testing.TB, s *offers.Subscription, node string) string {
	t.Helper()
	w, err := s.WhyNode(ctx, node)
	require.NoError(t, err)
	return w.String()
}

func TestWhyOfAFrameworkThatDeclaresNothing(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0), node("n4", 4, 0))
	a := w.subscribe(offers.Framework{Name: "a", Role: "r"})
	b := w.subscribe(offers.Framework{Name: "b", Role: "s"})
	assert.Equal(t, `framework "b" of role "s": 0 offers; 1 framework ahead; 4 nodes: 4 waiting`, why(t, b))
	require.Equal(t, 4, w.offer())
	assert.Equal(t, "n1 n3", nodesOf(t, a))
	assert.Equal(t, `framework "b" of role "s": 2 offers; 1 framework ahead; 4 nodes: 2 offered, 2 with others (n1 until 00:17:10)`, why(t, b))

	declineAll(t, b, offers.Filter{For: 10 * time.Second})
	assert.Equal(t, "n2: filtered until 00:16:50", whyNode(t, b, "n2"))
	assert.Equal(t, "n2: waiting", whyNode(t, a, "n2"))
	schedule(t, w.state, cpus("job", "", 4).Tasks(1)...) // on one of n2 and n4
	require.NoError(t, w.state.Cordon("n1"))
	whyB, err := b.Why(ctx)
	require.NoError(t, err)
	require.Len(t, whyB.Nodes, 4)
	var causes []string
	for _, c := range whyB.Nodes {
		causes = append(causes, fmt.Sprint(c.Nodes, " ", c.Cause))
	}
	assert.Equal(t, []string{"1 cordoned", "1 used", "1 with others", "1 filtered"}, causes)

	require.NoError(t, b.Suppress())
	assert.Equal(t, `framework "b" of role "s": 0 offers; suppressed`, why(t, b))
	assert.Equal(t, "n3: suppressed", whyNode(t, b, "n3"))
	_, err = b.WhyNode(ctx, "n9")
	assert.ErrorIs(t, err, berth.ErrUnknownNode)
}

// What limits cut off is no part of what a filter is about: the offer that was declined is the one that would be made.
func TestWhyOfADeclinedOfferUnderALimit(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 14))
	require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "r", Limits: berth.Resources{"cpu": 1}}))
	a := w.subscribe(offers.Framework{Name: "a", Role: "r"})
	require.Equal(t, 1, w.offer())
	declineAll(t, a, offers.Filter{For: 10 * time.Second})
	assert.Equal(t, "n1: filtered until 00:16:50", whyNode(t, a, "n1"))
	assert.Zero(t, w.offer())
}

func TestWhyOfDemand(t *testing.T) {
	w := newWorld(t, offers.Config{MaxOutstanding: 1}, node("n1", 4000, 0), node("n2", 2000, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "r", Demand: []offers.Demand{}})
	assert.Equal(t, `framework "f" of role "r": 0 offers; content`, why(t, f))
	require.NoError(t, f.Want(offers.Demand{Group: cpus("g", "r", 3000), Count: 2}))
	assert.Equal(t, "n1: waiting", whyNode(t, f, "n1"))
	assert.Equal(t, `framework "f" of role "r": 0 offers; 0 frameworks ahead; 2 nodes: 1 unfit (n2: lacks 1 cpu (it has 2 in all)), 1 waiting`, why(t, f))
	require.Equal(t, 1, w.offer())
	assert.Equal(t, `framework "f" of role "r": 1 offer; full`, why(t, f))
	declineAll(t, f, offers.Filter{})
	require.NoError(t, w.state.SetQuotas(quota("r", res{"cpu": 2000})))
	assert.Equal(t, `framework "f" of role "r": 0 offers; limited; over limit r: cpu 2`, why(t, f))
	require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "r"}))

	// What others are offered is told from what is used.
	g := w.subscribe(offers.Framework{Name: "g", Role: "a"})
	w.offer()
	assert.Equal(t, "n1", nodesOf(t, g))
	assert.Equal(t, "n1: with others until 00:17:10", whyNode(t, f, "n1"))
	all, err := w.x.Why(ctx, "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, "f", all[0].Framework)
	none, err := w.x.Why(ctx, "nobody")
	require.NoError(t, err)
	assert.Empty(t, none)
	_, err = w.x.Why(ctx, "//")
	assert.Error(t, err)
}

// Whatever has happened, after a pass without offers nothing is waiting for one, but where a filter has still to see a pass.
func TestWhyAgreesWithPasses(t *testing.T) {
	for _, declared := range []bool{false, true} {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 1, 0))
		var fs []*offers.Subscription
		for i := range 3 {
			f := offers.Framework{Name: fmt.Sprint("f", i), Role: berth.Role(fmt.Sprint("r", i))}
			if declared {
				f.Demand = []offers.Demand{{Group: cpus(f.Name, f.Role, int64(i+1)), Count: 2}}
			}
			fs = append(fs, w.subscribe(f))
		}
		for round := range 12 {
			for w.offer() > 0 {
			}
			for _, f := range fs {
				n, err := f.Why(ctx)
				require.NoError(t, err)
				total := 0
				for _, c := range n.Nodes {
					assert.NotEqual(t, offers.Waiting, c.Cause, "%v", n)
					total += c.Nodes
				}
				if n.Cause == offers.Waiting {
					assert.Equal(t, 3, total)
				}
			}
			declineAll(t, fs[round%3], offers.Filter{For: time.Duration(round) * time.Minute})
		}
	}
}

func TestCauseWords(t *testing.T) {
	for c := offers.Suppressed; c <= offers.Waiting; c++ {
		text, err := c.MarshalText()
		require.NoError(t, err)
		var back offers.Cause
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, c, back)
		assert.Equal(t, string(text), c.String())
	}
	_, err := (offers.Waiting + 1).MarshalText()
	assert.Error(t, err)
	assert.Equal(t, fmt.Sprintf("Cause(%d)", offers.Waiting+1), (offers.Waiting + 1).String())
	var nobody *offers.Subscription
	_, err = nobody.Why(ctx)
	assert.ErrorIs(t, err, offers.ErrNotMade)
	assert.Equal(t, "no framework", (*offers.NoOffer)(nil).String())
}

// A node that has the instance of a daemon is not told as one that is unfit.
func TestWhyOfADaemonThatIsOnSomeNodes(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4000, 0), node("n2", 1000, 0))
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Mode: berth.Daemon, Request: res{"cpu": 2000}})
	f := w.subscribe(offers.Framework{Name: "f", Role: "ops", Demand: []offers.Demand{{Group: agent}}})
	require.Equal(t, 1, w.offer())
	require.Len(t, schedule(t, f.Book(), agent.Everywhere()).Placed, 1)
	assert.Equal(t, "n1: content", whyNode(t, f, "n1"))
	assert.Equal(t, `framework "f" of role "ops": 0 offers; 0 frameworks ahead; 2 nodes: 1 content, 1 unfit (n2: lacks 1 cpu (it has 1 in all))`, why(t, f))
	require.NoError(t, f.Want(offers.Demand{Group: agent}, offers.Demand{Group: cpus("large", "ops", 3000)}))
	assert.Equal(t, "n1: unfit: lacks 1 cpu", whyNode(t, f, "n1"))
}
