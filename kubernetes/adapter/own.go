package adapter

import (
	"github.com/berth-sched/berth/constraints"
)

// own lets the host say what a pod asks for in ways of its own. A pod that the host cannot read goes nowhere.
func (r *reading) own() {
	if r.config.OfPod == nil {
		return
	}
	if err := r.config.OfPod(r.pod, &r.spec); err != nil {
		r.left.add("metadata", "no node is chosen: %v", err)
		r.rule(constraints.Nowhere())
	}
}
