package extender

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// learning is what a strategy knows of the pods that come, for one that learns (placement.Strategy.Learns). A pod comes when it is first asked
// about, and those that are on nodes by the first question have come before it: so a process that starts anew knows the mix of what runs.
type learning struct {
	learned *placement.Learned // nil if the strategy does not learn
	begun   bool
	come    map[string]bool // tasks of pods that were asked about
}

// mostCome is how many pods that nobody knows any more are remembered, as many as are known besides.
const mostCome = 1 << 12

// arrived lets the strategy learn of a pod before it is placed in a cluster.
func (e *Extender) arrived(s *cluster.Snapshot, t berth.Task) {
	if e.learning.learned == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l := &e.learning
	var tasks []berth.Task
	if !l.begun {
		l.begun = true
		for n := range s.Nodes() {
			for there := range n.Tasks() {
				if there.ID != t.ID {
					tasks = append(tasks, there.Task)
				}
			}
		}
	}
	if !l.come[t.ID] {
		l.come[t.ID] = true
		tasks = append(tasks, t)
	}
	if len(tasks) == 0 {
		return
	}
	if next := l.learned.Foresee(s, tasks...); next != nil {
		l.learned = next
		e.engine.Tune(next)
		clear(e.answers) // they have the worth of nodes by what was known before
		e.last = ranked{}
		return
	}
	l.learned.Arrived(tasks...)
}

// Learned returns what the strategy has learned of the pods that came, such as to look at its mix; nil if it does not learn.
func (e *Extender) Learned() *placement.Learned {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.learning.learned.Clone()
}

// forgetCome lets go of pods that are gone, once they are many.
func (e *Extender) forgetCome() {
	_, pods := e.cache.Len()
	e.mu.Lock()
	var ids []string
	if len(e.learning.come) > pods+mostCome {
		ids = slices.Collect(maps.Keys(e.learning.come))
	}
	e.mu.Unlock() // the cache is never asked under it
	ids = slices.DeleteFunc(ids, func(id string) bool { _, known := e.cache.Pod(types.UID(id)); return known })
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		delete(e.learning.come, id)
	}
}
