package cache

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// WatchConfig says how an API server is watched. The zero value is a good one.
type WatchConfig struct {
	// Ping asks the API server whether it is there, every PingEvery. The default asks for its version, every 5 seconds.
	Ping      func(context.Context) error
	PingEvery time.Duration
	// Silent is told why a ping failed. The default tells nobody; how long the API server was not heard of tells [Cache.Synced].
	Silent func(error)
}

// Watch feeds a cache with the nodes, pods and namespaces of an API server until the context ends, whose cause it returns. Once
// all that there was at the beginning has been told it calls [Cache.MarkSynced]. It needs the rights to list and watch the three. What
// the client lists again after a broken watch, and objects of one name that come and go unseen meanwhile, arrive as they should.
func Watch(ctx context.Context, c *Cache, client kubernetes.Interface, config WatchConfig) error {
	if config.Ping == nil {
		config.Ping = func(context.Context) error {
			_, err := client.Discovery().ServerVersion()
			return err
		}
	}
	if config.PingEvery <= 0 {
		config.PingEvery = 5 * time.Second
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(lean))
	core := factory.Core().V1()
	var synced []cache.InformerSynced
	for _, watched := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{core.Namespaces().Informer(), handler(c.SetNamespace, func(n *v1.Namespace) { c.DeleteNamespace(n.Name) })},
		{core.Nodes().Informer(), handler(c.SetNode, func(n *v1.Node) { c.DeleteNode(n.Name) })},
		{core.Pods().Informer(), handler(c.SetPod, c.DeletePod)},
	} {
		registered, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return fmt.Errorf("cache: watch: %w", err)
		}
		synced = append(synced, registered.HasSynced)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return context.Cause(ctx)
	}
	c.MarkSynced()
	ticker := time.NewTicker(config.PingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		if err := config.Ping(ctx); err == nil {
			c.Heard()
		} else if config.Silent != nil {
			config.Silent(err)
		}
	}
}

// object is what an informer tells of.
type object interface {
	metav1.Object
	comparable
}

// handler hands objects on one by one. That of another UID under a name that is known is another object.
func handler[T object](set, gone func(T)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(now any) {
			if o, ok := now.(T); ok {
				set(o)
			}
		},
		UpdateFunc: func(before, now any) {
			o, ok := now.(T)
			if !ok {
				return
			}
			if was, ok := before.(T); ok && was.GetUID() != o.GetUID() {
				gone(was)
			}
			set(o)
		},
		DeleteFunc: func(last any) {
			if unknown, ok := last.(cache.DeletedFinalStateUnknown); ok {
				last = unknown.Obj
			}
			if o, ok := last.(T); ok {
				gone(o)
			}
		},
	}
}

// lean drops what nobody reads here and what takes most of the room.
func lean(o any) (any, error) {
	if object, ok := o.(metav1.ObjectMetaAccessor); ok {
		object.GetObjectMeta().SetManagedFields(nil)
	}
	return o, nil
}
