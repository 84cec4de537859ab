package offers_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func checkpointOf(t *testing.T, s *scheduler.State) []byte {
	var b bytes.Buffer
	require.NoError(t, scheduler.Codec{}.Checkpoint(&b, s))
	return b.Bytes()
}

// showAll is all that a State shows of nodes and roles.
func showAll(t *testing.T, s *scheduler.State) string {
	var b strings.Builder
	snapshot := snapshotOf(t, s)
	for n := range snapshot.Nodes() {
		fmt.Fprintf(&b, "%s: %v of %v, idle %v\n", n.ID(), n.Free(), n.Capacity(), n.Idle())
	}
	for r := range snapshot.Roles() {
		fmt.Fprintf(&b, "%q: %v own %v %v\n", r.Role, r.Used, r.Own, r.Quota)
	}
	for h := range snapshot.Holds() {
		fmt.Fprintf(&b, "%+v\n", h)
	}
	return b.String()
}

// Whatever is answered, an answer that is refused changes nothing, and a State that is made of its checkpoint or of its commands shows the same.
func TestAnswersAtRandomAndWhatIsLeftOfThem(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 77))
		var commands []scheduler.Command
		now := time.Unix(1000, 0).UTC()
		state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }, Record: func(c scheduler.Command) error {
			commands = append(commands, c)
			return nil
		}})
		require.NoError(t, err)
		for i := range 4 {
			n := node(fmt.Sprint("n", i), 8, 16)
			if i == 3 {
				n.Reserved = map[berth.Role]res{"eng": {"cpu": 2}, "eng/web": {"memory": 3}}
				n.Capacity["cpu"] = math.MaxInt64
			}
			require.NoError(t, state.AddNodes(n))
		}
		x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), Lease: []berth.Lease{berth.Exclusive, berth.Optimistic}[seed%2], DeclineBackoff: time.Duration(seed % 3), LeaseFor: time.Minute})
		require.NoError(t, err)
		roles := []berth.Role{"eng", "eng/web", "ops", "eng/web/deep"}
		var subs []*offers.Subscription
		for i, role := range roles {
			terms := offers.Terms{}
			if i%2 == 0 {
				terms.Uses = []string{"revocable.cpu"}
			}
			s, err := x.Subscribe(offers.Framework{Name: fmt.Sprint("f", i), Role: role, Terms: terms})
			require.NoError(t, err)
			subs = append(subs, s)
		}
		for step := range 150 {
			now = now.Add(time.Duration(rng.IntN(20)) * time.Second)
			switch rng.IntN(9) {
			case 0:
				q := berth.Quota{Role: roles[rng.IntN(4)]}
				if rng.IntN(3) > 0 {
					q.Limits = res{"cpu": rng.Int64N(20), "revocable.cpu": rng.Int64N(5)}
				}
				require.NoError(t, state.SetQuotas(q))
			case 1:
				require.NoError(t, state.SetRevocable(map[string]berth.Resources{fmt.Sprint("n", rng.IntN(4)): {"cpu": rng.Int64N(10), "memory": []int64{0, 3, math.MaxInt64}[rng.IntN(3)]}}))
			case 2:
				_, err := x.Offer(ctx)
				require.NoError(t, err)
				_, err = x.Overview(ctx)
				require.NoError(t, err)
			case 3:
				s, err := scheduler.New(state, scheduler.Config{})
				require.NoError(t, err)
				r, err := s.Revoke(ctx, snapshotOf(t, state), scheduler.Reclaim{})
				require.NoError(t, err)
				_, err = state.Commit(ctx, r.Plan)
				require.NoError(t, err)
				for n := range snapshotOf(t, state).Nodes() {
					for name, q := range n.Free() {
						require.False(t, q < 0 && berth.IsRevocable(name), "%v", n.Free())
					}
				}
			default:
				_, err := x.Offer(ctx)
				require.NoError(t, err)
				at := rng.IntN(4)
				s, mine := subs[at], roles[at]
				open, err := s.Offers(ctx)
				require.NoError(t, err)
				var given []string
				for _, o := range open {
					if rng.IntN(2) == 0 {
						given = append(given, o.ID)
					}
				}
				p := answer()
				p.Whole = rng.IntN(2) == 0
				for range rng.IntN(5) {
					on := fmt.Sprint("n", rng.IntN(5))
					switch rng.IntN(4) {
					case 0, 1:
						name := "cpu"
						if rng.IntN(4) == 0 {
							name = "revocable.cpu"
						}
						role := mine + []berth.Role{"", "/sub"}[rng.IntN(2)]
						q := []int64{1, 2, 3, 9, math.MaxInt64}[rng.IntN(5)]
						p.Place(berth.NewGroup(fmt.Sprint("g", name, role, q), berth.GroupSpec{Role: role, Request: res{name: q}}).Task(fmt.Sprintf("t%d-%d", step, rng.IntN(9))), on)
					case 2:
						h := reservation(fmt.Sprint("r", rng.IntN(30)), mine+[]berth.Role{"", "/sub"}[rng.IntN(2)], on, []int64{0, 1, 2, 5, math.MaxInt64}[rng.IntN(5)])
						if rng.IntN(3) == 0 {
							h.Owner = fmt.Sprint("f", at)
						}
						if rng.IntN(3) == 0 {
							h.Resources["memory"] = rng.Int64N(5)
						}
						p.Take(h)
					case 3:
						p.Drop(fmt.Sprint("r", rng.IntN(30)))
					}
				}
				before := showAll(t, state)
				number := state.Commands()
				was := snapshotOf(t, state)
				out, err := s.Accept(ctx, given, p, offers.Filter{For: time.Duration(rng.IntN(2)) * time.Second})
				require.NoError(t, err)
				if len(out.Refused) > 0 && (p.Whole || slices.ContainsFunc(p.Ops, func(op berth.Op) bool { return op.Kind != berth.Place })) {
					require.Len(t, out.Refused, len(p.Ops), "%v", out.Refused)
					require.Equal(t, before, showAll(t, state), "seed %d step %d", seed, step)
					require.Equal(t, number, state.Commands())
				}
				after := snapshotOf(t, state)
				for r := range after.Roles() {
					for name, most := range r.Quota.Limits {
						require.False(t, r.Used[name] > most && r.Used[name] > was.Used(r.Role)[name], "seed %d step %d: %q has %v of at most %v, and had %v\n%v", seed, step, r.Role, r.Used, r.Quota, was.Used(r.Role), p.Ops)
					}
				}
				for n := range after.Nodes() {
					b, _ := was.Node(n.ID())
					require.False(t, n.Overcommitted() && !b.Overcommitted(), "seed %d step %d", seed, step)
				}
			}
			if step%10 == 9 {
				again, err := scheduler.Codec{}.Restore(bytes.NewReader(checkpointOf(t, state)), scheduler.StateConfig{Clock: func() time.Time { return now }})
				require.NoError(t, err)
				require.Equal(t, showAll(t, state), showAll(t, again), "seed %d step %d", seed, step)
			}
		}
		replayed, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }})
		require.NoError(t, err)
		for _, c := range commands {
			b, err := scheduler.Codec{}.AppendCommand(nil, c)
			require.NoError(t, err)
			c, err = scheduler.Codec{}.ReadCommand(b)
			require.NoError(t, err)
			require.NoError(t, replayed.Replay(c))
		}
		require.Equal(t, showAll(t, state), showAll(t, replayed), "seed %d", seed)
		require.True(t, bytes.Equal(checkpointOf(t, state), checkpointOf(t, replayed)))
	}
}

