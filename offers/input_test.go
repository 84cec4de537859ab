package offers_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func TestBadInput(t *testing.T) {
	order := new(allocator.DRF).Turns()
	_, err := offers.NewExchange(nil, offers.Config{LeaseFor: -1, Lease: 7, MaxOutstanding: -2, Prefix: " x"})
	for _, want := range []string{"no source", "no order", "LeaseFor is negative (-1ns)", "Lease 7 is neither", "MaxOutstanding is negative (-2)", `Prefix: hold " x1"`} {
		assert.ErrorContains(t, err, want)
	}
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	_, err = offers.NewExchange(w.state, offers.Config{Order: order})
	require.NoError(t, err)
	daemon := berth.NewGroup("agent", berth.GroupSpec{Role: "else", Mode: berth.Daemon})
	_, err = w.x.Subscribe(offers.Framework{Name: "", Role: "a//b", Demand: []offers.Demand{{}, {Group: daemon, Count: 2}, {Group: cpus("web", "a//b", -1), Count: -1}}})
	for _, line := range strings.Split(err.Error(), "\n") {
		assert.True(t, strings.HasPrefix(line, "offers: subscribe: "), line)
	}
	for _, want := range []string{"offers: subscribe: framework: empty name\n", "empty segment", "none given", `demand "agent": role "else"`, `demand "agent": count 2 of a daemon`, "quantity is negative"} {
		assert.ErrorContains(t, err, want)
	}
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	_, err = w.x.Subscribe(offers.Framework{Name: "f", Role: "other"})
	assert.ErrorIs(t, err, offers.ErrSubscribed)
	_, err = w.x.Subscribe(offers.Framework{Name: "g "})
	assert.EqualError(t, err, `offers: subscribe "g ": framework "g ": leading or trailing space`)
	w.offer()
	version := w.state.Version()
	id := ids(t, f)[0]

	err = f.Want(offers.Demand{Group: cpus("web", "else", 1)}, offers.Demand{Group: cpus("app", "shop", 1), Count: -3})
	assert.ErrorContains(t, err, `demand "web": role "else" is not at or below "shop"`)
	assert.ErrorContains(t, err, `demand "app": count -3 is negative`)
	err = f.Want(offers.Demand{Group: cpus("app", "shop", 1), Count: 1}, offers.Demand{Group: cpus("app", "shop", 1), Count: 2})
	assert.ErrorContains(t, err, `demand "app": given twice`)

	err = f.Decline(ctx, []string{id, id, "x"}, offers.Filter{For: -1})
	for _, line := range strings.Split(err.Error(), "\n") {
		assert.True(t, strings.HasPrefix(line, `offers: decline: framework "f": `), line)
	}
	for _, want := range []string{`offer "` + id + `": named twice`, `offer "x": no such offer`, "filter: For is negative (-1ns)"} {
		assert.ErrorContains(t, err, want)
	}
	p := placeOn(cpus("web", "else", 1).Task("web-1"), "n1", cpus("bad", "shop", -1).Task("bad-1"), "n1", berth.Task{}, "n1",
		berth.NewGroup("d", berth.GroupSpec{Role: "shop", Mode: berth.Daemon}).Everywhere(), "n1")
	p.Release("web-1")
	_, err = f.Accept(ctx, []string{"x"}, p, offers.Filter{For: math.MinInt64})
	for _, want := range []string{`offer "x"`, "negative", `task "web-1": role "else"`, `task "bad-1"`, "group: none given", `group "d": the demand of a daemon is not a task`, "release web-1: on offers tasks are placed, and room is reserved and given back"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = f.Accept(ctx, []string{id}, nil, offers.Filter{})
	assert.ErrorContains(t, err, "no plan")
	_, err = f.Book().Commit(ctx, nil)
	assert.ErrorContains(t, err, "no plan")
	_, err = f.Book().Commit(ctx, &cluster.Plan{Version: w.state.Version()})
	assert.ErrorIs(t, err, berth.ErrLineage)
	_, err = f.Book().Commit(ctx, &cluster.Plan{})
	assert.ErrorIs(t, err, berth.ErrLineage)
	assert.ErrorContains(t, err, "it has no Version")
	assert.Equal(t, version, w.state.Version())
	assert.Equal(t, []string{id}, ids(t, f))
}

// A task of a wrong role is told so, whatever is offered and whatever room there is.
func TestBookDeniesOtherRoles(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4000, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	denied := berth.Reason{Code: berth.Denied, Subject: `role "lab" is not at or below "shop"`}
	lab, web := cpus("lab", "lab", 1000), cpus("web", "shop/web", 1000)
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "lab", Mode: berth.Daemon})
	tasks := []berth.Task{web.Task("web-1"), lab.Task("lab-1"), agent.Everywhere(), lab.Task("lab-2"), web.Task("web-2")}
	for _, placed := range []int{0, 2} { // before the first offer, and with one
		out := schedule(t, f.Book(), tasks...)
		assert.Len(t, out.Placed, placed)
		assert.Empty(t, out.Refused)
		require.Len(t, out.Unplaced, 5-placed)
		for i, u := range out.Unplaced[:3] {
			assert.Equal(t, tasks[i+1], u.Task)
			assert.Equal(t, denied, u.Reason)
			assert.Equal(t, fmt.Sprintf("%v: denied %s", u.Task, denied.Subject), u.String())
		}
		for _, u := range out.Unplaced[3:] {
			assert.Equal(t, berth.NotOffered, u.Reason.Code)
		}
		w.offer()
	}
	assert.Equal(t, denied, f.Book().Denies(lab))
	assert.Zero(t, f.Book().Denies(web))
	assert.Zero(t, (*offers.Book)(nil).Denies(lab))
	s, err := scheduler.New(f.Book(), scheduler.Config{})
	require.NoError(t, err)
	out, err := s.Schedule(ctx, lab.Task("lab-1"), berth.Task{ID: "x"})
	assert.ErrorContains(t, err, "group: none given")
	assert.Empty(t, out.Unplaced, "nothing is done if a task is at fault")
}

// Nodes with as much as an int64 holds can be offered, and to two frameworks at once: what they are charged
// together may be more.
func TestHugeQuantities(t *testing.T) {
	w := newWorld(t, offers.Config{Lease: berth.Optimistic}, node("n1", math.MaxInt64, 0))
	a := w.subscribe(offers.Framework{Name: "a"})
	b := w.subscribe(offers.Framework{Name: "b"})
	assert.Equal(t, 2, w.offer())
	assert.Len(t, list(t, a), 1)
	assert.Len(t, list(t, b), 1)
	w = newWorld(t, offers.Config{}, node("n1", math.MaxInt64, math.MaxInt64), node("n2", math.MaxInt64, 1))
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("web", "", math.MaxInt64/2)}}})
	w.offer()
	assert.Len(t, list(t, f), 2)
}

// A lease of any length can be written down.
func TestLeaseBeyondTime(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: math.MaxInt64}, node("n1", 4, 0))
	w.subscribe(offers.Framework{Name: "f"})
	n, err := w.x.Offer(ctx)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}
