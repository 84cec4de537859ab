package offers_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// mixed is a world in which frameworks have several roles, come and go, are offered nodes in orders of their own, some of them scarce or
// gathered, and are asked for room back.
type mixed struct {
	*world
	src      *between
	rng      *rand.Rand
	parts    map[allocator.Client]*offers.Subscription
	placedBy map[string]allocator.Client
	away     map[string]bool
}

// What all of it does together: after every step the accounts are what a slow count of the State says, nothing is booked twice, what is asked
// back is what runs there, and after a pass a look at everything anew finds nothing more to offer.
func TestHistoriesOfAllTogether(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 181))
			cfg := offers.Config{Lease: berth.Lease(seed % 4 / 3), Gather: rng.IntN(3)}
			if rng.IntN(2) == 0 {
				cfg.Scarce = []offers.Scarce{{Resource: "gpu", Only: rng.IntN(2) == 0}}
			}
			m := &mixed{rng: rng, parts: map[allocator.Client]*offers.Subscription{}, placedBy: map[string]allocator.Client{}, away: map[string]bool{}}
			m.world, m.src = newBetween(t, cfg, cell(rng, 6)...)
			for step := range 70 {
				if rng.IntN(8) == 0 {
					m.src.f = m.flap
					if rng.IntN(2) == 0 {
						m.src.f = func() { panic("the source") }
					}
				}
				m.guarded(func() { m.part(step) })
				m.guarded(func() { m.elsewhere(step) })
				m.src.f = nil
				_, err := m.x.Expire(ctx)
				require.NoError(t, err)
				m.checkAll(step)
			}
		})
	}
}

// guarded does something in which the source may panic.
func (m *mixed) guarded(f func()) {
	defer func() {
		if fault := recover(); fault != nil && fault != "the source" {
			panic(fault)
		}
	}()
	f()
}

func (m *mixed) demand(name string, role berth.Role) []offers.Demand {
	order := offers.NodeOrder(m.rng.IntN(3))
	switch m.rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return []offers.Demand{{Group: gangOf(name+"-gang", role, 2+m.rng.IntN(3), 1+m.rng.Int64N(5)), Count: 5, Nodes: order}}
	case 2:
		d := berth.NewGroup(name+"-daemon", berth.GroupSpec{Role: role, Mode: berth.Daemon, Request: res{"cpu": 1}})
		return []offers.Demand{{Group: d}, {Group: cpus(name+"-large", role, 6), Count: 2}}
	}
	return []offers.Demand{
		{Group: randomGroup(m.rng, name+"-want", role), Count: m.rng.IntN(6), Nodes: order},
		{Group: cpus(name+"-large", role, 4+m.rng.Int64N(4)), Count: 1 + m.rng.IntN(2), Nodes: order},
	}
}

// part has a framework do something in one of its roles.
func (m *mixed) part(step int) {
	who := allocator.Client{Role: berth.Role([]string{"r1", "r1/x", "r2"}[m.rng.IntN(3)]), Name: []string{"a", "b", "c"}[m.rng.IntN(3)]}
	task := fmt.Sprintf("t%d", step)
	s := m.parts[who]
	if s == nil {
		f := offers.Framework{Name: who.Name, Role: who.Role, Blind: m.rng.IntN(2) == 0, Demand: m.demand(who.Name+string(who.Role[len(who.Role)-1:]), who.Role)}
		f.Terms = offers.Terms{MaxOutstanding: m.rng.IntN(4), MaxPercent: m.rng.IntN(2) * 60}
		var err error
		if other := m.other(who); other != nil {
			_, err = m.x.Subscribe(f)
			require.ErrorIs(m.t, err, offers.ErrSubscribed)
			s, err = other.Join(f)
		} else {
			s, err = m.x.Subscribe(f)
		}
		require.NoError(m.t, err)
		m.parts[who] = s
		return
	}
	_, err := s.Join(offers.Framework{Role: who.Role})
	require.ErrorIs(m.t, err, offers.ErrSubscribed)
	filter := offers.Filter{For: time.Duration(m.rng.IntN(3)) * time.Second}
	switch m.rng.IntN(11) {
	case 0, 1:
		m.placed(who, schedule(m.t, s.Book(), randomGroup(m.rng, task, who.Role).Tasks(3)...))
	case 2, 3:
		all, err := s.Offers(ctx)
		require.NoError(m.t, err)
		if len(all) > 0 {
			o := all[m.rng.IntN(len(all))]
			out, err := s.Accept(ctx, []string{o.ID}, placeOn(randomGroup(m.rng, task, who.Role).Task(task), o.Node), filter)
			require.NoError(m.t, err)
			m.placed(who, out)
		}
	case 4:
		declineAll(m.t, s, filter)
	case 5:
		if m.rng.IntN(2) == 0 {
			require.NoError(m.t, s.Suppress())
		} else {
			require.NoError(m.t, s.Revive())
		}
	case 6:
		if err := s.Disconnect(ctx); err == nil {
			m.away[who.Name] = true
		}
	case 7, 8:
		require.NoError(m.t, s.Reconnect())
		delete(m.away, who.Name)
	case 9:
		if m.rng.IntN(2) == 0 {
			if s.Unsubscribe(ctx) == nil {
				delete(m.parts, who)
				maps.DeleteFunc(m.placedBy, func(_ string, by allocator.Client) bool { return by == who })
				if m.other(who) == nil {
					delete(m.away, who.Name)
				}
			}
		}
	case 10:
		if d := m.demand(who.Name+string(who.Role[len(who.Role)-1:]), who.Role); d != nil {
			require.NoError(m.t, s.Want(d...))
		}
		if all := asked(m.t, s); len(all) > 0 {
			require.NoError(m.t, s.DeclineInverse(ctx, []string{all[0].ID}, "busy"))
		}
	}
}

