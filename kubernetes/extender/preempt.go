package extender

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

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
	snapshot := e.view(pod)
	if why := e.turn(pod.Task.Group); why.Code != berth.None {
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
		if agreed := e.afterwards(fork, pod.Task, name, victims[name]); agreed != nil {
			out.NodeNameToMetaVictims[name] = agreed
		}
		if err := fork.Rollback(begin); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// afterwards returns whom a node has to give up to take a pod, or nil if nothing that may be given up is enough: the victims that
// kube-scheduler names and, with Config.MoreVictims, others of lower priority besides. A victim that is not known takes no room
// that is known.
func (e *Extender) afterwards(fork *cluster.Fork, t berth.Task, name string, victims *extenderv1.MetaVictims) *extenderv1.MetaVictims {
	named := map[string]bool{}
	for _, v := range victims.Pods {
		if v == nil {
			continue
		}
		named[v.UID] = true
		if have, ok := fork.Task(v.UID); ok && have.Node == name {
			fork.Apply(berth.Op{Kind: berth.Release, ID: v.UID})
		}
	}
	place := berth.Op{Kind: berth.Place, Task: t, Node: name}
	if fits(fork, place) {
		return victims
	}
	view, ok := fork.Node(name)
	if !e.config.MoreVictims || !ok {
		return nil
	}
	// The least important go first until there is room, and come back, the most important first, if there is room without them.
	more := slices.SortedFunc(view.Tasks(), func(a, b cluster.TaskView) int {
		return cmp.Or(cmp.Compare(a.Group.Priority(), b.Group.Priority()), strings.Compare(a.ID, b.ID))
	})
	more = slices.DeleteFunc(more, func(v cluster.TaskView) bool { // what is only held, or on its way out, is nobody to evict
		return named[v.ID] || v.State != berth.Running || v.Group.Priority() >= t.Group.Priority()
	})
	room := false
	for i, v := range more {
		fork.Apply(berth.Op{Kind: berth.Release, ID: v.ID})
		if room = fits(fork, place); room {
			more = more[:i+1]
			break
		}
	}
	if !room {
		return nil
	}
	out := &extenderv1.MetaVictims{Pods: slices.Clone(victims.Pods), NumPDBViolations: victims.NumPDBViolations}
	for _, v := range slices.Backward(more) {
		back := berth.Op{Kind: berth.Place, Task: v.Task, Node: name, Grant: v.Grant, Owner: v.Owner}
		before := fork.Savepoint()
		if _, why := fork.Apply(back); why.Code == berth.None && fits(fork, place) {
			continue
		}
		if fork.Rollback(before) != nil {
			return nil
		}
		out.Pods = append(out.Pods, &extenderv1.MetaPod{UID: v.ID})
	}
	return out
}

// fits reports whether a placement can be done, and leaves the fork as it is.
func fits(fork *cluster.Fork, place berth.Op) bool {
	view, ok := fork.Node(place.Node)
	return ok && fork.Fits(place.Task.Group, view)
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
