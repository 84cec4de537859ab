package extender

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/placement"
)

// readsAlike demands that a body is read as encoding/json reads it: the same, or not at all.
func readsAlike(t *testing.T, e *Extender, body string) {
	t.Helper()
	var got, want extenderv1.ExtenderArgs
	gotErr, wantErr := e.readArgs([]byte(body), &got), json.Unmarshal([]byte(body), &want)
	assert.Equal(t, wantErr, gotErr, body)
	if wantErr == nil {
		assert.Equal(t, want, got, body)
	}
}

var bodies = []string{
	`{"Pod":{"metadata":{"name":"a","uid":"u"}},"Nodes":null,"NodeNames":["n1","n2"]}`,
	` { "NodeNames" : [ "n2" , "n1" ] , "Pod" : { "spec" : { "nodeName" : "\"}" } } } `,
	`{"NodeNames":[]}`, `{"NodeNames":null,"Pod":null,"Nodes":null}`, `{}`, `null`, `[]`, ``, `{`, `{}x`, `{,}`, `{"Pod":{},}`, `{"Pod":{}`, `{"NodeNames":["a"`, `{"NodeNames":["a",]}`,
	`{"NodeNames":["a"]]}`, `{"NodeNames":[1]}`, `{"NodeNames":["a" "b"]}`, `{"NodeNames":["\u0041","é","\xff"]}`, `{"nodenames":["n1"],"POD":{"metadata":{"name":"b"}}}`,
	`{"NodeNames":["a"],"NodeNames":["b"]}`, `{"Pod":{"metadata":{"name":"a"}},"Pod":{"metadata":{"uid":"b"}}}`, `{"Pod":{"spec":[}]}}`, `{"Pod":{"metadata":{"name":3}}}`,
	`{"Nodes":{"items":[{}]},"NodeNames":["n1"]}`, `{"Pod":{"a":"\\"},"NodeNames":["n1"]}`, `{"Other":1,"NodeNames":["n1"]}`, "{\"NodeNames\":[\"a\tb\"]}", `{"NodeNames":nullnull}`, `{"Pod":{"a":{"b":[{"c":"]}"}]}}}`,
}

func TestReadsAsEncodingJSON(t *testing.T) {
	e, _ := benchCluster(t, Advise, 3)
	_, _ = e.filter(nil, &extenderv1.ExtenderArgs{Pod: benchPod("a"), NodeNames: &[]string{"x", "y"}}) // it knows names of nodes by then
	for _, body := range bodies {
		for range 2 {
			readsAlike(t, e, body)
		}
	}
}

func FuzzReadArgs(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	e, _ := benchCluster(f, Advise, 3)
	f.Fuzz(func(t *testing.T, body string) { readsAlike(t, e, body) })
}

