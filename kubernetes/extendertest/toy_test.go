package extendertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/kubernetes/extendertest"
)

// toy is the smallest extender that is right: it counts cores. What it binds it counts at once, and until the watch says otherwise. Its
// fields that end in "Wrong" are mistakes to be made.
type toy struct {
	api   *extendertest.API
	wrong string

	mu    sync.Mutex
	nodes map[string]int64      // millicores
	pods  map[types.UID]*v1.Pod // on nodes
	sent  map[types.UID]string  // Bindings of which the watch has not told yet
	gone  map[types.UID]bool    // deleted
	held  map[types.UID]string  // what filter took, where it takes
	size  map[types.UID]int64   // of those in sent and held
}

func newToy(api *extendertest.API, wrong string) extendertest.Extender {
	t := &toy{api: api, wrong: wrong, nodes: map[string]int64{}, pods: map[types.UID]*v1.Pod{}, sent: map[types.UID]string{},
		gone: map[types.UID]bool{}, held: map[types.UID]string{}, size: map[types.UID]int64{}}
	return extendertest.Extender{Handler: t, Tell: t.tell, Pass: func(time.Duration) {}}
}

func cpu(p *v1.Pod) (n int64) {
	for _, c := range p.Spec.Containers {
		n += c.Resources.Requests.Cpu().MilliValue()
	}
	return n
}

func (t *toy) tell(e watch.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o := e.Object.(type) {
	case *v1.Node:
		t.nodes[o.Name] = o.Status.Allocatable.Cpu().MilliValue()
	case *v1.Pod:
		switch {
		case e.Type == watch.Deleted:
			t.gone[o.UID] = true
			delete(t.pods, o.UID)
			delete(t.sent, o.UID)
			if t.wrong != "leaks the room of the deleted" {
				delete(t.held, o.UID)
			}
		case o.Spec.NodeName != "":
			t.pods[o.UID] = o
			delete(t.sent, o.UID)
			delete(t.held, o.UID)
		}
	}
}

func (t *toy) free(node string, except types.UID) int64 {
	free := t.nodes[node]
	for uid, p := range t.pods {
		if uid != except && p.Spec.NodeName == node {
			free -= cpu(p)
		}
	}
	for _, waiting := range []map[types.UID]string{t.sent, t.held} {
		for uid, on := range waiting {
			if uid != except && on == node {
				free -= t.size[uid]
			}
		}
	}
	return free
}

