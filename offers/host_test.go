package offers_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// Zero and nil values are errors that say so.
func TestZeroAndNil(t *testing.T) {
	var source *scheduler.State
	var order *allocator.Turns
	_, err := offers.NewExchange(source, offers.Config{Order: order})
	assert.ErrorContains(t, err, "no source")
	assert.ErrorContains(t, err, "no order")
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	for _, x := range []*offers.Exchange{nil, {}} {
		_, err := x.Offer(ctx)
		assert.ErrorIs(t, err, offers.ErrNotMade)
		_, err = x.Expire(ctx)
		assert.ErrorIs(t, err, offers.ErrNotMade)
		_, err = x.Snapshot(ctx)
		assert.ErrorIs(t, err, offers.ErrNotMade)
		_, err = x.Subscribe(offers.Framework{Name: "f"})
		assert.ErrorIs(t, err, offers.ErrNotMade)
	}
	try := func(ctx context.Context, s *offers.Subscription, b *offers.Book, want string) {
		t.Helper()
		_, err1 := s.Offers(ctx)
		_, err2 := s.Snapshot(ctx)
		_, err3 := s.Accept(ctx, nil, &cluster.Plan{}, offers.Filter{})
		_, err4 := b.Snapshot(ctx)
		_, err5 := b.Commit(ctx, &cluster.Plan{})
		for _, err := range []error{err1, err2, err3, err4, err5, s.Decline(ctx, nil, offers.Filter{}), s.Unsubscribe(ctx)} {
			assert.ErrorContains(t, err, want)
		}
	}
	for _, s := range []*offers.Subscription{nil, {}} {
		try(ctx, s, s.Book(), offers.ErrNotMade.Error())
		try(ctx, s, new(offers.Book), offers.ErrNotMade.Error())
		for _, err := range []error{s.Want(), s.Suppress(), s.Revive()} {
			assert.ErrorIs(t, err, offers.ErrNotMade)
		}
		select {
		case <-s.Book().Changed():
			t.Error("a Book of nobody changes")
		case <-new(offers.Book).Changed():
			t.Error("a Book of nobody changes")
		default:
		}
	}
	f := w.subscribe(offers.Framework{Name: "f"})
	var none context.Context
	try(none, f, f.Book(), "no context")
	_, err = w.x.Offer(none)
	assert.ErrorContains(t, err, "no context")
	_, err = w.x.Snapshot(none)
	assert.ErrorContains(t, err, "no context")
	assert.Equal(t, 1, w.offer(), "and all is as before")
}

// fragile is an order, a source and a clock that panic when their time has come.
type fragile struct {
	*scheduler.State
	*allocator.Turns
	seats     bool // the order has seats
	calls, at int
}

func (f *fragile) strike() {
	if f.calls++; f.calls == f.at {
		panic("boom")
	}
}

func (f *fragile) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	f.strike()
	return f.State.Snapshot(ctx)
}

// Commit panics before or after the State has committed.
func (f *fragile) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	f.strike()
	out, err := f.State.Commit(ctx, p)
	f.strike()
	return out, err
}

func (f *fragile) SetCapacity(total berth.Resources) error {
	f.strike()
	return f.Turns.SetCapacity(total)
}

func (f *fragile) Add(role berth.Role, name string) error {
	f.strike()
	err := f.Turns.Add(role, name)
	f.strike()
	return err
}

func (f *fragile) Remove(role berth.Role, name string) error {
	f.strike()
	err := f.Turns.Remove(role, name)
	f.strike()
	return err
}

func (f *fragile) Deactivate(role berth.Role, name string) error {
	f.strike()
	return f.Turns.Deactivate(role, name)
}

func (f *fragile) Activate(role berth.Role, name string) error {
	f.strike()
	return f.Turns.Activate(role, name)
}

func (f *fragile) Charge(role berth.Role, name string, r berth.Resources) error {
	f.strike()
	err := f.Turns.Charge(role, name, r)
	f.strike()
	return err
}

func (f *fragile) Credit(role berth.Role, name string, r berth.Resources) error {
	f.strike()
	err := f.Turns.Credit(role, name, r)
	f.strike()
	return err
}

