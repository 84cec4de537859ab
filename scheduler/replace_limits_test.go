package scheduler_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// ofShop returns a group of that role with tasks of so many thousandths of a core and so much memory.
func ofShop(cpu, memory int64) *berth.Group {
	return berth.NewGroup("web", berth.GroupSpec{Role: "shop/web", Request: berth.Resources{"cpu": cpu, "memory": memory}})
}

// Four tasks of 1,000 have 4,000 of a limit that was lowered to 3,000, so that three more than fit are not to be: a replacement that takes
// as much or less stands, on the role's limit and on that of the role above; one that takes more of anything that is over does not.
func TestReplaceOverALimitThatWasLowered(t *testing.T) {
	for _, exhaustive := range []bool{false, true} {
		for _, role := range []berth.Role{"shop/web", "shop", ""} {
			var log []scheduler.Command
			s := newState(t, scheduler.StateConfig{Record: func(c scheduler.Command) error {
				log = append(log, c)
				return nil
			}}, shopNode("n1"), shopNode("n2"))
			sched := newScheduler(t, s, scheduler.Config{Exhaustive: exhaustive})
			ctx := context.Background()
			out, err := sched.Schedule(ctx, ofShop(1000, 1).Tasks(4)...)
			require.NoError(t, err)
			require.Len(t, out.Placed, 4)
			require.NoError(t, s.SetQuotas(berth.Quota{Role: role, Limits: berth.Resources{"cpu": 3000, "memory": 10}}))
			uses := func() (cpu, memory int64) {
				on, err := s.Snapshot(ctx)
				require.NoError(t, err)
				return on.Role("shop").Used["cpu"], on.Role("shop").Used["memory"]
			}

			out, err = sched.Replace(ctx, ofShop(1000, 2).Task("web-1"), ofShop(500, 1).Task("web-2"))
			require.NoError(t, err)
			require.Len(t, out.Placed, 2, "%v", out) // as much as before, and less: 4,000 and then 3,500
			cpu, memory := uses()
			require.Equal(t, []int64{3500, 5}, []int64{cpu, memory}) // 1,000 + 500 + 2 x 1,000; 2 + 1 + 2 x 1

			out, err = sched.Replace(ctx, ofShop(1001, 1).Task("web-3"), ofShop(1000, 8).Task("web-4"))
			require.NoError(t, err)
			require.Empty(t, out.Placed) // 3,501 of 3,000; and 12 of 10, which was not over before
			require.Len(t, out.Unplaced, 2)
			for _, u := range out.Unplaced {
				assert.Equal(t, berth.OverLimit, u.Reason.Code, "%v", u)
			}
			cpu, memory = uses()
			require.Equal(t, []int64{3500, 5}, []int64{cpu, memory})

			// What is not side by side in one commit is no exchange.
			p := newPlan(t, s)
			p.Release("web-3")
			p.Release("web-4")
			p.Place(ofShop(1000, 1).Task("web-4"), "n1") // 1,500 + 1,000
			p.Place(ofShop(1000, 1).Task("web-3"), "n2") // 2,500 + 1,000
			out = commit(t, s, p)
			require.Len(t, out.Refused, 1)
			require.NoError(t, s.SetQuotas(berth.Quota{Role: role, Limits: berth.Resources{"cpu": 2000}})) // of 2,500
			require.NoError(t, s.Release("web-4"))
			p = newPlan(t, s)
			p.Place(ofShop(1000, 1).Task("web-4"), "n1")
			require.Len(t, commit(t, s, p).Refused, 1)

			// A replay, and one that begins with a checkpoint, comes to the same.
			again := newState(t, scheduler.StateConfig{})
			require.NoError(t, again.Replay(log...))
			var live, replayed bytes.Buffer
			require.NoError(t, scheduler.Codec{}.Checkpoint(&live, s))
			require.NoError(t, scheduler.Codec{}.Checkpoint(&replayed, again))
			require.Equal(t, live.Bytes(), replayed.Bytes())
		}
	}
}

func shopNode(id string) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": 4000, "memory": 100}}
}
