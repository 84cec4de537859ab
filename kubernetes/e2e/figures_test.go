package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

var (
	figures     = flag.Int("figures", 0, "measure pods a second on so many nodes")
	figurePods  = flag.Int("figures.pods", 1000, "how many pods are bound")
	figureNames = flag.String("figures.with", "none,empty,advise,decide", "the extenders that are measured")
)

// TestFigures measures how many pods a second are bound, from the first to the last, where all of them wait when kube-scheduler starts, and
// how long the extender takes for a call. Nodes and pods are those of Kubernetes' own scheduler_perf (SchedulingBasic): 4 cores, 32 GiB
// and 110 pods a node, 100m and 500 MiB a pod.
func TestFigures(t *testing.T) {
	if *figures == 0 {
		t.Skip("only with -figures")
	}
	for _, name := range strings.Split(*figureNames, ",") {
		t.Run(name, func(t *testing.T) {
			p := control(t)
			together(t, *figures, func(i int) error {
				all := list("cpu", "4", "memory", "32Gi", "pods", "110")
				_, err := p.client.CoreV1().Nodes().Create(context.Background(), node(fmt.Sprintf("n%05d", i), func(n *v1.Node) {
					n.Status.Allocatable, n.Status.Capacity = all, all
				}), metav1.CreateOptions{})
				return err
			})
			together(t, *figurePods, func(i int) error {
				_, err := p.client.CoreV1().Pods("default").Create(context.Background(), pod(fmt.Sprintf("p%05d", i), list("cpu", "100m", "memory", "500Mi")), metav1.CreateOptions{})
				return err
			})
			url, times := "", &timings{of: map[string][]time.Duration{}}
			switch name {
			case "none":
			case "empty":
				times.next = empty{p.client}
				url = newFront(t, times).URL
			default:
				times.next = p.berth(t, "mode: "+name)
				url = newFront(t, times).URL
			}
			began, ended := p.watchBound(t, *figurePods)
			p.schedule(t, url)
			var took time.Duration
			select {
			case at := <-ended:
				took = at.Sub(<-began)
			case <-time.After(5 * time.Minute):
				t.Fatal("not all pods are bound")
			}
			t.Logf("%d nodes, extender %s: %.0f pods/s%s", *figures, name, float64(*figurePods)/took.Seconds(), times)
		})
	}
}

// watchBound tells when the first pod is seen bound, and when n are.
func (p *plane) watchBound(t *testing.T, n int) (began, ended <-chan time.Time) {
	first, last := make(chan time.Time, 1), make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	factory := informers.NewSharedInformerFactory(p.client, 0)
	seen := map[string]bool{}
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, now any) {
		o, ok := now.(*v1.Pod)
		if !ok || o.Spec.NodeName == "" || seen[o.Name] {
			return
		}
		if seen[o.Name] = true; len(seen) == 1 {
			first <- time.Now()
		}
		if len(seen) == n {
			last <- time.Now()
		}
	}})
	require.NoError(t, err)
	factory.Start(ctx.Done())
	require.True(t, cache.WaitForCacheSync(ctx.Done(), informer.HasSynced))
	return first, last
}

// together does something n times, some at once.
func together(t *testing.T, n int, do func(int) error) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				if err := do(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, failed)
}

// timings takes the time of every call.
type timings struct {
	next http.Handler
	mu   sync.Mutex
	of   map[string][]time.Duration
}

func (s *timings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	s.next.ServeHTTP(w, r)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	verb := strings.Trim(r.URL.Path, "/")
	s.of[verb] = append(s.of[verb], took)
}

// String prints median and 99th percentile of each verb.
func (s *timings) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, verb := range []string{"filter", "prioritize", "bind"} {
		if all := s.of[verb]; len(all) > 0 {
			slices.Sort(all)
			fmt.Fprintf(&b, "; %s %d, median %v, p99 %v", verb, len(all), all[len(all)/2].Round(10*time.Microsecond), all[len(all)*99/100].Round(10*time.Microsecond))
		}
	}
	return b.String()
}
