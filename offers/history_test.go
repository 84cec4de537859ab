package offers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// Whatever happens to the cluster, and whoever comes and goes: no node is overcommitted, in the State or
// in a Book, every account is what the State shows, and so is every Book of exclusive offers.
func TestHistories(t *testing.T) {
	for _, mode := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		for seed := range uint64(15) {
			t.Run(fmt.Sprintf("mode=%d/seed=%d", mode, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 77))
				h := &history{
					world:    newWorld(t, offers.Config{Lease: mode, MaxOutstanding: rng.IntN(4)}, cell(rng, 6)...),
					rng:      rng,
					roles:    map[string]berth.Role{"a": "r1", "b": "r1/x", "c": "r2", "d": "r1"},
					placedBy: map[string]string{},
					daemons:  map[string]*berth.Group{},
				}
				for _, name := range []string{"a", "b", "c", "d"} {
					h.join(name)
				}
				for step := range 80 {
					h.framework([]string{"a", "b", "c", "d"}[rng.IntN(4)], fmt.Sprintf("t%d", step))
					h.cluster(fmt.Sprintf("g%d", step))
					_, err := h.x.Expire(ctx)
					require.NoError(t, err)
					h.check(h.roles, h.placedBy)
					if mode == berth.Exclusive {
						checkBooks(t, h.world, h.roles)
					}
					for name, s := range h.subs {
						for n := range snapshotOf(t, s.Book()).Nodes() {
							require.False(t, n.Overcommitted(), "%s in %s's Book", n.ID(), name)
						}
					}
				}
			})
		}
	}
}

// history is a world in which anything happens.
type history struct {
	*world
	rng      *rand.Rand
	roles    map[string]berth.Role
	placedBy map[string]string // tasks, by the framework that pays for them
	daemons  map[string]*berth.Group
}

// join subscribes a framework that declares nothing, some demand, or a daemon.
func (h *history) join(name string) {
	f := offers.Framework{Name: name, Role: h.roles[name], Blind: h.rng.IntN(2) == 0}
	delete(h.daemons, name)
	switch h.rng.IntN(3) {
	case 0:
		f.Demand = []offers.Demand{{Group: randomGroup(h.rng, name+"-want", f.Role), Count: h.rng.IntN(6)}}
	case 1:
		h.daemons[name] = berth.NewGroup(name+"-daemon", berth.GroupSpec{Role: f.Role, Mode: berth.Daemon, Request: res{"cpu": 1}})
		f.Demand = []offers.Demand{{Group: h.daemons[name]}}
	}
	h.subscribe(f)
}

// framework lets one of them do something.
func (h *history) framework(name, task string) {
	s, filter := h.subs[name], offers.Filter{For: time.Duration(h.rng.IntN(3)) * time.Second}
	placed := func(out *cluster.Outcome) {
		for _, op := range out.Placed {
			h.placedBy[op.Task.ID] = name
		}
	}
	switch h.rng.IntN(8) {
	case 0, 1:
		placed(schedule(h.t, s.Book(), randomGroup(h.rng, task, h.roles[name]).Tasks(3)...))
	case 2, 3:
		all, err := s.Offers(ctx)
		require.NoError(h.t, err)
		if len(all) == 0 {
			return
		}
		o := all[h.rng.IntN(len(all))]
		out, err := s.Accept(ctx, []string{o.ID}, placeOn(randomGroup(h.rng, task, h.roles[name]).Task(task), o.Node), filter)
		require.NoError(h.t, err)
		require.Equal(h.t, 1, len(out.Placed)+len(out.Refused), "placed or refused")
		placed(out)
	case 4:
		declineAll(h.t, s, filter)
	case 5:
		if d := h.daemons[name]; d != nil {
			placed(schedule(h.t, s.Book(), d.Everywhere()))
		}
	case 6:
		if h.rng.IntN(2) == 0 {
			require.NoError(h.t, s.Suppress())
		} else {
			require.NoError(h.t, s.Revive())
		}
	case 7:
		switch h.rng.IntN(4) {
		case 0:
			require.NoError(h.t, s.Disconnect(ctx))
			require.Empty(h.t, ids(h.t, s))
		case 1:
			require.NoError(h.t, s.Reconnect())
		case 2:
			require.NoError(h.t, s.Unsubscribe(ctx))
			for id, by := range h.placedBy {
				if by == name {
					delete(h.placedBy, id)
				}
			}
			h.join(name)
		}
	}
}

