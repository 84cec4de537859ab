package extender

import (
	"context"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
)

var background = context.Background()

// Client is what an Extender asks of an API server. Its errors are those of package k8s.io/apimachinery/pkg/api/errors, where the API
// server has answered.
type Client interface {
	// Bind posts a Binding.
	Bind(ctx context.Context, b *v1.Binding) error
	// Pod looks a pod up, not in a cache.
	Pod(ctx context.Context, namespace, name string) (*v1.Pod, error)
	// Event tells something of a pod to its users. It must not block.
	Event(pod *v1.Pod, kind, reason, message string)
}

// NewClient returns a Client of an API server, which may create Bindings and get pods. Events go to a recorder, unless it is nil.
func NewClient(client kubernetes.Interface, events record.EventRecorder) Client {
	return apiServer{client, events}
}

type apiServer struct {
	client kubernetes.Interface
	events record.EventRecorder
}

func (a apiServer) Bind(ctx context.Context, b *v1.Binding) error {
	return a.client.CoreV1().Pods(b.Namespace).Bind(ctx, b, metav1.CreateOptions{})
}

func (a apiServer) Pod(ctx context.Context, namespace, name string) (*v1.Pod, error) {
	return a.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (a apiServer) Event(pod *v1.Pod, kind, reason, message string) {
	if a.events != nil {
		a.events.Event(pod, kind, reason, message)
	}
}