// Nothing but what is offered goes into a whole answer, whatever a node is like.
func TestWholeAnswersAreEnclosed(t *testing.T) {
	n := node("n1", 8, 0)
	n.Ports = []berth.PortRange{{First: 80, Last: 82}}
	n.Devices = []berth.Device{{Class: "gpu", Capacity: res{"m": 10}}, {Class: "gpu", Unhealthy: true, Capacity: res{"m": 10}}, {Class: "gpu", Capacity: res{"m": 10}}, {Class: "tpu"}}
	w := newWorld(t, offers.Config{}, n)
	other := berth.NewGroup("other", berth.GroupSpec{Role: "ops", Request: res{"cpu": 1}, Ports: []berth.PortRange{{First: 80, Last: 80, Protocol: berth.TCP}}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	require.Len(t, schedule(t, w.state, other.Tasks(1)...).Placed, 1)
	f := w.subscribe(offers.Framework{Name: "f", Role: "eng"})
	for i, spec := range []berth.GroupSpec{
		{Ports: []berth.PortRange{{First: 80, Last: 80, Protocol: berth.UDP}}},
		{Ports: []berth.PortRange{{First: 81, Last: 81}}},
		{DynamicPorts: 1},
		{Request: res{"cpu": 1}},
		{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}},
		{Devices: []berth.DeviceRequest{{Class: "gpu", Amounts: res{"m": 1}}}},
		{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}},
		{Devices: []berth.DeviceRequest{{Class: "tpu", Count: 1}}},
	} {
		spec.Role = "eng"
		p := answer(placing(berth.NewGroup(fmt.Sprint("g", i), spec), fmt.Sprint("t", i), "n1"))
		p.Whole = true
		out, err := f.Accept(ctx, nil, p, offers.Filter{})
		require.NoError(t, err)
		assert.Len(t, out.Refused, 1, "%d: %+v", i, spec)
		p.Whole = false
		out, err = f.Accept(ctx, nil, p, offers.Filter{})
		require.NoError(t, err)
		assert.Len(t, out.Refused, 1, "%d not whole: %+v", i, spec)
	}
}
