package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// MemoryInventory is an [Inventory] that is told which nodes there are. The zero value has none. It may
// be used by any number of goroutines, and watched by several. It keeps what is there: nodes that were removed are
// remembered until every watcher was told of it.
type MemoryInventory struct {
	mu       sync.Mutex
	nodes    map[string]NodeEvent
	order    map[string]uint64 // when each was last changed
	changes  uint64
	watchers map[*memoryWatcher]bool
}

// memoryWatcher is a call of Watch, and what it has still to tell.
type memoryWatcher struct {
	events map[string]NodeEvent // by node
	order  map[string]uint64    // which of them comes first
	woken  chan struct{}        // has a token when there are events
}

// NewMemoryInventory returns an inventory of the nodes.
func NewMemoryInventory(nodes ...berth.Node) *MemoryInventory {
	m := &MemoryInventory{}
	m.Set(nodes...)
	return m
}

// Set adds nodes, or replaces their descriptions. A node that is cordoned stays so.
func (m *MemoryInventory) Set(nodes ...berth.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range nodes {
		m.set(NodeEvent{Node: n, Cordoned: m.nodes[n.ID].Cordoned})
	}
}

// Cordon makes nodes take no new tasks. IDs without a node are passed over.
func (m *MemoryInventory) Cordon(ids ...string) {
	m.change(ids, func(e *NodeEvent) { e.Cordoned = true })
}

// Uncordon makes nodes take tasks again. IDs without a node are passed over.
func (m *MemoryInventory) Uncordon(ids ...string) {
	m.change(ids, func(e *NodeEvent) { e.Cordoned = false })
}

// Remove removes nodes. IDs without a node are passed over.
func (m *MemoryInventory) Remove(ids ...string) {
	m.change(ids, func(e *NodeEvent) { *e = NodeEvent{Node: berth.Node{ID: e.Node.ID}, Removed: true} })
}

func (m *MemoryInventory) change(ids []string, f func(*NodeEvent)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if e, ok := m.nodes[id]; ok {
			f(&e)
			m.set(e)
		}
	}
}

func (m *MemoryInventory) set(e NodeEvent) {
	if m.nodes == nil {
		m.nodes, m.order = map[string]NodeEvent{}, map[string]uint64{}
	}
	m.changes++
	id := e.Node.ID
	m.nodes[id], m.order[id] = e, m.changes
	if e.Removed {
		delete(m.nodes, id)
		if delete(m.order, id); len(m.nodes) == 0 {
			m.nodes, m.order = nil, nil // a map keeps the room it once needed
		}
	}
	for w := range m.watchers {
		w.add(e, m.changes)
	}
}

func (w *memoryWatcher) add(e NodeEvent, at uint64) {
	if w.events == nil {
		w.events, w.order = map[string]NodeEvent{}, map[string]uint64{}
	}
	w.events[e.Node.ID], w.order[e.Node.ID] = e, at
	select {
	case w.woken <- struct{}{}:
	default: // it has a token
	}
}

// take returns what a watcher has to tell, in the order of the last changes.
func (m *MemoryInventory) take(w *memoryWatcher) []NodeEvent {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := slices.SortedFunc(maps.Values(w.events), func(a, b NodeEvent) int {
		return cmp.Compare(w.order[a.Node.ID], w.order[b.Node.ID])
	})
	w.events, w.order = nil, nil
	return events
}

// Watch implements [Inventory]. It ends with an error at a node that is refused.
func (m *MemoryInventory) Watch(ctx context.Context, tell func(...NodeEvent) error) error {
	if faults.IsNil(ctx) || tell == nil {
		return errors.New("scheduler: watch: no context, or nobody to tell")
	}
	w := &memoryWatcher{woken: make(chan struct{}, 1)}
	w.woken <- struct{}{} // the first word is due even if there is no node
	m.mu.Lock()
	for id, e := range m.nodes { // in any order: take sorts them
		w.add(e, m.order[id])
	}
	if m.watchers == nil {
		m.watchers = map[*memoryWatcher]bool{}
	}
	m.watchers[w] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	}()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.woken:
		}
		events := m.take(w)
		if len(events) == 0 && !first {
			continue // they were told together with those before
		}
		if err := tell(events...); err != nil {
			return err
		}
	}
}

