package extendertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// hostile: whatever is sent, there is an answer, and the next one is right. A test of this package cannot see how much memory is used;
// that a body of twice the limit is refused without being read to its end it can.
func hostile(s *stage) {
	var verbs []string
	for _, v := range []string{s.verbs.Filter, s.verbs.Prioritize, s.verbs.Bind, s.verbs.Preempt} {
		if v != "" {
			verbs = append(verbs, v)
		}
	}
	for _, verb := range verbs {
		for name, body := range bodies(verb == s.verbs.Bind) {
			s.refused(verb, name, strings.NewReader(body))
		}
		s.refused(verb, "a huge body", s.huge())
		s.methods(verb)
	}
	for _, path := range []string{"nonsense", "filter/../nonsense", strings.Repeat("x", 5000), "%00", s.verbs.Filter + "/more"} {
		if status, _, err := s.post(path, strings.NewReader("{}")); err == nil && status < 400 {
			s.fault("POST to %q, which is no verb, is answered with %s", short(path), statusText(status))
		}
	}
	s.strangers()
	s.slow(verbs)
	s.crowd(verbs)
	s.fill(s.Room, "after all this")
}

// bodies are requests that mean nothing.
func bodies(bind bool) map[string]string {
	out := map[string]string{
		"no body":                "",
		"no JSON":                "\x00\xff<xml>",
		"half of a request":      `{"Pod":{"metadata":{"name":"a"`,
		"an array":               `[]`,
		"a number":               `1e999`,
		"a text":                 `"pod"`,
		"null":                   `null`,
		"an object with nothing": `{}`,
		"wrong types":            `{"Pod":7,"NodeNames":{"a":1},"PodUID":[],"Node":{},"NodeNameToMetaVictims":"x"}`,
		"deep nesting":           strings.Repeat(`{"Pod":`, 100_000),
		"deep arrays":            strings.Repeat(`[`, 1_000_000),
		"a request of null":      `{"Pod":null,"Nodes":null,"NodeNames":null,"NodeNameToMetaVictims":null}`,
		"bad quantities":         `{"Pod":{"metadata":{"uid":"u"},"spec":{"containers":[{"resources":{"requests":{"cpu":"many"}}}]}},"NodeNames":["n1"]}`,
	}
	if !bind {
		out["whole nodes"] = `{"Pod":{"metadata":{"name":"a","uid":"u"}},"Nodes":{"items":[{"metadata":{"name":"n1"}}]},"NodeNames":null}`
	}
	return out
}

// refused sends what has no right answer: a status or an error will do, and so will an answer that chooses nothing. A crash will not.
func (s *stage) refused(verb, what string, body io.Reader) {
	status, answer, err := s.post(verb, body)
	switch {
	case err != nil && strings.HasPrefix(what, "a huge"):
		return // it hung up, which ends a body that is too long as well
	case err != nil:
		s.fault("%s of %s has no answer: %v", verb, what, err)
	case status == http.StatusOK:
		s.harmless(verb, what, answer)
	}
}

// harmless looks whether an answer to nonsense chooses a node, or says that a pod was bound.
func (s *stage) harmless(verb, what string, answer []byte) {
	switch verb {
	case s.verbs.Filter:
		var out extenderv1.ExtenderFilterResult
		if json.Unmarshal(answer, &out) != nil {
			s.fault("%s of %s is answered with %s", verb, what, short(string(answer)))
		} else if out.Error == "" && out.NodeNames != nil && len(*out.NodeNames) > 0 {
			s.fault("%s of %s names %v", verb, what, *out.NodeNames)
		}
	case s.verbs.Bind:
		var out extenderv1.ExtenderBindingResult
		if json.Unmarshal(answer, &out) != nil || out.Error == "" {
			s.fault("%s of %s says ok", verb, what)
		}
	}
}

// huge is a request that would be a good one, but for the blanks in it, which are twice what is to be read.
func (s *stage) huge() io.Reader {
	p := s.pod()
	text, err := json.Marshal(map[string]any{
		"Pod": p, "NodeNames": []string{s.nodeNames()[0]}, "PodName": p.Name, "PodNamespace": p.Namespace, "PodUID": p.UID, "Node": s.nodeNames()[0],
	})
	if err != nil {
		s.fault("%v", err)
	}
	return io.MultiReader(strings.NewReader("{"), io.LimitReader(blanks{}, 2*s.MostBody), bytes.NewReader(text[1:]))
}

type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// methods: verbs are asked by POST.
func (s *stage) methods(verb string) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		req, err := http.NewRequest(method, s.url+"/"+verb, strings.NewReader("{}"))
		if err != nil {
			s.fault("%s: %v", method, err)
			return
		}
		resp, err := s.client.Do(req)
		if err != nil {
			s.fault("%s of %s has no answer: %v", method, verb, err)
			continue
		}
		resp.Body.Close() // only the status matters
		if resp.StatusCode < 400 {
			s.fault("%s of %s is answered with %s: it is no POST", method, verb, statusText(resp.StatusCode))
		}
	}
}

// strangers are nodes and pods that nobody knows.
func (s *stage) strangers() {
	if s.verbs.Filter != "" {
		out, err := s.filter(s.pod(), []string{"nobody", "", "../etc"})
		if err == nil && len(*out.NodeNames) > 0 {
			s.fault("filter names %v: no such node was ever told of", *out.NodeNames)
		}
		out, err = s.filter(s.pod(), []string{})
		if err == nil && len(*out.NodeNames) > 0 {
			s.fault("filter names %v, asked about no node", *out.NodeNames)
		}
	}
	if s.verbs.Bind != "" {
		p := s.Pod.DeepCopy()
		p.Name, p.Namespace, p.UID = "stranger", "default", "uid-stranger"
		if err := s.bind(p, s.nodeNames()[0]); err == nil {
			s.fault("bind of a pod that nobody knows says ok")
		}
		if err := s.bind(s.pod(), "nobody"); err == nil {
			s.fault("bind to a node that nobody knows says ok")
		}
	}
	for _, p := range s.api.Pods() {
		s.api.remove(p)
	}
	s.api.told() // a Binding to a node that is none was told of already
}

