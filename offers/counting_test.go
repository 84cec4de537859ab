package offers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

// Pieces that are counted are the offers that there would be if each were placed on a fork of the cluster and charged by itself, as it is
// where an Exchange remembers nothing of who wants as much as others.
func TestCountedPiecesAreTheSameOffers(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			var nodes []berth.Node
			for i := range 1 + rng.IntN(5) {
				m := node(fmt.Sprintf("n%d", i), rng.Int64N(60), rng.Int64N(60))
				if rng.IntN(4) == 0 {
					m.Devices = []berth.Device{{Class: "gpu"}}
					m.Ports = []berth.PortRange{{First: 1, Last: 3}}
				}
				nodes = append(nodes, m)
			}
			cfg := offers.Config{MaxOutstanding: rng.IntN(3) * rng.IntN(3)}
			a, b := newWorld(t, cfg, nodes...), newWorld(t, cfg, nodes...)
			var err error
			cfg.Order = plainOrder{b.drf.Turns()}
			b.x, err = offers.NewExchange(b.state, cfg)
			require.NoError(t, err)
			names := []string{"a", "b", "c", "d"}[:1+rng.IntN(4)]
			declared := rng.IntN(4) > 0
			demand := func(rng *rand.Rand, name string) []offers.Demand {
				all := []offers.Demand{}
				for i := range 1 + rng.IntN(3) {
					g := berth.NewGroup(fmt.Sprintf("%s%d", name, i), berth.GroupSpec{Role: berth.Role(name), Request: res{"cpu": 1 + rng.Int64N(6), "memory": rng.Int64N(4)}})
					all = append(all, offers.Demand{Group: g, Count: rng.IntN(3) * rng.IntN(20)})
				}
				return all
			}
			for step := range 15 {
				name, roll, arg := names[rng.IntN(len(names))], rng.IntN(5), rng.Uint64()
				for _, w := range []*world{a, b} {
					rng := rand.New(rand.NewPCG(arg, 1))
					s := w.subs[name]
					switch {
					case s == nil:
						f := offers.Framework{Name: name, Role: berth.Role(name)}
						if declared || rng.IntN(2) == 0 {
							f.Demand = demand(rng, name)
						}
						w.subscribe(f)
					case roll == 0:
						declineAll(t, s, offers.Filter{For: time.Duration(rng.IntN(3)) * time.Second})
					case roll == 1:
						require.NoError(t, s.Want(demand(rng, name)...))
					case roll == 2:
						schedule(t, s.Book(), berth.NewGroup(name+"0", berth.GroupSpec{Role: berth.Role(name), Request: res{"cpu": 2}}).Task(fmt.Sprintf("t%d", step)))
					case roll == 3:
						w.now = w.now.Add(time.Second)
					}
				}
				b.x.AskAnew()
				n := a.offer()
				require.Equal(t, b.offer(), n, "step %d", step)
				require.Equal(t, accounts(b), accounts(a), "step %d", step)
				for _, name := range names {
					if a.subs[name] != nil {
						require.Equal(t, list(t, b.subs[name]), list(t, a.subs[name]), "step %d: %s", step, name)
					}
				}
			}
		})
	}
}

// A node of a million pieces is offered as one of ten is: to one framework in one offer, charged at once.
func TestManyPiecesAreOneOffer(t *testing.T) {
	const many = 1_000_000
	w := newWorld(t, offers.Config{}, node("n1", many, 0), node("n2", 10, 0))
	f := w.subscribe(wants("f", offers.Demand{Group: cpus("web", "f", 1), Count: many + 5}))
	require.Equal(t, 2, w.offer())
	require.Equal(t, []string{"n1: cpu 1000", "n2: cpu 0.005"}, list(t, f))
	require.Equal(t, []string{"f@f: cpu 1000.005"}, accounts(w))
}
