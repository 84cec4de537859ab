package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// apply creates the objects of a manifest.
func (p *plane) apply(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close() // it is only read
	ctx, made := context.Background(), metav1.CreateOptions{}
	for decoder := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		var raw runtime.RawExtension
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw.Raw, nil, nil)
		require.NoError(t, err)
		switch o := o.(type) {
		case *v1.ServiceAccount:
			_, err = p.client.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, made)
		case *rbacv1.ClusterRole:
			_, err = p.client.RbacV1().ClusterRoles().Create(ctx, o, made)
		case *rbacv1.ClusterRoleBinding:
			_, err = p.client.RbacV1().ClusterRoleBindings().Create(ctx, o, made)
		case *rbacv1.Role:
			_, err = p.client.RbacV1().Roles(o.Namespace).Create(ctx, o, made)
		case *rbacv1.RoleBinding:
			_, err = p.client.RbacV1().RoleBindings(o.Namespace).Create(ctx, o, made)
		default:
			err = fmt.Errorf("%T is not known here", o)
		}
		require.NoError(t, err)
	}
}

// The program itself, with the account and the rules of the manifests, as the leader of one: it may do all that it does, and no more.
func TestProgramWithItsRules(t *testing.T) {
	p := control(t)
	require.NoError(t, eventually(time.Minute, func() error {
		_, err := p.client.CoreV1().Namespaces().Get(context.Background(), "kube-system", metav1.GetOptions{})
		return err
	}))
	p.apply(t, "../deploy/rbac.yaml")
	token, err := p.client.CoreV1().ServiceAccounts("kube-system").CreateToken(context.Background(), "berth-extender", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)

	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "extender"), ".")
	build.Dir = "../../examples/kubernetes"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	kubeconfig := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}], users: [{name: u, user: {token: %s}}]}`,
		p.config.Host, p.config.TLSClientConfig.CAFile, token.Status.Token)
	require.NoError(t, os.WriteFile(dir+"/kubeconfig", []byte(kubeconfig), 0o600))
	require.NoError(t, os.WriteFile(dir+"/policy.yaml", []byte("mode: decide"), 0o600))
	asked, err := freePort()
	require.NoError(t, err)
	status, err := freePort()
	require.NoError(t, err)
	e, err := start("extender", dir+"/extender", "-kubeconfig", dir+"/kubeconfig", "-config", dir+"/policy.yaml", "-insecure", "-leader-elect",
		"-listen", "127.0.0.1:"+asked, "-status", "127.0.0.1:"+status)
	require.NoError(t, err)
	t.Cleanup(e.stop)
	require.NoError(t, eventually(30*time.Second, func() error {
		r, err := http.Get("http://127.0.0.1:" + status + "/readyz")
		if err != nil {
			return err
		}
		r.Body.Close() // only the status matters
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", r.Status)
		}
		return nil
	}), e.output())

	p.createNodes(t, nodes(3)...)
	p.schedule(t, "http://127.0.0.1:"+asked)
	for i := range 14 {
		p.createPods(t, pod(fmt.Sprintf("p-%02d", i), list("cpu", "1")))
	}
	p.waitBound(t, 12, time.Minute)
	p.notOvercommitted(t)
	lease, err := p.client.CoordinationV1().Leases("kube-system").Get(context.Background(), "berth-extender", metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, lease.Spec.HolderIdentity)
	e.stop()
	assert.NotContains(t, e.output(), "forbidden")
	lease, err = p.client.CoordinationV1().Leases("kube-system").Get(context.Background(), "berth-extender", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Empty(t, *lease.Spec.HolderIdentity, "the next one need not wait")

	as, err := kubernetes.NewForConfig(&rest.Config{Host: p.config.Host, BearerToken: token.Status.Token, TLSClientConfig: p.config.TLSClientConfig})
	require.NoError(t, err)
	for what, err := range map[string]error{
		"delete a pod":   as.CoreV1().Pods("default").Delete(context.Background(), "p-00", metav1.DeleteOptions{}),
		"delete a node":  as.CoreV1().Nodes().Delete(context.Background(), "n1", metav1.DeleteOptions{}),
		"another lease":  as.CoordinationV1().Leases("kube-system").Delete(context.Background(), "berth-extender", metav1.DeleteOptions{}),
		"delete a role":  as.RbacV1().ClusterRoles().Delete(context.Background(), "berth-extender", metav1.DeleteOptions{}),
		"delete secrets": as.CoreV1().Secrets("default").DeleteCollection(context.Background(), metav1.DeleteOptions{}, metav1.ListOptions{}),
	} {
		assert.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
	}
	_, err = as.CoreV1().Secrets("").List(context.Background(), metav1.ListOptions{})
	assert.True(t, apierrors.IsForbidden(err), "list secrets: %v", err)
}