// slow: somebody who sends a byte now and then keeps nobody else from being answered.
func (s *stage) slow(verbs []string) {
	p := s.pod()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close() // it was never meant to end well
		}
		s.api.remove(p)
	}()
	for i := range 200 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			s.fault("connection %d: %v", i, err)
			return
		}
		open = append(open, c)
		_, _ = fmt.Fprintf(c, "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{", verbs[i%len(verbs)]) // it may hang up
	}
	if s.verbs.Filter == "" {
		return
	}
	if _, err := s.filter(p, s.nodeNames()); err != nil {
		s.fault("filter beside 200 requests that never end: %v", err)
	}
}

// crowd: many at once are answered or refused, and none is left hanging.
func (s *stage) crowd(verbs []string) {
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			body := fmt.Sprintf(`{"Pod":{"metadata":{"name":"crowd-%d","namespace":"default","uid":"uid-crowd-%d"}},"NodeNames":["n1"],"PodName":"crowd-%d","PodNamespace":"default","PodUID":"uid-crowd-%d","Node":"n1"}`, i, i, i, i)
			if _, _, err := s.post(verbs[i%len(verbs)], strings.NewReader(body)); err != nil {
				s.fault("%s, one of 200 at once: %v", verbs[i%len(verbs)], err)
			}
		})
	}
	wg.Wait()
	if s.extender.Pass != nil {
		s.extender.Pass(s.Lease) // the pods of the crowd are none, and are not bound
	}
}

// preempt: what is agreed to is kept.
func preempt(s *stage) {
	if s.verbs.Preempt == "" || s.verbs.Filter == "" {
		return
	}
	var nodes []string
	on := map[string][]*v1.Pod{}
	for range s.Room {
		p := s.pod()
		node, err := s.retry(p, 3)
		if err != nil || node == "" {
			s.fault("pod %s is not bound, and there is room: %v", p.Name, err)
			return
		}
		if on[node] == nil {
			nodes = append(nodes, node)
		}
		on[node] = append(on[node], p)
	}
	p := s.pod()
	if out, err := s.filter(p, s.nodeNames()); err != nil || len(*out.NodeNames) > 0 {
		s.fault("filter of %s names a node of a full cluster: %v", p.Name, err)
		return
	}
	args := &extenderv1.ExtenderPreemptionArgs{Pod: p, NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for i, node := range nodes {
		victims := &extenderv1.MetaVictims{NumPDBViolations: int64(i)}
		for _, v := range on[node] {
			victims.Pods = append(victims.Pods, &extenderv1.MetaPod{UID: string(v.UID)})
		}
		args.NodeNameToMetaVictims[node] = victims
	}
	for range 2 { // asked again, it says the same
		out := s.victims(args)
		if len(out) == 0 {
			s.fault("preempt agrees to no node, where all pods of each would go")
			return
		}
	}
	// Half of a node's pods have to be there, or it is no answer: a victim that is nobody frees nothing.
	none := &extenderv1.ExtenderPreemptionArgs{Pod: p, NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{
		nodes[0]: {Pods: []*extenderv1.MetaPod{{UID: "uid-nobody"}}}, "nobody": {Pods: []*extenderv1.MetaPod{{UID: string(on[nodes[0]][0].UID)}}},
	}}
	for node := range s.victims(none) {
		s.fault("preempt agrees to %q, where nobody would go who is there: filter refuses the pod afterwards, and pods were evicted for nothing", node)
	}
	chosen := s.victims(args)
	for _, node := range nodes {
		victims := chosen[node]
		if victims == nil {
			continue
		}
		for _, v := range on[node] {
			for _, m := range victims.Pods {
				if m != nil && m.UID == string(v.UID) {
					s.api.remove(v)
				}
			}
		}
		p.Status.NominatedNodeName = node
		out, err := s.filter(p, []string{node})
		if err != nil || len(*out.NodeNames) != 1 {
			s.fault("preempt agreed to %s, and filter refuses it when the victims are gone (%v): they were evicted for nothing", node, err)
			return
		}
		if err := s.bind(p, node); err != nil {
			s.fault("bind of %s to %s, for which pods were evicted: %v", p.Name, node, err)
		}
		return
	}
}

// victims asks preempt, and holds the answer against the protocol.
func (s *stage) victims(args *extenderv1.ExtenderPreemptionArgs) map[string]*extenderv1.MetaVictims {
	var out extenderv1.ExtenderPreemptionResult
	if err := s.send(s.verbs.Preempt, args, &out); err != nil {
		s.fault("preempt: %v", err)
		return nil
	}
	onNode := map[string]string{}
	for _, p := range s.api.Pods() {
		onNode[string(p.UID)] = p.Spec.NodeName
	}
	for node, victims := range out.NodeNameToMetaVictims {
		switch {
		case args.NodeNameToMetaVictims[node] == nil:
			s.fault("preempt names %q, which it was not asked about: the call fails", node)
		case victims == nil || len(victims.Pods) == 0:
			s.fault("preempt names %q without victims: the call fails", node)
		default:
			for _, v := range victims.Pods {
				if v == nil || onNode[v.UID] != node {
					s.fault("preempt names %v as a victim on %q, where it is not: the call fails", v, node)
				}
			}
		}
	}
	return out.NodeNameToMetaVictims
}
