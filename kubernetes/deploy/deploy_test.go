package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// documents returns the documents of a manifest.
func documents(t *testing.T, text []byte) (out [][]byte) {
	t.Helper()
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, doc)
	}
}

// objects returns the objects of every manifest, each read strictly: a field that is not known, or there twice, is a fault.
func objects(t *testing.T) (out []any) {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, doc := range documents(t, text) {
			out = append(out, object(t, file, doc))
		}
	}
	return out
}

func object(t *testing.T, file string, doc []byte) any {
	t.Helper()
	var kind metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(doc, &kind), file)
	known := map[metav1.TypeMeta]any{
		{APIVersion: "v1", Kind: "ServiceAccount"}:                                         &v1.ServiceAccount{},
		{APIVersion: "v1", Kind: "ConfigMap"}:                                              &v1.ConfigMap{},
		{APIVersion: "v1", Kind: "Service"}:                                                &v1.Service{},
		{APIVersion: "apps/v1", Kind: "Deployment"}:                                        &appsv1.Deployment{},
		{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"}:                  &rbacv1.ClusterRole{},
		{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"}:           &rbacv1.ClusterRoleBinding{},
		{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"}:                         &rbacv1.Role{},
		{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}:                  &rbacv1.RoleBinding{},
		{APIVersion: "kubescheduler.config.k8s.io/v1", Kind: "KubeSchedulerConfiguration"}: &configv1.KubeSchedulerConfiguration{},
	}
	o := known[kind]
	require.NotNil(t, o, "%s: %v", file, kind)
	require.NoError(t, yaml.UnmarshalStrict(doc, o), "%s: %v", file, kind)
	return o
}

func only[T any](all []any) (out []T) {
	for _, o := range all {
		if o, ok := o.(T); ok {
			out = append(out, o)
		}
	}
	return out
}

// Policies are read by the extender, and configurations of kube-scheduler by its own types; both extenders ask for what berth has.
func TestConfigurations(t *testing.T) {
	all := objects(t)
	schedulers := only[*configv1.KubeSchedulerConfiguration](all)
	for _, m := range only[*v1.ConfigMap](all) {
		_, _, err := extender.ReadFile([]byte(m.Data["policy.yaml"]))
		require.NoError(t, err, m.Name)
		if text, ok := m.Data["kube-scheduler-config.yaml"]; ok {
			schedulers = append(schedulers, object(t, m.Name, []byte(text)).(*configv1.KubeSchedulerConfiguration))
		}
	}
	require.Len(t, schedulers, 2)
	for _, s := range schedulers {
		assert.EqualValues(t, 100, *s.PercentageOfNodesToScore)
		require.Len(t, s.Extenders, 1)
		e := s.Extenders[0]
		assert.Equal(t, []string{"filter", "prioritize", "preempt", "bind"}, []string{e.FilterVerb, e.PrioritizeVerb, e.PreemptVerb, e.BindVerb})
		assert.True(t, e.NodeCacheCapable)
		assert.Equal(t, e.EnableHTTPS, strings.HasPrefix(e.URLPrefix, "https://"))
		assert.Equal(t, e.EnableHTTPS, e.TLSConfig != nil && e.TLSConfig.CAFile != "" && e.TLSConfig.CertFile != "",
			"without a CA kube-scheduler checks no certificate")
	}
}

// What objects say of each other is there: accounts, roles, volumes, keys, ports and selectors.
func TestObjectsAgree(t *testing.T) {
	all := objects(t)
	accounts, roles, maps := map[string]bool{}, map[string]bool{"ClusterRole system:kube-scheduler": true, "ClusterRole system:volume-scheduler": true,
		"Role extension-apiserver-authentication-reader": true}, map[string]*v1.ConfigMap{}
	for _, a := range only[*v1.ServiceAccount](all) {
		accounts[a.Name] = true
	}
	for _, r := range only[*rbacv1.ClusterRole](all) {
		roles["ClusterRole "+r.Name] = true
	}
	for _, r := range only[*rbacv1.Role](all) {
		roles["Role "+r.Name] = true
	}
	for _, m := range only[*v1.ConfigMap](all) {
		maps[m.Name] = m
	}
	for _, b := range only[*rbacv1.ClusterRoleBinding](all) {
		assert.True(t, roles[b.RoleRef.Kind+" "+b.RoleRef.Name] && accounts[b.Subjects[0].Name], b.Name)
	}
	for _, b := range only[*rbacv1.RoleBinding](all) {
		assert.True(t, roles[b.RoleRef.Kind+" "+b.RoleRef.Name] && accounts[b.Subjects[0].Name], b.Name)
	}
	byLabels := map[string]*appsv1.Deployment{}
	for _, d := range only[*appsv1.Deployment](all) {
		pod := d.Spec.Template
		byLabels[pod.Labels["app.kubernetes.io/name"]] = d
		assert.Equal(t, d.Spec.Selector.MatchLabels, pod.Labels)
		assert.True(t, accounts[pod.Spec.ServiceAccountName], d.Name)
		assert.Empty(t, pod.Spec.SchedulerName, "it must not wait for itself")
		volumes := map[string]v1.Volume{}
		for _, v := range pod.Spec.Volumes {
			volumes[v.Name] = v
		}
		for _, c := range pod.Spec.Containers {
			mounts := map[string]v1.Volume{}
			for _, m := range c.VolumeMounts {
				require.Contains(t, volumes, m.Name)
				mounts[m.MountPath] = volumes[m.Name]
			}
			ports := map[string]bool{}
			for _, p := range c.Ports {
				ports[p.Name] = true
			}
			if port := c.ReadinessProbe.HTTPGet.Port; port.StrVal != "" {
				assert.True(t, ports[port.StrVal], port.StrVal)
			}
			for _, arg := range append(slices.Clone(c.Command), c.Args...) {
				_, path, _ := strings.Cut(arg, "=")
				if !strings.HasPrefix(path, "/etc") {
					continue
				}
				v, ok := mounts[filepath.Dir(path)]
				require.True(t, ok, arg)
				if v.ConfigMap != nil {
					require.Contains(t, maps[v.ConfigMap.Name].Data, filepath.Base(path), arg)
				}
			}
		}
	}
	for _, s := range only[*v1.Service](all) {
		d := byLabels[s.Spec.Selector["app.kubernetes.io/name"]]
		require.NotNil(t, d)
		for _, p := range s.Spec.Ports {
			assert.True(t, slices.ContainsFunc(d.Spec.Template.Spec.Containers[0].Ports, func(c v1.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }), p.Name)
		}
	}
}

// Flags in the manifests are those that the program has.
func TestFlags(t *testing.T) {
	text, err := os.ReadFile("../../examples/kubernetes/main.go")
	require.NoError(t, err)
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`f\.\w+Var\(&[\w.]+, "([\w-]+)"`).FindAllSubmatch(text, -1) {
		known[string(m[1])] = true
	}
	require.Contains(t, known, "leader-elect")
	seen := 0
	for _, d := range only[*appsv1.Deployment](objects(t)) {
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.Name != "berth" {
				continue
			}
			for _, arg := range c.Args {
				name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
				assert.Contains(t, known, name, d.Name)
				seen++
			}
		}
	}
	assert.Equal(t, 8, seen)
}