func (m *mixed) placed(who allocator.Client, out *cluster.Outcome) {
	for _, op := range out.Placed {
		m.placedBy[op.Task.ID] = who
	}
}

func (m *mixed) other(who allocator.Client) *offers.Subscription {
	for _, c := range m.clients() {
		if c.Name == who.Name && c != who {
			return m.parts[c]
		}
	}
	return nil
}

func (m *mixed) clients() []allocator.Client {
	return slices.SortedFunc(maps.Keys(m.parts), func(a, b allocator.Client) int {
		return slices.Compare([]string{a.Name, string(a.Role)}, []string{b.Name, string(b.Role)})
	})
}

// elsewhere lets something happen to the cluster.
func (m *mixed) elsewhere(step int) {
	id := fmt.Sprintf("n%02d", m.rng.IntN(7))
	n, known := snapshotOf(m.t, m.state).Node(id)
	h := &history{world: m.world, rng: m.rng, placedBy: map[string]string{}}
	switch m.rng.IntN(10) {
	case 0, 1, 2, 3:
		m.offer()
		m.offer() // nodes that are served are let go
		if m.src.f == nil {
			before := m.offer()
			m.x.AskAnew()
			if before == 0 {
				require.Zero(m.t, m.offer(), "step %d: a pass has left something", step)
			}
		}
	case 4:
		m.now = m.now.Add(time.Duration(m.rng.IntN(25)-4) * time.Second)
	case 5:
		if known {
			h.release(n, 2)
		}
	case 6:
		if !known {
			require.NoError(m.t, m.state.AddNodes(node(id, 9, 9)))
		} else if m.rng.IntN(3) == 0 {
			require.NoError(m.t, m.state.RemoveNodes(id))
			h.release(n, 1)
		}
	case 7:
		if known && m.rng.IntN(2) == 0 {
			require.NoError(m.t, m.state.Cordon(id))
		} else if known {
			require.NoError(m.t, m.state.Uncordon(id))
		}
	case 8:
		r := offers.Recall{Node: id, Reason: "x", Deadline: m.now.Add(time.Duration(1+m.rng.IntN(30)) * time.Second)}
		if known && m.rng.IntN(2) == 0 {
			r.Node = ""
			for task := range n.Tasks() {
				r.Tasks = append(r.Tasks, task.ID)
			}
		}
		_, _ = m.x.Recall(ctx, r)
	case 9:
		plan, err := m.x.Overdue(ctx)
		require.NoError(m.t, err)
		out, err := m.state.Commit(ctx, plan)
		require.NoError(m.t, err)
		require.Empty(m.t, out.Refused)
	}
}

func (m *mixed) flap() { (&history{world: m.world, rng: m.rng, placedBy: map[string]string{}}).flap() }

func (m *mixed) checkAll(step int) {
	t := m.t
	want := map[allocator.Client]berth.Resources{}
	owe := func(c allocator.Client, r berth.Resources) {
		sum, err := want[c].Plus(r)
		require.NoError(t, err)
		want[c] = sum
	}
	truth := snapshotOf(t, m.state)
	own := map[string]bool{}
	for _, c := range m.clients() {
		all, err := m.parts[c].Offers(ctx)
		require.NoError(t, err)
		if m.away[c.Name] {
			require.Empty(t, all, "%v is away", c)
		}
		for _, o := range all {
			require.False(t, own[o.ID])
			own[o.ID] = true
			owe(c, o.Cost())
		}
		for n := range snapshotOf(t, m.parts[c].Book()).Nodes() {
			require.False(t, n.Overcommitted())
		}
	}
	running := map[string]string{}
	for n := range truth.Nodes() {
		require.False(t, n.Overcommitted(), n.ID())
		for task := range n.Tasks() {
			running[task.ID] = n.ID()
			c := allocator.Client{Role: task.Group.Role()}
			if by, ok := m.placedBy[task.ID]; ok {
				c = by
			}
			owe(c, task.Group.Cost())
		}
	}
	for h := range truth.Holds() {
		require.True(t, own[h.ID], "step %d: hold %v is nobody's offer", step, h)
	}
	for c := range m.drf.Order() {
		got, _ := m.drf.Charged(c)
		require.True(t, got.Equal(want[c]), "step %d: %v was charged %v and has %v", step, c, got, want[c])
	}
	for c, r := range want {
		got, _ := m.drf.Charged(c)
		require.True(t, got.Equal(r), "step %d: %v was charged %v and has %v", step, c, got, r)
	}
	recalls, err := m.x.Recalls(ctx)
	require.NoError(t, err)
	wanted, standing := map[string][]string{}, map[string][]string{}
	for _, r := range recalls {
		require.True(t, slices.IsSorted(r.Left))
		for _, id := range r.Left {
			at, ok := running[id]
			require.True(t, ok && (r.Node == "" || r.Node == at))
			if by, ok := m.placedBy[id]; ok && !r.Overdue {
				wanted[fmt.Sprint(r.ID, by)] = append(wanted[fmt.Sprint(r.ID, by)], id)
			}
		}
		if r.Node != "" {
			n, _ := truth.Node(r.Node)
			count := 0
			for range n.Tasks() {
				count++
			}
			require.Len(t, r.Left, count)
		}
		for _, o := range r.Asked {
			standing[fmt.Sprint(r.ID, allocator.Client{Role: o.Role, Name: o.Framework})] = o.Tasks
		}
	}
	require.Equal(t, wanted, standing, "step %d", step)
}
