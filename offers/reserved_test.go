package offers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// Whatever is reserved, and used of it: what the clients of a role are charged together is what the role has in the State, idle room that is
// reserved for it included, and a Book has free what its framework was offered.
func TestReservedRoomIsChargedToItsRole(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 182))
		roles := map[string]berth.Role{"a": "r1", "b": "r1/x", "c": "r2"}
		floor := node("n0", 9, 9)
		floor.Reserved = map[berth.Role]res{"r1": {"cpu": 4}, "r2": {"cpu": 1, "memory": 2}}
		w := newWorld(t, offers.Config{Lease: berth.Exclusive}, floor, node("n1", 8, 8), node("n2", 8, 8))
		for _, name := range []string{"a", "b", "c"} {
			f := offers.Framework{Name: name, Role: roles[name]}
			if rng.IntN(2) == 0 {
				f.Demand = []offers.Demand{{Group: cpus(name+"-want", f.Role, 1+rng.Int64N(3)), Count: rng.IntN(5)}}
			}
			w.subscribe(f)
		}
		for step := range 50 {
			name := []string{"a", "b", "c"}[rng.IntN(3)]
			s, id := w.subs[name], fmt.Sprintf("t%d", step)
			switch rng.IntN(7) {
			case 0, 1:
				w.offer()
			case 2:
				if all, err := s.Offers(ctx); err == nil && len(all) > 0 && all[0].Resources["cpu"] > 0 {
					out, err := s.Accept(ctx, []string{all[0].ID}, placeOn(cpus(id, roles[name], 1).Task(id), all[0].Node), offers.Filter{})
					require.NoError(t, err)
					require.Empty(t, out.Refused, "seed %d, step %d", seed, step)
				}
			case 3:
				schedule(t, s.Book(), cpus(id, roles[name], 1+rng.Int64N(2)).Tasks(2)...)
			case 4:
				declineAll(t, s, offers.Filter{For: time.Duration(rng.IntN(2)) * time.Second})
			case 5:
				p := &cluster.Plan{Version: snapshotOf(t, w.state).Version()}
				p.Take(berth.Hold{ID: "keep-" + id, Role: roles[name], Owner: []string{"", name}[rng.IntN(2)], Node: fmt.Sprint("n", rng.IntN(3)),
					Resources: res{"cpu": 1 + rng.Int64N(3)}, Lease: berth.Reserved})
				_, err := w.state.Commit(ctx, p)
				require.NoError(t, err)
			case 6:
				p := &cluster.Plan{Version: snapshotOf(t, w.state).Version()}
				for h := range snapshotOf(t, w.state).Holds() {
					if h.Lease == berth.Reserved && rng.IntN(3) == 0 {
						p.Drop(h.ID)
					}
				}
				_, err := w.state.Commit(ctx, p)
				require.NoError(t, err)
				schedule(t, w.state, cpus(id, roles[name], 1).Tasks(1)...)
				w.now = w.now.Add(time.Duration(rng.IntN(20)) * time.Second)
			}
			_, err := w.x.Expire(ctx)
			require.NoError(t, err)
			w.checkRoles(roles)
			for name, s := range w.subs {
				free := map[string]res{}
				all, err := s.Offers(ctx)
				require.NoError(t, err)
				for _, o := range all {
					require.True(t, strings.HasPrefix(o.Owner, name) && !strings.Contains(o.Owner, "#"), "what is reserved for an owner is no hold of somebody else: %s", o.Owner)
					sum, err := free[o.Node].Plus(o.Cost())
					require.NoError(t, err)
					free[o.Node] = sum
				}
				for n := range snapshotOf(t, s.Book()).Nodes() {
					require.True(t, n.FreeFor(roles[name]).Equal(free[n.ID()]), "seed %d, step %d: %s has %v free on %s of %v", seed, step, name, n.FreeFor(roles[name]), n.ID(), free[n.ID()])
				}
			}
		}
	}
}

// checkRoles compares what the clients of roles are charged together, the frameworks of those names included, with what the roles have in the State.
func (w *world) checkRoles(roles map[string]berth.Role) {
	w.t.Helper()
	truth, clients := snapshotOf(w.t, w.state), map[allocator.Client]bool{}
	for name, role := range roles {
		clients[allocator.Client{Role: role, Name: name}], clients[allocator.Client{Role: role}] = true, true
	}
	for _, role := range roles {
		sum := res{}
		for c := range clients {
			if got, _ := w.drf.Charged(c); c.Role.Within(role) {
				var err error
				sum, err = sum.Plus(got)
				require.NoError(w.t, err)
			}
		}
		require.True(w.t, sum.Equal(truth.Used(role)), "%s is charged %v and has %v", role, sum, truth.Used(role))
	}
}

// A demand may have what is reserved for its role, and one that is alike, of another role, may not.
func TestDemandsThatAreAlikeWhereRoomIsReserved(t *testing.T) {
	for _, tc := range []struct {
		mine string
		cpu  int64 // reserved, of 4
	}{{"a", 3}, {"b", 3}, {"a", 4}, {"b", 4}} {
		n := node("n1", 4, 0)
		n.Reserved = map[berth.Role]res{berth.Role(tc.mine): {"cpu": tc.cpu}}
		w := newWorld(t, offers.Config{}, n)
		for _, name := range []string{"a", "b"} {
			w.subscribe(wants(name, offers.Demand{Group: cpus(name+"-want", berth.Role(name), 2), Count: 1}))
		}
		w.subscribe(offers.Framework{Name: "plain", Role: "plain"})
		w.offer()
		for _, name := range []string{"a", "b"} {
			want := []string{}
			if name == tc.mine {
				want = []string{"n1: cpu 0.002"}
			}
			assert.Equal(t, want, list(t, w.subs[name]), "%d reserved for %s", tc.cpu, tc.mine)
		}
		if tc.cpu == 3 {
			assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, w.subs["plain"]), "the core that is not reserved")
		} else {
			assert.Empty(t, list(t, w.subs["plain"]))
		}
	}
}
