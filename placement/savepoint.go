package placement

import (
	"fmt"
	"maps"

	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
)

// Savepoint is a state of a [Picker]'s plan to go back to. It is a small value; the zero Savepoint is none.
type Savepoint struct {
	of Picker
	id checked.SaveID
}

func errRollback() error { return fmt.Errorf("placement: rollback: %w", checked.ErrNoSavepoint) }

// Savepoint notes where the plan is: O(1).
func (e *Engine) Savepoint() Savepoint {
	if e.inCover {
		return Savepoint{}
	}
	e.enter()
	id := e.saves.Add(e.steps.size, func(last int) bool { return last == e.steps.size })
	e.leave()
	return Savepoint{e, id}
}

// Rollback takes back what was picked since a savepoint, and picks again what was undone since: O(both).
func (e *Engine) Rollback(to Savepoint) error {
	if e.inCover || to.of != Picker(e) {
		return errRollback()
	}
	e.enter()
	at := e.saves.Back(to.id)
	if at == nil || *at > e.steps.size { // picks that the caller never heard of are gone after a panic
		e.leave()
		return errRollback()
	}
	e.search.end()
	// What is taken back is taken down as more steps, like what Undo does: whatever follows the steps needs to know of nothing else.
	for i := e.steps.size - 1; i >= *at; i-- {
		e.invert(*e.steps.at(i))
	}
	*at = e.steps.size
	e.leave()
	return nil
}

// exhaustiveSave is a plan of the reference at a savepoint.
type exhaustiveSave struct {
	fork   cluster.Savepoint
	picked map[string]bool
}

// Savepoint notes where the plan is: O(what it has picked).
func (e *Exhaustive) Savepoint() Savepoint {
	if e.ready(); e.inCover {
		return Savepoint{}
	}
	at := exhaustiveSave{e.fork.Savepoint(), maps.Clone(e.picked)}
	return Savepoint{e, e.saves.Add(at, func(last exhaustiveSave) bool { return last.fork == at.fork })}
}

// Rollback takes back what was done since a savepoint.
func (e *Exhaustive) Rollback(to Savepoint) error {
	if e.ready(); e.inCover || to.of != Picker(e) {
		return errRollback()
	}
	at := e.saves.Back(to.id)
	if at == nil {
		return errRollback()
	}
	e.picked = maps.Clone(at.picked)
	return e.fork.Rollback(at.fork)
}
