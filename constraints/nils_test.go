package constraints_test

import (
	"testing"

	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/nils"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(constraints.Cap), new(constraints.Combination), new(constraints.Comparison), new(constraints.Own),
		new(constraints.Pair), new(constraints.Pattern), new(constraints.Shares), new(constraints.Spread), new(constraints.Toleration),
	)
}
