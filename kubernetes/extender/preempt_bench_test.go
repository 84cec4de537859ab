package extender

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// BenchmarkPreempt is what one question costs about victims on a tenth of the nodes, which is as many as kube-scheduler tries: two pods on each of
// nodes that are full. It tells the 99th percentile of the calls, too.
func BenchmarkPreempt(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		for _, rules := range []string{"none", "spread", "near", "apart"} {
			b.Run(fmt.Sprintf("nodes=%d/rules=%s", nodes, rules), func(b *testing.B) {
				e, names := benchCluster(b, Advise, nodes)
				for i, name := range names {
					for k := range 2 {
						p := benchPod(fmt.Sprintf("full-%d-%d", i, k))
						p.Spec.NodeName = name
						p.Spec.Containers[0].Resources.Requests = quantities("8", "1Gi")
						if i < 30 {
							benchRules(p, rules) // that the rules count
						}
						e.cache.SetPod(p)
					}
				}
				args := &extenderv1.ExtenderPreemptionArgs{Pod: benchPod("new"), NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
				high := int32(1000)
				args.Pod.Spec.Priority = &high
				args.Pod.Spec.Containers[0].Resources.Requests = quantities("16", "1Gi")
				benchRules(args.Pod, rules)
				for i := range nodes / 10 {
					m := new(extenderv1.MetaVictims)
					for k := range 2 {
						m.Pods = append(m.Pods, &extenderv1.MetaPod{UID: fmt.Sprintf("uid-full-%d-%d", i, k)})
					}
					args.NodeNameToMetaVictims[names[i]] = m
				}
				e.cache.SetPod(args.Pod)
				request, took := httptest.NewRequest(http.MethodPost, "/preempt", nil), []time.Duration(nil)
				b.ReportAllocs()
				for b.Loop() {
					began := time.Now()
					got, err := e.preempt(request, args)
					took = append(took, time.Since(began))
					if err != nil || len(got.NodeNameToMetaVictims) == 0 {
						b.Fatal(err, got)
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			})
		}
	}
}
