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
	"github.com/berth-sched/berth/scheduler"
)

// A guarantee that was lent can be reached in offer mode: where what is guaranteed goes first, each core that becomes free is offered to a role that
// has less than its guarantee and wants more, as long as there is one. So once as many tasks have ended as are lacking, all have it. Tasks take a
// core each, so that every core serves every role.
func TestGuaranteesAreReached(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 29))
		now := time.Unix(1000, 0)
		var nodes []berth.Node
		total := int64(0)
		for i := range 1 + r.IntN(4) {
			c := 2 + r.Int64N(6)
			total += c
			nodes = append(nodes, node(fmt.Sprint("n", i), c, 0))
		}
		state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }}, nodes...)
		require.NoError(t, err)
		queue, err := allocator.NewQueue(allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)})
		require.NoError(t, err)
		x, err := offers.NewExchange(state, offers.Config{Order: queue})
		require.NoError(t, err)

		// Some roles have guarantees, of no more than there is together, and all want as much as there is. Those without come first and take it all.
		names, subs, guaranteed, number := []string{}, map[string]*offers.Subscription{}, map[string]int64{}, 0
		for i, left := 0, total; i < 2+r.IntN(3); i++ {
			name := fmt.Sprint("r", i)
			names = append(names, name)
			if i > 0 {
				g := r.Int64N(left + 1)
				left -= g
				guaranteed[name] = g
				q := berth.Quota{Role: berth.Role(name), Guarantees: res{"cpu": g}}
				require.NoError(t, state.SetQuotas(q))
				require.NoError(t, queue.SetQuota(q))
			}
		}
		running := func(name string) (ids []string) {
			for task := range snapshotOf(t, state).Group(name) {
				ids = append(ids, task.ID)
			}
			return ids
		}
		round := func() {
			_, err := x.Offer(ctx)
			require.NoError(t, err)
			for _, name := range names {
				if subs[name] == nil {
					continue
				}
				for range cores(t, subs[name]) {
					number++
					out := schedule(t, subs[name].Book(), cpus(name, berth.Role(name), 1).Task(fmt.Sprint(name, "-", number)))
					require.Len(t, out.Placed, 1)
				}
			}
		}
		join := func(name string) {
			s, err := x.Subscribe(offers.Framework{Name: name, Role: berth.Role(name), Demand: []offers.Demand{{Group: cpus(name, berth.Role(name), 1)}}})
			require.NoError(t, err)
			subs[name] = s
		}
		join("r0")
		round()
		require.Len(t, running("r0"), int(total), "seed %d: what is guaranteed is lent", seed)
		for _, name := range names[1:] {
			join(name)
		}
		lacking := func() (n int64) {
			for name, g := range guaranteed {
				n += max(g-int64(len(running(name))), 0)
			}
			return n
		}
		for lacking() > 0 {
			before := lacking()
			lent := running("r0")
			require.NotEmpty(t, lent, "seed %d", seed)
			require.NoError(t, state.Release(lent[r.IntN(len(lent))]))
			round()
			require.Equal(t, before-1, lacking(), "seed %d: a core that became free went to who has what is guaranteed to him", seed)
			now = now.Add(time.Minute)
		}
	}
}
