package fit

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

// Pool is the devices of a node in an order that does not tell which of several alike is which: by kind, and those of one kind by
// what is free of them. Two nodes on which as many devices of each kind have as much free have equal pools.
type Pool struct {
	node  *berth.Node
	kinds []int32
	free  []int64
	plain bool  // whether devices of these kinds have no amounts
	at    []int // by index in the node's list: where the amounts of the device stand among what is free; nothing where they are plain
	order []int // indexes in the node's list
	keys  []int64
	runs  []run
}

// run is places of the order, of devices that are alike.
type run struct{ first, n int }

// Kinds returns a number for each device of a node: those of equal class, model, health and capacity have the same, and the
// numbers are in the order of these.
func Kinds(n *berth.Node) []int32 {
	if len(n.Devices) == 0 {
		return nil
	}
	order := make([]int, len(n.Devices))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareKinds(&n.Devices[a], &n.Devices[b]) })
	kinds := make([]int32, len(order))
	kind := int32(0)
	for k, i := range order {
		if k > 0 && compareKinds(&n.Devices[order[k-1]], &n.Devices[i]) != 0 {
			kind++
		}
		kinds[i] = kind
	}
	return kinds
}

func compareKinds(a, b *berth.Device) int {
	if c := cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Model, b.Model)); c != 0 {
		return c
	}
	if a.Unhealthy != b.Unhealthy {
		if a.Unhealthy {
			return 1
		}
		return -1
	}
	if len(a.Capacity)+len(b.Capacity) == 0 {
		return 0
	}
	names := slices.Sorted(maps.Keys(a.Capacity))
	if c := slices.Compare(names, slices.Sorted(maps.Keys(b.Capacity))); c != 0 {
		return c
	}
	for _, name := range names {
		if c := cmp.Compare(a.Capacity[name], b.Capacity[name]); c != 0 {
			return c
		}
	}
	return 0
}

// Set makes it the pool of a node's devices, of which kinds are what Kinds says, given what is free of them. It keeps both lists.
func (p *Pool) Set(n *berth.Node, kinds []int32, free []int64) {
	if len(kinds) == 0 || len(p.kinds) != len(kinds) || &p.kinds[0] != &kinds[0] { // of the same kinds they are plain or not as before
		p.plain = !slices.ContainsFunc(n.Devices, func(d berth.Device) bool { return len(d.Capacity) > 0 })
	}
	p.node, p.kinds = n, kinds
	p.at, p.order, p.runs = p.at[:0], p.order[:0], p.runs[:0]
	at := len(n.Devices)
	if !p.plain {
		for i := range n.Devices {
			p.at = append(p.at, at)
			at += len(n.Devices[i].Capacity)
		}
	}
	if len(free) < at { // what is not told is not free
		free = append(slices.Clone(free), make([]int64, at-len(free))...)
	}
	p.free = free
	p.sort()
	for k, i := range p.order {
		if k > 0 && p.keys[k-1] == p.keys[k] && (p.plain || p.compareAmounts(p.order[k-1], i) == 0) {
			p.runs[len(p.runs)-1].n++
		} else {
			p.runs = append(p.runs, run{k, 1})
		}
	}
}

// sort puts the devices in order, by keys of kind and units first. A node has few as a rule, and most are in order.
func (p *Pool) sort() {
	const unitBits = 32 // more than as many tasks take of a device as were adopted on it
	keyOf := func(i int) int64 { return int64(p.kinds[i])<<unitBits + p.free[i] }
	p.keys = p.keys[:0]
	const few = 32
	if len(p.kinds) > few {
		for i := range p.kinds {
			p.order = append(p.order, i)
		}
		slices.SortFunc(p.order, func(i, j int) int {
			return cmp.Or(cmp.Compare(keyOf(i), keyOf(j)), p.compareAmounts(i, j), cmp.Compare(i, j))
		})
		for _, i := range p.order {
			p.keys = append(p.keys, keyOf(i))
		}
		return
	}
	for i := range p.kinds {
		key, k := keyOf(i), len(p.keys)
		p.keys, p.order = append(p.keys, key), append(p.order, i)
		for ; k > 0 && (p.keys[k-1] > key || p.keys[k-1] == key && p.compareAmounts(p.order[k-1], i) > 0); k-- {
			p.keys[k], p.order[k] = p.keys[k-1], p.order[k-1]
		}
		p.keys[k], p.order[k] = key, i
	}
}

func (p *Pool) compareAmounts(i, j int) int {
	if p.plain {
		return 0
	}
	return slices.Compare(p.Amounts(i), p.Amounts(j))
}

// Order returns the indexes of the devices in the node's list, in the order of the pool.
func (p *Pool) Order() []int { return p.order }

// Units returns what is free of the units of a device, and Amounts of its amounts, by name, given its index in the node's list.
func (p *Pool) Units(i int) int64 { return p.free[i] }
func (p *Pool) Amounts(i int) []int64 {
	if p.plain {
		return nil
	}
	return p.free[p.at[i] : p.at[i]+len(p.node.Devices[i].Capacity)]
}

// atOf returns where the amounts of a device stand among what is free, or would.
func (p *Pool) atOf(i int) int {
	if p.plain {
		return len(p.node.Devices)
	}
	return p.at[i]
}

// Kind returns the kind of a device, given its index in the node's list.
func (p *Pool) Kind(i int) int32 { return p.kinds[i] }
