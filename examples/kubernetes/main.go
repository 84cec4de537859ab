// Kubernetes is a scheduler extender for kube-scheduler: package extender with a configuration file, TLS, leader election, metrics and
// graceful shutdown.
//
//	go run . -kubeconfig ~/.kube/config -config policy.yaml -listen 127.0.0.1:8888 -insecure
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	config, kubeconfig      string
	listen, status          string
	cert, key, clientCA     string
	insecure, elect, debug  bool
	namespace, lease, named string
	qps                     float64
	grace                   time.Duration
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	host, _ := os.Hostname()
	f := flag.NewFlagSet("kubernetes", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.config, "config", "", "file of policies, in YAML; see the documentation of extender.File")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server; without it the service account of the pod")
	f.StringVar(&o.listen, "listen", ":8443", "where kube-scheduler asks")
	f.StringVar(&o.status, "status", ":9443", "where health, readiness, metrics and /why are, without TLS; empty for nowhere")
	f.StringVar(&o.cert, "tls-cert", "", "certificate of the server; read anew when it changes")
	f.StringVar(&o.key, "tls-key", "", "its key")
	f.StringVar(&o.clientCA, "client-ca", "", "certificates that those of clients must be signed by; without it any client may ask")
	f.BoolVar(&o.insecure, "insecure", false, "serve without TLS: for a sidecar on the loopback address")
	f.BoolVar(&o.elect, "leader-elect", false, "answer only as the leader of several that run")
	f.StringVar(&o.namespace, "leader-namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), "kube-system"), "namespace of the leader's lease")
	f.StringVar(&o.lease, "leader-name", "berth-extender", "name of the leader's lease")
	f.StringVar(&o.named, "identity", cmp.Or(os.Getenv("POD_NAME"), host), "name of this process in the lease")
	f.Float64Var(&o.qps, "qps", 200, "most requests to the API server a second; each pod that is bound takes one")
	f.DurationVar(&o.grace, "grace", 20*time.Second, "how long requests may go on after the signal to end")
	f.BoolVar(&o.debug, "debug", false, "log decisions too")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var errs []error
	fault := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	fault(f.NArg() > 0, fmt.Sprintf("arguments that are no flags: %q", f.Args()))
	fault(o.insecure && (o.cert != "" || o.key != "" || o.clientCA != ""), "-insecure goes with none of -tls-cert, -tls-key and -client-ca")
	fault(!o.insecure && (o.cert == "" || o.key == ""), "-tls-cert and -tls-key are needed, or -insecure")
	fault(o.qps <= 0, "-qps must be positive")
	fault(o.elect && o.named == "", "-leader-elect needs an -identity")
	return o, errors.Join(errs...)
}

// run serves until the context ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))

	var text []byte
	if o.config != "" {
		if text, err = os.ReadFile(o.config); err != nil {
			return err
		}
	}
	config, reads, err := extender.ReadFile(text)
	if err != nil {
		return err
	}
	client, err := connect(o)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	reads.Report = func(p cache.Problem) {
		log.Warn("object", "kind", p.Kind, "name", p.Name, "effect", p.Effect, "error", p.Err)
	}
	known, err := cache.New(reads)
	if err != nil {
		return err
	}
	var leads, ends atomic.Bool
	leads.Store(!o.elect)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	config.Cache, config.Logger, config.Metrics = known, log, registry
	config.Client = extender.NewClient(client, broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "berth"}))
	config.Ready = func() error {
		switch {
		case ends.Load():
			return errors.New("this process is about to end")
		case !leads.Load():
			return errors.New("another process is the leader")
		}
		return nil
	}
	e, err := extender.New(config)
	if err != nil {
		return err
	}

	// Requests that are under way when the signal comes still have a cache that is told of what they do.
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait() // a leader gives its lease back
	defer stop(nil)
	work.Go(func() {
		silent := func(err error) { log.Warn("the API server is silent", "error", err) }
		stop(fmt.Errorf("watch: %w", cache.Watch(serving, known, client, cache.WatchConfig{Silent: silent})))
	})
	work.Go(func() { stop(fmt.Errorf("tidying: %w", e.Run(serving))) })
	if o.elect {
		work.Go(func() { stop(fmt.Errorf("leader election: %w", elect(serving, o, client, log, &leads))) })
	}

	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	if server.TLSConfig, err = serverTLS(o); err != nil {
		return err
	}
	if err := listen(server, o.listen, server.TLSConfig != nil, stop, log); err != nil {
		return err
	}
	if o.status != "" {
		mux := http.NewServeMux()
		mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		for _, path := range []string{"/healthz", "/readyz", "/why/"} {
			mux.Handle("GET "+path, e)
		}
		status := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
		if err := listen(status, o.status, false, stop, log); err != nil {
			return err
		}
		defer status.Close()
	}
	select {
	case <-ctx.Done():
	case <-serving.Done():
		server.Close()
		return context.Cause(serving)
	}
	log.Info("ending", "why", context.Cause(ctx))
	ends.Store(true)
	late, cancel := context.WithTimeout(serving, o.grace)
	defer cancel()
	return server.Shutdown(late)
}

func connect(o options) (kubernetes.Interface, error) {
	var config *rest.Config
	var err error
	if o.kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	} else {
		config, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = float32(o.qps), int(2*o.qps)+1
	return kubernetes.NewForConfig(config)
}

// listen serves in the background. What a server fails with ends all.
func listen(server *http.Server, address string, secure bool, stop context.CancelCauseFunc, log *slog.Logger) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Info("listening", "address", l.Addr().String(), "tls", secure)
	go func() {
		serve := func() error { return server.Serve(l) }
		if secure {
			serve = func() error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	}()
	return nil
}

// serverTLS returns how the server proves who it is, and how clients have to; nil without TLS.
func serverTLS(o options) (*tls.Config, error) {
	if o.insecure {
		return nil, nil
	}
	if _, err := tls.LoadX509KeyPair(o.cert, o.key); err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { // certificates are renewed while a server runs
			pair, err := tls.LoadX509KeyPair(o.cert, o.key)
			return &pair, err
		},
	}
	if o.clientCA != "" {
		pem, err := os.ReadFile(o.clientCA)
		if err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", o.clientCA)
		}
	}
	return config, nil
}

// elect takes part in the election of a leader until the context ends, or until this process was the leader and is no more: what it holds
// is then not known to the next one, so it must not go on.
func elect(ctx context.Context, o options, client kubernetes.Interface, log *slog.Logger, leads *atomic.Bool) error {
	lost := errors.New("this process is no longer the leader")
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.lease}, Client: client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: o.named},
		},
		ReleaseOnCancel: true,
		LeaseDuration:   15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { leads.Store(true); log.Info("leading", "identity", o.named) },
			OnStoppedLeading: func() { leads.Store(false) },
			OnNewLeader:      func(who string) { log.Info("leader", "identity", who) },
		},
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return lost
}
