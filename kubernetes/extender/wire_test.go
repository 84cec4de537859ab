package extender_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// post sends a body as it is, and returns the status and the answer.
func (w *world) post(verb, body string) (int, string) {
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/"+verb, strings.NewReader(body)))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

func TestFaultsAreToldInTheProtocolsForm(t *testing.T) {
	w := newWorld(t, extender.Config{MostBody: 1 << 10}, cache.Config{}, node("n1"))
	for body, fault := range map[string]string{
		"":                                 "the body cannot be read",
		"{":                                "the body cannot be read",
		"[]":                               "the body cannot be read",
		`{"Pod":3}`:                        "the body cannot be read",
		"{}":                               "no pod",
		"null":                             "no pod",
		`{"Pod":{}}`:                       "has no UID",
		`{"Pod":{"metadata":{"uid":"a"}}}`: "no NodeNames",
		`{"Pod":{"metadata":{"uid":"a"}},"Nodes":{"items":[{}]}}`: "nodeCacheCapable: true",
		`{"NodeNames":["` + strings.Repeat("x", 2000) + `"]}`:     "more than 1024",
		strings.Repeat(" ", 3000):                                 "more than 1024",
	} {
		status, answer := w.post("filter", body)
		var got extenderv1.ExtenderFilterResult
		assert.Equal(t, http.StatusOK, status)
		require.NoError(t, json.Unmarshal([]byte(answer), &got), answer)
		assert.Contains(t, got.Error, fault, body)
		assert.Nil(t, got.NodeNames)

		status, answer = w.post("prioritize", body)
		assert.GreaterOrEqual(t, status, 400, body)
		assert.Contains(t, answer, fault, body)
		if status, _ = w.post("preempt", body); !strings.Contains(body, "uid") { // it needs no more than a pod
			assert.GreaterOrEqual(t, status, 400, body)
		}
		status, answer = w.post("bind", body)
		assert.Equal(t, http.StatusOK, status)
		var bound extenderv1.ExtenderBindingResult
		require.NoError(t, json.Unmarshal([]byte(answer), &bound), answer)
		assert.NotEmpty(t, bound.Error)
	}
	for path, want := range map[string]int{"/": 404, "/filters": 404, "/filter/x": 404, "/why": 404, "/why/a": 400, "/why/a/b/c": 400, "/why/a/b": 404, "/healthz": 200, "/readyz": 200, "/filter": 405, "/bind": 405} {
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		assert.Equal(t, want, answer.Code, path)
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/healthz", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
	request := httptest.NewRequest(http.MethodPost, "/filter", strings.NewReader("{}"))
	request.Header.Set("Content-Type", "text/xml")
	answer = httptest.NewRecorder()
	w.ServeHTTP(answer, request)
	assert.Contains(t, answer.Body.String(), "not application/json")
}

func TestKeysInAnyCase(t *testing.T) {
	w := newWorld(t, extender.Config{}, cache.Config{}, node("n1"))
	_, answer := w.post("filter", `{"pod":{"metadata":{"uid":"a","name":"a","namespace":"shop"}},"nodenames":["n1"]}`)
	assert.JSONEq(t, `{"Nodes":null,"NodeNames":["n1"],"FailedNodes":null,"FailedAndUnresolvableNodes":null,"Error":""}`, answer)
}

func TestNotReady(t *testing.T) {
	at := &clock{now: time.Unix(1000, 0)}
	c, err := cache.New(cache.Config{Clock: at.Now})
	require.NoError(t, err)
	follows := fmt.Errorf("another process is the leader")
	e, err := extender.New(extender.Config{Cache: c, RetryFor: -1, Ready: func() error { return follows }})
	require.NoError(t, err)
	w := &world{t: t, clock: at, cache: c, Extender: e}
	assert.Contains(t, w.filter(pod("a", "1"), "n1").Error, "not been told yet")
	c.MarkSynced()
	assert.Contains(t, w.filter(pod("a", "1"), "n1").Error, "another process is the leader")
	follows = nil
	assert.Empty(t, w.filter(pod("a", "1"), "n1").Error)
	assert.Contains(t, w.bind(pod("a", "1"), "n1"), "no client")
	at.pass(time.Minute)
	assert.Empty(t, w.filter(pod("a", "1"), "n1").Error, "a minute is served from the cache")
	at.pass(time.Second)
	assert.Contains(t, w.filter(pod("a", "1"), "n1").Error, "silent for 1m1s")
	c.Heard()
	assert.Empty(t, w.filter(pod("a", "1"), "n1").Error)
}

// A client that sends its body a byte at a time is cut off, and one more than there are slots for is sent away.
func TestSlowAndManyRequests(t *testing.T) {
	w := newWorld(t, extender.Config{MostTime: 100 * time.Millisecond, MostCalls: 1}, cache.Config{}, node("n1"))
	server := httptest.NewServer(w)
	defer server.Close()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer connection.Close()
	_, err = fmt.Fprint(connection, "POST /filter HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(10*time.Second)))
	answer, err := io.ReadAll(connection)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "the body cannot be read")

	within := make(chan struct{})
	leave := make(chan struct{})
	a, b := pod("a", "1"), pod("b", "1")
	w.server.create(a, b)
	w.server.bind = func(*v1.Binding) error { close(within); <-leave; return nil }
	var bound sync.WaitGroup
	bound.Go(func() { assert.Empty(t, w.bind(a, "n1")) })
	<-within
	assert.Contains(t, w.filter(b, "n1").Error, "too many requests")
	close(leave)
	bound.Wait()
	assert.Empty(t, w.filter(b, "n1").Error)
}

func TestManyReasonsAreBounded(t *testing.T) {
	var nodes []*v1.Node
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprint("n", i))
		nodes = append(nodes, node(names[i], func(n *v1.Node) {
			n.Spec.Taints = []v1.Taint{{Key: fmt.Sprint("k", i, strings.Repeat("é", 200)), Effect: v1.TaintEffectNoSchedule}}
		}))
	}
	w := newWorld(t, extender.Config{}, cache.Config{}, nodes...)
	got := w.filter(pod("a", "1"), names...)
	texts := map[string]bool{}
	for _, text := range got.FailedAndUnresolvableNodes {
		assert.LessOrEqual(t, len(text), 160)
		texts[text] = true
	}
	assert.Len(t, got.FailedAndUnresolvableNodes, 200)
	assert.Len(t, texts, 25, "24 of them, and one for the rest")
}

