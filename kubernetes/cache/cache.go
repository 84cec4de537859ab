package cache

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/scheduler"
)

// Config says how a Cache reads objects. The zero value is a good one.
type Config struct {
	// Adapter says how nodes and pods are read. Its Namespaces are the cache's own, by [Cache.SetNamespace], and need not be set.
	Adapter adapter.Config
	// Clock tells the time by which leases end. The default is time.Now.
	Clock func() time.Time
	// Schedulers are the names of the schedulers whose pods count in [Cache.Waiting]. The default is "default-scheduler".
	Schedulers []string
	// Report is told of objects that cannot be taken as they are, such as a node of which something is negative. It is called
	// under the lock of the Cache, and must not call it. The default tells nobody; [Cache.Problems] tells what is wrong now.
	Report func(Problem)
}

// Problem is an object that could not be taken as it is.
type Problem struct {
	Kind   string // "node" or "pod"
	Name   string // of a pod with its namespace: "shop/web-1"
	Err    error
	Effect string // what is done instead
}

// String prints "node n1: the node is not used: ...".
func (p Problem) String() string {
	return fmt.Sprintf("%s %s: %s: %v", p.Kind, p.Name, p.Effect, p.Err)
}

// Cache is what a cluster's API server has told. Its methods may be called by any number of goroutines. The zero Cache is none; New
// makes one.
type Cache struct {
	config  Config
	adapter adapter.Config
	state   *scheduler.State

	set     atomic.Uint64 // moves when a node comes or goes
	changes atomic.Uint64 // moves when one has changed, too

	mu         sync.Mutex
	nodes      map[string]*v1.Node
	pods       map[types.UID]*record
	named      map[types.NamespacedName]types.UID
	homeless   map[string]map[types.UID]bool // pods by the node that they wait for
	groups     map[string]*interned
	namespaces map[string]map[string]string
	choosing   map[types.UID]bool // pods that choose namespaces by label
	nominated  map[types.UID]bool // pods without a node that were nominated to one
	problems   map[string]Problem
	gone       graves
	waiting    []Demand           // by turn
	stuck      map[types.UID]bool // pods that found no room
	retry      bool               // there may be more room by now
	synced     bool
	heard      time.Time
}

// New returns a cache of an empty cluster.
func New(config Config) (*Cache, error) {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if len(config.Schedulers) == 0 {
		config.Schedulers = []string{v1.DefaultSchedulerName}
	}
	c := &Cache{
		config: config, adapter: config.Adapter,
		nodes: map[string]*v1.Node{}, pods: map[types.UID]*record{}, named: map[types.NamespacedName]types.UID{},
		homeless: map[string]map[types.UID]bool{}, groups: map[string]*interned{}, namespaces: map[string]map[string]string{},
		choosing: map[types.UID]bool{}, nominated: map[types.UID]bool{}, problems: map[string]Problem{}, stuck: map[types.UID]bool{},
	}
	if c.adapter.Namespaces == nil {
		c.adapter.Namespaces = func() map[string]map[string]string { return c.namespaces }
	}
	var err error
	if c.state, err = scheduler.NewState(scheduler.StateConfig{Clock: config.Clock}); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return c, nil
}

// State returns the cluster in berth's words. Snapshots of it may be taken at any time; who places something in it does so through
// [Cache.Hold], or the cache knows nothing of it.
func (c *Cache) State() *scheduler.State { return c.state }

// Devices returns the kinds of devices that objects are read with. They are not to be changed.
func (c *Cache) Devices() []adapter.Devices { return c.config.Adapter.Devices }

// Now returns the time by the cache's clock.
func (c *Cache) Now() time.Time { return c.config.Clock() }

// MarkSynced says that all objects which there were at the beginning have been told: from now on the cache is the cluster.
func (c *Cache) MarkSynced() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = true
	c.heard = c.config.Clock()
}

// Heard says that the API server is there, and that what it tells arrives.
func (c *Cache) Heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = c.config.Clock()
}

// Synced reports whether MarkSynced was called, and how long ago the API server was last heard of.
func (c *Cache) Synced() (synced bool, silent time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.synced {
		return false, 0
	}
	return true, max(c.config.Clock().Sub(c.heard), 0)
}

// Problems returns what cannot be taken as it is now, by kind and name.
func (c *Cache) Problems() []Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Problem, 0, len(c.problems))
	for _, p := range c.problems {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return out
}

func (c *Cache) problem(kind, name, effect string, err error) {
	key := kind + " " + name
	if err == nil {
		delete(c.problems, key)
		return
	}
	p := Problem{Kind: kind, Name: name, Err: err, Effect: effect}
	if was, ok := c.problems[key]; ok && was.String() == p.String() {
		return
	}
	c.problems[key] = p
	if c.config.Report != nil {
		c.config.Report(p)
	}
}

