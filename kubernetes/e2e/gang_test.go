package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// gang makes a PodGroup of n pods of one core, all of which are needed.
func (p *plane) gang(t *testing.T, name string, n int) {
	t.Helper()
	groups := p.client.SchedulingV1beta1().PodGroups("default")
	_, err := groups.Create(context.Background(), &schedulingv1beta1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       schedulingv1beta1.PodGroupSpec{SchedulingPolicy: schedulingv1beta1.PodGroupSchedulingPolicy{Gang: &schedulingv1beta1.GangSchedulingPolicy{MinCount: int32(n)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = groups.Delete(context.Background(), name, metav1.DeleteOptions{}) })
	for i := range n {
		p.createPods(t, pod(fmt.Sprintf("%s-%02d", name, i), list("cpu", "1"), func(o *v1.Pod) {
			o.Spec.SchedulingGroup = &v1.PodSchedulingGroup{PodGroupName: &name}
		}))
	}
}

// boundOf counts the pods of each gang, and those of none as "".
func boundOf(pods map[string]*v1.Pod) map[string]int {
	out := map[string]int{}
	for name, o := range pods {
		if o.Spec.NodeName != "" {
			gang, _, _ := strings.Cut(name, "-")
			out[gang]++
		}
	}
	return out
}

// Two gangs of which there is room for one, beside single pods: one is bound as a whole, what was held for the other goes to the single pods, and
// the other comes when the first has ended.
func TestGangs(t *testing.T) {
	for _, mode := range []string{"advise", "decide"} {
		t.Run(mode, func(t *testing.T) {
			p := control(t)
			p.createNodes(t, nodes(5)...)
			b := p.berth(t, "mode: "+mode)
			f := newFront(t, b)
			first, second := "first"+mode, "second"+mode // one that was deleted stays for a while
			p.gang(t, first, 12)
			p.gang(t, second, 12)
			p.schedule(t, f.URL, "--feature-gates", gangs)
			p.waitBound(t, 12, time.Minute)
			for i := range 10 {
				p.createPods(t, pod(fmt.Sprintf("single-%d", i), list("cpu", "1")))
			}
			all := p.waitBound(t, 20, time.Minute)
			got := boundOf(all)
			there, waits := first, second
			if got[second] > 0 {
				there, waits = waits, there
			}
			assert.Equal(t, map[string]int{there: 12, "single": 8}, got)
			b.allIsWell(t, p)
			for name, o := range all {
				if strings.HasPrefix(name, there) || o.Spec.NodeName == "" && strings.HasPrefix(name, "single") {
					require.NoError(t, p.client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{}))
				}
			}
			require.NoError(t, eventually(time.Minute, func() error {
				if got := boundOf(p.pods(t)); got[waits] != 12 {
					return fmt.Errorf("%v are bound", got)
				}
				return nil
			}))
			b.allIsWell(t, p)
		})
	}
}

// The extender is another one in the middle of a gang's Bindings: the gang is bound as a whole all the same.
func TestRestartInTheMiddleOfAGang(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(5)...)
	b, err := p.startBerth("mode: decide")
	require.NoError(t, err)
	f := newFront(t, b)
	replaced := make(chan error, 1)
	f.before = func(verb string) {
		if verb != "bind" || f.count("bind") != 6 {
			return
		}
		next, err := p.startBerth("mode: decide")
		if err == nil {
			f.set(next)
			b.stop()
			b = next
		}
		replaced <- err
	}
	p.schedule(t, f.URL, "--feature-gates", gangs)
	p.gang(t, "whole", 16)
	require.NoError(t, <-replaced)
	t.Cleanup(b.stop)
	p.waitBound(t, 16, time.Minute)
	b.allIsWell(t, p)
}