func (f *fragile) All() iter.Seq2[berth.Role, string] {
	f.strike()
	return f.Turns.All()
}

func (f *fragile) Same(order any) bool { return f.seats && order == any(f) }

func (f *fragile) Seat(role berth.Role, name string, tag int) (uint64, error) {
	f.strike()
	seat, err := f.Turns.Seat(role, name, tag)
	f.strike()
	return seat, err
}

func (f *fragile) SetIndex(names []string) error {
	f.strike()
	return f.Turns.SetIndex(names)
}

func (f *fragile) ChargeSeat(seat uint64, index []int32, amounts []int64) error {
	f.strike()
	err := f.Turns.ChargeSeat(seat, index, amounts)
	f.strike()
	return err
}

func (f *fragile) ChargeSeatTimes(seat uint64, index []int32, amounts []int64, times int64) error {
	f.strike()
	err := f.Turns.ChargeSeatTimes(seat, index, amounts, times)
	f.strike()
	return err
}

func (f *fragile) CreditSeat(seat uint64, index []int32, amounts []int64) error {
	f.strike()
	err := f.Turns.CreditSeat(seat, index, amounts)
	f.strike()
	return err
}

func (f *fragile) Tags() iter.Seq[int] {
	f.strike()
	return f.Turns.Tags()
}

func (f *fragile) FirstTag() (int, bool) {
	f.strike()
	return f.Turns.FirstTag()
}

func (f *fragile) Before(a, b uint64) bool {
	f.strike()
	return f.Turns.Before(a, b)
}

// Whenever host code panics, the panic is the caller's or hidden behind what was done, and after it the Exchange goes on
// as if nothing had been: accounts, offers and Books are what the source shows.
func TestHostCodePanics(t *testing.T) {
	for _, seats := range []bool{false, true} {
		t.Run(fmt.Sprintf("seats=%v", seats), func(t *testing.T) { testHostCodePanics(t, seats) })
	}
}

func testHostCodePanics(t *testing.T, seats bool) {
	roles := map[string]berth.Role{"a": "r1", "b": "r2"}
	for at := 1; ; at++ {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
		f := &fragile{State: w.state, Turns: w.drf.Turns(), seats: seats, at: at}
		var err error
		w.x, err = offers.NewExchange(f, offers.Config{Order: f, Clock: func() time.Time { f.strike(); return w.now }})
		require.NoError(t, err)
		placedBy := map[string]string{}
		try := func(do func()) (whole bool) {
			defer func() {
				if fault := recover(); fault != nil {
					require.Equal(t, "boom", fault)
				}
			}()
			do()
			return true
		}
		pass := func() {
			if _, err := w.x.Offer(ctx); err != nil {
				require.ErrorContains(t, err, "panic after a commit that was done: boom")
			}
		}
		join := func(name string) {
			for w.subs[name] == nil {
				try(func() {
					s, err := w.x.Subscribe(offers.Framework{Name: name, Role: roles[name]})
					require.NoError(t, err)
					w.subs[name] = s
				})
			}
		}
		join("a")
		join("b")
		try(pass)
		for _, name := range []string{"a", "b"} {
			s := w.subs[name]
			g := cpus(name, roles[name], 1)
			try(func() {
				p := &cluster.Plan{Version: snapshotOf(t, s.Book()).Version()}
				p.Place(g.Task(name+"-1"), "n1")
				p.Place(g.Task(name+"-2"), "n2")
				_, err := s.Book().Commit(ctx, p)
				require.NoError(t, err)
			})
			try(func() {
				var some []string
				if some = ids(t, s); len(some) > 0 {
					_, err := s.Accept(ctx, some[:1], placeOn(g.Task(name+"-3"), "n1"), offers.Filter{For: time.Second})
					require.NoError(t, err)
				}
			})
		}
		schedule(t, w.state, cpus("host", "r3", 1).Tasks(1)...)
		try(func() { require.NoError(t, w.subs["a"].Suppress()) })
		try(func() { require.NoError(t, w.subs["a"].Revive()) })
		try(func() { declineAll(t, w.subs["b"], offers.Filter{}) })
		try(pass)
		w.now = w.now.Add(time.Hour)
		try(pass)
		require.NoError(t, w.state.RemoveNodes("n2"))
		try(pass)
		struck := f.calls >= at
		f.at = 0

		// Every task that a framework placed is its own, also where it was not told.
		for n := range snapshotOf(t, w.state).Nodes() {
			for task := range n.Tasks() {
				if name, _, _ := strings.Cut(task.ID, "-"); name != "host" {
					placedBy[task.ID] = name
				}
			}
		}
		pass() // which tells of a panic behind something that was done
		w.check(roles, placedBy)
		checkBooks(t, w, roles)
		for _, s := range w.subs {
			checkOffers(t, w, s)
		}
		// All that is free can be offered, and comes back.
		for _, s := range w.subs {
			declineAll(t, s, offers.Filter{})
		}
		assert.Equal(t, 1, w.offer(), "n1 has room")
		require.NoError(t, w.subs["a"].Unsubscribe(ctx))
		require.NoError(t, w.subs["b"].Unsubscribe(ctx))
		for range snapshotOf(t, w.state).Holds() {
			t.Fatal("a hold of nobody is left")
		}
		if !struck {
			require.Greater(t, at, 40, "the story calls host code")
			return
		}
	}
}