func (t *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && t.wrong != "answers GET" {
		http.Error(w, "POST", http.StatusMethodNotAllowed)
		return
	}
	limit := int64(1 << 20)
	if t.wrong == "reads without end" {
		limit = 1 << 40
	}
	if t.wrong == "reads under a lock" {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if t.wrong != "reads under a lock" {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	var out any
	switch path := strings.Trim(r.URL.Path, "/"); path {
	case "filter":
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(body, &args); err != nil {
			out = extenderv1.ExtenderFilterResult{Error: err.Error()}
		} else if t.wrong != "trusts its input" && (args.Pod == nil || args.NodeNames == nil) {
			out = extenderv1.ExtenderFilterResult{Error: "no pod or no names"}
		} else {
			out = t.filter(args.Pod, *args.NodeNames)
		}
	case "prioritize":
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(body, &args); err != nil || args.NodeNames == nil {
			http.Error(w, "no names", http.StatusBadRequest)
			return
		}
		list := extenderv1.HostPriorityList{}
		for _, node := range *args.NodeNames {
			score := max(t.free(node, "")/1000, 0)
			if t.wrong == "scores to 100" {
				score *= 10
			}
			list = append(list, extenderv1.HostPriority{Host: node, Score: score})
		}
		out = list
	case "bind":
		var args extenderv1.ExtenderBindingArgs
		err := json.Unmarshal(body, &args)
		if err == nil {
			err = t.bind(args)
		}
		result := extenderv1.ExtenderBindingResult{}
		if err != nil {
			result.Error = err.Error()
		}
		out = result
	case "preempt":
		var args extenderv1.ExtenderPreemptionArgs
		if err := json.Unmarshal(body, &args); err != nil || args.Pod == nil {
			http.Error(w, "no pod", http.StatusBadRequest)
			return
		}
		out = t.preempt(args)
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(out) // who asked may be gone
}

func (t *toy) filter(p *v1.Pod, names []string) extenderv1.ExtenderFilterResult {
	fit, failed := []string{}, extenderv1.FailedNodesMap{}
	for _, node := range names {
		_, known := t.nodes[node]
		switch {
		case !known && t.wrong != "takes unknown nodes":
			failed[node] = "not known"
		case known && t.free(node, p.UID) < cpu(p) && t.wrong != "refuses nothing":
			failed[node] = "too little cpu"
		default:
			fit = append(fit, node)
		}
	}
	out := extenderv1.ExtenderFilterResult{NodeNames: &fit, FailedAndUnresolvableNodes: failed}
	switch t.wrong {
	case "drops nodes silently":
		out.FailedAndUnresolvableNodes = nil
	case "names other nodes":
		fit = append(fit, "n9")
	case "takes room at filter", "leaks the room of the deleted":
		if len(fit) > 0 {
			t.held[p.UID], t.size[p.UID] = fit[0], cpu(p)
			fit = fit[:1]
		}
	case "says no without a reason":
		for node := range failed {
			failed[node] = ""
		}
	case "invites eviction":
		out.FailedNodes, out.FailedAndUnresolvableNodes = failed, nil
	}
	return out
}

func (t *toy) bind(args extenderv1.ExtenderBindingArgs) error {
	if _, known := t.nodes[args.Node]; (!known || args.PodUID == "") && t.wrong != "takes unknown nodes" {
		return fmt.Errorf("no such node %q, or no pod", args.Node)
	}
	if t.wrong == "says ok and does nothing" {
		return nil
	}
	p, err := t.api.Pod(context.Background(), args.PodNamespace, args.PodName)
	switch {
	case err != nil:
		return err
	case p.UID != args.PodUID && t.wrong != "binds by name":
		return fmt.Errorf("another pod")
	case p.Spec.NodeName == args.Node && t.wrong == "fails when asked again":
		return fmt.Errorf("bound already")
	case p.Spec.NodeName == args.Node:
		return nil
	case t.free(args.Node, args.PodUID) < cpu(p) && t.wrong != "binds without looking":
		return fmt.Errorf("too little cpu")
	}
	uid := args.PodUID
	if t.wrong == "binds by name" {
		uid = ""
	}
	b := &v1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: args.PodNamespace, Name: args.PodName, UID: uid}, Target: v1.ObjectReference{Name: args.Node}}
	if t.wrong != "forgets what it sent" {
		t.sent[args.PodUID], t.size[args.PodUID] = args.Node, cpu(p)
	}
	t.mu.Unlock() // the watch tells while Bind is on its way
	err = t.api.Bind(context.Background(), b)
	t.mu.Lock()
	if err != nil {
		if now, lost := t.api.Pod(context.Background(), args.PodNamespace, args.PodName); lost == nil && t.wrong != "gives back what may be done" && now.UID == args.PodUID && now.Spec.NodeName == args.Node {
			return nil
		}
		delete(t.sent, args.PodUID)
	}
	if t.gone[args.PodUID] || t.pods[args.PodUID] != nil {
		delete(t.sent, args.PodUID)
	}
	return err
}

func (t *toy) preempt(args extenderv1.ExtenderPreemptionArgs) extenderv1.ExtenderPreemptionResult {
	out := extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for node, victims := range args.NodeNameToMetaVictims {
		if t.wrong == "echoes preempt" {
			out.NodeNameToMetaVictims[node] = victims
			continue
		}
		free := t.free(node, args.Pod.UID)
		for _, v := range victims.Pods {
			if p := t.pods[types.UID(v.UID)]; p != nil && p.Spec.NodeName == node {
				free += cpu(p)
			}
		}
		if free >= cpu(args.Pod) && t.nodes[node] > 0 {
			out.NodeNameToMetaVictims[node] = victims
		}
	}
	return out
}

func config(wrong string) extendertest.Config {
	return extendertest.Config{
		New:      func(api *extendertest.API) (extendertest.Extender, error) { return newToy(api, wrong), nil },
		MostBody: 1 << 20,
	}
}

func TestRight(t *testing.T) { extendertest.Run(t, config("")) }

// Each mistake is found, by a scenario that is made for it.
func TestWrong(t *testing.T) {
	for wrong, want := range map[string]string{
		"refuses nothing":               "order: ",
		"binds without looking":         "two: ",
		"forgets what it sent":          "lag: node",
		"drops nodes silently":          "no reason for",
		"names other nodes":             "which it was not asked about",
		"says no without a reason":      "order: filter",
		"takes room at filter":          "abandoned: ",
		"leaks the room of the deleted": "deleted: ",
		"scores to 100":                 "which is not from 0 to 10",
		"says ok and does nothing":      "nobody tries again",
		"fails when asked again":        "asked again after it was done",
		"binds by name":                 "recreated: ",
		"gives back what may be done":   "lost: node",
		"takes unknown nodes":           "hostile: ",
		"trusts its input":              "hostile: ",
		"answers GET":                   "it is no POST",
		"reads without end":             "hostile: ",
		"reads under a lock":            "beside 200 requests that never end",
		"echoes preempt":                "evicted for nothing",
	} {
		t.Run(wrong, func(t *testing.T) {
			c := config(wrong)
			if !strings.HasPrefix(want, "hostile") && wrong != "answers GET" && wrong != "reads under a lock" {
				c.Without = []string{"hostile"} // which takes a second
			} else {
				c.Only = []string{"hostile"}
			}
			faults := extendertest.Check(c)
			require.NotEmpty(t, faults)
			assert.True(t, slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }), "%s:\n%s", want, strings.Join(faults, "\n"))
		})
	}
}

// The configuration is checked, all faults at once.
func TestConfig(t *testing.T) {
	faults := extendertest.Check(extendertest.Config{Room: -1, Nodes: []*v1.Node{nil}, Only: []string{"nonsense"}})
	for _, want := range []string{"New", "negative", "one is nil", `no scenario "nonsense"`} {
		assert.Contains(t, faults[0], want)
	}
	c := config("")
	c.New = func(*extendertest.API) (extendertest.Extender, error) {
		return extendertest.Extender{}, fmt.Errorf("no luck")
	}
	c.Only = []string{"order"}
	assert.Equal(t, []string{"order: the extender cannot be made: no luck"}, extendertest.Check(c))
}
