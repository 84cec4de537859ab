package extender

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// What is kept of the turns that were played says of each pod what playing them for it says, whoever was asked about before, in
// clusters that are full and others, while pods come, are placed and end.
func TestTurnsAreThoseOfEachPod(t *testing.T) {
	orders := []allocator.Order{
		allocator.Tree{}, allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}, allocator.Tree{Hierarchical: true}, allocator.Fair{}, allocator.Priority{},
		allocator.Tree{Weights: map[berth.Role]allocator.Weight{"team-1": 3 * allocator.DefaultWeight}},
	}
	waited, letIn := 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		role := func(p *v1.Pod) berth.Role { return berth.Role(p.Namespace) }
		if r.IntN(2) == 0 { // roles below roles
			role = func(p *v1.Pod) berth.Role {
				return berth.Role("org-" + p.Namespace[len(p.Namespace)-1:] + "/" + p.Namespace)
			}
		}
		c, err := cache.New(cache.Config{Adapter: adapter.Config{Role: role}})
		require.NoError(t, err)
		for i := range 1 + r.IntN(4) {
			c.SetNode(benchNode(i))
		}
		c.MarkSynced()
		tenants := Tenants{Order: orders[r.IntN(len(orders))]}
		if r.IntN(2) == 0 {
			tenants.Quotas = []berth.Quota{{Role: "team-2", Limits: berth.Resources{"cpu": 9000}}, {Role: "team-3", Guarantees: berth.Resources{"cpu": 8000}}}
		}
		e, err := New(Config{Cache: c, Tenants: tenants})
		require.NoError(t, err)
		var pods []*v1.Pod
		for i := range 60 {
			p := benchPod(fmt.Sprint("p", i))
			p.Namespace, p.OwnerReferences[0].Name = fmt.Sprint("team-", r.IntN(12)), fmt.Sprint("web-", r.IntN(3))
			p.Spec.Containers[0].Resources.Requests = quantities(fmt.Sprint(1+r.IntN(12)), fmt.Sprintf("%dGi", 1+r.IntN(24)))
			if r.IntN(4) == 0 {
				high := int32(10)
				p.Spec.Priority = &high
			}
			pods = append(pods, p)
			c.SetPod(p)
			for range 3 {
				asked := pods[r.IntN(len(pods))]
				g := c.Read(asked).Task.Group
				waiting := c.Waiting(g.Priority())
				if len(waiting) == 0 {
					continue
				}
				l := e.ledger()
				var want berth.Reason
				if !enough(l.free(), waiting) {
					want = e.play(l, l.free(), waiting, g)
				}
				require.Equal(t, want, e.turn(g), "seed %d, pod %s of %s, by %T", seed, asked.Name, g.Role(), tenants.Order)
				if want.Code == berth.None {
					letIn++
				} else {
					waited++
				}
			}
			switch old := pods[r.IntN(len(pods))]; r.IntN(4) {
			case 0:
				c.NoRoom(old.UID)
			case 1:
				bound := old.DeepCopy()
				bound.Spec.NodeName = benchNode(0).Name
				c.SetPod(bound)
			case 2:
				c.DeletePod(old)
			}
		}
	}
	require.Greater(t, min(waited, letIn), 100, "%d wait, %d are let in", waited, letIn)
}
