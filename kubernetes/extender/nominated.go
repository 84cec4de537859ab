package extender

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// view returns the cluster as a pod is to find it: with the pods that were nominated to nodes, by a preemption, and are at least as
// important, where they are to be. So the room that evicted pods leave is kept for whom they were evicted. kube-scheduler does the same by its own
// plugins, which do not see the devices and rules that are berth's alone.
func (e *Extender) view(pod cache.Pod) *cluster.Snapshot { return e.with(e.cache.Nominated(), pod) }

// with is view with the pods that were nominated, where the cache cannot be asked.
func (e *Extender) with(nominated []cache.Pod, pod cache.Pod) *cluster.Snapshot {
	s := e.snapshot()
	var fork *cluster.Fork
	for _, other := range nominated {
		if other.Task.ID == pod.Task.ID || other.Task.Err() != nil || other.Task.Group.Priority() < pod.Task.Group.Priority() {
			continue
		}
		if fork == nil {
			fork = s.Fork()
		}
		node := other.Object.Status.NominatedNodeName
		if _, why := fork.Apply(berth.Op{Kind: berth.Place, Task: other.Task, Node: node}); why.Code != berth.None {
			// Pods that are on their way out are there still. Where it cannot be counted beside them, what it is to have is theirs.
			_ = fork.Adopt(other.Task, node, nil, berth.Running)
		}
	}
	if fork == nil {
		return s
	}
	return fork.Snapshot()
}
