package cluster_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// Two hundred nodes: 184 lack cpu, and the 16 that have room are all in a zone that has the service already.
func ExampleFork_Diagnose() {
	f := cluster.NewFork()
	for i := range 200 {
		zone, cpu := "a", int64(8000)
		if i >= 16 {
			zone, cpu = "b", 1000
		}
		_ = f.AddNodes(berth.Node{
			ID: fmt.Sprintf("n%03d", i), Capacity: berth.Resources{"cpu": cpu}, Attributes: berth.Attributes{"zone": zone},
		})
	}
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 1500}, Rules: []berth.Constraint{constraints.Unique("zone")},
	})
	f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "n000"})

	fmt.Print(f.Diagnose(web))

	// Several changes together, on a fork: nothing happens to f.
	what := f.Snapshot().Fork()
	_ = what.UpdateNodes(berth.Node{ID: "n016", Capacity: berth.Resources{"cpu": 2000}, Attributes: berth.Attributes{"zone": "b"}})
	_ = what.Cordon("n017")
	fmt.Println(what.Diagnose(web).Fit, "node would do")
	// Output:
	// 0 of 200 nodes can take a task of web
	//   184 too little cpu in all; nearest n016: lacks 0.5 cpu (it has 1 in all); 0.5 more cpu on n016 would do
	//   16 unique(zone); nearest n000: unique(zone) (zone=a has web-1); a node in another domain of unique(zone) would do
	//   ending tasks may help on 16 nodes
	// 1 node would do
}

func TestDiagnoseOfNothing(t *testing.T) {
	f := cluster.NewFork()
	assert.Equal(t, "0 of 0 nodes can take a task of \n", f.Diagnose(nil).String())
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1"}))
	assert.Equal(t, "0 of 1 nodes can take a task of g\n  1 invalid group \"g\": resource \"cpu\": quantity is negative: -1\n  ending tasks may help on 0 nodes\n",
		f.Diagnose(berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": -1}})).String())
	assert.Empty(t, (*cluster.Diagnosis)(nil).String())
	assert.Zero(t, (*cluster.Diagnosis)(nil).Resolvable())
	assert.Equal(t, "0 of 0 nodes can take a task of g\n", new(cluster.Fork).Diagnose(berth.NewGroup("g", berth.GroupSpec{})).String())
}

// What ending tasks may cure is what Kubernetes does not call unresolvable: its plugins of resources, ports, spread
// and anti-affinity say Unschedulable, those of node affinity, taints, affinity and cordoned nodes UnschedulableAndUnresolvable.
func TestDiagnosisResolvable(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(
		berth.Node{ID: "full", Capacity: berth.Resources{"cpu": 4000}, Ports: []berth.PortRange{{First: 80, Last: 80}}},
		berth.Node{ID: "small", Capacity: berth.Resources{"cpu": 100}, Ports: []berth.PortRange{{First: 80, Last: 80}}},
		berth.Node{ID: "tainted", Capacity: berth.Resources{"cpu": 4000}, Ports: []berth.PortRange{{First: 80, Last: 80}}, Taints: []berth.Taint{{Key: "k"}}},
	))
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}, Ports: []berth.PortRange{{First: 80, Last: 80}}})
	for _, node := range []string{"full", "tainted"} {
		require.NoError(t, f.Adopt(g.Task("on-"+node), node, &berth.Grant{Ports: []berth.Port{{Number: 80}}}, berth.Running))
	}
	d := f.Diagnose(g)
	text, err := json.Marshal(d)
	require.NoError(t, err)
	assert.JSONEq(t, `{"group": "g", "nodes": 3, "fit": 0, "failing": [
		{"reasons": ["too-small cpu"], "nodes": 1, "helps": "2.9 more cpu on small would do", "nearest": {"node": "small", "lacks": [
			{"reason": "too-small cpu", "short": 2900, "detail": "it has 0.1 in all"}]}},
		{"reasons": ["insufficient cpu", "port-taken 80"], "nodes": 1, "nearest": {"node": "full", "lacks": [
			{"reason": "insufficient cpu", "short": 2000},
			{"reason": "port-taken 80", "detail": "80 has on-full"}]}},
		{"reasons": ["insufficient cpu", "port-taken 80", "tainted k"], "nodes": 1, "nearest": {"node": "tainted", "lacks": [
			{"reason": "tainted k"},
			{"reason": "insufficient cpu", "short": 2000},
			{"reason": "port-taken 80", "detail": "80 has on-tainted"}]}}
	]}`, string(text))
	var again cluster.Diagnosis
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, *d, again)
	for _, foreign := range []string{`{}`, `{"group": "g"}`, `{"nodes": 1, "kind": "Pod"}`, `[]`, `1`, `{"nodes": 1, "failing": [{"Pod": 1}]}`} {
		assert.ErrorContains(t, json.Unmarshal([]byte(foreign), &again), "diagnosis: ", foreign)
		assert.Equal(t, *d, again, "it stays as it was")
	}
	require.NoError(t, json.Unmarshal([]byte("null"), &again))
	assert.Equal(t, *d, again)
	assert.Equal(t, 1, d.Resolvable())
}

