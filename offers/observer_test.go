package offers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// A pass takes one tick of a clock that is a second later each time it is asked. Of two nodes each is one offer; the second pass has
// nothing to offer.
func TestObserverOfPasses(t *testing.T) {
	var told []offers.Pass
	var x *offers.Exchange
	at := time.Unix(0, 0)
	state, err := scheduler.NewState(scheduler.StateConfig{}, node("n1", 4, 0), node("n2", 4, 0))
	require.NoError(t, err)
	x, err = offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), Observer: offers.Observer{
		Passed: func(p offers.Pass) {
			told = append(told, p)
			_, err := x.Snapshot(ctx) // without any lock
			assert.NoError(t, err)
			panic("dropped")
		},
		Now: func() time.Time {
			at = at.Add(time.Second)
			return at
		},
	}})
	require.NoError(t, err)
	_, err = x.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	require.NoError(t, err)
	n, err := x.Offer(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = x.Offer(ctx)
	require.NoError(t, err)
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("enough"))
	_, err = x.Offer(ended)
	require.ErrorContains(t, err, "enough")
	require.Len(t, told, 3)
	assert.Equal(t, offers.Pass{Took: time.Second, Made: 2, Outstanding: 2}, told[0])
	assert.Equal(t, offers.Pass{Took: time.Second, Outstanding: 2}, told[1])
	assert.Equal(t, err, told[2].Err)
}

// Shares are read while others make passes and answer them. Under -race this is where a lock of the host's would be missed.
func TestConsultFromAnyGoroutine(t *testing.T) {
	var all []berth.Node
	for i := range 8 {
		all = append(all, node(fmt.Sprintf("n%d", i), 4, 0))
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, all...)
	require.NoError(t, err)
	drf := new(allocator.DRF)
	x, err := offers.NewExchange(state, offers.Config{Order: drf.Turns()})
	require.NoError(t, err)
	var wait sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		s, err := x.Subscribe(offers.Framework{Name: name, Role: berth.Role(name)})
		require.NoError(t, err)
		wait.Go(func() {
			g := berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: berth.Resources{"cpu": 1}})
			planner, err := scheduler.New(s.Book(), scheduler.Config{})
			assert.NoError(t, err)
			for i := range 8 {
				_, err := x.Offer(ctx)
				assert.NoError(t, err)
				_, err = planner.Schedule(ctx, g.Task(fmt.Sprintf("%s-%d", name, i)))
				assert.NoError(t, err)
			}
		})
	}
	wait.Go(func() {
		for range 100 {
			assert.NoError(t, x.Consult(ctx, func(offers.Order) {
				assert.Equal(t, 2, drf.Len())
				drf.Share(allocator.Client{Role: "a", Name: "a"})
			}))
		}
	})
	wait.Wait()
}

// What Consult shows is what the source has, without a pass in between: here a task of one core that the host placed.
func TestConsultIsUpToDate(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	other := berth.NewGroup("other", berth.GroupSpec{Role: "other", Request: berth.Resources{"cpu": 1}})
	require.NoError(t, w.state.Adopt(scheduler.Running{Task: other.Task("other-1"), Node: "n1"}))
	require.NoError(t, w.x.Consult(ctx, func(offers.Order) {
		held, known := w.drf.Charged(allocator.Client{Role: "other"})
		assert.True(t, known)
		assert.Equal(t, berth.Resources{"cpu": 1}, held)
	}))
	assert.EqualError(t, w.x.Consult(ctx, nil), "offers: consult: no function")
}

// A panic in what Consult calls is the caller's, and the next call goes on.
func TestConsultPanics(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	assert.PanicsWithValue(t, "mine", func() { _ = w.x.Consult(ctx, func(offers.Order) { panic("mine") }) })
	require.NoError(t, w.x.Consult(ctx, func(offers.Order) {}))
	var none *offers.Exchange
	assert.ErrorIs(t, none.Consult(ctx, func(offers.Order) {}), offers.ErrNotMade)
}

// Shares are shown while the exchange is at work, without a lock of the host's.
func ExampleExchange_Consult() {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	if err != nil {
		log.Fatal(err)
	}
	drf := new(allocator.DRF)
	exchange, err := offers.NewExchange(state, offers.Config{Order: drf.Turns()})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"}); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	err = exchange.Consult(ctx, func(offers.Order) {
		share, _ := drf.Share(allocator.Client{Role: "shop", Name: "shop"})
		fmt.Println(share)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1/1 of cpu
}

// Each pass goes to the host's metrics.
func ExampleObserver() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	if err != nil {
		log.Fatal(err)
	}
	exchange, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), Observer: offers.Observer{
		Passed: func(p offers.Pass) { fmt.Println(p.Made, "offers made,", p.Outstanding, "to be answered") },
	}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"}); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	pass(exchange)
	// Output:
	// 1 offers made, 1 to be answered
	// 0 offers made, 1 to be answered
}