// What is written is what encoding/json writes, for names and texts of every kind.
func TestWritesAsEncodingJSON(t *testing.T) {
	words := []string{"n1", "a.b-c", "", `"`, `\`, "<&>", "é", "\xff\x00", "\u2028", strings.Repeat("x", 300)}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		some := func(most int) (out []string) {
			for range rng.IntN(most + 1) {
				out = append(out, words[rng.IntN(len(words))]+fmt.Sprint(rng.IntN(9)))
			}
			return out
		}
		texts := func() (out []nodeText, of extenderv1.FailedNodesMap) {
			names := some(6)
			slices.Sort(names)
			for _, name := range slices.Compact(names) {
				if of == nil {
					of = extenderv1.FailedNodesMap{}
				}
				text := words[rng.IntN(len(words))]
				out, of[name] = append(out, nodeText{name, text}), text
			}
			return out, of
		}
		v := &verdicts{fit: some(5)}
		want := extenderv1.ExtenderFilterResult{NodeNames: &[]string{}}
		*want.NodeNames = append(*want.NodeNames, v.fit...)
		v.failed, want.FailedNodes = texts()
		v.unresolvable, want.FailedAndUnresolvableNodes = texts()
		writesAlike(t, v, want)

		p, list := &priorities{hosts: some(6)}, extenderv1.HostPriorityList{}
		for i, host := range p.hosts {
			if i == 0 || rng.IntN(2) == 0 {
				p.runs = append(p.runs, run{i, rng.Int64N(11)})
			}
			list = append(list, extenderv1.HostPriority{Host: host, Score: p.runs[len(p.runs)-1].score})
		}
		writesAlike(t, p, list)
	}
}

func writesAlike(t *testing.T, own appender, other any) {
	t.Helper()
	want, err := json.Marshal(other)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(own.appendJSON(nil)))
}

// Scores are those of every rank for itself: of n nodes, of which some are as good as the one before.
func TestScore(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 300 {
		same := make([]bool, n)
		for i := range same {
			same[i] = i > 0 && rng.IntN(3) == 0
		}
		var got []int64
		runs := score(n, func(i int) bool { return same[i] })
		for i, r := range runs {
			to := n
			if i+1 < len(runs) {
				to = runs[i+1].from
			}
			for range to - r.from {
				got = append(got, r.score)
			}
		}
		var want []int64
		whole := log2(n)
		for i := range n {
			switch {
			case same[i]:
				want = append(want, want[i-1])
			case whole == 0:
				want = append(want, 10)
			default:
				want = append(want, 10-int64((log2(i+1)*10+whole/2)/whole))
			}
		}
		assert.Equal(t, want, got, n)
	}
}

// An answer that is kept from one pod to the next is what an extender says that has kept none: about all nodes or some, while nodes come
// and go and pods are bound.
func TestKeptAnswers(t *testing.T) {
	e, names := benchCluster(t, Advise, 60)
	e.config.RetryFor = -1
	rng := rand.New(rand.NewPCG(5, 6))
	wire := func(a appender) string { return string(a.appendJSON(nil)) }
	for i := range 200 {
		p := benchPod(fmt.Sprint("new-", i))
		kind := rng.IntN(20) // more than are kept
		p.OwnerReferences[0].Name = fmt.Sprint("web-", kind)
		p.Spec.Containers[0].Resources.Requests = quantities(fmt.Sprint(1+kind/4), "1Gi")
		e.cache.SetPod(p)
		among := names
		switch rng.IntN(4) {
		case 0:
			among = append(slices.Clone(names[10:50]), "nobody", names[12], "nobody")
		case 1:
			among = slices.Clone(names)
			rng.Shuffle(len(among), func(i, j int) { among[i], among[j] = among[j], among[i] })
		case 2:
			among = names[:5]
		}
		args := &extenderv1.ExtenderArgs{Pod: p, NodeNames: &among}
		got, err := e.filter(nil, args)
		require.NoError(t, err)
		fresh, err := New(Config{Cache: e.cache, Client: accepts{}, RetryFor: -1})
		require.NoError(t, err)
		want, err := fresh.filter(nil, args)
		require.NoError(t, err)
		require.Equal(t, wire(want), wire(got))
		// And that is what the engine says of the nodes alone.
		choices := placement.NewEngine(placement.Strategy{})
		choices.Start(e.snapshot())
		plainly := choices.Candidates(e.cache.Read(p).Task, placement.Ask{Among: among, Misfits: true})
		require.Len(t, got.fit, plainly.Len())
		for i, name := range got.fit {
			require.Equal(t, plainly.At(i).Node, name)
		}
		require.Len(t, got.unresolvable, len(plainly.Misfits))
		for i, m := range plainly.Misfits {
			require.Equal(t, m.Node, got.unresolvable[i].node)
		}
		if len(got.fit) > 0 {
			told := &extenderv1.ExtenderArgs{Pod: p, NodeNames: &got.fit}
			scores, err := e.prioritize(nil, told)
			require.NoError(t, err)
			again, err := fresh.prioritize(nil, &extenderv1.ExtenderArgs{Pod: p, NodeNames: &got.fit})
			require.NoError(t, err)
			require.Equal(t, wire(again), wire(scores))
			p = p.DeepCopy()
			p.Spec.NodeName = got.fit[rng.IntN(len(got.fit))]
			e.cache.SetPod(p)
		}
		if rng.IntN(20) == 0 {
			at := rng.IntN(len(names))
			e.cache.DeleteNode(names[at])
			names = slices.Delete(slices.Clone(names), at, at+1)
		}
	}
}
