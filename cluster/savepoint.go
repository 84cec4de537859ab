package cluster

import (
	"fmt"

	"github.com/berth-sched/berth/internal/checked"
)

// Savepoint is a state of a [Fork] to go back to. It is a small value; the zero Savepoint is none.
type Savepoint struct{ of checked.Savepoint }

// Savepoint notes the present state, so that [Fork.Rollback] can go back to it: to try something, and then something else, costs what
// is tried and no fork for each try. From the first savepoint on the fork takes down how to take back what is done to it: some tens of
// bytes for each change, for as long as there is the fork.
func (f *Fork) Savepoint() Savepoint { return Savepoint{f.checked().Savepoint()} }

// Rollback takes back all that was done since a savepoint, the latest first: O(what was done). Snapshots that were taken meanwhile stay as they
// are. The savepoint stays good, to go back to again, and those after it do not. It fails, and changes nothing, for a savepoint
// of another fork, and for one that was taken after one that has been gone back to.
func (f *Fork) Rollback(to Savepoint) error {
	if err := f.checked().Rollback(to.of); err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	return nil
}
