package store

import (
	"runtime"
	"sync/atomic"
)

// Ahead is how many records or rows are best warmed at once: enough for their cache misses to overlap, and few enough
// that what was read is still in the cache when it is needed.
const Ahead = 64

// A cache miss costs as much as a hundred instructions, and most of a look-up or a change is waiting for a few of them,
// one after another. Whoever is about to look up or to change many things warms them first: reads them in a loop
// in which nothing waits for anything, so that the misses overlap.

// WarmTasks reads what looking up tasks with these hashes reads first, and adding them writes.
func (v *View) WarmTasks(hashes []uint32) {
	sum := uint64(0)
	for _, t := range v.byTask.layers {
		mask := len(t.groups) - 1
		for _, h := range hashes {
			sum += atomic.LoadUint64(&t.groups[int(h)&mask].control)
		}
	}
	runtime.KeepAlive(sum)
}

// WarmRows reads what is written when a record comes to one of the rows or leaves it. A row that is not there is passed
// over.
func (v *View) WarmRows(rows []uint32) {
	sum := int64(0)
	for _, row := range rows {
		if int(row) < v.nodes.Len() {
			sum += v.Free(row)[0]
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
