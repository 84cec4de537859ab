package offers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
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
					world:    newWorld(t, offers.Config{Mode: mode, MaxOutstanding: rng.IntN(4)}, cell(rng, 6)...),
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
	placed := func(out *berth.Outcome) {
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
		if h.rng.IntN(3) == 0 {
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