// What the extender calls it may call, and of what it may each thing is called: the rules are no wider than the code.
func TestRulesAreWhatIsCalled(t *testing.T) {
	called := calls(t)
	var rules []rbacv1.PolicyRule
	all := objects(t)
	for _, r := range only[*rbacv1.ClusterRole](all) {
		if r.Name == "berth-extender" {
			rules = append(rules, r.Rules...)
		}
	}
	for _, r := range only[*rbacv1.Role](all) {
		if r.Name == "berth-extender" {
			rules = append(rules, r.Rules...)
		}
	}
	allowed := map[string]bool{}
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					allowed[fmt.Sprintf("%s %s/%s", verb, group, resource)] = true
				}
			}
		}
	}
	for c := range called {
		assert.True(t, allowed[c], "called, and not allowed: %s", c)
	}
	for a := range allowed {
		assert.True(t, called[a], "allowed, and not called: %s", a)
	}
}

// calls does what the program does with an API server, and returns what it asked for.
func calls(t *testing.T) map[string]bool {
	t.Helper()
	client := fake.NewClientset(
		&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourcePods: resource.MustParse("10")}}},
		&v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default", UID: "uid-a"}},
	)
	c, err := cache.New(cache.Config{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	asked := extender.NewClient(client, broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "berth"}))
	e, err := extender.New(extender.Config{Cache: c, Client: asked})
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cache.Watch(ctx, c, client, cache.WatchConfig{}) // it ends with the context
	}()
	require.Eventually(t, func() bool { return e.Ready() == nil }, 10*time.Second, 10*time.Millisecond)

	bind(t, e, "n1")
	_, err = asked.Pod(ctx, "default", "a") // as after a Binding that was not answered
	require.NoError(t, err)
	for range 3 { // the second time an event is counted
		asked.Event(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default", UID: "uid-a"}}, v1.EventTypeWarning, "FailedBinding", "no")
	}
	lease := resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "berth-extender"}, Client: client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "one"}}
	leading, stop := context.WithCancel(ctx)
	leaderelection.RunOrDie(leading, leaderelection.LeaderElectionConfig{
		Lock: &lease, ReleaseOnCancel: true, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 10 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { stop() }, OnStoppedLeading: func() {}},
	})
	called := map[string]bool{}
	require.Eventually(t, func() bool {
		for _, a := range client.Actions() {
			resource := a.GetResource().Resource
			if a.GetSubresource() != "" {
				resource += "/" + a.GetSubresource()
			}
			if resource != "version" { // which everybody may ask
				called[fmt.Sprintf("%s %s/%s", a.GetVerb(), a.GetResource().Group, resource)] = true
			}
		}
		return called["patch /events"]
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	<-ended
	return called
}

func bind(t *testing.T, e *extender.Extender, node string) {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/bind", strings.NewReader(`{"PodName":"a","PodNamespace":"default","PodUID":"uid-a","Node":"`+node+`"}`)))
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"Error":""}`, w.Body.String())
}
