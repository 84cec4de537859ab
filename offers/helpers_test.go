package offers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

var (
	_ scheduler.Source = (*offers.Book)(nil)
	_ offers.Source    = (*scheduler.State)(nil)
	_ offers.Order     = (*allocator.Turns)(nil)
)

type res = berth.Resources

// world is a State and an Exchange that turn on one clock, which only the test moves.
type world struct {
	t     testing.TB
	now   time.Time
	state *scheduler.State
	drf   *allocator.DRF
	x     *offers.Exchange
	subs  map[string]*offers.Subscription
	roles map[string]berth.Role // of the frameworks, where a test asks for them
}

func newWorld(t testing.TB, cfg offers.Config, nodes ...berth.Node) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1000, 0).UTC(), subs: map[string]*offers.Subscription{}, roles: map[string]berth.Role{}}
	clock := func() time.Time { return w.now }
	var err error
	w.state, err = scheduler.NewState(scheduler.StateConfig{Clock: clock}, nodes...)
	require.NoError(t, err)
	w.drf = new(allocator.DRF)
	cfg.Order = w.drf.Turns() // and the clock is the State's
	w.x, err = offers.NewExchange(w.state, cfg)
	require.NoError(t, err)
	return w
}

func (w *world) subscribe(f offers.Framework) *offers.Subscription {
	w.t.Helper()
	s, err := w.x.Subscribe(f)
	require.NoError(w.t, err)
	w.subs[f.Name] = s
	return s
}

// offer makes a pass and returns how many offers it made.
func (w *world) offer() int {
	w.t.Helper()
	n, err := w.x.Offer(context.Background())
	require.NoError(w.t, err)
	return n
}

// list prints a framework's offers, "n1: cpu 2, memory 1 GiB".
func list(t testing.TB, s *offers.Subscription) []string {
	t.Helper()
	all, err := s.Offers(context.Background())
	require.NoError(t, err)
	out := []string{}
	for _, o := range all {
		out = append(out, fmt.Sprintf("%s: %v", o.Node, o.Resources))
	}
	return out
}

func ids(t testing.TB, s *offers.Subscription) []string {
	t.Helper()
	all, err := s.Offers(context.Background())
	require.NoError(t, err)
	out := []string{}
	for _, o := range all {
		out = append(out, o.ID)
	}
	return out
}

// nodesOf returns the nodes a framework has offers of, "n1 n2".
func nodesOf(t testing.TB, s *offers.Subscription) string {
	t.Helper()
	all, err := s.Offers(context.Background())
	require.NoError(t, err)
	var out []string
	for _, o := range all {
		out = append(out, o.Node)
	}
	return strings.Join(out, " ")
}

// declineAll gives back all that a framework was offered.
func declineAll(t testing.TB, s *offers.Subscription, f offers.Filter) {
	t.Helper()
	require.NoError(t, s.Decline(context.Background(), ids(t, s), f))
}

// take places tasks of one group on a framework's Book, all of which must find room.
func schedule(t testing.TB, source scheduler.Source, tasks ...berth.Task) *cluster.Outcome {
	t.Helper()
	s, err := scheduler.New(source, scheduler.Config{})
	require.NoError(t, err)
	out, err := s.Schedule(context.Background(), tasks...)
	require.NoError(t, err)
	return out
}

func snapshotOf(t testing.TB, source scheduler.Source) *cluster.Snapshot {
	t.Helper()
	s, err := source.Snapshot(context.Background())
	require.NoError(t, err)
	return s
}

func freeOn(t testing.TB, source scheduler.Source, node string) berth.Resources {
	t.Helper()
	n, ok := snapshotOf(t, source).Node(node)
	require.True(t, ok, node)
	return n.Free()
}

func node(id string, cpu, memory int64) berth.Node {
	return berth.Node{ID: id, Capacity: res{"cpu": cpu, "memory": memory}}
}

func cpus(name string, role berth.Role, cpu int64, rules ...berth.Constraint) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: res{"cpu": cpu}, Rules: rules})
}

// check compares, the slow way, every account with what the State shows, and looks for overcommitment.
func (w *world) check(frameworks map[string]berth.Role, placedBy map[string]string) {
	w.t.Helper()
	snapshot := snapshotOf(w.t, w.state)
	want := map[allocator.Client]berth.Resources{}
	owe := func(c allocator.Client, r berth.Resources) {
		sum, err := want[c].Plus(r)
		require.NoError(w.t, err)
		want[c] = sum
	}
	for n := range snapshot.Nodes() {
		require.False(w.t, n.Overcommitted(), "%s is overcommitted", n.ID())
		used := berth.Resources{}
		for t := range n.Tasks() {
			c := allocator.Client{Role: t.Group.Role()}
			if by, ok := placedBy[t.ID]; ok {
				c = allocator.Client{Role: frameworks[by], Name: by}
			}
			owe(c, t.Group.Cost())
			sum, err := used.Plus(t.Group.Cost())
			require.NoError(w.t, err)
			used = sum
		}
		for h := range snapshot.Holds() {
			if h.Node == n.ID() && h.Lease == berth.Exclusive {
				sum, err := used.Plus(h.Cost())
				require.NoError(w.t, err)
				used = sum
			}
		}
		require.True(w.t, n.Capacity().Covers(used), "%s has %v, of which %v are used or held", n.ID(), n.Capacity(), used)
	}
	for h := range snapshot.Holds() {
		if role, ok := frameworks[h.Owner]; ok {
			owe(allocator.Client{Role: role, Name: h.Owner}, h.Cost())
		}
	}
	for c := range w.drf.Order() {
		got, _ := w.drf.Charged(c)
		require.True(w.t, got.Equal(want[c]), "%v was charged %v and has %v", c, got, want[c])
	}
	for c, r := range want {
		got, _ := w.drf.Charged(c)
		require.True(w.t, got.Equal(r), "%v was charged %v and has %v", c, got, r)
	}
}
