package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// rack is an inventory that never changes.
type rack []berth.Node

func (r rack) Watch(_ context.Context, tell func(...scheduler.NodeEvent) error) error {
	var all []scheduler.NodeEvent
	for _, n := range r {
		all = append(all, scheduler.NodeEvent{Node: n})
	}
	return tell(all...) // there is nothing more to tell
}

// shell is a launcher whose processes are goroutines that wait for their end. It keeps the placement of each, and sends
// it back with all that it tells.
type shell struct {
	mu        sync.Mutex
	processes map[string]*process // by task
	ended     chan scheduler.TaskEvent
}

type process struct {
	scheduler.Placement
	end  context.CancelFunc
	done chan struct{}
}

func newShell() *shell {
	return &shell{processes: map[string]*process{}, ended: make(chan scheduler.TaskEvent, 100)}
}

func (s *shell) Start(_ context.Context, p scheduler.Placement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.processes[p.Task.ID] != nil {
		return errors.New("it runs")
	}
	life, end := context.WithCancel(context.Background()) // a process outlives the call, and Run
	now := &process{p, end, make(chan struct{})}
	s.processes[p.Task.ID] = now
	go func() {
		<-life.Done() // it works
		close(now.done)
	}()
	return nil
}

func (s *shell) Stop(ctx context.Context, p scheduler.Placement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.processes[p.Task.ID]
	if now == nil || p.Attempt != 0 && p.Attempt != now.Attempt {
		return nil // what runs is a later run of the task, which is not to be stopped
	}
	now.end()
	select {
	case <-now.done:
		delete(s.processes, p.Task.ID)
		return nil
	case <-ctx.Done():
		return ctx.Err() // Run asks again
	}
}

// exit has a process end by itself.
func (s *shell) exit(task string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.processes[task]; now != nil {
		now.end()
		<-now.done
		delete(s.processes, task)
		s.ended <- scheduler.TaskEvent{Placement: now.Placement, Status: scheduler.TaskExited}
	}
}

func (s *shell) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	var running []scheduler.TaskEvent
	s.mu.Lock()
	for _, now := range s.processes {
		running = append(running, scheduler.TaskEvent{Placement: now.Placement})
	}
	s.mu.Unlock()
	if err := tell(running...); err != nil { // also if there are none: nothing is started before
		return err
	}
	for {
		select {
		case e := <-s.ended:
			if err := tell(e); err != nil {
				fmt.Println(err) // the event was late
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// A host brings an inventory and a launcher, and says what is to run.
func ExampleRun() {
	state, err := scheduler.NewState(scheduler.StateConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	var queue scheduler.Queue
	if err := queue.Submit(web.Tasks(3)...); err != nil {
		fmt.Println(err)
		return
	}
	launcher := newShell()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = scheduler.Run(ctx, scheduler.RunConfig{
		State:     state,
		Queue:     &queue,
		Inventory: rack{{ID: "n1", Capacity: berth.Resources{"cpu": 1000}}, {ID: "n2", Capacity: berth.Resources{"cpu": 1000}}},
		Launcher:  launcher,
		Launches:  1, // for the order of what this example prints
		Report: func(e scheduler.Event) {
			fmt.Println(e)
			switch {
			case e.Kind == scheduler.Started && e.Task.ID == "web-2":
				launcher.exit("web-1") // and web-3 gets its room
			case e.Kind == scheduler.Started && e.Task.ID == "web-3":
				queue.Cancel("web-2")
			case e.Kind == scheduler.Stopped:
				cancel()
			}
		},
	})
	fmt.Println(err)
	// Output:
	// unplaced web-3: 0/2 nodes: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do
	// started web-1 on n1
	// started web-2 on n2
	// exited web-1 on n1
	// started web-3 on n1
	// stopped web-2 on n2
	// context canceled
}
