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
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
)

// plainOrder has no seats: what it embeds has them, but its own methods may be others.
type plainOrder struct{ *allocator.Turns }

// What an Exchange remembers of who wants what saves it questions and changes no answer: one that asks everybody about every
// node in each pass, by names, makes the same offers.
func TestMemoryChangesNoOffer(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			cfg := offers.Config{LeaseFor: time.Duration(20+rng.IntN(100)) * time.Second, MaxOutstanding: rng.IntN(4), Gather: int(seed % 3), Lease: berth.Lease(rng.IntN(4) / 3)}
			if seed%5 > 2 {
				cfg.Scarce = []offers.Scarce{{Resource: "gpu", Only: seed%5 == 3}}
			}
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
				name, roll, arg := names[rng.IntN(len(names))], rng.IntN(20), rng.Uint64()
				both(func(w *world) {
					rng := rand.New(rand.NewPCG(arg, 1))
					s := w.subs[name]
					switch {
					case s == nil:
						f := offers.Framework{Name: name, Role: roles[rng.IntN(len(roles))]}
						if rng.IntN(2) == 0 {
							f.Demand = randomDemand(rng, name, f.Role)
						}
						w.subscribe(f)
						w.roles[name] = f.Role
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
						n.Attributes = berth.Attributes{"zone": string(rune('a' + rng.IntN(3)))}
						if rng.IntN(3) > 0 {
							require.NoError(t, w.state.UpsertNodes(n))
						} else if _, there := snapshotOf(t, w.state).Node(n.ID); there {
							require.NoError(t, w.state.RemoveNodes(n.ID))
						}
					case roll == 10:
						require.NoError(t, s.Want(randomDemand(rng, name, w.roles[name])...))
					case roll == 11:
						q := berth.Quota{Role: roles[rng.IntN(len(roles))]}
						if rng.IntN(2) == 0 {
							q.Limits = res{"cpu": rng.Int64N(12)}
						}
						require.NoError(t, w.state.SetQuotas(q))
					case roll == 12:
						if n := fmt.Sprintf("n%02d", rng.IntN(9)); rng.IntN(2) == 0 {
							_ = w.state.Cordon(n) // it may have gone
						} else {
							_ = w.state.Uncordon(n)
						}
					case roll == 18:
						require.NoError(t, s.SetTerms(offers.Terms{MaxPercent: rng.IntN(101)}))
					case roll == 19:
						if all := ids(t, s); len(all) > 0 {
							require.NoError(t, w.x.Rescind(ctx, all[:1], "as the host likes"))
						}
					case roll == 13 || roll == 14:
						schedule(t, s.Book(), ruledGroup(rng, name, w.roles[name]).Tasks(2)...)
					default:
						w.now = w.now.Add(time.Duration(rng.IntN(40)) * time.Second)
					}
				})
				b.x.AskAnew()
				n := a.offer()
				require.Equal(t, b.offer(), n, "step %d", step)
				made += n
				require.Equal(t, accounts(b), accounts(a), "step %d", step)
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

// accounts prints what everybody who has turns is charged, in their order.
func accounts(w *world) (all []string) {
	for c := range w.drf.Order() {
		has, _ := w.drf.Charged(c)
		all = append(all, fmt.Sprintf("%v: %v", c, has))
	}
	return all
}

// randomDemand is up to two groups, mostly of few shapes, so that demands of different names are alike.
func randomDemand(rng *rand.Rand, name string, role berth.Role) []offers.Demand {
	demand := []offers.Demand{}
	for i := range rng.IntN(3) {
		g := ruledGroup(rng, fmt.Sprintf("%s%d", name, i), role)
		demand = append(demand, offers.Demand{Group: g, Count: rng.IntN(5)})
		if name == "e" {
			demand[i].Nodes = offers.NodeOrder(rng.IntN(3))
		}
	}
	return demand
}

// ruledGroup is a random group, with a rule about other nodes more often than not.
func ruledGroup(rng *rand.Rand, name string, role berth.Role) *berth.Group {
	spec := berth.GroupSpec{Role: role, Request: res{"cpu": 1 + rng.Int64N(2)}}
	switch rng.IntN(8) {
	case 0:
		return randomGroup(rng, name, role)
	case 1, 2:
		spec.Rules = []berth.Constraint{constraints.MaxPer("zone", 1+rng.IntN(2))}
	case 3:
		spec.Rules = []berth.Constraint{constraints.Apart("zone", berth.InRole("r2"))}
	}
	return berth.NewGroup(name, spec)
}

// placeSome places some tasks by another door.
func placeSome(w *world, rng *rand.Rand, id string) {
	p := &cluster.Plan{Version: snapshotOf(w.t, w.state).Version()}
	g := randomGroup(rng, id, "r2")
	if rng.IntN(3) == 0 {
		g = berth.NewGroup(id, berth.GroupSpec{Role: "r2", Request: res{"cpu": 1}, Rules: []berth.Constraint{constraints.Apart("zone", berth.InRole("r1"))}})
	}
	for n := range snapshotOf(w.t, w.state).Nodes() {
		if rng.IntN(3) == 0 {
			p.Place(g.Task(fmt.Sprintf("%s-%s", id, n.ID())), n.ID())
		}
	}
	_, err := w.state.Commit(ctx, p)
	require.NoError(w.t, err)
}
