package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Two kube-schedulers have the same pods, and each takes the other's for its own.
func TestTwoSchedulers(t *testing.T) {
	for _, mode := range []string{"advise", "decide"} {
		t.Run(mode, func(t *testing.T) {
			p := control(t)
			p.createNodes(t, nodes(10)...)
			b := p.berth(t, "mode: "+mode)
			f := newFront(t, b)
			p.schedule(t, f.URL)
			p.schedule(t, f.URL)
			var wg sync.WaitGroup
			for w := range 5 {
				wg.Go(func() {
					for i := range 10 {
						_, err := p.client.CoreV1().Pods("default").Create(context.Background(), pod(fmt.Sprintf("p-%d-%d", w, i), list("cpu", "1")), metav1.CreateOptions{})
						assert.NoError(t, err)
					}
				})
			}
			wg.Wait()
			p.waitBound(t, 40, 2*time.Minute)
			b.allIsWell(t, p)
		})
	}
}

// Every second pod is deleted when its Binding is about to be sent.
func TestDeletedInMidBind(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(5)...)
	b := p.berth(t, "mode: decide")
	f := newFront(t, b)
	var mu sync.Mutex
	n, deleted := 0, 0
	f.before = func(verb string) {
		if verb != "bind" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if n++; n%2 == 1 {
			return
		}
		// Any that is not bound yet, this one or another.
		all, err := p.client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{FieldSelector: "spec.nodeName=", Limit: 1})
		if err == nil && len(all.Items) == 1 && p.client.CoreV1().Pods("default").Delete(context.Background(), all.Items[0].Name, metav1.DeleteOptions{}) == nil {
			deleted++
		}
	}
	p.createEqualPods(t, 30)
	p.schedule(t, f.URL)
	require.NoError(t, eventually(time.Minute, func() error {
		all := p.pods(t)
		if got := bound(all); got != min(len(all), 20) {
			return fmt.Errorf("%d pods of %d are bound", got, len(all))
		}
		return nil
	}))
	assert.Positive(t, deleted)
	b.allIsWell(t, p)
}

// The extender is another one between filter and bind, several times. Nothing is written down but what the API server has.
func TestRestartBetweenFilterAndBind(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(5)...)
	b := p.berth(t, "mode: decide")
	f := newFront(t, b)
	var mu sync.Mutex
	n := 0
	var failed error
	f.before = func(verb string) {
		mu.Lock()
		defer mu.Unlock()
		if verb != "bind" || n == 3 {
			return
		}
		n++
		next, err := p.startBerth("mode: decide")
		if err != nil {
			failed = err
			return
		}
		f.set(next)
		b.stop()
		b = next
	}
	p.schedule(t, f.URL)
	p.createEqualPods(t, 25)
	p.waitBound(t, 20, 2*time.Minute)
	mu.Lock()
	defer mu.Unlock()
	t.Cleanup(b.stop)
	require.NoError(t, failed)
	assert.Equal(t, 3, n)
	b.allIsWell(t, p)
}

// The API server does not answer for some seconds, in the middle of everything: Bindings are sent of which nobody knows what became.
func TestAPIServerAway(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(5)...)
	b := p.berth(t, "{mode: decide, bindFor: 2s, doubtFor: 5s}")
	f := newFront(t, b)
	var once sync.Once
	away := make(chan struct{})
	f.before = func(verb string) {
		if verb == "bind" && f.count("bind") > 5 {
			once.Do(func() {
				p.api.pause(t)
				close(away)
			})
		}
	}
	p.createEqualPods(t, 25)
	p.schedule(t, f.URL)
	<-away
	time.Sleep(6 * time.Second)
	p.api.resume(t)
	p.waitBound(t, 20, 2*time.Minute)
	assert.Greater(t, f.count("bind"), int64(20), "some had no answer, and were sent again")
	b.allIsWell(t, p)
}
