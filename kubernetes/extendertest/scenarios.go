package extendertest

import (
	"context"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

var scenarios = []scenario{
	{"order", order}, {"repeats", repeats}, {"abandoned", abandoned}, {"lag", lag}, {"lost", lost}, {"deleted", deleted},
	{"recreated", recreated}, {"restart", restart}, {"two", two}, {"hostile", hostile}, {"preempt", preempt},
}

// fill schedules pods until one has no node, and demands that exactly n were bound.
func (s *stage) fill(n int, when string) {
	for i := 0; ; i++ {
		p := s.pod()
		node, err := s.retry(p, 3)
		switch {
		case err != nil:
			s.fault("%s: pod %d of %d: %v", when, i+1, n, err)
			return
		case node == "" && i < n:
			s.fault("%s: %d pods were bound, and there is room for %d: some room is lost", when, i, n)
			return
		case node == "":
			s.api.remove(p)
			return
		case i >= n:
			s.fault("%s: more than %d pods were bound", when, n)
			return
		}
	}
}

// order: one pod after another until the cluster is full, and again after one is gone.
func order(s *stage) {
	s.fill(s.Room, "an empty cluster")
	for _, p := range s.api.Pods() {
		s.api.remove(p)
		break
	}
	s.fill(1, "after a pod was deleted")
}

// repeats: asked again, an extender says the same, and takes no more room for it.
func repeats(s *stage) {
	nodes := s.nodeNames()
	for range s.Room {
		p := s.pod()
		var first []string
		for i := range 3 {
			out, err := s.filter(p, nodes)
			if err != nil {
				s.fault("filter of %s, call %d: %v", p.Name, i+1, err)
				return
			}
			got := slices.Sorted(slices.Values(*out.NodeNames))
			if i == 0 {
				first = got
			} else if !slices.Equal(first, got) {
				s.fault("filter of %s, asked again, answers %v after %v, and nothing has changed", p.Name, got, first)
			}
		}
		if len(first) == 0 {
			s.fault("filter of %s leaves no node, and there is room", p.Name)
			return
		}
		if s.verbs.Prioritize != "" {
			s.prioritize(s.pod(), nodes) // of another pod, which nobody asked about before
			s.prioritize(p, first)
		}
		node := first[len(first)-1]
		out, err := s.filter(p, []string{node}) // as for a node that was nominated
		if err != nil || len(*out.NodeNames) != 1 {
			s.fault("filter of %s with %s alone refuses the node that it had named: %v", p.Name, node, err)
			return
		}
		if err := s.bind(p, node); err != nil {
			s.fault("bind of %s to %s: %v", p.Name, node, err)
			return
		}
		if s.verbs.Bind != "" {
			if err := s.bind(p, node); err != nil {
				s.fault("bind of %s to %s, asked again after it was done: %v", p.Name, node, err)
			}
		}
	}
}

// abandoned: kube-scheduler's dry runs ask about pods that are not bound then.
func abandoned(s *stage) {
	nodes := s.nodeNames()
	var tried []*v1.Pod
	for range 2 * s.Room {
		p := s.pod()
		if _, err := s.filter(p, nodes); err != nil {
			s.fault("filter of %s: %v", p.Name, err)
		}
		tried = append(tried, p)
	}
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease)
	}
	s.fill(s.Room, "after pods that were only asked about")
	for _, p := range tried {
		s.api.remove(p)
	}
}

// lag: what the extender has bound itself counts, seen or not.
func lag(s *stage) {
	if s.verbs.Bind == "" {
		return // it hears of Bindings by the watch alone
	}
	var all []*v1.Pod
	for range s.Room + 3 {
		all = append(all, s.pod())
	}
	s.api.lag(true)
	bound := 0
	for _, p := range all {
		if node, err := s.schedule(p); err == nil && node != "" {
			bound++
		}
	}
	s.api.lag(false)
	if bound < s.Room {
		s.fault("while the watch was late %d pods were bound, and there is room for %d", bound, s.Room)
	}
	for _, p := range all {
		if _, err := s.retry(p, 3); err != nil {
			s.fault("pod %s, once the watch has caught up: %v", p.Name, err)
		}
	}
}

