package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFaultsOfFlagsAreToldAtOnce(t *testing.T) {
	for args, faults := range map[string][]string{
		"":                              {"-tls-cert and -tls-key are needed"},
		"-qps 0 x":                      {"-tls-cert", "-qps must be positive", `"x"`},
		"-insecure -tls-cert a":         {"-insecure goes with none"},
		"-insecure -config no-such":     {"no-such"},
		"-insecure -kubeconfig nowhere": {"nowhere"},
		"-tls-cert a -tls-key b -kubeconfig testdata/config": {"testdata/config"},
	} {
		err := run(t.Context(), strings.Fields(args), io.Discard)
		if err == nil {
			t.Fatalf("%q: no fault", args)
		}
		for _, fault := range faults {
			if !strings.Contains(err.Error(), fault) {
				t.Errorf("%q: %v does not tell of %q", args, err, fault)
			}
		}
	}
}

// apiServer is as much of one as a process needs to become ready: empty lists, and watches in which nothing happens.
func apiServer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"major":"1","minor":"37"}`)
	case r.URL.Query().Get("watch") != "":
		w.(http.Flusher).Flush()
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			kind := map[string]string{"pods": "Pod", "nodes": "Node", "namespaces": "Namespace"}[filepath.Base(r.URL.Path)]
			fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n", kind)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	default:
		kind := map[string]string{"pods": "PodList", "nodes": "NodeList", "namespaces": "NamespaceList"}[filepath.Base(r.URL.Path)]
		fmt.Fprintf(w, `{"kind":%q,"apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`, kind)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// addresses returns where the process says that it listens.
func (l *lines) addresses() (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range strings.Split(l.all.String(), "\n") {
		var said struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
			out = append(out, said.Address)
		}
	}
	return out
}

func TestServesUntilItIsToldToEnd(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(apiServer))
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
		"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{}}]}`, api.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	var log lines
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-insecure", "-listen", "127.0.0.1:0", "-status", "127.0.0.1:0", "-kubeconfig", kubeconfig}, &log)
	}()
	get := func(i int, path string) (int, string) {
		at := log.addresses()
		if i >= len(at) {
			return 0, ""
		}
		answer, err := http.Get("http://" + at[i] + path)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, body := get(1, "/readyz")
		if status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %d %s\n%s", status, body, log.all.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status, body := get(1, "/metrics"); status != http.StatusOK || !strings.Contains(body, "berth_cache_ready 1") {
		t.Errorf("metrics: %d %s", status, body)
	}
	if status, _ := get(1, "/why/shop/web"); status != http.StatusNotFound {
		t.Errorf("why: %d", status)
	}
	answer, err := http.Post("http://"+log.addresses()[0]+"/filter", "application/json", strings.NewReader(`{"Pod":{"metadata":{"name":"a","namespace":"shop","uid":"u"}},"NodeNames":["n1"]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	// Of a node that is not in the cache yet the next try may know more.
	if !strings.Contains(string(body), "it is to try again") {
		t.Errorf("filter: %s", body)
	}
	cancel(errors.New("enough"))
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}
