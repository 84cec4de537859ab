package allocator

import (
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
)

// holding is what is held of one resource, more than nothing.
type holding struct {
	resource *resource
	amount   wide
}

// share is the part of the capacity; zero of a resource that does not count.
func (h *holding) share() ratio {
	if !h.resource.counts {
		return ratio{total: wideOf(1), weight: 1}
	}
	return ratio{h.amount, h.resource.capacity, 1}
}

// before reports whether h is the larger share, or the first by name of equals.
func (h *holding) before(o *holding) bool {
	a, b := h.resource, o.resource
	if a.counts && b.counts && h.amount.hi|a.capacity.hi|o.amount.hi|b.capacity.hi == 0 { // mostly
		x1, x0 := bits.Mul64(h.amount.lo, b.capacity.lo)
		y1, y0 := bits.Mul64(o.amount.lo, a.capacity.lo)
		if x1 != y1 {
			return x1 > y1
		}
		if x0 != y0 {
			return x0 > y0
		}
		return a.name < b.name
	}
	x, y := h.share(), o.share()
	if c := x.compare(&y); c != 0 {
		return c > 0
	}
	return a.name < b.name
}

// holdings are what a node of the tree holds, as a binary heap with the dominant resource first: a change of
// one resource costs the logarithm of how many are held. After a change of capacity the heap is put in
// order when it is next asked.
type holdings struct {
	heap  []holding
	where table[*resource, int] // in heap; not kept while few are held
	epoch uint64                // of DRF.epoch, when heap was in order; later than that it is not
}

// few resources are found fastest by looking at them all.
const few = 8

func (h *holdings) indexed() bool { return h.where.m != nil }

// find returns where r is in the heap, or -1.
func (h *holdings) find(r *resource) int {
	if h.indexed() {
		if i, ok := h.where.m[r]; ok {
			return i
		}
		return -1
	}
	for i := range h.heap {
		if h.heap[i].resource == r {
			return i
		}
	}
	return -1
}

func (h *holdings) amount(r *resource) wide {
	if i := h.find(r); i >= 0 {
		return h.heap[i].amount
	}
	return wide{}
}

func (h *holdings) add(r *resource, q wide, epoch uint64) {
	i := h.find(r)
	if i < 0 {
		i = len(h.heap)
		h.heap = append(h.heap, holding{resource: r})
		switch {
		case h.indexed():
			h.where.set(r, i)
		case len(h.heap) > few:
			for j := range h.heap {
				h.where.set(h.heap[j].resource, j)
			}
		}
		if i == 0 {
			h.epoch = epoch // one alone is in order
		}
	}
	h.heap[i].amount = h.heap[i].amount.plus(q)
	if h.epoch == epoch {
		h.up(i)
	}
}

// take removes q of r, of which no less is held.
func (h *holdings) take(r *resource, q wide, epoch uint64) {
	i := h.find(r)
	h.heap[i].amount = h.heap[i].amount.minus(q)
	if h.heap[i].amount == (wide{}) {
		last := len(h.heap) - 1
		h.put(i, h.heap[last])
		h.heap[last] = holding{}
		h.heap = h.heap[:last]
		if h.indexed() {
			h.where.delete(r) // also if r was last itself
		}
		if sparse(last, cap(h.heap)) {
			h.heap = slices.Clone(h.heap)
		}
		if last <= few/2 {
			h.where = table[*resource, int]{}
		}
		if i == last {
			return
		}
	}
	if h.epoch == epoch {
		h.down(i)
		h.up(i)
	}
}

// top returns the dominant resource, or nil if nothing is held that counts.
func (h *holdings) top(epoch uint64) *holding {
	if len(h.heap) == 0 {
		return nil
	}
	if h.epoch != epoch {
		h.epoch = epoch
		for i := len(h.heap)/2 - 1; i >= 0; i-- {
			h.down(i)
		}
	}
	if !h.heap[0].resource.counts {
		return nil
	}
	return &h.heap[0]
}

func (h *holdings) up(i int) {
	x, from := h.heap[i], i
	for i > 0 && x.before(&h.heap[(i-1)/2]) {
		h.put(i, h.heap[(i-1)/2])
		i = (i - 1) / 2
	}
	if i != from {
		h.put(i, x)
	}
}

func (h *holdings) down(i int) {
	x, from := h.heap[i], i
	for {
		child := 2*i + 1
		if child+1 < len(h.heap) && h.heap[child+1].before(&h.heap[child]) {
			child++
		}
		if child >= len(h.heap) || !h.heap[child].before(&x) {
			break
		}
		h.put(i, h.heap[child])
		i = child
	}
	if i != from {
		h.put(i, x)
	}
}

func (h *holdings) put(i int, x holding) {
	h.heap[i] = x
	if h.indexed() {
		h.where.set(x.resource, i)
	}
}

// resources returns what is held, by name.
func (h *holdings) resources() berth.Resources {
	r := make(berth.Resources, len(h.heap))
	for _, x := range h.heap {
		r[x.resource.name] = x.amount.int64()
	}
	return r
}