// cluster lets something happen to nodes, tasks or the clock, which may go backwards.
func (h *history) cluster(task string) {
	id := fmt.Sprintf("n%02d", h.rng.IntN(8))
	n, known := snapshotOf(h.t, h.state).Node(id)
	switch h.rng.IntN(8) {
	case 0, 1, 2:
		h.offer()
	case 3:
		schedule(h.t, h.state, randomGroup(h.rng, task, "r2").Tasks(3)...)
	case 4:
		h.now = h.now.Add(time.Duration(h.rng.IntN(20)-4) * time.Second)
	case 5:
		if known {
			h.release(n, 2)
		}
	case 6:
		if !known {
			require.NoError(h.t, h.state.AddNodes(node(id, 9, 9)))
		} else if h.rng.IntN(2) == 0 {
			require.NoError(h.t, h.state.RemoveNodes(id))
			h.release(n, 1)
		} else {
			grown := n.Node()
			grown.Capacity = res{"cpu": grown.Capacity["cpu"] + 1, "memory": grown.Capacity["memory"] + 1}
			require.NoError(h.t, h.state.UpdateNodes(grown))
		}
	case 7:
		if !known {
			return
		}
		if h.rng.IntN(2) == 0 {
			require.NoError(h.t, h.state.Cordon(id))
		} else {
			require.NoError(h.t, h.state.Uncordon(id))
		}
	}
}

// release ends one in so many of a node's tasks.
func (h *history) release(n cluster.NodeView, oneIn int) {
	for task := range n.Tasks() {
		if h.rng.IntN(oneIn) == 0 {
			require.NoError(h.t, h.state.Release(task.ID))
			delete(h.placedBy, task.ID)
		}
	}
}

// The same while nodes leave, return on other rows and change in the middle of every call.
func TestHistoriesBetween(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		for seed := range uint64(16) {
			t.Run(fmt.Sprintf("lease=%d/seed=%d", lease, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 78))
				w, src := newBetween(t, offers.Config{Lease: lease, MaxOutstanding: rng.IntN(4)}, cell(rng, 6)...)
				src.forks = seed%4 == 3
				h := &history{
					world:    w,
					rng:      rng,
					roles:    map[string]berth.Role{"a": "r1", "b": "r1/x", "c": "r2", "d": "r1"},
					placedBy: map[string]string{},
					daemons:  map[string]*berth.Group{},
				}
				for _, name := range []string{"a", "b", "c", "d"} {
					h.join(name)
				}
				for step := range 60 {
					if rng.IntN(2) == 0 {
						src.f = h.flap
					}
					h.framework([]string{"a", "b", "c", "d"}[rng.IntN(4)], fmt.Sprintf("t%d", step))
					if rng.IntN(2) == 0 {
						src.f = h.flap
					}
					h.cluster(fmt.Sprintf("g%d", step))
					src.f = nil
					_, err := h.x.Expire(ctx)
					require.NoError(t, err)
					h.check(h.roles, h.placedBy)
					if lease == berth.Exclusive {
						checkBooks(t, h.world, h.roles)
					}
					for _, s := range h.subs {
						checkOffers(t, h.world, s)
					}
				}
			})
		}
	}
}

// flap takes some nodes away and brings some of them back, in another order, with other capacities and a new one among
// them; some of their tasks are released.
func (h *history) flap() {
	var back []berth.Node
	for n := range snapshotOf(h.t, h.state).Nodes() {
		if h.rng.IntN(3) > 0 {
			continue
		}
		m := n.Node()
		m.Capacity = res{"cpu": 3 + h.rng.Int64N(7), "memory": 8}
		m.Attributes = berth.Attributes{"made": h.rng.IntN(100)}
		back = append(back, m)
		require.NoError(h.t, h.state.RemoveNodes(n.ID()))
		h.release(n, 1+h.rng.IntN(2))
	}
	h.rng.Shuffle(len(back), func(i, j int) { back[i], back[j] = back[j], back[i] })
	for i, m := range back {
		if i%3 == 2 {
			require.NoError(h.t, h.state.AddNodes(node(fmt.Sprintf("x%d", h.rng.Int64()), 5, 5)))
		}
		if h.rng.IntN(4) > 0 {
			require.NoError(h.t, h.state.AddNodes(m))
		}
	}
}

