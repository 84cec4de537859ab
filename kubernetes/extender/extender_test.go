package extender_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
	"github.com/berth-sched/berth/kubernetes/internal/objects"
)

var list, node, pod = objects.List, objects.Node, objects.Pod

// server is an API server of pods: what Bind does is seen by the cache once told is called.
type server struct {
	mu    sync.Mutex
	cache *cache.Cache
	pods  map[string]*v1.Pod
	bind  func(*v1.Binding) error // what Bind does instead, or before
	sent  []*v1.Binding
	event []string
}

func (s *server) Bind(_ context.Context, b *v1.Binding) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, b)
	if s.bind != nil {
		if err := s.bind(b); err != nil {
			return err
		}
	}
	p := s.pods[b.Name]
	switch {
	case p == nil || p.UID != b.UID:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, b.Name)
	case p.Spec.NodeName != "" || p.DeletionTimestamp != nil:
		return apierrors.NewConflict(schema.GroupResource{Resource: "pods/binding"}, b.Name, fmt.Errorf("pod %s is already assigned to node %q", b.Name, p.Spec.NodeName))
	}
	p = p.DeepCopy()
	p.Spec.NodeName = b.Target.Name
	for key, value := range b.Annotations {
		metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, value)
	}
	s.pods[b.Name] = p
	return nil
}

func (s *server) Pod(_ context.Context, _, name string) (*v1.Pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pods[name]; p != nil {
		return p, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name)
}

func (s *server) Event(p *v1.Pod, kind, reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.event = append(s.event, fmt.Sprintf("%s %s %s: %s", p.Name, kind, reason, message))
}

// create adds pods, which the cache hears of.
func (s *server) create(pods ...*v1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pods {
		s.pods[p.Name] = p
		s.cache.SetPod(p)
	}
}

