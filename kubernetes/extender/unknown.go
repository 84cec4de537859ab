package extender

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/berth-sched/berth"
)

// Unknown returns the names of resources that the strategy, the limits or the guarantees go by, and that no node has: misspelt, or such that
// their nodes are not there yet. There are none as long as there are no nodes. [Extender.Tidy] logs them when they change.
func (e *Extender) Unknown() []string {
	total := e.ledger().total
	if len(total) == 0 {
		return nil
	}
	named := map[string]bool{}
	for _, name := range e.config.Strategy.Resources() {
		named[name] = true
	}
	for _, q := range e.config.Tenants.Quotas {
		for _, r := range []berth.Resources{q.Limits, q.Guarantees} {
			for name := range r {
				named[name] = true
			}
		}
	}
	maps.DeleteFunc(named, func(name string, _ bool) bool { return total[name] > 0 })
	return slices.Sorted(maps.Keys(named))
}

// warned is what was logged last.
type warned struct {
	sync.Mutex
	unknown string
}

func (e *Extender) tellUnknown() {
	names := strings.Join(e.Unknown(), ", ")
	e.warned.Lock()
	defer e.warned.Unlock()
	if e.warned.unknown != names {
		if e.warned.unknown = names; names != "" {
			e.log.Warn("no node has resources that the policies name", "resources", names)
		}
	}
}
