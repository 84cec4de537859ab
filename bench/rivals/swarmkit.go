package rivals

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/go-events"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/scheduler"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// SwarmKit is the scheduler of Docker's swarm mode, which always spreads: over the values of a label if so told, then over nodes.
type SwarmKit struct{}

// Name returns "SwarmKit".
func (SwarmKit) Name() string { return "SwarmKit" }

// Can reports that there are words for all but affinity.
func (SwarmKit) Can(c Case) bool { return c != Affinity }

// Load puts nodes and tasks into a store. The tasks of global services have their nodes already, as its orchestrator hands them in.
func (SwarmKit) Load(_ context.Context, w *Workload) (Instance, error) {
	i := &swarmInstance{w: w, store: store.NewMemoryStore(nil)}
	for from := 0; from < len(w.Nodes); from += swarmBatch {
		err := i.store.Update(func(tx store.Tx) error {
			for _, n := range w.Nodes[from:min(from+swarmBatch, len(w.Nodes))] {
				if err := store.CreateNode(tx, swarmNode(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			i.Close()
			return nil, err
		}
	}
	tasks := swarmTasks(w)
	for from := 0; from < len(tasks); from += swarmBatch {
		err := i.store.Update(func(tx store.Tx) error {
			for _, t := range tasks[from:min(from+swarmBatch, len(tasks))] {
				if err := store.CreateTask(tx, t); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			i.Close()
			return nil, err
		}
	}
	return i, nil
}

// swarmBatch is how many objects go into a transaction: the store refuses larger ones.
const swarmBatch = 100

func swarmNode(n Node) *api.Node {
	return &api.Node{
		ID: n.ID,
		Spec: api.NodeSpec{
			Annotations:  api.Annotations{Name: n.ID, Labels: map[string]string{"zone": n.Zone, "disk": n.Disk}},
			Availability: api.NodeAvailabilityActive,
		},
		Status:      api.NodeStatus{State: api.NodeStatus_READY},
		Description: &api.NodeDescription{Hostname: n.ID, Resources: &api.Resources{NanoCPUs: n.CPU * 1e6, MemoryBytes: n.Memory}},
	}
}

func swarmTasks(w *Workload) (tasks []*api.Task) {
	for _, g := range w.Groups {
		place := &api.Placement{}
		if g.SSD {
			place.Constraints = []string{"node.labels.disk == ssd"}
		}
		if g.Alone {
			place.MaxReplicas = 1
		}
		if g.Zones {
			place.Preferences = []*api.PlacementPreference{{Preference: &api.PlacementPreference_Spread{Spread: &api.SpreadOver{SpreadDescriptor: "node.labels.zone"}}}}
		}
		for k := range g.Tasks {
			t := &api.Task{
				ID: fmt.Sprintf("%s-%d", g.Name, k), ServiceID: g.Name, Slot: uint64(k + 1), SpecVersion: &api.Version{Index: 1},
				ServiceAnnotations: api.Annotations{Name: g.Name},
				DesiredState:       api.TaskStateRunning, Status: api.TaskStatus{State: api.TaskStatePending},
				Spec: api.TaskSpec{
					Resources: &api.ResourceRequirements{Reservations: &api.Resources{NanoCPUs: g.CPU * 1e6, MemoryBytes: g.Memory}},
					Placement: place,
				},
			}
			if g.EveryNode {
				t.NodeID = w.Nodes[k].ID
			}
			tasks = append(tasks, t)
		}
	}
	return tasks
}

type swarmInstance struct {
	w     *Workload
	store *store.MemoryStore
}

// Place runs the loop of the scheduler until all tasks are assigned, or until none has been for a while.
func (i *swarmInstance) Place(ctx context.Context) ([]Placement, []time.Duration, error) {
	const patience = 20 * time.Second
	updates, stop := state.Watch(i.store.WatchQueue(), api.EventUpdateTask{})
	defer stop()
	s := scheduler.New(i.store)
	failed := make(chan error, 1)
	go func() { failed <- s.Run(ctx) }()
	defer s.Stop()

	var placed []Placement
	for left := i.w.Tasks(); left > 0; {
		var e events.Event
		select {
		case e = <-updates:
		case err := <-failed:
			return nil, nil, fmt.Errorf("its loop has ended: %w", err)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(patience):
			return nil, nil, fmt.Errorf("%d tasks are not placed, and nothing has happened for %v", left, patience)
		}
		if t := e.(api.EventUpdateTask).Task; t.NodeID != "" && t.Status.State == api.TaskStateAssigned {
			placed = append(placed, Placement{t.ServiceID, t.NodeID})
			left--
		}
	}
	return placed, nil, nil
}

func (i *swarmInstance) Close() { _ = i.store.Close() }