// told lets the cache hear of what has become of a pod.
func (s *server) told(name string) {
	s.mu.Lock()
	p := s.pods[name]
	s.mu.Unlock()
	s.cache.SetPod(p)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type world struct {
	t      *testing.T
	clock  *clock
	cache  *cache.Cache
	server *server
	*extender.Extender
}

func newWorld(t *testing.T, config extender.Config, read cache.Config, nodes ...*v1.Node) *world {
	t.Helper()
	at := &clock{now: time.Unix(1000, 0)}
	read.Clock = at.Now
	c, err := cache.New(read)
	require.NoError(t, err)
	for _, n := range nodes {
		c.SetNode(n)
	}
	c.MarkSynced()
	s := &server{cache: c, pods: map[string]*v1.Pod{}}
	config.Cache, config.Client = c, s
	if config.RetryFor == 0 {
		config.RetryFor = -1 // tests ask about nodes that kube-scheduler would not have asked about
	}
	e, err := extender.New(config)
	require.NoError(t, err)
	return &world{t, at, c, s, e}
}

// ask posts a request and returns the answer's status and body.
func (w *world) ask(verb string, args any) (int, string) {
	w.t.Helper()
	body, err := json.Marshal(args)
	require.NoError(w.t, err)
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/"+verb, strings.NewReader(string(body))))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

func asked[T any](w *world, verb string, args any) (out T) {
	w.t.Helper()
	status, body := w.ask(verb, args)
	require.Equal(w.t, http.StatusOK, status, body)
	require.NoError(w.t, json.Unmarshal([]byte(body), &out), body)
	return out
}

func (w *world) filter(p *v1.Pod, nodes ...string) extenderv1.ExtenderFilterResult {
	return asked[extenderv1.ExtenderFilterResult](w, "filter", extenderv1.ExtenderArgs{Pod: p, NodeNames: &nodes})
}

func (w *world) prioritize(p *v1.Pod, nodes ...string) map[string]int64 {
	out := map[string]int64{}
	for _, h := range asked[extenderv1.HostPriorityList](w, "prioritize", extenderv1.ExtenderArgs{Pod: p, NodeNames: &nodes}) {
		out[h.Host] = h.Score
	}
	return out
}

func (w *world) bind(p *v1.Pod, node string) string {
	return asked[extenderv1.ExtenderBindingResult](w, "bind", extenderv1.ExtenderBindingArgs{PodName: p.Name, PodNamespace: p.Namespace, PodUID: p.UID, Node: node}).Error
}

func (w *world) preempt(p *v1.Pod, victims map[string][]string) map[string]*extenderv1.MetaVictims {
	args := extenderv1.ExtenderPreemptionArgs{Pod: p, NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for node, uids := range victims {
		m := &extenderv1.MetaVictims{}
		for _, uid := range uids {
			m.Pods = append(m.Pods, &extenderv1.MetaPod{UID: uid})
		}
		args.NodeNameToMetaVictims[node] = m
	}
	return asked[extenderv1.ExtenderPreemptionResult](w, "preempt", args).NodeNameToMetaVictims
}

func on(node string) func(*v1.Pod) { return func(p *v1.Pod) { p.Spec.NodeName = node } }

func TestAdvise(t *testing.T) {
	w := newWorld(t, extender.Config{}, cache.Config{}, node("n1"), node("n2"), node("n3"), node("n4", func(n *v1.Node) {
		n.Spec.Taints = []v1.Taint{{Key: "dedicated", Value: "ci", Effect: v1.TaintEffectNoSchedule}}
	}))
	w.server.create(pod("a", "3", on("n2")), pod("b", "2", on("n3")))
	p := pod("c", "2")
	w.server.create(p)
	got := w.filter(p, "n1", "n2", "n3", "n4", "n5")
	assert.Equal(t, extenderv1.ExtenderFilterResult{
		NodeNames: &[]string{"n3", "n1"}, // full nodes first
		FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{
			"n2": "insufficient cpu", "n4": "untolerated taint dedicated=ci", "n5": "berth does not know the node yet",
		},
	}, got)
	assert.Equal(t, map[string]int64{"n3": 10, "n1": 0}, w.prioritize(p, "n1", "n3"))
	assert.Zero(t, w.cache.Leases(), "advice holds nothing")

	assert.Empty(t, w.bind(p, "n3"))
	assert.Contains(t, w.bind(pod("nobody", "3"), "n1"), "gone", "the API server knows no such pod")
	d := pod("d", "3")
	w.server.create(d)
	assert.Contains(t, w.bind(d, "n3"), "lacks 3 cpu", "n3 is full by now, seen or not")
	assert.Len(t, w.server.sent, 1)
}

func TestDecide(t *testing.T) {
	w := newWorld(t, extender.Config{Mode: extender.Decide}, cache.Config{}, node("n1"), node("n2"))
	a, b, c := pod("a", "3"), pod("b", "3"), pod("c", "3")
	w.server.create(a, b, c)
	first := (*w.filter(a, "n1", "n2").NodeNames)[0]
	for range 3 {
		assert.Equal(t, []string{first}, *w.filter(a, "n1", "n2").NodeNames, "the same pod, the same node")
	}
	second := (*w.filter(b, "n1", "n2").NodeNames)[0]
	assert.NotEqual(t, first, second)
	assert.Empty(t, *w.filter(c, "n1", "n2").NodeNames)
	assert.Equal(t, 2, w.cache.Leases())

	assert.Empty(t, w.bind(a, first))
	assert.Empty(t, w.bind(a, first), "bound already")
	w.server.told("a")
	w.clock.pass(time.Hour)
	assert.Contains(t, w.filter(c, "n1").Error, "silent for 1h0m0s")
	w.cache.Heard()
	assert.Equal(t, []string{second}, *w.filter(c, "n1", "n2").NodeNames, "what was held for b has expired")
	assert.Contains(t, w.bind(b, second), "lacks 2 cpu") // 4 - 3 are free
	assert.Zero(t, len(w.cache.Doubtful(0)))
}

func priority(n int32) func(*v1.Pod) { return func(p *v1.Pod) { p.Spec.Priority = &n } }

func TestPreempt(t *testing.T) {
	tainted := func(n *v1.Node) {
		n.Spec.Taints = []v1.Taint{{Key: "dedicated", Value: "ci", Effect: v1.TaintEffectNoSchedule}}
	}
	for _, more := range []bool{false, true} {
		w := newWorld(t, extender.Config{MoreVictims: more}, cache.Config{}, node("n1"), node("n2", tainted), node("n3"), node("n4"))
		w.server.create(pod("a", "3", on("n1")), pod("b", "3", on("n2")),
			pod("c", "2", on("n3")), pod("d", "1", on("n3")), pod("e", "1", on("n3"), priority(1)),
			pod("f", "2", on("n4")), pod("g", "2", on("n4"), priority(10)))
		p := pod("p", "3", priority(10))
		w.server.create(p)
		want := map[string]*extenderv1.MetaVictims{
			"n1": {Pods: []*extenderv1.MetaPod{{UID: "uid-a"}}},
			// n2 is tainted; n4 has a pod that is as important.
		}
		if more { // on n3 another core has to come free, of the least important
			want["n3"] = &extenderv1.MetaVictims{Pods: []*extenderv1.MetaPod{{UID: "uid-c"}, {UID: "uid-d"}}}
		}
		got := w.preempt(p, map[string][]string{"n1": {"uid-a"}, "n2": {"uid-b"}, "n3": {"uid-c"}, "n4": {"uid-f"}, "n5": {"uid-x"}, "n6": nil})
		assert.Equal(t, want, got)

		// The first trap: what preempt agrees to, filter lets in once the victims are gone.
		for name, victims := range got {
			for _, v := range victims.Pods {
				known, _ := w.cache.Pod(types.UID(v.UID))
				w.cache.DeletePod(known.Object)
			}
			assert.Equal(t, []string{name}, *w.filter(p, name).NodeNames)
		}
	}
}
