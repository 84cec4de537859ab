package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// findAll looks at every node, as find does not.
func (r *reclaim) findAll() (Claim, bool) {
	var sites []reclaimSite
	for _, n := range slices.Collect(r.fork.Nodes()) {
		at, _ := r.fork.Node(n.ID())
		if at.Cordoned() {
			continue
		}
		if ends, ok := r.choose(at); ok {
			sites = append(sites, reclaimSite{at.ID(), len(ends), slices.MaxFunc(ends, younger).age(), ends})
		}
	}
	slices.SortFunc(sites, func(a, b reclaimSite) int { return a.compare(&b) })
	for _, at := range sites {
		if claim, _, ok := r.settle(at); ok {
			return claim, true
		}
	}
	return Claim{}, false
}

// What is known of nodes beforehand says in which order to look, and never what is found.
func TestReclaimBoundsDoNotDecide(t *testing.T) {
	found, looked := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 17))
		fork := cluster.NewFork()
		for i := range 8 {
			n := berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 6 + rng.Int64N(8), "memory": 4 + rng.Int64N(8)}}
			if rng.IntN(3) == 0 {
				n.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu", ID: "1"}}
			}
			if rng.IntN(4) == 0 {
				n.Ports = []berth.PortRange{{First: 80, Last: 81}}
			}
			require.NoError(t, fork.AddNodes(n))
		}
		require.NoError(t, fork.Cordon("n3"))
		spec := func(role berth.Role) berth.GroupSpec {
			s := berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1 + rng.Int64N(3), "memory": rng.Int64N(4)}}
			switch rng.IntN(8) {
			case 0:
				s.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1 + rng.IntN(2)}}
			case 1:
				s.Ports = []berth.PortRange{{First: 80, Last: 80}}
			}
			return s
		}
		roles := []berth.Role{"a/x", "a/y", "b", "c"}
		started := map[string]time.Time{}
		for i := range 60 {
			task := berth.NewTask(fmt.Sprint("t", i), spec(roles[rng.IntN(4)]))
			started[task.ID] = time.Unix(rng.Int64N(12), 0)
			fork.Apply(berth.Op{Kind: berth.Place, Task: task, Node: fmt.Sprint("n", rng.IntN(8))})
		}
		quotas := []berth.Quota{{Role: "b", Limits: berth.Resources{"cpu": 20}}}
		for _, role := range []berth.Role{"a", "a/x", "c"} {
			quotas = append(quotas, berth.Quota{Role: role, Guarantees: berth.Resources{"cpu": 4 + rng.Int64N(20), "memory": rng.Int64N(30), "gpu": rng.Int64N(2000)}})
		}
		require.NoError(t, fork.SetQuotas(quotas...))
		how := Reclaim{}
		if rng.IntN(2) == 0 {
			how.Started = func(v cluster.TaskView) time.Time { return started[v.ID] }
		}
		if rng.IntN(2) == 0 {
			how.Keep = func(v cluster.TaskView) bool { return v.ID == "t1" || v.ID == "t2" || v.ID == "t33" }
		}
		want := spec(roles[rng.IntN(4)])
		want.Request["cpu"] += rng.Int64N(4)
		task := berth.NewTask("w", want)
		now := fork.Snapshot()
		one := newReclaim(how, now.Fork(), now, task)
		all := newReclaim(how, now.Fork(), now, task)
		got, _, ok := one.find()
		if all.role, looked = one.role, looked+1; all.role == "" {
			require.False(t, ok)
			continue
		}
		same, is := all.findAll()
		require.Equal(t, is, ok, "seed %d", seed)
		require.Equal(t, same.String(), got.String(), "seed %d", seed)
		if ok {
			found++
		}
	}
	require.Greater(t, found, looked/10)
}
