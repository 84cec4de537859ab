package placement_test

import (
	"testing"

	"github.com/berth-sched/berth/internal/nils"
	"github.com/berth-sched/berth/placement"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(placement.Ask), new(placement.Candidate), new(placement.Choice), new(placement.Choices), new(placement.Device),
		new(placement.Engine), new(placement.Exhaustive), new(placement.Learned), new(placement.Misfit), new(placement.Mix),
		new(placement.Reader), new(placement.Savepoint), new(placement.Score), new(placement.Shape),
		new(placement.ShapePoint), new(placement.State), new(placement.Strategy), new(placement.Term),
		new(placement.TermScore), new(placement.TierScore),
	)
	nils.Call(t,
		(*placement.Choices)(nil), (*placement.Learned)(nil),
	)
}
