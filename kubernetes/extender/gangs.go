package extender

import (
	"maps"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// gangs follows what kube-scheduler tries out. It asks about the members of a gang (spec.schedulingGroup) one after another, with nothing
// in between, and holding each is what lets the next see what is left. If it gives the gang up it says nothing, so that room would be held for pods
// that are not to come. That a try has come to nothing shows in three ways: a member is told that no node can take it; one that is held
// is asked about again; or the watch tells that a member is unschedulable, which the cache sees to. In the first two cases what is held
// is given back as soon as a pod is asked about that is no member. A member that is bound shows that the try has not come to nothing.
type gangs struct {
	mu    sync.Mutex
	now   string // the gang that was asked about last; empty if that was a pod of none
	tries map[string]*try
}

// try is a gang that has members held.
type try struct {
	held   map[types.UID]bool
	last   types.UID // the member that was asked about last
	failed bool
}

// mostTries is how many gangs are followed. What is held for others ends with its deadline.
const mostTries = 1024

// gangOf returns the name of a pod's gang, empty if it has none.
func gangOf(p *v1.Pod) string {
	g := p.Spec.SchedulingGroup
	if g == nil || g.PodGroupName == nil || *g.PodGroupName == "" {
		return ""
	}
	return p.Namespace + "/" + *g.PodGroupName
}

// asked notes that filter is asked about a pod, and returns the pods whose room is to be given back.
func (g *gangs) asked(p *v1.Pod) (over []types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := gangOf(p)
	if t := g.tries[g.now]; t != nil && g.now != name && t.failed {
		over = slices.Sorted(maps.Keys(t.held))
		delete(g.tries, g.now)
	}
	g.now = name
	if name == "" {
		return over
	}
	t := g.tries[name]
	if t == nil {
		if g.tries == nil || len(g.tries) >= mostTries {
			g.tries = map[string]*try{}
		}
		t = &try{held: map[types.UID]bool{}}
		g.tries[name] = t
	}
	if t.held[p.UID] && t.last != p.UID { // it asks twice about one that was nominated, which says nothing
		t.failed = true
	}
	t.last = p.UID
	return over
}

// answered notes whether a pod that filter was asked about is held now.
func (g *gangs) answered(p *v1.Pod, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.tries[gangOf(p)]
	switch {
	case t == nil:
	case held:
		t.held[p.UID] = true
	default:
		delete(t.held, p.UID)
		t.failed = true
	}
}

// bound notes that a pod is being bound.
func (g *gangs) bound(p *v1.Pod) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := gangOf(p)
	if t := g.tries[name]; t != nil {
		t.failed = false
		if delete(t.held, p.UID); len(t.held) == 0 {
			delete(g.tries, name)
		}
	}
}
