package extender_test

import (
	"encoding/json"
	"net/http"
	"testing"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// fuzz asks a verb with bodies of all kinds, of a cluster in which something is going on, and twice, for the first answer may have changed
// what the second finds. Whatever is asked, the answer is of the protocol, and a pod has one node at most.
func fuzz(f *testing.F, verb string, check func(*testing.T, *world, int, string), seeds ...string) {
	for _, seed := range append(seeds, "", "null", "{}", "[]", `{"Pod":null}`, `{"Pod":{"metadata":{"name":"a","namespace":"shop","uid":"uid-a"}},"NodeNames":null,"Nodes":null}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
			w := newWorld(t, extender.Config{Mode: mode, MoreVictims: true, Tenants: extender.Tenants{Order: allocator.Fair{}}}, cache.Config{}, node("n1"), node("n2"))
			w.server.create(pod("a", "1", byDefault), pod("b", "3", on("n1")), pod("c", "1", byDefault))
			w.filter(pod("c", "1", byDefault), "n1", "n2")
			for range 2 {
				status, answer := w.post(verb, string(body))
				if status == http.StatusOK {
					check(t, w, status, answer)
				}
			}
			for _, name := range []string{"n1", "n2"} {
				if view, _ := w.cache.State().Node(name); view.Overcommitted() {
					t.Fatalf("%s is overcommitted", name)
				}
			}
		}
	})
}

func asksFor(change func(*extenderv1.ExtenderArgs)) string {
	args := extenderv1.ExtenderArgs{Pod: pod("a", "1"), NodeNames: &[]string{"n1", "n2", "n3", "n1"}}
	change(&args)
	body, _ := json.Marshal(args)
	return string(body)
}

func FuzzFilter(f *testing.F) {
	fuzz(f, "filter", func(t *testing.T, _ *world, _ int, answer string) {
		var got extenderv1.ExtenderFilterResult
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		if (got.NodeNames == nil) != (got.Error != "") {
			t.Fatalf("either nodes or an error: %s", answer)
		}
	}, asksFor(func(*extenderv1.ExtenderArgs) {}),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.Pod = pod("b", "3", on("n1")) }),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.Pod = pod("c", "9223372036854775807") }),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.Pod.Spec.Containers[0].Resources.Requests = list("cpu", "-1") }),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.Pod.Labels = map[string]string{"\x00": "\xff"} }),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.Pod.Namespace = "../.." }),
		asksFor(func(a *extenderv1.ExtenderArgs) { a.NodeNames, a.Nodes = nil, &v1.NodeList{} }))
}

func FuzzPrioritize(f *testing.F) {
	fuzz(f, "prioritize", func(t *testing.T, _ *world, _ int, answer string) {
		var got extenderv1.HostPriorityList
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		for _, h := range got {
			if h.Score < extenderv1.MinExtenderPriority || h.Score > extenderv1.MaxExtenderPriority {
				t.Fatalf("%+v", h)
			}
		}
	}, asksFor(func(*extenderv1.ExtenderArgs) {}), asksFor(func(a *extenderv1.ExtenderArgs) { a.NodeNames = &[]string{} }))
}

func FuzzBind(f *testing.F) {
	fuzz(f, "bind", func(t *testing.T, w *world, _ int, answer string) {
		var got extenderv1.ExtenderBindingResult
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		if got.Error == "" && w.server.pods["a"].Spec.NodeName == "" && w.server.pods["c"].Spec.NodeName == "" && len(w.server.sent) > 0 {
			t.Fatal("ok, and nothing is bound")
		}
	}, `{"PodName":"a","PodNamespace":"shop","PodUID":"uid-a","Node":"n1"}`, `{"PodName":"b","PodNamespace":"shop","PodUID":"uid-b","Node":"n2"}`,
		`{"PodName":"a","PodNamespace":"shop","PodUID":"uid-x","Node":"n1"}`, `{"PodName":"a","PodNamespace":"shop","PodUID":"uid-a","Node":"n9"}`)
}

func FuzzPreempt(f *testing.F) {
	fuzz(f, "preempt", func(t *testing.T, _ *world, _ int, answer string) {
		var got extenderv1.ExtenderPreemptionResult
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		for name, victims := range got.NodeNameToMetaVictims {
			if victims == nil || len(victims.Pods) == 0 {
				t.Fatalf("%s has no victims, which kube-scheduler takes for a fault", name)
			}
		}
	}, `{"Pod":{"metadata":{"name":"a","namespace":"shop","uid":"uid-a"},"spec":{"priority":5}},"NodeNameToMetaVictims":{"n1":{"Pods":[{"UID":"uid-b"},null]},"n2":null}}`,
		`{"Pod":{"metadata":{"uid":"uid-a"}},"NodeNameToVictims":{"n1":{"Pods":[null],"NumPDBViolations":-1}}}`)
}
