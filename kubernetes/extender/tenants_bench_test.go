package extender

import (
	"fmt"
	"testing"

	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// BenchmarkGrowth doubles what can be many: roles that wait for more than there is, and pods of each, which come in one shape for each role.
func BenchmarkGrowth(b *testing.B) {
	for _, row := range []struct {
		what  string
		roles func(n int) (roles, pods int)
	}{
		{"waiting-roles", func(n int) (int, int) { return n, 10 }},
		{"waiting-pods", func(n int) (int, int) { return 20, n }},
	} {
		for _, n := range []int{500, 1000} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) {
				e, _ := benchCluster(b, Decide, 1000)
				e.config.Tenants.Order = allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}
				roles, pods := row.roles(n)
				var last *v1.Pod
				for r := range roles {
					for k := range pods {
						p := benchPod(fmt.Sprintf("new-%d-%d", r, k))
						p.OwnerReferences[0].Name = fmt.Sprint("web-", r)
						p.Namespace = fmt.Sprint("team-", r)
						p.Spec.Containers[0].Resources.Requests = quantities(fmt.Sprintf("%dm", 20000+r), "1Gi")
						e.cache.SetPod(p)
						last = p
					}
				}
				group := e.cache.Read(last).Task.Group
				b.ReportAllocs()
				for b.Loop() {
					e.played = nil // as if something had changed
					e.turn(group)
				}
			})
		}
	}
}

// BenchmarkTurn is what is asked of 500 roles that wait: the first time that a state of the cluster is asked about, and after that, in a
// cluster with room for some of what waits, and in a full one.
func BenchmarkTurn(b *testing.B) {
	for _, full := range []bool{false, true} {
		for _, anew := range []bool{true, false} {
			b.Run(fmt.Sprintf("full=%v/anew=%v", full, anew), func(b *testing.B) {
				e, names := benchCluster(b, Decide, 200)
				e.config.Tenants.Order = allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}
				if full {
					for i, name := range names {
						p := benchPod(fmt.Sprint("filler-", i))
						p.Spec.NodeName = name
						p.Spec.Containers[0].Resources.Requests = quantities("32", "1Gi")
						e.cache.SetPod(p)
					}
				}
				var groups []*berth.Group
				for i := range 500 {
					p := benchPod(fmt.Sprint("new-", i))
					p.OwnerReferences[0].Name, p.Namespace = fmt.Sprint("web-", i), fmt.Sprint("team-", i)
					p.Spec.Containers[0].Resources.Requests = quantities(fmt.Sprintf("%dm", 20000+i), "1Gi")
					e.cache.SetPod(p)
					groups = append(groups, e.cache.Read(p).Task.Group)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if anew {
						e.played = nil
					}
					e.turn(groups[i%len(groups)])
					i++
				}
			})
		}
	}
}