// Two Exchanges of one prefix on one State, whose frameworks have the same names: each framework has what it was
// offered and what it has placed, and nothing of its namesake's.
func TestHistoriesOfTwoExchanges(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprintf("lease=%d/seed=%d", lease, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 79))
				one := newWorld(t, offers.Config{Lease: lease, MaxOutstanding: 3}, cell(rng, 6)...)
				two := &world{t: t, state: one.state, drf: new(allocator.DRF), subs: map[string]*offers.Subscription{}}
				var err error
				two.x, err = offers.NewExchange(one.state, offers.Config{Lease: lease, Order: two.drf.Turns()})
				require.NoError(t, err)
				worlds := []*world{one, two}
				roles := map[string]berth.Role{"a": "r1", "b": "r2"}
				placedBy := []map[string]string{{}, {}}
				for _, w := range worlds {
					for _, name := range []string{"a", "b"} {
						w.subscribe(offers.Framework{Name: name, Role: roles[name]})
					}
				}
				for step := range 80 {
					k := rng.IntN(2)
					w, name, task := worlds[k], []string{"a", "b"}[rng.IntN(2)], fmt.Sprintf("t%d", step)
					s := w.subs[name]
					switch rng.IntN(6) {
					case 0, 1:
						w.offer()
					case 2:
						for _, op := range schedule(t, s.Book(), randomGroup(rng, task, roles[name]).Tasks(2)...).Placed {
							placedBy[k][op.Task.ID] = name
						}
					case 3:
						if some := ids(t, s); len(some) > 0 {
							o, err := s.Offers(ctx)
							require.NoError(t, err)
							out, err := s.Accept(ctx, some[:1], placeOn(randomGroup(rng, task, roles[name]).Task(task), o[0].Node), offers.Filter{})
							require.NoError(t, err)
							for _, op := range out.Placed {
								placedBy[k][op.Task.ID] = name
							}
						}
					case 4:
						declineAll(t, s, offers.Filter{For: time.Second})
					case 5:
						one.now = one.now.Add(time.Duration(rng.IntN(20)) * time.Second)
						for n := range snapshotOf(t, one.state).Nodes() {
							for task := range n.Tasks() {
								if rng.IntN(4) == 0 {
									require.NoError(t, one.state.Release(task.ID))
									delete(placedBy[0], task.ID)
									delete(placedBy[1], task.ID)
								}
							}
						}
					}
					for k, w := range worlds {
						checkAccount(t, w, roles, placedBy[k])
					}
				}
			})
		}
	}
}

// checkAccount holds the account and the Books of one of several Exchanges against its offers and the State.
func checkAccount(t *testing.T, w *world, roles map[string]berth.Role, placedBy map[string]string) {
	t.Helper()
	want := map[allocator.Client]berth.Resources{}
	owe := func(c allocator.Client, r berth.Resources) {
		sum, err := want[c].Plus(r)
		require.NoError(t, err)
		want[c] = sum
	}
	truth := snapshotOf(t, w.state)
	own := map[string]bool{} // offers
	for name, s := range w.subs {
		all, err := s.Offers(ctx)
		require.NoError(t, err)
		free := map[string]berth.Resources{}
		for _, o := range all {
			own[o.ID] = true
			_, ok := truth.Node(o.Node)
			require.True(t, ok)
			cost := o.Cost()
			owe(allocator.Client{Role: roles[name], Name: name}, cost)
			sum, err := free[o.Node].Plus(cost)
			require.NoError(t, err)
			free[o.Node] = sum
			if o.Lease == berth.Optimistic {
				delete(free, o.Node)
			}
		}
		for n := range snapshotOf(t, s.Book()).Nodes() {
			require.False(t, n.Overcommitted(), "%s in %s's Book", n.ID(), name)
			if len(all) == 0 || all[0].Lease == berth.Exclusive {
				require.True(t, n.Free().Equal(free[n.ID()]), "%s's Book has %v free on %s and was offered %v", name, n.Free(), n.ID(), free[n.ID()])
			}
		}
	}
	for n := range truth.Nodes() {
		require.False(t, n.Overcommitted(), n.ID())
		for task := range n.Tasks() {
			c := allocator.Client{Role: task.Group.Role()}
			if by, ok := placedBy[task.ID]; ok {
				c = allocator.Client{Role: roles[by], Name: by}
			}
			owe(c, task.Group.Cost())
		}
	}
	for h := range truth.Holds() {
		if !own[h.ID] {
			owe(allocator.Client{Role: h.Role}, h.Cost()) // what another Exchange offers is its role's
		}
	}
	for _, role := range roles {
		want[allocator.Client{Role: role}] = want[allocator.Client{Role: role}].Clone()
	}
	for c, r := range want {
		got, _ := w.drf.Charged(c)
		require.True(t, got.Equal(r), "%v was charged %v and has %v", c, got, r)
	}
}
