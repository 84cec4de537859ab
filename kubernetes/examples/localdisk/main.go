// Localdisk is a scheduler extender of one's own in a page: pods ask for a part of one local disk by an annotation, nodes tell of their disks by
// another, and each pod is told by a third which disk it has. The cache, the leases, the races, restarts and what goes wrong on the way are
// berth's; what is said here is what a disk is, and which nodes are better.
//
//	node: example.com/disks: "nvme0=500Gi nvme1=1Ti"
//	pod:  example.com/disk: "200Gi"
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// disks reads the two annotations: a disk is a device with a capacity of bytes, of which a pod takes some.
var disks = adapter.Config{
	OfNode: func(n *v1.Node, out *berth.Node) error {
		for _, disk := range strings.Fields(n.Annotations["example.com/disks"]) {
			name, size, _ := strings.Cut(disk, "=")
			q, err := resource.ParseQuantity(size)
			if err != nil {
				return fmt.Errorf("disk %q: %w", disk, err)
			}
			out.Devices = append(out.Devices, berth.Device{Class: "disk", ID: name, Capacity: berth.Resources{"bytes": q.Value()}})
		}
		return nil
	},
	OfPod: func(p *v1.Pod, out *berth.GroupSpec) error {
		size, asks := p.Annotations["example.com/disk"]
		if !asks {
			return nil
		}
		q, err := resource.ParseQuantity(size)
		if err != nil {
			return fmt.Errorf("disk of %q: %w", size, err)
		}
		out.Devices = append(out.Devices, berth.DeviceRequest{Class: "disk", Amounts: berth.Resources{"bytes": q.Value()}})
		return nil
	},
}

// handler answers filter, bind and preempt as berth does, and prioritize in its own way: pods that ask for no disk go where there are none.
func handler(c *cache.Cache, client extender.Client) (http.Handler, *extender.Extender, error) {
	e, err := extender.New(extender.Config{Cache: c, Client: client})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", e)
	mux.HandleFunc("POST /prioritize", func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&args); err != nil || args.Pod == nil || args.NodeNames == nil {
			http.Error(w, "a pod and NodeNames are needed", http.StatusBadRequest)
			return
		}
		_, asks := args.Pod.Annotations["example.com/disk"]
		scores := extenderv1.HostPriorityList{}
		for _, name := range *args.NodeNames {
			score := int64(0)
			if n, ok := c.State().Node(name); ok && (n.Capacity()["disk"] > 0) == asks {
				score = extenderv1.MaxExtenderPriority
			}
			scores = append(scores, extenderv1.HostPriority{Host: name, Score: score})
		}
		_ = json.NewEncoder(w).Encode(scores) // who asked may be gone
	})
	return mux, e, nil
}

func main() {
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	c, err := cache.New(cache.Config{Adapter: disks})
	if err != nil {
		log.Fatal(err)
	}
	h, e, err := handler(c, extender.NewClient(client, nil))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	go func() { log.Fatal(cache.Watch(ctx, c, client, cache.WatchConfig{})) }()
	go func() { log.Fatal(e.Run(ctx)) }()
	log.Fatal(http.ListenAndServe("127.0.0.1:8888", h))
}
