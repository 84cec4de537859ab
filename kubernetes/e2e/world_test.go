package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

func list(pairs ...string) v1.ResourceList {
	out := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		out[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return out
}

func node(name string, change ...func(*v1.Node)) *v1.Node {
	all := list("cpu", "4", "memory", "16Gi", "pods", "110")
	n := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
		Status:     v1.NodeStatus{Allocatable: all, Capacity: all, Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}},
	}
	for _, f := range change {
		f(n)
	}
	return n
}

func nodes(n int) (out []*v1.Node) {
	for i := range n {
		out = append(out, node(fmt.Sprintf("n%d", i+1)))
	}
	return out
}

func pod(name string, requests v1.ResourceList, change ...func(*v1.Pod)) *v1.Pod {
	zero := int64(0)
	limits := v1.ResourceList{}
	for key, quantity := range requests {
		if strings.Contains(string(key), "/") { // of these the two are the same
			limits[key] = quantity
		}
	}
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1.PodSpec{TerminationGracePeriodSeconds: &zero, Containers: []v1.Container{{
			Name: "main", Image: "example.org/main", Resources: v1.ResourceRequirements{Requests: requests, Limits: limits},
		}}},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func (p *plane) createNodes(t *testing.T, nodes ...*v1.Node) {
	t.Helper()
	for _, n := range nodes {
		_, err := p.client.CoreV1().Nodes().Create(context.Background(), n, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

func (p *plane) createPods(t *testing.T, pods ...*v1.Pod) {
	t.Helper()
	for _, o := range pods {
		_, err := p.client.CoreV1().Pods(o.Namespace).Create(context.Background(), o, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

// pods returns the pods that there are, by name.
func (p *plane) pods(t *testing.T) map[string]*v1.Pod {
	t.Helper()
	all, err := p.client.CoreV1().Pods("").List(context.Background(), metav1.ListOptions{})
	require.NoError(t, err)
	out := map[string]*v1.Pod{}
	for i := range all.Items {
		out[all.Items[i].Name] = &all.Items[i]
	}
	return out
}

func bound(pods map[string]*v1.Pod) (n int) {
	for _, p := range pods {
		if p.Spec.NodeName != "" {
			n++
		}
	}
	return n
}

// waitBound waits until exactly n pods are bound.
func (p *plane) waitBound(t *testing.T, n int, within time.Duration) map[string]*v1.Pod {
	t.Helper()
	var all map[string]*v1.Pod
	require.NoError(t, eventually(within, func() error {
		all = p.pods(t)
		if got := bound(all); got != n {
			return fmt.Errorf("%d pods of %d are bound, and %d should be", got, len(all), n)
		}
		return nil
	}))
	return all
}

// notOvercommitted demands that no node has pods that ask for more than it has, by the objects of the API server.
func (p *plane) notOvercommitted(t *testing.T) {
	t.Helper()
	all, err := p.client.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
	require.NoError(t, err)
	free := map[string]v1.ResourceList{}
	for i := range all.Items {
		free[all.Items[i].Name] = all.Items[i].Status.Allocatable
	}
	for _, o := range p.pods(t) {
		if o.Spec.NodeName == "" {
			continue
		}
		for key, quantity := range o.Spec.Containers[0].Resources.Requests {
			left := free[o.Spec.NodeName][key]
			left.Sub(quantity)
			require.GreaterOrEqual(t, left.Sign(), 0, "%s has not enough %s for %s", o.Spec.NodeName, key, o.Name)
			free[o.Spec.NodeName][key] = left
		}
	}
}

// events waits for an event of a pod that says something.
func (p *plane) events(t *testing.T, pod, says string) {
	t.Helper()
	require.NoError(t, eventually(30*time.Second, func() error {
		all, err := p.client.CoreV1().Events("default").List(context.Background(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + pod})
		if err != nil {
			return err
		}
		var seen []string
		for _, e := range all.Items {
			if strings.Contains(e.Message, says) {
				return nil
			}
			seen = append(seen, e.Reason+": "+e.Message)
		}
		return fmt.Errorf("no event of %s says %q:\n%s", pod, says, strings.Join(seen, "\n"))
	}))
}

// front is an HTTP server in front of an extender, which can be another one from one request to the next.
type front struct {
	*httptest.Server
	handler atomic.Pointer[http.Handler]
	calls   sync.Map // by verb, *atomic.Int64
	before  func(verb string)
}

func newFront(t *testing.T, h http.Handler) *front {
	f := &front{}
	f.set(h)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verb := strings.Trim(r.URL.Path, "/")
		n, _ := f.calls.LoadOrStore(verb, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		if f.before != nil {
			f.before(verb)
		}
		(*f.handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) set(h http.Handler) { f.handler.Store(&h) }

func (f *front) count(verb string) int64 {
	n, ok := f.calls.Load(verb)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// ours is an extender of berth's that watches the API server.
type ours struct {
	*extender.Extender
	cache *cache.Cache
	stop  func()
}

// berth starts one, and ends it with the test. Its policies are in the text of extender.File.
func (p *plane) berth(t *testing.T, policies string, change ...func(*rest.Config)) *ours {
	t.Helper()
	b, err := p.startBerth(policies, change...)
	require.NoError(t, err)
	t.Cleanup(b.stop)
	return b
}

func (p *plane) startBerth(policies string, change ...func(*rest.Config)) (*ours, error) {
	config, read, err := extender.ReadFile([]byte(policies))
	if err != nil {
		return nil, err
	}
	c, err := cache.New(read)
	if err != nil {
		return nil, err
	}
	reach := rest.CopyConfig(p.config)
	for _, f := range change {
		f(reach)
	}
	client, err := kubernetes.NewForConfig(reach)
	if err != nil {
		return nil, err
	}
	config.Cache, config.Client = c, extender.NewClient(client, nil)
	e, err := extender.New(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = cache.Watch(ctx, c, client, cache.WatchConfig{}) }) // it ends with the context
	wg.Go(func() { _ = e.Run(ctx) })
	b := &ours{e, c, sync.OnceFunc(func() { cancel(); wg.Wait() })}
	if err := eventually(30*time.Second, e.Ready); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// noLeases demands that nothing is held, once everything has come to rest.
func (b *ours) noLeases(t *testing.T) {
	t.Helper()
	require.NoError(t, eventually(45*time.Second, func() error {
		if n := b.cache.Leases(); n != 0 {
			return fmt.Errorf("%d leases are left", n)
		}
		if d := b.cache.Doubtful(0); len(d) != 0 {
			return fmt.Errorf("%d pods are in doubt", len(d))
		}
		return nil
	}))
}

// sameAs demands that the cache has every pod where the API server has it.
func (b *ours) sameAs(t *testing.T, p *plane) {
	t.Helper()
	require.NoError(t, eventually(10*time.Second, func() error {
		var faults []error
		all := p.pods(t)
		for _, o := range all {
			have, ok := b.cache.Pod(o.UID)
			if !ok || have.Node != o.Spec.NodeName {
				faults = append(faults, fmt.Errorf("pod %s is on %q and not on %q", o.Name, o.Spec.NodeName, have.Node))
			}
		}
		if _, n := b.cache.Len(); n != len(all) {
			faults = append(faults, fmt.Errorf("%d pods are known of %d", n, len(all)))
		}
		return errors.Join(faults...)
	}))
}

// allIsWell demands that nothing is double-booked, nothing lost, and no lease left behind.
func (b *ours) allIsWell(t *testing.T, p *plane) {
	t.Helper()
	p.notOvercommitted(t)
	b.noLeases(t)
	b.sameAs(t, p)
}

// createEqualPods creates n pods of one core.
func (p *plane) createEqualPods(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		p.createPods(t, pod(fmt.Sprintf("p-%02d", i), list("cpu", "1")))
	}
}

func nodesOf(pods map[string]*v1.Pod) (out []string) {
	for _, p := range pods {
		out = append(out, p.Name+" "+p.Spec.NodeName)
	}
	slices.Sort(out)
	return out
}