// SetNamespace says that there is a namespace, or that its labels are others. Pods whose affinities choose namespaces by label are
// read anew.
func (c *Cache) SetNamespace(n *v1.Namespace) {
	if n == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	labels := make(map[string]string, len(n.Labels))
	for key, value := range n.Labels {
		labels[key] = value
	}
	c.namespaces[n.Name] = labels
	c.readChoosing()
}

// DeleteNamespace says that a namespace is gone.
func (c *Cache) DeleteNamespace(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.namespaces, name)
	c.readChoosing()
}

func (c *Cache) readChoosing() {
	for _, uid := range slices.Sorted(maps.Keys(c.choosing)) {
		if r := c.pods[uid]; r != nil {
			c.setPod(r.pod, true)
		}
	}
}

// SetNode says that there is a node, or that it is described otherwise. Pods that waited for it are on it from now on.
func (c *Cache) SetNode(n *v1.Node) {
	if n == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	node, _ := c.adapter.Node(n)
	version := c.state.Version()
	if err := c.state.UpsertNodes(node); err != nil {
		effect := "the node is not used"
		if _, known := c.nodes[n.Name]; known {
			effect = "the node is taken to be as it was"
		}
		c.problem("node", n.Name, effect, err)
		return
	}
	c.problem("node", n.Name, "", nil)
	_, known := c.nodes[n.Name]
	if !known {
		c.set.Add(1)
	}
	c.nodes[n.Name] = n
	if c.state.Version() != version {
		c.changes.Add(1)
		c.more()
	}
	if known {
		return
	}
	waiting := c.homeless[n.Name]
	delete(c.homeless, n.Name)
	for _, uid := range slices.Sorted(maps.Keys(waiting)) { // in this order they get devices that nobody has told of
		c.settle(c.pods[uid])
	}
}

// DeleteNode says that a node is gone. Its pods wait for it from now on, and what was held there is no longer.
func (c *Cache) DeleteNode(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem("node", name, "", nil)
	if _, known := c.nodes[name]; !known {
		return
	}
	view, ok := c.state.Node(name)
	delete(c.nodes, name)
	c.set.Add(1)
	if !ok {
		return
	}
	var tasks []string
	for t := range view.Tasks() {
		tasks = append(tasks, t.ID)
	}
	if err := c.state.RemoveNodes(name); err != nil {
		c.problem("node", name, "the node stays, though it is gone", err)
		return
	}
	c.changes.Add(1)
	for _, id := range tasks {
		c.release(id) // it is lost with the node
		r := c.pods[types.UID(id)]
		if r == nil {
			continue
		}
		r.lease = lease{}
		switch {
		case r.node == name:
			c.wait(r)
		case !r.watched:
			c.forget(r)
		default:
			c.count(r)
		}
	}
}

// Node returns a node as it was last told.
func (c *Cache) Node(name string) (*v1.Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.nodes[name]
	return n, ok
}

// NodeSet returns a number that moves whenever a node comes or goes, for those who keep something for each. It takes no lock.
func (c *Cache) NodeSet() uint64 { return c.set.Load() }

// NodeChanges returns a number that moves whenever a node comes, goes or is described otherwise. It takes no lock.
func (c *Cache) NodeChanges() uint64 { return c.changes.Load() }

// Len returns how many nodes and pods are known.
func (c *Cache) Len() (nodes, pods int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.nodes), len(c.pods)
}

// interned is a group that several pods share.
type interned struct {
	group *berth.Group
	pods  int
}

// share returns the group that equals g and that other pods have as well, so that what is kept for a group is kept once.
func (c *Cache) share(g *berth.Group) *berth.Group {
	key := g.Fingerprint()
	if key == "" {
		return g // at fault
	}
	i := c.groups[key]
	if i == nil {
		i = &interned{group: g}
		c.groups[key] = i
	}
	i.pods++
	return i.group
}

func (c *Cache) unshare(g *berth.Group) {
	if g == nil {
		return
	}
	key := g.Fingerprint()
	if i := c.groups[key]; i != nil {
		if i.pods--; i.pods == 0 {
			delete(c.groups, key)
		}
	}
}

// graves are the UIDs of pods that were deleted lately, so that late news of one do not bring it back.
type graves struct {
	in   map[types.UID]bool
	ring []types.UID
	next int
}

const mostGraves = 1 << 13

func (g *graves) add(uid types.UID) {
	if g.in == nil {
		g.in = map[types.UID]bool{}
	}
	if g.in[uid] {
		return
	}
	g.in[uid] = true
	if len(g.ring) < mostGraves {
		g.ring = append(g.ring, uid)
		return
	}
	delete(g.in, g.ring[g.next])
	g.ring[g.next] = uid
	g.next = (g.next + 1) % mostGraves
}