// The nodes of a diagnosis add up, its reasons count as those of the explanation do, and what it says would do is enough.
func TestDiagnosisAddsUpAndHelps(t *testing.T) {
	helped := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		f := cluster.NewFork()
		node := func(i int) berth.Node {
			n := berth.Node{
				ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": int64(1+r.IntN(6)) * 1000, "memory": int64(r.IntN(4)) << 30},
				Unschedulable: r.IntN(6) == 0,
			}
			if r.IntN(2) == 0 {
				n.Attributes = berth.Attributes{"zone": string(rune('a' + r.IntN(2)))}
			}
			if r.IntN(4) == 0 {
				n.Taints = []berth.Taint{{Key: "k"}}
			}
			return n
		}
		nodes := map[string]berth.Node{}
		for i := range 1 + r.IntN(12) {
			n := node(i)
			nodes[n.ID] = n
			require.NoError(t, f.AddNodes(n))
			if r.IntN(5) == 0 {
				require.NoError(t, f.Cordon(n.ID))
			}
		}
		spec := berth.GroupSpec{Request: berth.Resources{"cpu": int64(1+r.IntN(5)) * 1000, "memory": int64(r.IntN(3)) << 30}}
		if r.IntN(3) == 0 {
			spec.Rules = append(spec.Rules, constraints.Unique("zone"))
		}
		if r.IntN(4) == 0 {
			spec.Rules = append(spec.Rules, constraints.NotEq("zone", "a"))
		}
		g := berth.NewGroup("g", spec)
		for i := range r.IntN(6) {
			f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint("t", i)), Node: fmt.Sprintf("n%02d", r.IntN(len(nodes)))})
		}

		d, e := f.Diagnose(g), f.Explain(g)
		counts, sum := map[berth.Reason]int{}, d.Fit
		for _, k := range d.Failing {
			sum += k.Nodes
			for _, why := range k.Reasons {
				counts[why] += k.Nodes
			}
		}
		require.Equal(t, f.Len(), sum, "seed %d", seed)
		var all []cluster.ReasonCount
		for why, n := range counts {
			all = append(all, cluster.ReasonCount{Reason: why, Nodes: n})
		}
		slices.SortFunc(all, func(a, b cluster.ReasonCount) int {
			return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Reason.Code, b.Reason.Code), cmp.Compare(a.Reason.Subject, b.Reason.Subject))
		})
		require.Equal(t, e.Counts, all, "seed %d", seed)

		for _, k := range d.Failing {
			if k.Helps == "" || k.Reasons[0].Code == berth.DomainFull {
				continue
			}
			helped++
			what, changed := f.Snapshot().Fork(), nodes[k.Nearest.Node]
			changed.Capacity = changed.Capacity.Clone()
			for _, l := range k.Nearest.Lacks {
				switch l.Reason.Code {
				case berth.Insufficient, berth.TooSmall:
					changed.Capacity[l.Reason.Subject] += l.Short
				case berth.Unschedulable:
					changed.Unschedulable = false
				case berth.Cordoned:
					require.NoError(t, what.Uncordon(changed.ID))
				case berth.Tainted:
					changed.Taints = nil
				default:
					require.Fail(t, "no cure", "seed %d: %v of %v", seed, l, k)
				}
			}
			require.NoError(t, what.UpdateNodes(changed))
			n, _ := what.Node(changed.ID)
			require.True(t, what.Fits(g, n), "seed %d: %v", seed, k)
		}
	}
	require.Greater(t, helped, 100)
}