// A framework that takes part in a role while the order panics does so when it is tried again, and not before: nobody could answer offers to a
// part of which the panic has lost the Subscription.
func TestPanicsWhileJoining(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0))
		f := &fragile{State: w.state, Turns: w.drf.Turns(), seats: true}
		var err error
		w.x, err = offers.NewExchange(f, offers.Config{Order: f, Clock: func() time.Time { return w.now }})
		require.NoError(t, err)
		first := w.subscribe(offers.Framework{Name: "a", Role: "r1"})
		require.NoError(t, first.Disconnect(ctx))
		f.calls, f.at = 0, at
		var part *offers.Subscription
		panicked := false
		for range 2 {
			if part != nil {
				break
			}
			func() {
				defer func() {
					if fault := recover(); fault != nil {
						panicked = true
						known, ok := first.In("r2")
						assert.False(t, ok, "%v", known)
						assert.Equal(t, []berth.Role{"r1"}, first.Roles())
					}
				}()
				part, err = first.Join(offers.Framework{Role: "r2"})
				require.NoError(t, err)
			}()
		}
		f.at = 0
		require.NotNil(t, part, "call %d", at)
		assert.Zero(t, w.offer(), "it is away")
		require.NoError(t, part.Reconnect())
		require.NoError(t, first.Suppress())
		assert.Equal(t, 1, w.offer())
		assert.Equal(t, "n1", nodesOf(t, part))
		if !panicked {
			require.Greater(t, at, 3, "the order is told of a part, its seat and that it is away")
			return
		}
	}
}

// A pass looks at its context, and what it has drafted by then is not charged.
func TestOfferLooksAtTheContext(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", math.MaxInt32, 0))
	slow := &slowOrder{Turns: w.drf.Turns()}
	var err error
	w.x, err = offers.NewExchange(w.state, offers.Config{Order: slow})
	require.NoError(t, err)
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("web", "", 1)}}})
	cause := fmt.Errorf("too late")
	gone, cancel := context.WithCancelCause(ctx)
	slow.at, slow.f = 1000, func() { cancel(cause) }
	n, err := w.x.Offer(gone)
	assert.ErrorIs(t, err, cause)
	assert.Zero(t, n)
	assert.Less(t, slow.calls, 1100)
	held, _ := w.drf.Charged(allocator.Client{Name: "f"})
	assert.Empty(t, held)
	assert.Empty(t, list(t, f))
	require.NoError(t, f.Want(offers.Demand{Group: cpus("web", "", 1), Count: 3}))
	assert.Equal(t, 1, w.offer())
}

// slowOrder is an order at the so many-th turn of which something happens.
type slowOrder struct {
	*allocator.Turns
	calls, at int
	f         func()
}

func (s *slowOrder) All() iter.Seq2[berth.Role, string] {
	if s.calls++; s.calls == s.at {
		s.f()
	}
	return s.Turns.All()
}
