package placement

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/berth-sched/berth"
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
	epoch   uint64            // how often all numbers became invalid
	key     []byte            // of the last state; kept for its room
	devices []freeDevice
}

// freeDevice is what is free of a device of a kind.
type freeDevice struct {
	kind int32
	free int64
}

const maxStates = 1 << 18 // beyond it they begin anew

func (k *states) forget() {
	clear(k.numbers)
	clear(k.of)
	k.epoch++
}

// changed notes that a row has another state.
func (k *states) changed(row uint32) {
	if int(row) < len(k.of) {
		k.of[row] = 0
	}
}

// ready makes numbers valid for the classes as they are.
func (k *states) ready() {
	if k.version != k.classes.version || len(k.numbers) > maxStates {
		k.forget()
		k.version = k.classes.version
	}
	if k.numbers == nil {
		k.numbers = map[string]uint32{}
	}
	if n := len(k.classes.mirror.rows) - len(k.of); n > 0 {
		k.of = append(k.of, make([]uint32, n)...)
	}
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
	units, kinds := m.devicesOf(row), k.classes.all[class].kindsOfDevices()
	if len(units) == len(kinds) {
		k.devices = k.devices[:0]
		for i, free := range units {
			k.devices = append(k.devices, freeDevice{kinds[i], free})
		}
		slices.SortFunc(k.devices, func(a, b freeDevice) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.free, b.free)) })
		for _, d := range k.devices {
			key = binary.AppendVarint(binary.AppendUvarint(key, uint64(d.kind)), d.free)
		}
	} else { // devices with amounts of their own are told apart by their places
		for _, free := range units {
			key = binary.AppendVarint(key, free)
		}
	}
	k.key = key
	n, ok := k.numbers[string(key)]
	if !ok {
		n = uint32(len(k.numbers) + 1)
		k.numbers[string(key)] = n
	}
	k.of[row] = n
	return n
}

// kindsOfDevices returns, by device, the number of its class and model among those of the node.
func (c *nodeClass) kindsOfDevices() []int32 {
	if c.kinds == nil {
		devices := c.node.Devices
		for i := range devices {
			same := slices.IndexFunc(devices, func(d berth.Device) bool { return d.Class == devices[i].Class && d.Model == devices[i].Model })
			c.kinds = append(c.kinds, int32(same))
		}
	}
	return c.kinds
}
