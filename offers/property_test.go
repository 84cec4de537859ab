package offers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// cell returns n nodes, every third with two devices and some ports.
func cell(rng *rand.Rand, n int) []berth.Node {
	var nodes []berth.Node
	for i := range n {
		m := node(fmt.Sprintf("n%02d", i), 4+rng.Int64N(5), 8+rng.Int64N(9))
		m.Attributes = berth.Attributes{"zone": string(rune('a' + i%3))}
		if i%3 == 0 {
			m.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu"}}
			m.Ports = []berth.PortRange{{First: 1, Last: 4}}
		}
		nodes = append(nodes, m)
	}
	return nodes
}

func randomGroup(rng *rand.Rand, name string, role berth.Role) *berth.Group {
	spec := berth.GroupSpec{Role: role, Request: res{"cpu": 1 + rng.Int64N(3), "memory": rng.Int64N(5)}}
	switch rng.IntN(5) {
	case 0:
		spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 100 + rng.Int64N(900)}}
	case 1:
		spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1}}
	case 2:
		spec.DynamicPorts = 1
	}
	return berth.NewGroup(name, spec)
}

// lease-exclusive: whatever a global-state scheduler does, room that is offered stays offered, and the
// framework can use all of it until the lease ends. Accounts are right after every step.
func TestLeaseExclusive(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, offers.Config{}, cell(rng, 6)...)
			roles := map[string]berth.Role{"a": "r1", "b": "r1/x", "c": "r2"}
			placedBy := map[string]string{}
			for _, name := range []string{"a", "b", "c"} {
				f := offers.Framework{Name: name, Role: roles[name], Blind: rng.IntN(2) == 0}
				if rng.IntN(2) == 0 {
					f.Demand = []offers.Demand{{Group: randomGroup(rng, name+"-want", roles[name]), Count: rng.IntN(6)}}
				}
				w.subscribe(f)
			}
			for step := range 60 {
				f := w.subs[[]string{"a", "b", "c"}[rng.IntN(3)]]
				name := fmt.Sprintf("t%d", step)
				switch rng.IntN(8) {
				case 0, 1:
					w.offer()
				case 2, 3: // the whole cluster in view, and greedy
					before := slices.Collect(snapshotOf(t, w.state).Holds())
					schedule(t, w.state, randomGroup(rng, name, "r2").Tasks(3)...)
					require.Equal(t, before, slices.Collect(snapshotOf(t, w.state).Holds()))
				case 4:
					role := roles[nameOf(w, f)]
					for _, op := range schedule(t, f.Book(), randomGroup(rng, name, role).Tasks(3)...).Placed {
						placedBy[op.Task.ID] = nameOf(w, f)
					}
				case 5: // all of one offer, to the last unit
					all, err := f.Offers(ctx)
					require.NoError(t, err)
					if len(all) == 0 {
						continue
					}
					o := all[rng.IntN(len(all))]
					if len(o.Devices) > 0 {
						continue // a task cannot ask for parts of several devices
					}
					g := berth.NewGroup(name, berth.GroupSpec{Role: roles[nameOf(w, f)], Request: o.Resources, DynamicPorts: len(o.Ports)})
					out, err := f.Accept(ctx, []string{o.ID}, placeOn(g.Task(name), o.Node), offers.Filter{})
					require.NoError(t, err)
					require.Len(t, out.Placed, 1, "%v of %v: %s", g.Cost(), o.Resources, refusals(out))
					placedBy[name] = nameOf(w, f)
				case 6:
					declineAll(t, f, offers.Filter{For: time.Duration(rng.IntN(3)) * time.Second})
				case 7:
					w.now = w.now.Add(time.Duration(rng.IntN(20)) * time.Second)
					snapshot := snapshotOf(t, w.state)
					for n := range snapshot.Nodes() {
						for task := range n.Tasks() {
							if rng.IntN(4) == 0 {
								require.NoError(t, w.state.Release(task.ID))
								delete(placedBy, task.ID)
							}
						}
					}
				}
				_, err := w.x.Expire(ctx)
				require.NoError(t, err)
				w.check(roles, placedBy)
				checkBooks(t, w, roles)
			}
		})
	}
}

func nameOf(w *world, s *offers.Subscription) string {
	for name, o := range w.subs {
		if o == s {
			return name
		}
	}
	return ""
}

// checkBooks compares each Book with what the State shows, the slow way: the role's tasks, and free what
// the framework's holds have.
func checkBooks(t *testing.T, w *world, roles map[string]berth.Role) {
	t.Helper()
	truth := snapshotOf(t, w.state)
	for name, s := range w.subs {
		book := snapshotOf(t, s.Book())
		own := map[string]string{}
		want := map[string]berth.Resources{}
		for n := range truth.Nodes() {
			for task := range n.Tasks() {
				if r := string(task.Group.Role()); r == string(roles[name]) || strings.HasPrefix(r, string(roles[name])+"/") {
					own[task.ID] = n.ID() + " " + task.Grant.String() + " " + task.State.String()
				}
			}
		}
		for h := range truth.Holds() {
			if h.Owner == name {
				sum, err := want[h.Node].Plus(h.Cost())
				require.NoError(t, err)
				want[h.Node] = sum
			}
		}
		seen := map[string]string{}
		for n := range book.Nodes() {
			require.True(t, n.Free().Equal(want[n.ID()]), "%s's Book has %v free on %s and should have %v", name, n.Free(), n.ID(), want[n.ID()])
			delete(want, n.ID())
			for task := range n.Tasks() {
				seen[task.ID] = n.ID() + " " + task.Grant.String() + " " + task.State.String()
			}
		}
		require.Equal(t, own, seen, "the tasks in %s's Book", name)
		require.Empty(t, want, "offered nodes that %s's Book lacks", name)
	}
}

