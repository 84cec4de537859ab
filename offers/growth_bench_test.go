package offers_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// growing is a world of n nodes of four cores.
func growing(b *testing.B, n int) *world {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%06d", i), 4, 4)
	}
	return newWorld(b, offers.Config{LeaseFor: 24 * time.Hour}, nodes...)
}

// heap returns what is in use once nothing is that need not be.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkGrowth measures what must not grow faster than the number n of the things that a row is about: its time or,
// where it reports bytes-left, the memory that is left when they have gone.
func BenchmarkGrowth(b *testing.B) {
	names := 0 // so that what comes was never there before
	name := func() string {
		names++
		return fmt.Sprintf("gone-%d", names)
	}
	for _, row := range []struct {
		what string
		n    int
		do   func(b *testing.B, n int)
	}{
		{"overview", 1000, growOverview},
		{"partings", 2000, growPartings},
		{"accept-operations", 1000, growOperations},
		{"decline", 4000, func(b *testing.B, n int) {
			w := growing(b, n)
			f := w.subscribe(offers.Framework{Name: "f"})
			for b.Loop() {
				b.StopTimer()
				require.Equal(b, n, w.offer())
				all := ids(b, f)
				b.StartTimer()
				if err := f.Decline(ctx, all, offers.Filter{}); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"pieces-of-a-node", 500_000, func(b *testing.B, n int) {
			w := newWorld(b, offers.Config{LeaseFor: 24 * time.Hour}, node("n1", int64(n), 4))
			f := w.subscribe(wants("f", offers.Demand{Group: cpus("web", "f", 1)}))
			for b.Loop() {
				require.Equal(b, 1, w.offer())
				b.StopTimer()
				declineAll(b, f, offers.Filter{})
				b.StartTimer()
			}
		}},
		{"instances-waiting", 1000, func(b *testing.B, n int) { growAwaiting(n, 1)(b) }},
		{"daemons-waiting", 50, func(b *testing.B, n int) { growAwaiting(20, n)(b) }},
		{"kept-rooms-freed", 1000, growFreed},
		{"chosen-beside-unsuited", 500, func(b *testing.B, n int) { // half of the nodes are not for the framework
			nodes := make([]berth.Node, 2*n)
			for i := range nodes {
				nodes[i] = node(fmt.Sprintf("n%06d", i), 4, 4)
				nodes[i].Attributes = berth.Attributes{"for": fmt.Sprint(i < n)}
			}
			w := newWorld(b, offers.Config{LeaseFor: 24 * time.Hour}, nodes...)
			f := w.subscribe(offers.Framework{
				Name: "f", Terms: offers.Terms{Nodes: []berth.Constraint{constraints.NotIn("for", "true")}},
				Demand: []offers.Demand{{Group: cpus("web", "f", 4), Nodes: offers.Fullest}},
			})
			for b.Loop() {
				require.Equal(b, n, w.offer())
				b.StopTimer()
				declineAll(b, f, offers.Filter{})
				b.StartTimer()
			}
		}},
		{"chosen-beside-refused", 500, func(b *testing.B, n int) { // and here it has declined half of them for long
			nodes := make([]berth.Node, 2*n)
			for i := range nodes {
				nodes[i] = node(fmt.Sprintf("n%06d", i), 4, 4)
			}
			w := newWorld(b, offers.Config{LeaseFor: 24 * time.Hour, Scarce: []offers.Scarce{{Resource: "gpu"}}}, nodes...)
			f := w.subscribe(offers.Framework{Name: "f"})
			require.Equal(b, 2*n, w.offer())
			all := ids(b, f)
			require.NoError(b, f.Decline(ctx, all[:n], offers.Filter{For: 24 * time.Hour}))
			declineAll(b, f, offers.Filter{})
			for b.Loop() {
				require.Equal(b, n, w.offer())
				b.StopTimer()
				declineAll(b, f, offers.Filter{})
				b.StartTimer()
			}
		}},
		{"decline-offers-of-a-node", 200, func(b *testing.B, n int) {
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b, offers.Config{LeaseFor: 24 * time.Hour}, node("n", 0, 1))
				f := w.subscribe(offers.Framework{Name: "f"})
				for i := range n {
					require.NoError(b, w.state.UpdateNodes(node("n", int64(i)+1, 1)))
					require.Equal(b, 1, w.offer())
				}
				all := ids(b, f)
				b.StartTimer()
				if err := f.Decline(ctx, all, offers.Filter{}); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"roles-of-a-framework", 500, func(b *testing.B, n int) {
			w := growing(b, 1)
			f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{}})
			for b.Loop() {
				parts := make([]*offers.Subscription, n)
				for i := range n {
					parts[i] = join(b, f, offers.Framework{Role: berth.Role(fmt.Sprintf("r%d", i)), Demand: []offers.Demand{}})
				}
				for _, part := range parts {
					if err := part.Unsubscribe(ctx); err != nil {
						b.Fatal(err)
					}
				}
			}
		}},
		{"recalls", 500, func(b *testing.B, n int) {
			w := growing(b, n)
			f := w.subscribe(offers.Framework{Name: "f"})
			w.offer()
			schedule(b, f.Book(), cpus("g", "", 4).Tasks(n)...)
			for b.Loop() {
				made := make([]string, n)
				for i := range n {
					id, err := w.x.Recall(ctx, offers.Recall{Node: fmt.Sprintf("n%06d", i), Reason: "x", Deadline: w.now.Add(time.Hour)})
					if err != nil {
						b.Fatal(err)
					}
					made[i] = id
				}
				for _, id := range made {
					if err := w.x.Withdraw(ctx, id, "y"); err != nil {
						b.Fatal(err)
					}
				}
			}
		}},
		{"book-of-many-roles", 2000, func(b *testing.B, n int) {
			w := growing(b, n)
			for i := range n {
				role := berth.Role(fmt.Sprintf("r%d", i))
				require.NoError(b, w.state.SetQuotas(quota(role, res{"cpu": 3})))
				require.NoError(b, w.state.Hold(berth.Hold{ID: string(role), Owner: "host", Role: role, Node: fmt.Sprintf("n%06d", i), Resources: res{"cpu": 1}, Deadline: w.now.Add(24 * time.Hour)}))
			}
			f := w.subscribe(offers.Framework{Name: "f"})
			require.Equal(b, n, w.offer())
			placeAndEnd(b, w, f)
		}},
		{"offers-cut-to-limits", 2000, func(b *testing.B, n int) {
			w := growing(b, n)
			require.NoError(b, w.state.SetQuotas(quota("r", res{"cpu": 2 * int64(n)}), quota("r/x", res{"cpu": int64(n)})))
			f := w.subscribe(offers.Framework{Name: "f", Role: "r", Demand: []offers.Demand{{Group: cpus("g", "r/x", 1)}}})
			for b.Loop() {
				if made := w.offer(); made == 0 {
					b.Fatal("no offers")
				}
				declineAll(b, f, offers.Filter{})
			}
		}},
		{"pieces", 2000, func(b *testing.B, n int) {
			w := newWorld(b, offers.Config{}, node("n", int64(n), 0))
			f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("web", "", 1)}}})
			for b.Loop() {
				require.Equal(b, 1, w.offer())
				b.StopTimer()
				declineAll(b, f, offers.Filter{})
				b.StartTimer()
			}
		}},
		{"frameworks-of-a-node", 400, func(b *testing.B, n int) {
			w := newWorld(b, offers.Config{}, node("n", int64(n), 0))
			for i := range n {
				name := fmt.Sprintf("f%04d", i)
				w.subscribe(offers.Framework{Name: name, Demand: []offers.Demand{{Group: cpus(name, "", 1), Count: 1}}})
			}
			for b.Loop() {
				require.Equal(b, n, w.offer())
				b.StopTimer()
				w.now = w.now.Add(time.Hour)
				_, err := w.x.Expire(ctx)
				require.NoError(b, err)
				b.StartTimer()
			}
		}},
		{"book-of-ports", 4000, func(b *testing.B, n int) {
			m := node("n", 4, 0)
			m.Ports = []berth.PortRange{{First: 1, Last: uint16(n)}}
			w := newWorld(b, offers.Config{}, m)
			f := w.subscribe(offers.Framework{Name: "f"})
			for b.Loop() {
				require.Equal(b, 1, w.offer())
				snapshotOf(b, f.Book())
				b.StopTimer()
				declineAll(b, f, offers.Filter{})
				b.StartTimer()
			}
		}},
		{"filters-after-revive", 1000, left(func(w *world, n int) {
			f := w.subscribe(offers.Framework{Name: "f"})
			for range n {
				w.offer()
				declineAll(w.t, f, offers.Filter{For: 365 * 24 * time.Hour})
				require.NoError(w.t, f.Revive())
			}
		})},
		{"filters-of-nodes-gone", 1000, left(func(w *world, n int) {
			f := w.subscribe(offers.Framework{Name: "f"})
			for range n {
				id := name()
				require.NoError(w.t, w.state.AddNodes(node(id, 1, 1)))
				w.offer()
				declineAll(w.t, f, offers.Filter{For: 365 * 24 * time.Hour})
				require.NoError(w.t, w.state.RemoveNodes(id))
			}
		})},
		{"filters-of-frameworks-gone", 1000, left(func(w *world, n int) {
			for range n {
				f := w.subscribe(offers.Framework{Name: name()})
				w.offer()
				declineAll(w.t, f, offers.Filter{For: 365 * 24 * time.Hour})
				require.NoError(w.t, f.Unsubscribe(ctx))
			}
			clear(w.subs)
		})},
		// A pass after a node changed, with gangs waiting that do not fit: the more frameworks, the larger the gang that one wants, the more nodes.
		{"gangs-waiting", 500, func(b *testing.B, n int) { waitingGangs(b, n, 500, 500) }},
		{"gang-size", 1000, func(b *testing.B, n int) { waitingGangs(b, 1, n, 8000) }},
		{"gang-nodes", 1000, func(b *testing.B, n int) { waitingGangs(b, 1, 500, n) }},
		{"roles-gone", 1000, left(func(w *world, n int) {
			for range n {
				role := berth.Role(name())
				schedule(w.t, w.state, cpus(string(role), role, 1).Task("t"))
				w.offer()
				require.NoError(w.t, w.state.Release("t"))
				w.offer()
			}
		})},
		{"tasks-lost", 1000, left(func(w *world, n int) {
			f := w.subscribe(offers.Framework{Name: "f"})
			for range n {
				require.NoError(w.t, w.state.AddNodes(node("lost", 1, 1)))
				w.offer()
				p := &cluster.Plan{Version: snapshotOf(w.t, f.Book()).Version()}
				id := name()
				p.Place(cpus("web", "", 1).Task(id), "lost")
				out, err := f.Book().Commit(ctx, p)
				require.NoError(w.t, err)
				require.Len(w.t, out.Placed, 1)
				require.NoError(w.t, w.state.RemoveNodes("lost"))
				w.offer()
				require.NoError(w.t, w.state.Release(id))
			}
			w.offer()
			snapshotOf(w.t, f.Book())
			declineAll(w.t, f, offers.Filter{})
		})},
		{"book-frameworks", 250, func(b *testing.B, n int) { readBooks(b, n, 2, n) }},
		{"book-tasks", 2000, func(b *testing.B, n int) { readBooks(b, 1, n, n) }},
		{"book-nodes", 4000, func(b *testing.B, n int) { readBooks(b, 1, 200, n) }},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) { row.do(b, n) })
		}
	}
}

