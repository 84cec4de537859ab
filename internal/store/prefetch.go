package store

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// Ahead is how many records or rows are best prefetched at once: enough for their cache misses to overlap, and few enough
// that what was read is still in the cache when it is needed.
const Ahead = 64

// A cache miss costs as much as a hundred instructions, and most of a look-up or a change is waiting for a few of them,
// one after another. Whoever is about to look up or to change many things prefetches them: reads them in a loop
// in which nothing waits for anything, so that the misses overlap.

// PrefetchTasks reads what looking up tasks with these hashes, at most Ahead, reads, and adding them writes.
func (v *View) PrefetchTasks(hashes []uint32) {
	var room [Ahead]uint32
	sum, slots := v.byTask.prefetch(hashes, v.recs.Len(), room[:0])
	for _, slot := range slots {
		sum += uint64(v.Record(slot).life)
	}
	for _, slot := range slots {
		if id := v.Record(slot).ID; id != "" {
			sum += uint64(id[0])
		}
	}
	runtime.KeepAlive(sum)
}

// PrefetchNodes reads what looking up nodes with these hashes, at most Ahead, reads, and what is written when records come to
// them.
func (v *View) PrefetchNodes(hashes []uint32) {
	var room [Ahead]uint32
	sum, rows := v.byNode.prefetch(hashes, v.nodes.Len(), room[:0])
	v.PrefetchRows(rows)
	for _, row := range rows {
		if n := v.Node(row).Node; n != nil && n.ID != "" {
			sum += uint64(n.ID[0])
		}
	}
	runtime.KeepAlive(sum)
}

// prefetch reads what finding IDs with these hashes reads of a table first. It appends the slots, of so many that there are, in which they
// are likely to be, as far as the list has room for them.
func (x *index) prefetch(hashes []uint32, of int, slots []uint32) (sum uint64, likely []uint32) {
	for _, t := range x.layers {
		mask := len(t.groups) - 1
		for _, h := range hashes {
			sum += atomic.LoadUint64(&t.groups[int(h)&mask].control)
		}
		for _, h := range hashes {
			in := &t.groups[int(h)&mask]
			for m := matches(atomic.LoadUint64(&in.control), tagOf(h)); m != 0 && len(slots) < cap(slots); m &= m - 1 {
				e := atomic.LoadUint64(&in.entries[bits.TrailingZeros64(m)/8])
				if slot := uint32(e) &^ deadBit; uint32(e>>32) == h && int(slot) < of {
					slots = append(slots, slot)
				}
			}
		}
	}
	return sum, slots
}

// PrefetchGroups reads what looking up groups with these hashes of their names reads first, and adding them writes.
func (v *View) PrefetchGroups(hashes []uint32) {
	sum := uint64(0)
	for _, t := range v.byGroup.layers {
		mask := len(t.groups) - 1
		for _, h := range hashes {
			sum += atomic.LoadUint64(&t.groups[int(h)&mask].control)
		}
	}
	runtime.KeepAlive(sum)
}

// PrefetchRecords reads what is written when records, which are there, are taken away.
func (v *View) PrefetchRecords(slots []uint32) {
	sum := 0
	var rows [Ahead]uint32
	for i, slot := range slots {
		r := v.Record(slot)
		rows[i] = r.Row
		sum += v.Group(r.Group).Count
	}
	v.PrefetchRows(rows[:len(slots)])
	runtime.KeepAlive(sum)
}

// PrefetchRows reads what is written when a record comes to one of the rows or leaves it. A row that is not there is passed
// over.
func (v *View) PrefetchRows(rows []uint32) {
	sum := int64(0)
	for _, row := range rows {
		if int(row) < v.nodes.Len() {
			sum += v.Columns(row)[0]
		}
	}
	for _, row := range rows {
		if int(row) >= v.nodes.Len() {
			continue
		}
		if m := v.Node(row).members; len(m) > 0 {
			sum += int64(m[len(m)-1].slot)
		}
	}
	runtime.KeepAlive(sum)
}
