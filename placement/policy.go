package placement

import (
	"reflect"
	"slices"

	"github.com/berth-sched/berth"
)

// policy is a strategy and what follows from what it declares. It never changes.
type policy struct {
	strategy   Strategy
	depends    Dependence
	ordered    bool     // whether one order of the nodes of a class serves every request
	byNode     bool     // whether the strategy counts tasks by node
	attributes []string // the other attributes it counts tasks by, each once
	counted    []int    // by the strategy's Domains: the index in attributes, or onNode
}

// onNode stands for berth.NodeID in policy.counted.
const onNode = -1

// policyOf returns the policy of a strategy; none, or a nil pointer, is BinPack.
func policyOf(s Strategy) *policy {
	if isNil(s) {
		s = BinPack()
	}
	p := &policy{strategy: s, depends: s.Depends()}
	if isNil(p.depends.Additive) {
		p.depends.Additive = nil
	}
	p.ordered = p.depends.Shape && p.depends.Additive != nil && (len(p.depends.Domains) == 0 || p.depends.Fewest)
	for _, name := range p.depends.Domains {
		at := onNode
		if name == berth.NodeID {
			p.byNode = true
		} else if at = slices.Index(p.attributes, name); at < 0 {
			at = len(p.attributes)
			p.attributes = append(p.attributes, name)
		}
		p.counted = append(p.counted, at)
	}
	return p
}

// isNil reports whether an interface holds nothing to call: nothing at all, or a pointer or function that is nil.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}
