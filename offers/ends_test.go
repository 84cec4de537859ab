package offers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

// Of 14 cpu in all 4 are 28.6 %, 6 are 42.9 % and 8 are 57.1 %: what would be more than the percentage is not offered, and what is less is.
func TestMaxPercent(t *testing.T) {
	for _, c := range []struct {
		percent int
		demand  []offers.Demand
		want    string
		full    string
	}{
		{100, nil, "n1 n2 n3 n4", ""},
		{45, nil, "n1 n3", "n2"},
		{43, nil, "n1 n3", "n2"}, // 600 of 602
		{42, nil, "n1", "n2"},    // not of 588
		{28, nil, "n3", "n1"},
		{22, []offers.Demand{{Group: cpus("g", "", 1)}}, "n1", "n2"}, // three tasks of four that n1 has room for
	} {
		for _, others := range []bool{false, true} { // with others who want pieces, what is whole comes from forks
			w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 2, 0), node("n4", 4, 0))
			if others {
				w.subscribe(offers.Framework{Name: "zz", Role: "zz", Demand: []offers.Demand{{Group: cpus("huge", "zz", 100)}}})
			}
			f := w.subscribe(offers.Framework{Name: "f", Demand: c.demand, Terms: offers.Terms{MaxPercent: c.percent}})
			w.offer()
			assert.Equal(t, c.want, nodesOf(t, f), "%d", c.percent)
			if c.full != "" {
				assert.Equal(t, c.full+": full", whyNode(t, f, c.full), "%d", c.percent)
			}
			require.Zero(t, w.offer(), "nothing has changed")
		}
	}

	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Terms: offers.Terms{MaxPercent: 50}})
	w.offer()
	require.Equal(t, "n1", nodesOf(t, f))
	require.Len(t, schedule(t, f.Book(), cpus("web", "", 4).Task("web-1")).Placed, 1)
	w.offer()
	require.Equal(t, "n2", nodesOf(t, f), "what runs does not count")
	require.NoError(t, w.state.AddNodes(node("n3", 1, 0), node("n4", 3, 0)))
	w.offer()
	require.Equal(t, "n2 n3", nodesOf(t, f), "5 of 12, and 8 would be too many")
	require.NoError(t, w.state.AddNodes(node("n5", 100, 0)))
	w.offer()
	require.Equal(t, "n2 n3 n4", nodesOf(t, f), "of more that is less, but for n5 itself")
	assert.ErrorContains(t, f.SetTerms(offers.Terms{MaxPercent: 101}), "MaxPercent is not between 0 and 100 (101)")
}

// How offers end, as the framework is told.
func TestEnds(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0), node("n4", 4, 0), node("n5", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	all := ids(t, f)
	ended := func(i int) string {
		e, ok, err := f.Ended(ctx, all[i])
		require.NoError(t, err)
		if !ok {
			return ""
		}
		return e.String()
	}
	require.NoError(t, w.x.Rescind(ctx, all[:1], "n1 is drained"))
	require.NoError(t, w.state.RemoveNodes("n2"))
	require.NoError(t, w.state.DropHold(all[2]))
	require.NoError(t, f.Decline(ctx, all[3:4], offers.Filter{}))
	require.Equal(t, []string{"n5: cpu 0.004"}, list(t, f))
	assert.Equal(t, freeOn(t, w.state, "n1"), res{"cpu": 4}, "the room is back")
	w.now = w.now.Add(time.Hour)
	assert.Equal(t, []string{"rescinded: n1 is drained", "node gone", "dropped", "", "lapsed"}, []string{ended(0), ended(1), ended(2), ended(3), ended(4)})

	err := f.Decline(ctx, all[:2], offers.Filter{})
	assert.ErrorIs(t, err, offers.ErrExpired)
	assert.ErrorContains(t, err, "rescinded: n1 is drained")
	g := w.subscribe(offers.Framework{Name: "g"})
	_, ok, err := g.Ended(ctx, all[0])
	assert.NoError(t, err)
	assert.False(t, ok, "it was made to another")
	w.check(map[string]berth.Role{"f": "", "g": ""}, nil)

	w.offer()
	stands := append(ids(t, f), ids(t, g)...)
	err = w.x.Rescind(ctx, []string{stands[0], stands[0], all[0], all[4], "nothing"}, " ")
	for _, fault := range []string{"no reason", "named twice", all[0] + `": the offer has ended: rescinded`, all[4] + `": the offer has ended`, `"nothing": no such offer`} {
		assert.ErrorContains(t, err, fault)
	}
	assert.Len(t, append(ids(t, f), ids(t, g)...), len(stands), "nothing is done")
	assert.NoError(t, w.x.Rescind(ctx, nil, "none"))
	for e := range offers.Met + 1 {
		text, err := e.MarshalText()
		require.NoError(t, err)
		var back offers.End
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, e, back)
	}
	assert.Equal(t, "End(6)", (offers.Met + 1).String())
}
