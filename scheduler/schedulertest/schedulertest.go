// Package schedulertest has the conformance kit that every [scheduler.Source] must pass: what a Scheduler
// relies on, checked from outside.
//
//	func TestSource(t *testing.T) {
//		schedulertest.Run(t, func(t testing.TB, nodes []berth.Node) schedulertest.Fixture {
//			state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
//			require.NoError(t, err)
//			return schedulertest.Fixture{Source: state}
//		})
//	}
//
// Run it under the race detector: the kit commits from several goroutines at once.
package schedulertest

import (
	"testing"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// Fixture is a source to be tested, and how to drive it.
type Fixture struct {
	// Source is fresh: nothing runs on its nodes and nothing is held of them but what it holds itself.
	Source scheduler.Source

	// Offer puts everything that is free on the nodes within reach of Source's next snapshot. The kit calls it
	// before each snapshot from which it plans. A source that sees all there is needs none; a book of
	// offers has its exchange make a round of offers.
	Offer func(t testing.TB)
}

// Run checks sources made by newSource, which it calls at least once for every property. Each source
// must have the nodes it is given and be of a lineage of its own; newSource ends the test if it cannot
// make one, and cleans up with t.Cleanup.
func Run(t *testing.T, newSource func(t testing.TB, nodes []berth.Node) Fixture) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, newSource)
		})
	}
}

// maker is what Run is given.
type maker func(t testing.TB, nodes []berth.Node) Fixture

var checks = []struct {
	name string
	run  func(t testing.TB, newSource maker)
}{
	{"snapshots are ordered by node", ordered},
	{"snapshots never change", immutable},
	{"what is committed is seen", seen},
	{"a commit does what it can", partial},
	{"a commit leaves the plan alone", untouched},
	{"a stale version is no error", stale},
	{"another lineage is an error", lineage},
	{"an empty plan does nothing", empty},
	{"no plan is an error", noPlan},
	{"an ended context does nothing", cancelled},
	{"a task is placed once", duplicates},
	{"bad operations are refused", badOps},
	{"rules hold at commit", rules},
	{"devices and ports are granted", grants},
	{"release gives room back", release},
	{"never overcommit", neverOvercommit},
	{"groups go together", together},
	{"parts are whole", whole},
	{"changed is closed by a change", changed},
}
