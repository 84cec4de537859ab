package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// Only what a picker gave for the plan that it makes can be gone back to, and all else changes nothing.
func TestSavepoints(t *testing.T) {
	s := snapshotOf(t, ofRacks(6, 3)...)
	g := request("g", 1, 1)
	for _, newPicker := range []func() placement.Picker{
		func() placement.Picker { return placement.NewEngine(placement.BinPack()) },
		func() placement.Picker { return placement.NewExhaustive(placement.BinPack()) },
		func() placement.Picker { return new(placement.Engine) },
		func() placement.Picker { return new(placement.Exhaustive) },
	} {
		p, other := newPicker(), newPicker()
		t.Run(fmt.Sprintf("%T", p), func(t *testing.T) {
			require.NoError(t, p.Rollback(p.Savepoint()), "before any plan")
			p.Start(s)
			other.Start(s)
			place := func(id string) berth.Op {
				op, ok := p.Place(g.Task(id))
				require.True(t, ok)
				return op
			}
			empty := p.Savepoint()
			first := place("a")
			one := p.Savepoint()
			assert.Equal(t, one, p.Savepoint(), "nothing was done in between")
			place("b")
			two := p.Savepoint()
			for name, bad := range map[string]placement.Savepoint{"none": {}, "of another picker": other.Savepoint()} {
				require.ErrorContains(t, p.Rollback(bad), "rollback", name)
			}
			p.Undo(first) // and it is picked again
			require.NoError(t, p.Rollback(one))
			require.Error(t, p.Rollback(two), "beyond one that was gone back to")
			p.Undo(first)
			assert.Equal(t, first, place("a"))
			for range 40 { // what is tried and given up again and again doubles nothing
				require.NoError(t, p.Rollback(empty))
				assert.Equal(t, first, place("a"))
				place("b")
			}
			p.Cover(berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon}), func(berth.Op) {
				assert.Zero(t, p.Savepoint())
				assert.Error(t, p.Rollback(empty))
			}, nil)
			require.NoError(t, p.Rollback(empty))
			p.Start(s)
			require.Error(t, p.Rollback(empty), "of an earlier plan")
			assert.Equal(t, first, place("a"))
		})
	}
}

// An engine that outlives what a fork takes back picks what one does that never saw it.
func TestEnginesFollowForksThatRollBack(t *testing.T) {
	for seed := range seeds(5) {
		r := rand.New(rand.NewPCG(seed, 0))
		f := snapshotOf(t, ofRacks(12, 3)...).Fork()
		engine := placement.NewEngine(placement.Spread())
		g := request("g", 1, 1, constraints.MaxPer("rack", 3))
		saves := []cluster.Savepoint{f.Savepoint()}
		for i := range 150 {
			id := fmt.Sprint("t", r.IntN(20))
			switch r.IntN(6) {
			case 0:
				saves = append(saves, f.Savepoint())
			case 1:
				saves = saves[:1+r.IntN(len(saves))]
				require.NoError(t, f.Rollback(saves[len(saves)-1]))
			case 2:
				f.Apply(berth.Op{Kind: berth.Release, ID: id})
			case 3:
				require.NoError(t, f.Cordon(fmt.Sprintf("n%04d", r.IntN(12))))
			default:
				f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(id), Node: fmt.Sprintf("n%04d", r.IntN(12))})
			}
			if r.IntN(2) == 0 {
				continue
			}
			s, fresh := f.Snapshot(), placement.NewExhaustive(placement.Spread())
			engine.Start(s)
			fresh.Start(s)
			for k := range 3 {
				task := g.Task(fmt.Sprint("new", k))
				got, gotOK := engine.Place(task)
				want, wantOK := fresh.Place(task)
				require.Equal(t, wantOK, gotOK, "seed %d, step %d", seed, i)
				require.Equal(t, want, got, "seed %d, step %d", seed, i)
			}
			require.NoError(t, engine.Check(), "seed %d, step %d", seed, i)
		}
	}
}
