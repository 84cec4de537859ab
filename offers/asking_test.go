package offers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
)

// plainOrder has no seats: what it embeds has them, but its own methods may be others.
type plainOrder struct{ *allocator.Turns }

// What an Exchange remembers of who wants what saves it questions and changes no answer: one that asks everybody about every
// node in each pass, by names, makes the same offers.
func TestMemoryChangesNoOffer(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			cfg := offers.Config{LeaseFor: time.Duration(20+rng.IntN(100)) * time.Second, MaxOutstanding: rng.IntN(4), Lease: berth.Lease(rng.IntN(4) / 3)}
			nodes := cell(rng, 7)
			a, b := newWorld(t, cfg, nodes...), newWorld(t, cfg, nodes...)
			var err error
			cfg.Order = plainOrder{b.drf.Turns()}
			b.x, err = offers.NewExchange(b.state, cfg)
			require.NoError(t, err)
			both := func(f func(w *world)) { f(a); f(b) }
			roles := []berth.Role{"r1", "r1/x", "r2", "r2/y/z"}
			names := []string{"a", "b", "c", "d", "e"}
			made := 0
			for step := range 120 {
				name, roll, arg := names[rng.IntN(len(names))], rng.IntN(12), rng.Uint64()
				both(func(w *world) {
					rng := rand.New(rand.NewPCG(arg, 1))
					s := w.subs[name]
					switch {
					case s == nil:
						f := offers.Framework{Name: name, Role: roles[rng.IntN(len(roles))]}
						if rng.IntN(2) == 0 {
							f.Demand = []offers.Demand{{Group: randomGroup(rng, name, f.Role), Count: rng.IntN(5)}}
						}
						w.subscribe(f)
					case roll < 4:
						for _, id := range ids(t, s) {
							if rng.IntN(3) > 0 {
								require.NoError(t, s.Decline(ctx, []string{id}, offers.Filter{For: time.Duration(rng.IntN(90)) * time.Second}))
							}
						}
					case roll == 4:
						require.NoError(t, s.Revive())
					case roll == 5:
						require.NoError(t, s.Suppress())
					case roll == 6 && rng.IntN(3) == 0:
						require.NoError(t, s.Unsubscribe(ctx))
						delete(w.subs, name)
					case roll == 7:
						placeSome(w, rng, fmt.Sprintf("t%d", step))
					case roll == 8:
						for n := range snapshotOf(t, w.state).Nodes() {
							for task := range n.Tasks() {
								if rng.IntN(2) == 0 {
									require.NoError(t, w.state.Release(task.ID))
								}
							}
						}
					case roll == 9:
						n := node(fmt.Sprintf("n%02d", rng.IntN(9)), 1+rng.Int64N(9), rng.Int64N(20))
						if rng.IntN(3) > 0 {
							require.NoError(t, w.state.UpsertNodes(n))
						} else if _, there := snapshotOf(t, w.state).Node(n.ID); there {
							require.NoError(t, w.state.RemoveNodes(n.ID))
						}
					default:
						w.now = w.now.Add(time.Duration(rng.IntN(40)) * time.Second)
					}
				})
				b.x.AskAnew()
				n := a.offer()
				require.Equal(t, b.offer(), n, "step %d", step)
				made += n
				for _, name := range names {
					if a.subs[name] != nil {
						require.Equal(t, list(t, b.subs[name]), list(t, a.subs[name]), "step %d: %s", step, name)
					}
				}
			}
			require.Positive(t, made)
		})
	}
}

// placeSome places some tasks by another door.
func placeSome(w *world, rng *rand.Rand, id string) {
	p := &berth.Plan{Version: snapshotOf(w.t, w.state).Version()}
	g := randomGroup(rng, id, "r2")
	for n := range snapshotOf(w.t, w.state).Nodes() {
		if rng.IntN(3) == 0 {
			p.Place(g.Task(fmt.Sprintf("%s-%s", id, n.ID())), n.ID())
		}
	}
	_, err := w.state.Commit(ctx, p)
	require.NoError(w.t, err)
}