// lost: every second Binding meets with some trouble, and the watch tells of it late.
func lost(s *stage) {
	if s.verbs.Bind == "" {
		return
	}
	n := 0
	s.api.setTrouble(func(*v1.Binding) Trouble {
		n++
		return []Trouble{None, LostAnswer, None, LostRequest, None, Refused}[n%6]
	})
	var all []*v1.Pod
	for range s.Room + 2 {
		all = append(all, s.pod())
	}
	s.api.lag(true) // or the watch would tell before the answer is missed
	for _, p := range all {
		_, _ = s.schedule(p) // it may fail
	}
	s.api.lag(false)
	s.api.setTrouble(nil)
	bound := 0
	for round := range 2 {
		bound = 0
		for _, p := range all {
			node, err := s.retry(p, 5)
			if err != nil {
				s.fault("pod %s, when it is tried again after trouble with Bindings: %v", p.Name, err)
			}
			if node != "" {
				bound++
			}
		}
		if round == 0 && s.extender.Pass != nil {
			s.extender.Pass(s.Lease)
		}
	}
	if bound != s.Room {
		s.fault("after trouble with Bindings %d pods are bound in the end, and there is room for %d", bound, s.Room)
	}
	for _, p := range s.api.Pods() {
		s.api.remove(p)
	}
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease)
	}
	s.fill(s.Room, "after all of them were deleted")
}

// deleted: pods go away where it hurts.
func deleted(s *stage) {
	nodes := s.nodeNames()
	for i := range 2 * s.Room {
		p := s.pod()
		out, err := s.filter(p, nodes)
		if err != nil || len(*out.NodeNames) == 0 {
			s.fault("filter of %s leaves no node, and all pods before were deleted: %v", p.Name, err)
			return
		}
		node := (*out.NodeNames)[0]
		if i%2 == 0 {
			s.api.remove(p)
			_ = s.bind(p, node) // bind tells of an "ok" for a pod that is gone
			continue
		}
		s.api.setTrouble(func(b *v1.Binding) Trouble { // it goes when its Binding is on the way
			s.api.put(watch.Deleted, p.DeepCopy())
			return None
		})
		if err := s.bind(p, node); err == nil && s.verbs.Bind != "" {
			s.fault("bind of %s says ok, and the pod was deleted meanwhile", p.Name)
		}
		s.api.setTrouble(nil)
	}
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease)
	}
	s.fill(s.Room, "after all of them were deleted")
}

// recreated: another pod of the same name is another pod.
func recreated(s *stage) {
	nodes := s.nodeNames()
	old := s.pod()
	out, err := s.filter(old, nodes)
	if err != nil || len(*out.NodeNames) == 0 {
		s.fault("filter of %s leaves no node of an empty cluster: %v", old.Name, err)
		return
	}
	s.api.remove(old)
	young := s.api.create(old)
	if err := s.bind(old, (*out.NodeNames)[0]); err == nil && s.verbs.Bind != "" {
		s.fault("bind of %s, which was deleted, says ok: the pod of this name is another one", old.UID)
	}
	now, err := s.api.Pod(context.Background(), young.Namespace, young.Name)
	if err == nil && now.Spec.NodeName != "" {
		s.fault("bind of %s bound another pod of the same name", old.UID)
		return
	}
	if node, err := s.retry(young, 3); err != nil || node == "" {
		s.fault("pod %s, which is another one of the same name, is not bound: %v", young.UID, err)
	}
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease)
	}
	s.fill(s.Room-1, "beside it")
}

// restart: a new extender, which knows only what the API server tells.
func restart(s *stage) {
	nodes := s.nodeNames()
	for range s.Room {
		p := s.pod()
		out, err := s.filter(p, nodes)
		if err != nil || len(*out.NodeNames) == 0 {
			s.fault("filter of %s leaves no node, and there is room: %v", p.Name, err)
			return
		}
		s.stop()
		if !s.start() {
			return
		}
		if err := s.bind(p, (*out.NodeNames)[0]); err != nil {
			if node, err := s.retry(p, 3); err != nil || node == "" {
				s.fault("pod %s, which the extender before had filtered, is not bound: %v", p.Name, err)
			}
		}
	}
	if node, err := s.schedule(s.pod()); node != "" && err == nil {
		s.fault("one pod more than there is room for was bound after restarts")
	}
}

// two: two schedulers with the same pods, each with several bindings under way.
func two(s *stage) {
	if s.verbs.Bind == "" {
		return // then kube-schedulers race with each other, and not the extender
	}
	var all []*v1.Pod
	for range s.Room + 4 {
		all = append(all, s.pod())
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			mine := slices.Clone(all)
			if i == 1 {
				slices.Reverse(mine)
			}
			var binds sync.WaitGroup
			for range 3 {
				for _, p := range mine {
					binds.Go(func() { _, _ = s.schedule(p) }) // the other one may have been faster
				}
				binds.Wait()
			}
		})
	}
	wg.Wait()
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease)
	}
	bound := 0
	for _, p := range all {
		node, err := s.retry(p, 3)
		if err != nil {
			s.fault("pod %s, after two schedulers: %v", p.Name, err)
		}
		if node != "" {
			bound++
		}
	}
	if bound != s.Room {
		s.fault("two schedulers bound %d pods, and there is room for %d", bound, s.Room)
	}
}
