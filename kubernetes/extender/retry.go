package extender

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// retries are the pods that are to be tried again, and since when.
type retries struct {
	mu    sync.Mutex
	since map[types.UID]time.Time
}

// mostRetries is how many pods are followed. What is beyond is refused.
const mostRetries = 1 << 14

// counted reports whether all that a node lacks is what kube-scheduler's own plugins count.
func (e *Extender) counted(lacks []berth.Lack) bool {
	for i := range lacks {
		switch r := &lacks[i].Reason; {
		case r.Code == berth.UnknownNode:
		case r.Code == berth.Insufficient && !slices.ContainsFunc(e.cache.Devices(), func(d adapter.Devices) bool { return d.Class == r.Subject }):
		default:
			return false
		}
	}
	return true
}

// later returns the error with which a pod is to be tried again, or nil if it is to be refused.
func (e *Extender) later(pod cache.Pod) error {
	if e.config.RetryFor < 0 {
		return nil
	}
	now := e.cache.Now()
	e.retries.mu.Lock()
	defer e.retries.mu.Unlock()
	since, there := e.retries.since[pod.Object.UID]
	switch {
	case there && now.Sub(since) > e.config.RetryFor:
		return nil
	case !there && len(e.retries.since) >= mostRetries:
		return nil
	case !there && e.retries.since == nil:
		e.retries.since = map[types.UID]time.Time{}
	}
	if !there {
		e.retries.since[pod.Object.UID] = now
	}
	return withStatus(http.StatusServiceUnavailable, "there is no room yet on nodes where kube-scheduler sees some: it is to try again")
}

// placed forgets that a pod was to be tried again.
func (e *Extender) placed(uid types.UID) {
	e.retries.mu.Lock()
	defer e.retries.mu.Unlock()
	delete(e.retries.since, uid)
}

// forgetRetries lets go of pods that are gone.
func (e *Extender) forgetRetries() {
	e.retries.mu.Lock()
	var uids []types.UID
	for uid := range e.retries.since {
		uids = append(uids, uid)
	}
	e.retries.mu.Unlock()
	for _, uid := range uids {
		if _, known := e.cache.Pod(uid); !known {
			e.placed(uid)
		}
	}
}
