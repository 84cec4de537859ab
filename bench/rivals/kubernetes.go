package rivals

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Kubernetes is kube-scheduler's algorithm with its default plugins. As it comes it rates a sample of the nodes, the smaller the more
// nodes there are; Exhaustive has it rate all. It begins no further decision after Budget, if there is one: where a workload would take
// it an hour, its rate is that of the first tasks.
type Kubernetes struct {
	Exhaustive bool
	Budget     time.Duration
}

// Name returns "kube-scheduler" or "kube-scheduler, all nodes".
func (k Kubernetes) Name() string {
	if k.Exhaustive {
		return "kube-scheduler, all nodes"
	}
	return "kube-scheduler"
}

// Can reports that there are words for every case: of a daemon, its controller makes a pod for each node.
func (Kubernetes) Can(Case) bool { return true }

// Load makes a scheduler whose cache has the nodes.
func (k Kubernetes) Load(ctx context.Context, w *Workload) (Instance, error) {
	ctx = klog.NewContext(ctx, klog.Background())
	ctx, stop := context.WithCancel(ctx)
	i := &kubeInstance{w: w, stop: stop, snapshot: cache.NewEmptySnapshot(), pods: kubePods(w), budget: k.Budget}
	client := fake.NewClientset()
	percent := int32(0)
	if k.Exhaustive {
		percent = 100
	}
	nobody := func(string) events.EventRecorderLogger { return &events.FakeRecorder{} }
	var err error
	i.scheduler, err = scheduler.New(ctx, client, informers.NewSharedInformerFactory(client, 0), nil, nobody,
		scheduler.WithNodeInfoSnapshot(i.snapshot), scheduler.WithPercentageOfNodesToScore(&percent))
	if err != nil {
		stop()
		return nil, err
	}
	for _, n := range w.Nodes {
		i.scheduler.Cache.AddNode(klog.Background(), kubeNode(n))
	}
	return i, nil
}

func kubeNode(n Node) *v1.Node {
	room := v1.ResourceList{
		v1.ResourceCPU: *resource.NewMilliQuantity(n.CPU, resource.DecimalSI), v1.ResourceMemory: *resource.NewQuantity(n.Memory, resource.BinarySI),
		v1.ResourcePods: *resource.NewQuantity(1<<20, resource.DecimalSI),
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.ID, Labels: map[string]string{v1.LabelHostname: n.ID, v1.LabelTopologyZone: n.Zone, "disk": n.Disk}},
		Status:     v1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

func kubePods(w *Workload) (pods []*v1.Pod) {
	for _, g := range w.Groups {
		for k := range g.Tasks {
			name := fmt.Sprintf("%s-%d", g.Name, k)
			p := &v1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"group": g.Name}},
				Spec: v1.PodSpec{
					SchedulerName: v1.DefaultSchedulerName,
					Containers: []v1.Container{{Name: "main", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
						v1.ResourceCPU: *resource.NewMilliQuantity(g.CPU, resource.DecimalSI), v1.ResourceMemory: *resource.NewQuantity(g.Memory, resource.BinarySI),
					}}}},
				},
			}
			own := &metav1.LabelSelector{MatchLabels: p.Labels}
			if g.SSD {
				p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
			}
			if g.Zones {
				p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{
					MaxSkew: 1, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: own,
				}}
			}
			if g.Alone || g.Near != "" {
				p.Spec.Affinity = &v1.Affinity{}
			}
			if g.Alone {
				p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{
					LabelSelector: own, TopologyKey: v1.LabelHostname,
				}}}
			}
			if g.Near != "" {
				p.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": g.Near}}, TopologyKey: v1.LabelTopologyZone,
				}}}
			}
			if g.EveryNode {
				p.Spec.Affinity = onlyOn(w.Nodes[k].ID)
			}
			pods = append(pods, p)
		}
	}
	return pods
}

// onlyOn is the affinity that the controller of DaemonSets gives a pod.
func onlyOn(node string) *v1.Affinity {
	return &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
		NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchFields: []v1.NodeSelectorRequirement{{
			Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpIn, Values: []string{node},
		}}}},
	}}}
}

type kubeInstance struct {
	w         *Workload
	stop      context.CancelFunc
	scheduler *scheduler.Scheduler
	snapshot  *cache.Snapshot
	pods      []*v1.Pod
	budget    time.Duration
}

// Place does for each pod what the scheduling cycle does until the pod is assumed.
func (i *kubeInstance) Place(ctx context.Context) (placed []Placement, latencies []time.Duration, err error) {
	logger, profile := klog.Background(), i.scheduler.Profiles[v1.DefaultSchedulerName]
	begin := time.Now()
	for _, pod := range i.pods {
		if i.budget > 0 && time.Since(begin) > i.budget {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		start := time.Now()
		if err := i.scheduler.Cache.UpdateSnapshot(logger, i.snapshot); err != nil {
			return nil, nil, err
		}
		info, err := framework.NewPodInfo(pod)
		if err != nil {
			return nil, nil, err
		}
		found, err := i.scheduler.SchedulePod(ctx, profile, framework.NewCycleState(), &framework.QueuedPodInfo{PodInfo: info})
		if err != nil {
			return nil, nil, err
		}
		assumed := pod.DeepCopy()
		assumed.Spec.NodeName = found.SuggestedHost
		if err := i.scheduler.Cache.AssumePod(logger, assumed); err != nil {
			return nil, nil, err
		}
		latencies = append(latencies, time.Since(start))
		placed = append(placed, Placement{pod.Labels["group"], found.SuggestedHost})
	}
	return placed, latencies, nil
}

func (i *kubeInstance) Close() { i.stop() }
