package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// plane is a control plane: an API server with its store.
type plane struct {
	dir       string
	config    *rest.Config
	client    *kubernetes.Clientset
	scheduler string // the program
	api, etcd *process
}

var (
	shared     *plane
	sharedErr  error
	sharedOnce sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.api.stop()
		shared.etcd.stop()
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// control returns the control plane that the tests share, empty, and empties it again at the end of the test.
func control(t *testing.T) *plane {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane; not with -short")
	}
	sharedOnce.Do(func() { shared, sharedErr = startPlane() })
	if sharedErr != nil {
		t.Skipf("no control plane: %v", sharedErr)
	}
	t.Cleanup(func() { shared.empty(t) })
	return shared
}

// gangs is the gate of PodGroups, which is off by default.
const gangs = "GenericWorkload=true"

// tool builds a program of module tools, or finds it built.
func tool(name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "tool", "-n", name)
	cmd.Dir = "tools"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go tool -n %s, in folder tools: %w: %s", name, err, last(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func last(s string) string {
	const most = 2000
	if len(s) > most {
		s = "..." + s[len(s)-most:]
	}
	return s
}

func startPlane() (p *plane, err error) {
	var paths [3]string
	for i, name := range []string{"go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-scheduler"} {
		if paths[i], err = tool(name); err != nil {
			return nil, err
		}
	}
	p = &plane{scheduler: paths[2]}
	if p.dir, err = os.MkdirTemp("", "e2e"); err != nil { // short: the path of a socket has a limit
		return nil, err
	}
	defer func() {
		if err != nil {
			if p.api != nil {
				p.api.stop()
			}
			if p.etcd != nil {
				p.etcd.stop()
			}
			os.RemoveAll(p.dir)
		}
	}()
	socket := "unix://" + p.dir + "/e"
	const peer = "http://127.0.0.1:0"
	if p.etcd, err = start("etcd", paths[0], "--data-dir", p.dir+"/etcd", "--listen-client-urls", socket, "--advertise-client-urls", socket,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--unsafe-no-fsync"); err != nil {
		return nil, err
	}
	key := p.dir + "/sa.key"
	if err := writeKey(key); err != nil {
		return nil, err
	}
	const token = "end-to-end"
	if err := os.WriteFile(p.dir+"/tokens", []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if p.api, err = start("kube-apiserver", paths[1], "--etcd-servers", socket, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
		"--endpoint-reconciler-type", "none", "--secure-port", port, "--cert-dir", p.dir+"/certs", "--token-auth-file", p.dir+"/tokens",
		"--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24", "--service-account-issuer", "https://end.to.end",
		"--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition",
		"--feature-gates", gangs, "--runtime-config", "scheduling.k8s.io/v1beta1=true"); err != nil {
		return nil, err
	}
	p.config = &rest.Config{Host: "https://127.0.0.1:" + port, BearerToken: token, QPS: 5000, Burst: 10000,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.dir + "/certs/apiserver.crt"}}
	err = eventually(2*time.Minute, func() error {
		if p.api.ended() || p.etcd.ended() {
			return fatal{fmt.Errorf("it ended:\n%s\n%s", p.api.output(), p.etcd.output())}
		}
		ca, err := os.ReadFile(p.config.TLSClientConfig.CAFile)
		if err != nil {
			return err
		}
		p.config.TLSClientConfig.CAData = ca
		if p.client, err = kubernetes.NewForConfig(p.config); err != nil {
			return err
		}
		return p.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(context.Background()).Error()
	})
	if err == nil { // the namespace is made by the API server, a moment later
		err = eventually(time.Minute, func() error {
			_, err := p.client.CoreV1().Namespaces().Get(context.Background(), "default", metav1.GetOptions{})
			return err
		})
	}
	return p, err
}

// fatal is an error that waiting does not cure.
type fatal struct{ error }

// eventually tries until it succeeds, and returns the last error if it has not in time.
func eventually(within time.Duration, try func() error) error {
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		var f fatal
		if err == nil || errors.As(err, &f) || time.Now().After(end) {
			return err
		}
	}
}

func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// process is a program that was started, with the end of what it wrote.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	tail []byte
}

func start(name, path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in what it wrote
		close(p.done)
	}()
	return p, nil
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail = append(p.tail, b...)
	if most := 1 << 16; len(p.tail) > 2*most {
		p.tail = append(p.tail[:0], p.tail[len(p.tail)-most:]...)
	}
	return len(b), nil
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return last(string(p.tail))
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks it to end, and makes it if it does not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// pause stops it without its knowing, and resume lets it go on.
func (p *process) pause(t *testing.T)  { require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP)) }
func (p *process) resume(t *testing.T) { require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT)) }

// schedule starts a kube-scheduler with an extender's URL; without one, none. It ends with the test.
func (p *plane) schedule(t *testing.T, url string, flags ...string) *process {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: %s/kubeconfig, qps: 5000, burst: 10000}
leaderElection: {leaderElect: false}
percentageOfNodesToScore: 100
podInitialBackoffSeconds: 1
podMaxBackoffSeconds: 1
`, dir)
	if url != "" {
		config += fmt.Sprintf("extenders:\n- {urlPrefix: %q, filterVerb: filter, prioritizeVerb: prioritize, weight: 15, preemptVerb: preempt, bindVerb: bind, nodeCacheCapable: true, httpTimeout: 5s}\n", url)
	}
	kubeconfig := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}], users: [{name: u, user: {token: %s}}]}`,
		p.config.Host, p.config.TLSClientConfig.CAFile, p.config.BearerToken)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(kubeconfig), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	s, err := start("kube-scheduler", p.scheduler, append([]string{"--config", filepath.Join(dir, "config"), "--secure-port=0"}, flags...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("kube-scheduler: %s", s.output())
		}
	})
	return s
}

// empty removes the nodes, pods and events of a test.
func (p *plane) empty(t *testing.T) {
	ctx := context.Background()
	now := int64(0)
	require.NoError(t, eventually(time.Minute, func() error {
		namespaces, err := p.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		left := 0
		for _, n := range namespaces.Items {
			pods, err := p.client.CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			if left += len(pods.Items); len(pods.Items) > 0 {
				err = errors.Join(p.client.CoreV1().Pods(n.Name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}),
					p.client.CoreV1().Events(n.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
			}
			if err != nil {
				return err
			}
		}
		if left > 0 {
			return fmt.Errorf("%d pods are left", left)
		}
		return p.client.CoreV1().Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	}))
}

// namespace makes sure that there is one.
func (p *plane) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := p.client.CoreV1().Namespaces().Create(context.Background(), &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		_, err = p.client.CoreV1().Namespaces().Get(context.Background(), name, metav1.GetOptions{})
	}
	require.NoError(t, err)
}
