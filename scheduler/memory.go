package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/berth-sched/berth"
)

// MemoryInventory is an [Inventory] that is told which nodes there are. The zero value has none. It may
// be used by any number of goroutines.
type MemoryInventory struct {
	mu      sync.Mutex
	nodes   map[string]*memoryNode
	changes uint64
	woken   chan struct{}
}

type memoryNode struct {
	NodeEvent
	at uint64 // the change that made it so
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
		cordoned := false
		if old := m.nodes[n.ID]; old != nil && !old.Removed {
			cordoned = old.Cordoned
		}
		m.set(NodeEvent{Node: n, Cordoned: cordoned})
	}
}

// Cordon makes nodes take no new tasks or, with cordon false, take them again. IDs without a node are
// passed over.
func (m *MemoryInventory) Cordon(cordon bool, ids ...string) {
	m.change(ids, func(e *NodeEvent) { e.Cordoned = cordon })
}

// Remove removes nodes. IDs without a node are passed over.
func (m *MemoryInventory) Remove(ids ...string) {
	m.change(ids, func(e *NodeEvent) { e.Removed = true })
}

func (m *MemoryInventory) change(ids []string, f func(*NodeEvent)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if n := m.nodes[id]; n != nil && !n.Removed {
			e := n.NodeEvent
			f(&e)
			m.set(e)
		}
	}
}

func (m *MemoryInventory) set(e NodeEvent) {
	if m.nodes == nil {
		m.nodes = map[string]*memoryNode{}
	}
	m.changes++
	m.nodes[e.Node.ID] = &memoryNode{e, m.changes}
	if m.woken != nil {
		close(m.woken)
		m.woken = nil
	}
}

// since returns the nodes that changed after a change, in the order they did, the last change, and a
// channel that is closed at the next.
func (m *MemoryInventory) since(at uint64) ([]NodeEvent, uint64, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var nodes []*memoryNode
	for n := range maps.Values(m.nodes) {
		if n.at > at {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *memoryNode) int { return cmp.Compare(a.at, b.at) })
	events := make([]NodeEvent, len(nodes))
	for i, n := range nodes {
		events[i] = n.NodeEvent
	}
	if m.woken == nil {
		m.woken = make(chan struct{})
	}
	return events, m.changes, m.woken
}

// Watch implements [Inventory]. It ends with an error at a node that is refused.
func (m *MemoryInventory) Watch(ctx context.Context, tell func(...NodeEvent) error) error {
	var at uint64
	for {
		events, last, woken := m.since(at)
		if err := tell(events...); err != nil {
			return err
		}
		at = last
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-woken:
		}
	}
}

// MemoryLauncher is a [Launcher] whose tasks are entries in a table: what a simulation or a test needs. The
// zero value is ready. It may be used by any number of goroutines.
type MemoryLauncher struct {
	// OnStart, if set, is called by Start, which fails if it does. It must not be changed while in use.
	OnStart func(ctx context.Context, p Placement) error

	mu      sync.Mutex
	running map[string]Placement
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
	if m.running == nil {
		m.running = map[string]Placement{}
	}
	m.running[p.Task.ID] = p
	return nil
}

// Stop implements [Launcher].
func (m *MemoryLauncher) Stop(_ context.Context, p Placement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running[p.Task.ID].Node == p.Node {
		delete(m.running, p.Task.ID)
	}
	return nil
}

// Watch implements [Launcher]. Events that are refused, for they are no news, are passed over.
func (m *MemoryLauncher) Watch(ctx context.Context, tell func(TaskEvent) error) error {
	for {
		m.mu.Lock()
		events := m.events
		m.events = nil
		if m.woken == nil {
			m.woken = make(chan struct{})
		}
		woken := m.woken
		m.mu.Unlock()
		for _, e := range events {
			_ = tell(e) // the table is right in any case
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-woken:
		}
	}
}

// Running returns what runs, in order of task IDs.
func (m *MemoryLauncher) Running() []Placement {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.running), func(a, b Placement) int { return cmp.Compare(a.Task.ID, b.Task.ID) })
}

// End ends tasks, as they do by themselves, and reports them with the status: TaskExited or TaskLost. IDs
// that do not run are passed over.
func (m *MemoryLauncher) End(status TaskStatus, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if p, ok := m.running[id]; ok {
			delete(m.running, id)
			m.event(TaskEvent{p, status})
		}
	}
}

// Appear makes a task run that nobody started, and reports it as an orphan.
func (m *MemoryLauncher) Appear(p Placement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running == nil {
		m.running = map[string]Placement{}
	}
	m.running[p.Task.ID] = p
	m.event(TaskEvent{p, TaskOrphan})
}

func (m *MemoryLauncher) event(e TaskEvent) {
	m.events = append(m.events, e)
	if m.woken != nil {
		close(m.woken)
		m.woken = nil
	}
}
