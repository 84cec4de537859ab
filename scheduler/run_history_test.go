package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// unreliable is a launcher whose starts and stops take time, fail, and do not know, by a hash of what they are asked. It
// notes when two runs of one ID are on nodes that exist.
type unreliable struct {
	seed uint64

	mu      sync.Mutex
	calm    bool
	gone    map[string]bool                           // nodes
	runs    map[string]map[uint64]scheduler.Placement // by ID and attempt
	unsure  map[string]scheduler.Placement            // of which Start did not know
	busy    map[string]bool                           // tasks of which a call is under way
	asked   map[string]int
	tell    func(...scheduler.TaskEvent) error
	faults  []string
	stopped int
}

func (w *unreliable) roll(what string, p scheduler.Placement) uint64 {
	key := fmt.Sprint(w.seed, what, p.Task.ID)
	w.asked[key]++
	h := fnv.New64a()
	fmt.Fprint(h, key, w.asked[key])
	return h.Sum64() >> 8
}

// enter begins a call, and returns how it goes.
func (w *unreliable) enter(what string, p scheduler.Placement) uint64 {
	w.mu.Lock()
	x := w.roll(what, p)
	if w.busy[p.Task.ID] {
		w.faults = append(w.faults, fmt.Sprintf("%s of %v: another call is under way", what, p))
	}
	w.busy[p.Task.ID] = true
	if w.calm {
		x = 0
	}
	w.mu.Unlock()
	time.Sleep(time.Duration(x%7) * time.Second)
	w.mu.Lock()
	w.busy[p.Task.ID] = false
	return x / 7 % 10
}

func (w *unreliable) Start(_ context.Context, p scheduler.Placement) error {
	how := w.enter("start", p)
	defer w.mu.Unlock()
	if how == 1 {
		return errors.New("no image")
	}
	if how == 2 || how == 3 {
		w.unsure[p.Task.ID] = p
		if how == 3 {
			w.run(p)
		}
		return context.DeadlineExceeded
	}
	w.run(p)
	return nil
}

func (w *unreliable) run(p scheduler.Placement) {
	id := p.Task.ID
	for _, other := range w.runs[id] {
		if !w.gone[other.Node] {
			w.faults = append(w.faults, fmt.Sprintf("%v runs twice: as %d on %s too", p, other.Attempt, other.Node))
		}
	}
	if w.runs[id] == nil {
		w.runs[id] = map[uint64]scheduler.Placement{}
	}
	w.runs[id][p.Attempt] = p
}

func (w *unreliable) Stop(_ context.Context, p scheduler.Placement) error {
	how := w.enter("stop", p)
	defer w.mu.Unlock()
	if how == 1 {
		return errors.New("no answer")
	}
	w.stopped++
	delete(w.runs[p.Task.ID], p.Attempt)
	delete(w.unsure, p.Task.ID)
	return nil
}

func (w *unreliable) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	var all []scheduler.TaskEvent
	w.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(w.runs)) {
		for _, p := range w.runs[id] {
			if !w.gone[p.Node] {
				all = append(all, scheduler.TaskEvent{Placement: p})
			}
		}
	}
	w.tell = tell
	w.mu.Unlock()
	if err := tell(all...); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// settle reports what became of one task of which Start did not know, or ends one that runs.
func (w *unreliable) settle(x int) {
	w.mu.Lock()
	var e scheduler.TaskEvent
	ids := slices.Sorted(maps.Keys(w.unsure))
	if len(ids) > 0 {
		id := ids[x%len(ids)]
		e.Placement, e.Status = w.unsure[id], scheduler.TaskLost
		if _, runs := w.runs[id][e.Attempt]; runs {
			e.Status = scheduler.TaskRunning
		}
		delete(w.unsure, id)
	} else {
		for _, id := range slices.Sorted(maps.Keys(w.runs)) {
			for _, p := range w.runs[id] {
				if x--; x == 0 {
					e.Placement, e.Status = p, scheduler.TaskExited
					delete(w.runs[id], p.Attempt)
				}
			}
		}
	}
	tell := w.tell
	w.mu.Unlock()
	if e.Task.ID != "" {
		_ = tell(e) // it may be of an earlier attempt, or of a node that is gone
	}
}

