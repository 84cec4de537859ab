package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// lagging lets what watches tell arrive late; lists and everything else are as they are.
func lagging(by time.Duration) func(*rest.Config) {
	return func(c *rest.Config) {
		c.Wrap(func(next http.RoundTripper) http.RoundTripper { return late{next, by} })
	}
}

type late struct {
	next http.RoundTripper
	by   time.Duration
}

// RoundTrip implements http.RoundTripper.
func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil && r.URL.Query().Get("watch") == "true" && answer.StatusCode == http.StatusOK {
		answer.Body = lateBody(answer.Body, l.by)
	}
	return answer, err
}

// part is what was read of a body at one time, or how it ended.
type part struct {
	bytes []byte
	due   time.Time
	err   error
}

type lateReader struct {
	io.Closer
	parts chan part
	now   part
	ended chan struct{}
	end   func()
}

func lateBody(of io.ReadCloser, by time.Duration) io.ReadCloser {
	ended := make(chan struct{})
	out := &lateReader{Closer: of, parts: make(chan part, 1<<16), ended: ended, end: sync.OnceFunc(func() { close(ended) })}
	go func() {
		for {
			buffer := make([]byte, 1<<14)
			n, err := of.Read(buffer)
			select {
			case out.parts <- part{buffer[:n], time.Now().Add(by), err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// Read implements io.Reader.
func (l *lateReader) Read(into []byte) (int, error) {
	if len(l.now.bytes) == 0 {
		if l.now.err != nil {
			return 0, l.now.err
		}
		select {
		case l.now = <-l.parts:
		case <-l.ended:
			return 0, io.ErrClosedPipe
		}
		select {
		case <-time.After(time.Until(l.now.due)):
		case <-l.ended:
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(into, l.now.bytes)
	if l.now.bytes = l.now.bytes[n:]; len(l.now.bytes) > 0 {
		return n, nil
	}
	return n, l.now.err
}

// Close implements io.Closer.
func (l *lateReader) Close() error {
	l.end()
	return l.Closer.Close()
}

// What the extender is told comes three seconds late, and two kube-schedulers, which are told at once, ask about pods that it does not know,
// bind what it has not seen bound, and ask for room that it thinks is taken.
func TestLaggingWatch(t *testing.T) {
	for _, mode := range []string{"advise", "decide"} {
		t.Run(mode, func(t *testing.T) {
			p := control(t)
			p.createNodes(t, nodes(5)...)
			b := p.berth(t, "mode: "+mode, lagging(3*time.Second))
			f := newFront(t, b)
			p.schedule(t, f.URL)
			p.schedule(t, f.URL)
			p.createEqualPods(t, 25)
			all := p.waitBound(t, 20, 2*time.Minute)
			p.notOvercommitted(t)
			gone := 0
			for name, o := range all {
				if o.Spec.NodeName != "" && gone < 5 {
					require.NoError(t, p.client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{}))
					gone++
				}
			}
			p.createNodes(t, node("late"))
			for i := range 4 {
				p.createPods(t, pod(fmt.Sprint("more-", i), list("cpu", "1")))
			}
			p.waitBound(t, 24, 2*time.Minute) // of 24 pods, on six nodes
			assert.Len(t, p.pods(t), 24)
			b.allIsWell(t, p)
		})
	}
}