// same-inputs-same-plan, for offers: the same calls give the same offers, however the nodes were added.
func TestSameCallsSameOffers(t *testing.T) {
	story := func(seed uint64) string {
		rng := rand.New(rand.NewPCG(7, 7))
		nodes := cell(rng, 12)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		w := newWorld(t, offers.Config{}, nodes...)
		var out []string
		for i, name := range []string{"a", "b", "c", "d"} {
			f := offers.Framework{Name: name, Role: berth.Role(name)}
			if i%2 == 0 {
				f.Demand = []offers.Demand{{Group: randomGroup(rng, name, f.Role), Count: 9}}
			}
			w.subscribe(f)
		}
		for range 5 {
			w.offer()
			for _, name := range []string{"a", "b", "c", "d"} {
				all, err := w.subs[name].Offers(ctx)
				require.NoError(t, err)
				for _, o := range all {
					out = append(out, fmt.Sprintf("%s %+v", name, o.Hold))
				}
				p := schedule(t, w.subs[name].Book(), randomGroup(rng, fmt.Sprintf("%s%d", name, len(out)), berth.Role(name)).Tasks(2)...)
				for _, op := range p.Placed {
					out = append(out, op.String())
				}
				declineAll(t, w.subs[name], offers.Filter{For: time.Second})
			}
			w.now = w.now.Add(500 * time.Millisecond)
		}
		return strings.Join(out, "\n")
	}
	want := story(0)
	require.NotEmpty(t, want)
	for seed := range uint64(10) {
		require.Equal(t, want, story(seed), "seed %d", seed)
	}
}

// A global-state scheduler and three frameworks work on one State at the same time. Nothing is booked
// twice, and every account is right in the end.
func TestBothModesAtTheSameTime(t *testing.T) {
	for _, mode := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("mode=%d", mode), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 3))
			w := newWorld(t, offers.Config{Lease: mode, LeaseFor: time.Hour}, cell(rng, 12)...)
			roles := map[string]berth.Role{"a": "a", "b": "b", "c": "c"}
			for name, role := range roles {
				w.subscribe(offers.Framework{Name: name, Role: role})
			}
			var mu sync.Mutex
			offered := 0 // tasks that frameworks placed
			placed, placedBy := map[string]string{}, map[string]string{}
			var faults []error
			begun := make(chan struct{}) // a framework has placed something; else the global scheduler may leave no room
			begin := sync.OnceFunc(func() { close(begun) })
			work := func(name string, source scheduler.Source, role berth.Role, seed uint64) {
				rng := rand.New(rand.NewPCG(seed, 9))
				s, err := scheduler.New(source, scheduler.Config{Attempts: 1})
				var mine []string
				for i := 0; i < 40 && err == nil; i++ {
					if name != "global" {
						if _, err = w.x.Offer(ctx); err != nil {
							break
						}
					}
					var out *cluster.Outcome
					out, err = s.Schedule(ctx, randomGroup(rng, fmt.Sprintf("%s-%d", name, i), role).Tasks(2)...)
					if err != nil {
						break
					}
					mu.Lock()
					for _, op := range out.Placed {
						if was, twice := placed[op.Task.ID]; twice {
							faults = append(faults, fmt.Errorf("%v is on %s and %s", op.Task, was, op.Node))
						}
						placed[op.Task.ID] = op.Node
						if name != "global" {
							placedBy[op.Task.ID] = name
							offered++
							begin()
						}
						mine = append(mine, op.Task.ID)
					}
					mu.Unlock()
					if len(mine) > 0 && rng.IntN(2) == 0 {
						err = w.state.Release(mine[0])
						mu.Lock()
						delete(placed, mine[0])
						delete(placedBy, mine[0])
						mu.Unlock()
						mine = mine[1:]
					}
					if name != "global" && rng.IntN(3) == 0 && err == nil {
						var all []offers.Offer
						if all, err = w.subs[name].Offers(ctx); err == nil && len(all) > 0 {
							err = w.subs[name].Decline(ctx, []string{all[0].ID}, offers.Filter{})
						}
					}
				}
				if err != nil {
					mu.Lock()
					faults = append(faults, fmt.Errorf("%s: %w", name, err))
					mu.Unlock()
				}
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				<-begun
				work("global", w.state, "g", 1)
			})
			for i, name := range []string{"a", "b", "c"} {
				wg.Go(func() {
					defer begin()
					work(name, w.subs[name].Book(), roles[name], uint64(i)+2)
				})
			}
			wg.Wait()
			require.Empty(t, faults)
			_, err := w.x.Expire(ctx)
			require.NoError(t, err)
			truth := map[string]string{}
			for n := range snapshotOf(t, w.state).Nodes() {
				for task := range n.Tasks() {
					truth[task.ID] = n.ID()
				}
			}
			assert.Equal(t, placed, truth)
			assert.Positive(t, offered)
			w.check(roles, placedBy)
			if mode == berth.Exclusive {
				checkBooks(t, w, roles)
			}
		})
	}
}
