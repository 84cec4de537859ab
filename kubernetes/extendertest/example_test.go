package extendertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/kubernetes/extendertest"
)

// An extender that lets every pod on every node.
func ExampleCheck() {
	anywhere := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(extenderv1.ExtenderFilterResult{NodeNames: args.NodeNames})
	})
	faults := extendertest.Check(extendertest.Config{
		New: func(*extendertest.API) (extendertest.Extender, error) {
			return extendertest.Extender{Handler: anywhere}, nil
		},
		Verbs: extendertest.Verbs{Filter: "filter"},
		Only:  []string{"order"},
	})
	for _, fault := range faults[:3] {
		fmt.Println(fault)
	}
	// Output:
	// order: an empty cluster: more than 12 pods were bound
	// order: after a pod was deleted: more than 1 pods were bound
	// order: node n1 has 4 of cpu, and its pods ask for 5: pod-1, pod-2, pod-3, pod-4, pod-5
}
