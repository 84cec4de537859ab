package placement

import (
	"encoding/binary"
	"slices"

	"github.com/berth-sched/berth/internal/fit"
)

// states numbers what nodes are alike in for a term of state: the class, what is free, and of devices how much is free of
// how many of each model. What is found out for a state holds for every row of it.
//
// The number of a row becomes invalid when the row changes, and all do when classes are made anew or there are too many.
type states struct {
	classes *classIndex
	version uint64            // classIndex.version when the first number was given
	numbers map[string]uint32 // from 1 on
	of      []uint32          // by row: its number, or 0 for one that is not known
	lost    []uint32          // rows that were changed since all were numbered,
	all     bool              // or whether any row may have no number
	worths  []worth           // number x Change: what the state is worth
	changes int               // how many Changes there are
	levels  []levels          // by number, less one
	epoch   uint64            // how often all numbers became invalid
	key     []byte            // of the last state; kept for its room
	pool    fit.Pool
	uniform bool // whether the devices of each node are of one kind
}

const maxStates = 1 << 18 // beyond it they begin anew

func (k *states) forget() {
	clear(k.numbers)
	clear(k.of)
	k.all = true
	k.worths, k.levels = k.worths[:0], k.levels[:0]
	k.epoch++
}

// changed notes that a row has another state.
func (k *states) changed(row uint32) {
	if int(row) >= len(k.of) {
		return
	}
	k.of[row] = 0
	if k.all = k.all || len(k.lost) >= len(k.of); !k.all {
		k.lost = append(k.lost, row)
	}
}

// ready makes numbers valid for the classes as they are.
func (k *states) ready() {
	if k.version != k.classes.version || len(k.numbers) > maxStates {
		k.forget()
		k.version, k.uniform = k.classes.version, true
		for _, c := range k.classes.all {
			kinds := c.kinds
			if kinds == nil {
				kinds = fit.Kinds(c.node)
			}
			k.uniform = k.uniform && (len(kinds) == 0 || slices.Max(kinds) == 0)
		}
	}
	if k.numbers == nil {
		k.numbers = map[string]uint32{}
	}
	if n := len(k.classes.mirror.rows) - len(k.of); n > 0 {
		k.of, k.all = append(k.of, make([]uint32, n)...), true
	}
}

// numberAll gives every row that has a class the number of its state.
func (k *states) numberAll() {
	rows := k.classes.mirror.rows
	if k.all {
		for row := range rows {
			if rows[row].class >= 0 {
				k.number(uint32(row))
			}
		}
	}
	for _, row := range k.lost {
		if int(row) < len(rows) && rows[row].class >= 0 {
			k.number(row)
		}
	}
	k.lost, k.all = k.lost[:0], false
}

// number returns the number of a row's state, which is not 0. The row has a class.
func (k *states) number(row uint32) uint32 {
	if n := k.of[row]; n != 0 {
		return n
	}
	m := k.classes.mirror
	class := m.rows[row].class
	key := binary.AppendUvarint(k.key[:0], uint64(class))
	for _, free := range m.resourcesOf(row) {
		key = binary.AppendVarint(key, free)
	}
	if c := k.classes.all[class]; len(c.node.Devices) > 0 {
		kinds := c.kinds
		if kinds == nil {
			kinds = fit.Kinds(c.node)
		}
		k.pool.Set(c.node, kinds, m.devicesOf(row))
		for _, i := range k.pool.Order() {
			key = binary.AppendVarint(binary.AppendUvarint(key, uint64(kinds[i])), k.pool.Units(i))
			for _, free := range k.pool.Amounts(i) {
				key = binary.AppendVarint(key, free)
			}
		}
	}
	k.key = key
	n, ok := k.numbers[string(key)]
	if !ok {
		n = uint32(len(k.numbers) + 1)
		k.numbers[string(key)] = n
		k.levels = append(k.levels, k.levelsIn(k.classes.all[class]))
	}
	k.of[row] = n
	return n
}

// levelsIn returns the levels of the state in whose pool the devices of a class are.
func (k *states) levelsIn(c *nodeClass) (l levels) {
	n := len(c.node.Devices)
	if n == 0 || k.changes == 0 {
		return l
	}
	order := k.pool.Order()
	d := &c.node.Devices[order[0]]
	if k.pool.Kind(order[0]) != k.pool.Kind(order[n-1]) || d.Unhealthy || len(d.Capacity) > 0 {
		return l
	}
	l.device, l.free = d, make([]int64, n)
	for i, at := range order {
		l.free[i] = k.pool.Units(at)
	}
	return l
}

// worthsOf returns what a state is worth, by Change, as far as that was asked. The number must be that of a state.
func (k *states) worthsOf(state uint32) []worth {
	if n := (len(k.numbers) + 1) * k.changes; n > len(k.worths) {
		k.worths = append(k.worths, make([]worth, n-len(k.worths))...)
	}
	return k.worths[int(state)*k.changes : (int(state)+1)*k.changes]
}
