package extender

import (
	"net/http"
	"slices"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// preempt says on which of the nodes that kube-scheduler thinks of the pod can be placed once the victims are gone. Each is tried on a
// fork, by the checks that filter makes: what filter would refuse afterwards is refused now, before anybody is evicted for nothing.
func (e *Extender) preempt(_ *http.Request, args *extenderv1.ExtenderPreemptionArgs) (*extenderv1.ExtenderPreemptionResult, error) {
	if args.Pod == nil || args.Pod.UID == "" {
		return nil, withStatus(http.StatusBadRequest, "the request has no pod with a UID")
	}
	victims := args.NodeNameToMetaVictims
	if victims == nil {
		victims = meta(args.NodeNameToVictims)
	}
	out := &extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	pod := e.cache.Read(args.Pod)
	if pod.Task.Err() != nil || pod.Phase != cache.Pending && pod.Phase != cache.Held {
		return out, nil
	}
	snapshot := e.snapshot()
	if why := e.turn(snapshot, pod.Task.Group); why.Code != berth.None {
		return out, nil // filter would say so afterwards
	}
	nodes := make([]string, 0, len(victims))
	for name, v := range victims {
		if v != nil && len(v.Pods) > 0 { // kube-scheduler takes a node without victims for a fault
			nodes = append(nodes, name)
		}
	}
	slices.Sort(nodes)
	fork := snapshot.Fork()
	if _, there := fork.Task(pod.Task.ID); there {
		fork.Apply(berth.Op{Kind: berth.Release, ID: pod.Task.ID})
	}
	begin := fork.Savepoint()
	for _, name := range nodes {
		if e.afterwards(fork, pod.Task, name, victims[name]) {
			out.NodeNameToMetaVictims[name] = victims[name]
		}
		if err := fork.Rollback(begin); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// afterwards reports whether a node can take a pod once the victims are gone. A victim that is not known takes no room that is known.
func (e *Extender) afterwards(fork *cluster.Fork, t berth.Task, name string, victims *extenderv1.MetaVictims) bool {
	for _, v := range victims.Pods {
		if v == nil {
			continue
		}
		if have, ok := fork.Task(v.UID); ok && have.Node == name {
			fork.Apply(berth.Op{Kind: berth.Release, ID: v.UID})
		}
	}
	_, why := fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: name})
	return why.Code == berth.None
}

// meta turns victims that are told in full into their UIDs.
func meta(full map[string]*extenderv1.Victims) map[string]*extenderv1.MetaVictims {
	out := make(map[string]*extenderv1.MetaVictims, len(full))
	for name, v := range full {
		if v == nil {
			continue
		}
		m := &extenderv1.MetaVictims{NumPDBViolations: v.NumPDBViolations}
		for _, p := range v.Pods {
			if p != nil {
				m.Pods = append(m.Pods, &extenderv1.MetaPod{UID: string(p.UID)})
			}
		}
		out[name] = m
	}
	return out
}
