package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// replacing returns a State of n tasks of a core, and a plan of a part for each, which gives it another size.
func replacing(b *testing.B, n int, cpu int64) (*scheduler.State, *cluster.Plan) {
	s, ids := full(b, scheduler.StateConfig{}, n)
	g := berth.NewGroup("web", berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": cpu}})
	p := newPlan(b, s)
	for _, id := range ids {
		at, _ := s.Task(id)
		p.Replace(g.Task(id), at.Node)
	}
	return s, p
}

func growParts(b *testing.B, n int) {
	for b.Loop() {
		b.StopTimer()
		s, p := replacing(b, n, 500)
		b.StartTimer()
		require.Len(b, commit(b, s, p).Placed, n)
	}
}

// growPartsRefused commits parts of which the last operation is refused, so that each is taken back.
func growPartsRefused(b *testing.B, n int) {
	for b.Loop() {
		b.StopTimer()
		s, p := replacing(b, n, 200_000)
		b.StartTimer()
		require.Len(b, commit(b, s, p).Refused, 2*n)
	}
}