// waitingGangs measures passes in which frameworks want a gang each that does not fit on nodes of which each has room for one task of it.
func waitingGangs(b *testing.B, frameworks, size, nodes int) {
	w := growing(b, nodes)
	schedule(b, w.state, cpus("old", "", 3).Tasks(min(nodes, size-1))...)
	if nodes >= size {
		schedule(b, w.state, cpus("full", "", 4).Tasks(nodes-size+1)...)
	}
	for i := range frameworks {
		name := fmt.Sprintf("gang-%d", i)
		w.subscribe(wants(name, offers.Demand{Group: gangOf(name, berth.Role(name), size, 1)}))
	}
	w.offer()
	for on := 0; b.Loop(); on++ {
		b.StopTimer()
		require.NoError(b, w.state.UpdateNodes(node("n000000", 4, int64(on)))) // its memory, which nobody wants
		b.StartTimer()
		if made := w.offer(); made > 0 {
			b.Fatal("offered ", made)
		}
	}
}

// placeAndEnd places a task with a framework's Book and ends it, again and again.
func placeAndEnd(b *testing.B, w *world, f *offers.Subscription) {
	sched, err := scheduler.New(f.Book(), scheduler.Config{})
	require.NoError(b, err)
	task := cpus("web", "", 1).Task("web")
	for b.Loop() {
		out, err := sched.Schedule(ctx, task)
		require.NoError(b, err)
		require.Len(b, out.Placed, 1)
		require.NoError(b, w.state.Release("web"))
		w.offer()
	}
}