func TestWhyAndEvents(t *testing.T) {
	w := newWorld(t, extender.Config{}, cache.Config{}, node("n1"), node("n2"), node("n3", func(n *v1.Node) {
		n.Spec.Taints = []v1.Taint{{Key: "dedicated", Value: "ci", Effect: v1.TaintEffectNoSchedule}}
	}))
	p := pod("big", "6", func(p *v1.Pod) {
		p.Spec.Volumes = []v1.Volume{{VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{}}}}
	})
	w.server.create(p, pod("small", "1", on("n2")))
	for range 3 {
		w.filter(p, "n1", "n2", "n3")
	}
	require.Len(t, w.server.event, 1, "the same is told once")
	assert.Contains(t, w.server.event[0], "big Warning BerthUnplaced: 0/3 nodes: ")

	get := func(path string) string {
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
		return answer.Body.String()
	}
	text := get("/why/shop/big")
	for _, part := range []string{"shop/big is pending, role shop", "not looked at: spec.volumes", "0 of 3 nodes can take it", "too little cpu in all", "dedicated=ci"} {
		assert.Contains(t, text, part)
	}
	assert.Equal(t, "shop/small is bound on n2, role shop\n", get("/why/shop/small"))
	var why extender.Why
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(get("/why/shop/big?format=json"), `"Phase": "pending"`, `"Phase": 0`, 1)), &why))
	assert.Equal(t, 3, why.Nodes)
	assert.Equal(t, 0, why.Fit)
}

// Requests are timed by the clock that is handed in: one that ticks a second at each look gives each request two, one
// for the deadline of its body and one for its end.
func TestRequestsAreTimedByTheClockGiven(t *testing.T) {
	ticks := 0
	metrics := prometheus.NewRegistry()
	w := newWorld(t, extender.Config{Metrics: metrics, Clock: func() time.Time { ticks++; return time.Unix(int64(ticks), 0) }}, cache.Config{}, node("n1"))
	assert.Empty(t, w.filter(pod("a", "1"), "n1").Error)
	families, err := metrics.Gather()
	require.NoError(t, err)
	took := -1.0
	for _, f := range families {
		if f.GetName() == "berth_extender_request_seconds" {
			took = f.GetMetric()[0].GetHistogram().GetSampleSum()
		}
	}
	assert.Equal(t, 2.0, took)
}
