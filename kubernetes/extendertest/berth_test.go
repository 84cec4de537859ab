package extendertest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
	"github.com/berth-sched/berth/kubernetes/extendertest"
)

// clock goes by itself, and faster where a test says so.
type clock struct {
	mu   sync.Mutex
	more time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.more)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more += d
}

// berths returns berth's own extender.
func berths(mode extender.Mode) func(*extendertest.API) (extendertest.Extender, error) {
	return func(api *extendertest.API) (extendertest.Extender, error) {
		at := &clock{}
		c, err := cache.New(cache.Config{Clock: at.Now})
		if err != nil {
			return extendertest.Extender{}, err
		}
		// What is played here asks about full nodes too, where kube-scheduler would not, and is to be told that they are.
		e, err := extender.New(extender.Config{Cache: c, Client: api, Mode: mode, RetryFor: -1})
		return extendertest.Extender{
			Handler: e, Synced: c.MarkSynced, Tell: feed(c),
			Pass: func(d time.Duration) {
				at.pass(d)
				c.Heard()
				e.Tidy(context.Background())
			},
		}, err
	}
}

// feed tells a cache of what a watch tells.
func feed(c *cache.Cache) func(watch.Event) {
	return func(e watch.Event) {
		switch o := e.Object.(type) {
		case *v1.Node:
			if e.Type == watch.Deleted {
				c.DeleteNode(o.Name)
			} else {
				c.SetNode(o)
			}
		case *v1.Pod:
			if e.Type == watch.Deleted {
				c.DeletePod(o)
			} else {
				c.SetPod(o)
			}
		}
	}
}

func TestBerthAdvises(t *testing.T) {
	extendertest.Run(t, extendertest.Config{New: berths(extender.Advise), MostBody: 16 << 20})
}

func TestBerthDecides(t *testing.T) {
	extendertest.Run(t, extendertest.Config{New: berths(extender.Decide), MostBody: 16 << 20})
}