// left makes a row of what is left in memory after n things have come and gone, once logs and the like are as long as
// they get.
func left(do func(w *world, n int)) func(b *testing.B, n int) {
	return func(b *testing.B, n int) {
		w := newWorld(b, offers.Config{}, node("n1", 4, 4))
		const log, remembered = 1 << 17, 4500
		for range log / 2 {
			require.NoError(b, w.state.Cordon("n1"))
			require.NoError(b, w.state.Uncordon("n1"))
		}
		do(w, remembered)
		most := int64(0)
		for b.Loop() {
			b.StopTimer()
			before := heap()
			b.StartTimer()
			do(w.again(), n)
			b.StopTimer()
			most = max(most, heap()-before)
			b.StartTimer()
		}
		b.ReportMetric(float64(most), "bytes-left")
	}
}

// again lets a row that has subscribed do so once more.
func (w *world) again() *world {
	for name, f := range w.subs {
		require.NoError(w.t, f.Unsubscribe(ctx))
		delete(w.subs, name)
	}
	return w
}

// readBooks measures what it takes that frameworks in roles of their own, each with a Book that nobody has read, place so many tasks each on what they were
// offered, one for each node, and read their Books again.
func readBooks(b *testing.B, frameworks, tasks, nodes int) {
	for b.Loop() {
		b.StopTimer()
		w := growing(b, nodes)
		groups, subs := make([]*berth.Group, frameworks), make([]*offers.Subscription, frameworks)
		for i := range frameworks {
			name := fmt.Sprintf("f%04d", i)
			groups[i] = cpus(name, berth.Role(name), 2)
			subs[i] = w.subscribe(wants(name, offers.Demand{Group: groups[i], Count: tasks}))
		}
		w.offer()
		b.StartTimer()
		for i, s := range subs {
			if out := schedule(b, s.Book(), groups[i].Tasks(tasks)...); len(out.Placed) != tasks {
				b.Fatalf("%d placed", len(out.Placed))
			}
		}
		for i, s := range subs {
			if _, known := snapshotOf(b, s.Book()).Task(groups[i].Name() + "-1"); !known {
				b.Fatal("a Book does not show its task")
			}
		}
	}
}