// Whatever the launcher, the nodes and the host do, every task that is wanted runs in the end, once, where the State
// says, and no other does. Runs end and others take over.
func TestRunLosesNoTask(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 30
	}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) { runHistory(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func runHistory(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &unreliable{
		seed: seed, gone: map[string]bool{}, busy: map[string]bool{}, asked: map[string]int{},
		runs: map[string]map[uint64]scheduler.Placement{}, unsure: map[string]scheduler.Placement{},
	}
	s := &site{inventory: scheduler.NewMemoryInventory(node("n0", 6000), node("n1", 6000))}
	var mu sync.Mutex
	wanted := map[string]bool{}
	begin := func() {
		// What an ended Run did not know stays assumed until it expires, long after all else.
		s.start(t, scheduler.StateConfig{AssumeFor: 10 * time.Minute}, func(c *scheduler.RunConfig) {
			c.Launcher, c.Launches, c.RetryAtMost = w, 3, 10*time.Second
			log := c.Report
			c.Report = func(e scheduler.Event) {
				log(e)
				mu.Lock()
				defer mu.Unlock()
				switch e.Kind {
				case scheduler.Exited:
					delete(wanted, e.Task.ID)
				case scheduler.Lost, scheduler.Expired:
					if wanted[e.Task.ID] {
						_ = s.queue.Submit(e.Task) // it fails if the task waits already
					}
				}
			}
		})
	}
	begin()
	var history []string
	newest := 1
	web := webGroup(1000)
	for range 60 {
		id := fmt.Sprintf("web-%d", rng.IntN(6))
		what := ""
		mu.Lock()
		switch x := rng.IntN(16); {
		case x < 6 && !wanted[id]:
			what = "submit " + id
			wanted[id] = true
			assert.NoError(t, s.queue.Submit(web.Task(id)))
		case x < 9 && wanted[id]:
			what = "cancel " + id
			delete(wanted, id)
			s.queue.Cancel(id)
			if rng.IntN(2) == 0 {
				what += " and submit"
				wanted[id] = true
				assert.NoError(t, s.queue.Submit(web.Task(id)))
			}
		case x == 9:
			old := fmt.Sprintf("n%d", newest-1)
			newest++
			what = "lose node " + old
			w.mu.Lock()
			w.gone[old] = true
			w.mu.Unlock()
			s.inventory.Set(node(fmt.Sprintf("n%d", newest), 6000))
			if rng.IntN(2) == 0 {
				assert.NoError(t, s.state.RemoveNodes(old))
			}
			s.inventory.Remove(old)
		case x == 10:
			mu.Unlock()
			what = "run again"
			s.stop(t)
			for task := range snapshotOf(t, s.state).Group("web") { // what was not stopped, but never ran either
				if task.State == berth.Stopping && len(w.runs[task.ID]) == 0 {
					assert.NoError(t, s.state.Release(task.ID))
				}
			}
			begin()
			mu.Lock()
		}
		mu.Unlock()
		if what == "" {
			synctest.Wait()
			what = "settle"
			w.settle(1 + rng.IntN(6))
		}
		d := time.Duration(rng.IntN(4)) * time.Second
		history = append(history, what, s.after(d))
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	for range 20 {
		history = append(history, s.after(time.Minute))
		w.mu.Lock()
		unsure := len(w.unsure) > 0
		w.mu.Unlock()
		if unsure {
			w.settle(1)
		}
	}
	runs, state := map[string]string{}, map[string]string{}
	for id, attempts := range w.runs {
		for _, p := range attempts {
			if !w.gone[p.Node] {
				runs[id] += p.Node
			}
		}
	}
	for task := range snapshotOf(t, s.state).Group("web") {
		if task.State != berth.Lost {
			state[task.ID] = task.Node
			assert.Equal(t, berth.Running, task.State, task.ID)
		}
	}
	ids := slices.Sorted(maps.Keys(wanted))
	assert.Equal(t, ids, slices.Sorted(maps.Keys(state)), "what is wanted is in the State")
	assert.Equal(t, state, runs, "and runs there")
	assert.Empty(t, w.faults)
	assert.Empty(t, s.queue.Waiting())
	if t.Failed() {
		for _, h := range history {
			t.Log(h)
		}
	}
	s.stop(t)
}