// MemoryLauncher is a [Launcher] whose tasks are entries in a table: what a simulation or a test needs. The
// zero value is ready. It may be used by any number of goroutines, and by one Run at a time.
//
// It knows no nodes: when one is removed from the inventory its tasks stay in the table, as the processes of a machine
// that cannot be reached would, and a task that is submitted again is refused there while the old one stays. So End
// the tasks of a node that you remove.
type MemoryLauncher struct {
	// OnStart, if set, is called by Start, which fails if it does. It must not be changed while in use.
	OnStart func(ctx context.Context, p Placement) error

	mu      sync.Mutex
	running map[string]TaskEvent // what Watch says first of each
	events  []TaskEvent
	woken   chan struct{}
}

// Start implements [Launcher].
func (m *MemoryLauncher) Start(ctx context.Context, p Placement) error {
	if m.OnStart != nil {
		if err := m.OnStart(ctx, p); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.running[p.Task.ID]; ok {
		return fmt.Errorf("task %q runs on %s", p.Task.ID, at.Node)
	}
	m.run(TaskEvent{p, TaskRunning})
	return nil
}

func (m *MemoryLauncher) run(e TaskEvent) {
	if m.running == nil {
		m.running = map[string]TaskEvent{}
	}
	m.running[e.Task.ID] = e
}

// Stop implements [Launcher].
func (m *MemoryLauncher) Stop(_ context.Context, p Placement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.running[p.Task.ID]; e.Node == p.Node && (e.Attempt == p.Attempt || p.Attempt == 0) {
		delete(m.running, p.Task.ID)
	}
	return nil
}

// Watch implements [Launcher]. Events that are refused, for they are no news, are passed over.
func (m *MemoryLauncher) Watch(ctx context.Context, tell func(...TaskEvent) error) error {
	if faults.IsNil(ctx) || tell == nil {
		return errors.New("scheduler: watch: no context, or nobody to tell")
	}
	for first := true; ; first = false {
		events, woken := m.take(first)
		_ = tell(events...) // the table is right in any case
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-woken:
		}
	}
}

// take returns what happened since the last call, and a channel that is closed when something happens next. The
// first time it also returns everything that runs.
func (m *MemoryLauncher) take(first bool) ([]TaskEvent, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	if first {
		events = slices.DeleteFunc(events, func(e TaskEvent) bool {
			_, runs := m.running[e.Task.ID]
			return runs || e.Status == TaskOrphan
		})
		events = append(events, m.sorted()...)
	}
	if m.woken == nil {
		m.woken = make(chan struct{})
	}
	return events, m.woken
}

func (m *MemoryLauncher) sorted() []TaskEvent {
	return slices.SortedFunc(maps.Values(m.running), func(a, b TaskEvent) int { return cmp.Compare(a.Task.ID, b.Task.ID) })
}

// Running returns what runs, in order of task IDs.
func (m *MemoryLauncher) Running() []Placement {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Placement
	for _, e := range m.sorted() {
		out = append(out, e.Placement)
	}
	return out
}

// End ends tasks, as they do by themselves, and reports them with the status: TaskExited or TaskLost. IDs
// that do not run are passed over.
func (m *MemoryLauncher) End(status TaskStatus, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if e, ok := m.running[id]; ok {
			delete(m.running, id)
			m.event(TaskEvent{e.Placement, status})
		}
	}
}

// Appear makes a task run that nobody started, and reports it as an orphan.
func (m *MemoryLauncher) Appear(p Placement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run(TaskEvent{p, TaskOrphan})
	m.event(TaskEvent{p, TaskOrphan})
}

func (m *MemoryLauncher) event(e TaskEvent) {
	m.events = append(m.events, e)
	if m.woken != nil {
		close(m.woken)
		m.woken = nil
	}
}
