package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
)

// Parse reads a rule from its text.
type Parse func(text string) (berth.Constraint, error)

// Encoder appends what it is told to write to Buf. Where something cannot be written it goes on, and Err tells.
type Encoder struct {
	Buf   []byte
	parse Parse
	errs  []error

	known map[*berth.Group]string // how groups of earlier messages are written
	seen  map[string]uint64       // the place of each group in the message, by how it is written
	last  *berth.Group            // the group that was written last, and its place
	at    uint64
}

// NewEncoder returns an encoder that writes rules only if parse reads their text.
func NewEncoder(parse Parse) *Encoder {
	return &Encoder{parse: parse, known: map[*berth.Group]string{}, seen: map[string]uint64{}}
}

// Begin begins a message in a buffer that is written from its start: groups are named by their places in one message.
func (e *Encoder) Begin(buf []byte) {
	e.Buf, e.errs, e.last = buf, nil, nil
	clear(e.seen)
	if len(e.known) > 1<<12 {
		clear(e.known) // it holds groups that nobody else may have any more
	}
}

// Err returns what could not be written since Begin, or nil.
func (e *Encoder) Err() error { return errors.Join(e.errs...) }

func (e *Encoder) fail(format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(format, args...))
}

// Uint writes a number.
func (e *Encoder) Uint(v uint64) { e.Buf = binary.AppendUvarint(e.Buf, v) }

// Int writes a signed number.
func (e *Encoder) Int(v int64) { e.Buf = binary.AppendVarint(e.Buf, v) }

// Len writes the length of a list.
func (e *Encoder) Len(n int) { e.Uint(uint64(n)) }

// Bool writes a truth value.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Buf = append(e.Buf, 1)
	} else {
		e.Buf = append(e.Buf, 0)
	}
}

// String writes a text.
func (e *Encoder) String(s string) {
	e.Len(len(s))
	e.Buf = append(e.Buf, s...)
}

// Strings writes texts in their order.
func (e *Encoder) Strings(list []string) {
	e.Len(len(list))
	for _, s := range list {
		e.String(s)
	}
}

// Time writes a moment, wherever on Earth it was read off a clock.
func (e *Encoder) Time(t time.Time) {
	e.Int(t.Unix())
	e.Uint(uint64(t.Nanosecond()))
}

// Resources writes quantities.
func (e *Encoder) Resources(r berth.Resources) {
	e.Len(len(r))
	for name, q := range r.All() {
		e.String(name)
		e.Int(q)
	}
}

// Node writes a node.
func (e *Encoder) Node(n *berth.Node) {
	e.String(n.ID)
	e.Resources(n.Capacity)
	e.Len(len(n.Attributes))
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		e.String(name)
		if !e.value(n.Attributes[name]) {
			e.fail("node %q: attribute %q: value of type %T is neither text nor a number", n.ID, name, n.Attributes[name])
		}
	}
	e.Len(len(n.Taints))
	for _, t := range n.Taints {
		e.String(t.Key)
		e.String(t.Value)
		e.Uint(uint64(t.Effect))
	}
	e.Len(len(n.Devices))
	for i := range n.Devices {
		d := &n.Devices[i]
		e.String(d.Class)
		e.String(d.Model)
		e.String(d.ID)
		e.Resources(d.Capacity)
		e.Bool(d.Unhealthy)
	}
	e.ranges(n.Ports)
	e.Bool(n.Unschedulable)
	e.Len(len(n.Reserved))
	for _, role := range slices.Sorted(maps.Keys(n.Reserved)) {
		e.String(string(role))
		e.Resources(n.Reserved[role])
	}
}

// The kinds of values: an attribute is read back in the type that its host gave it, for hosts look at what they handed in.
const (
	kindText = iota
	kindInt
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUint
	kindUint8
	kindUint16
	kindUint32
	kindUint64
	kindFloat32
	kindFloat64
	kindValueText   // berth.Value
	kindValueNumber // berth.Value
)

func (e *Encoder) value(v any) bool {
	signed := func(kind uint64, v int64) { e.Uint(kind); e.Int(v) }
	unsigned := func(kind uint64, v uint64) { e.Uint(kind); e.Uint(v) }
	float := func(kind uint64, v float64) {
		e.Uint(kind)
		e.Buf = binary.LittleEndian.AppendUint64(e.Buf, math.Float64bits(v))
	}
	switch v := v.(type) {
	case string:
		e.Uint(kindText)
		e.String(v)
	case int:
		signed(kindInt, int64(v))
	case int8:
		signed(kindInt8, int64(v))
	case int16:
		signed(kindInt16, int64(v))
	case int32:
		signed(kindInt32, int64(v))
	case int64:
		signed(kindInt64, v)
	case uint:
		unsigned(kindUint, uint64(v))
	case uint8:
		unsigned(kindUint8, uint64(v))
	case uint16:
		unsigned(kindUint16, uint64(v))
	case uint32:
		unsigned(kindUint32, uint64(v))
	case uint64:
		unsigned(kindUint64, v)
	case float32:
		float(kindFloat32, float64(v))
	case float64:
		float(kindFloat64, v)
	case berth.Value:
		if number, ok := v.Number(); ok {
			float(kindValueNumber, number)
		} else {
			e.Uint(kindValueText)
			e.String(v.String())
		}
	default:
		return false
	}
	return true
}

func (e *Encoder) ranges(ranges []berth.PortRange) {
	e.Len(len(ranges))
	for _, r := range ranges {
		spaced := r.Protocol != berth.AllProtocols || r.Address != ""
		e.number(r.First, spaced)
		e.Uint(uint64(r.Last))
		if spaced {
			e.space(r.Protocol, r.Address)
		}
	}
}

// number writes the number of a port; one of a protocol or at an address, which come later, has one more bit.
func (e *Encoder) number(n uint16, spaced bool) {
	if spaced {
		e.Uint(uint64(n) | spacedPort)
	} else {
		e.Uint(uint64(n))
	}
}

const spacedPort = 1 << 16

func (e *Encoder) space(protocol berth.Protocol, address string) {
	e.Uint(uint64(protocol))
	e.String(address)
}

// Group writes a group, or none: all of it where the message names it first, then its place among those named so far.
func (e *Encoder) Group(g *berth.Group) {
	switch {
	case g == nil:
		e.Uint(0)
		return
	case g == e.last:
		e.Uint(e.at)
		return
	}
	text, ok := e.known[g]
	if !ok {
		if err := g.Err(); err != nil {
			e.errs = append(e.errs, err)
			return
		}
		inner := Encoder{parse: e.parse}
		inner.spec(g)
		e.errs = append(e.errs, inner.errs...)
		text = string(inner.Buf)
		e.known[g] = text
		if len(inner.errs) > 0 {
			delete(e.known, g)
		}
	}
	e.last = g
	if e.at, ok = e.seen[text]; ok {
		e.Uint(e.at)
		return
	}
	e.at = uint64(len(e.seen)) + 2
	e.seen[text] = e.at
	e.Uint(1)
	e.String(text)
}

func (e *Encoder) spec(g *berth.Group) {
	s := g.Spec()
	e.String(g.Name())
	e.String(string(s.Role))
	e.Len(len(s.Labels))
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		e.String(key)
		e.String(s.Labels[key])
	}
	e.Int(int64(s.Priority))
	e.Resources(s.Request)
	e.Len(len(s.Devices))
	for i := range s.Devices {
		d := &s.Devices[i]
		e.String(d.Class)
		e.Int(int64(d.Count))
		e.Int(d.Share)
		e.Resources(d.Amounts)
		e.Strings(d.Models)
		e.Len(len(d.Prefer))
		for _, model := range slices.Sorted(maps.Keys(d.Prefer)) {
			e.String(model)
			e.Int(d.Prefer[model])
		}
	}
	e.ranges(s.Ports)
	e.Int(int64(s.DynamicPorts))
	e.Len(len(s.Rules))
	for _, r := range s.Rules {
		e.rule(g, r)
	}
	e.Len(len(s.Prefer))
	for _, p := range s.Prefer {
		e.Int(p.Weight)
		e.rule(g, p.Rule)
	}
	e.Uint(uint64(s.Mode))
	e.Int(int64(s.GangSize))
}

// rule writes a rule as its text, if that reads as the same rule: rules that print alike decide alike.
func (e *Encoder) rule(g *berth.Group, r berth.Constraint) {
	text := r.String()
	again, err := e.parse(text)
	switch {
	case err != nil:
		e.fail("group %q: rule %s of type %T cannot be written: %w", g.Name(), text, r, err)
	case again.String() != text:
		e.fail("group %q: rule %s of type %T cannot be written: it reads back as %v", g.Name(), text, r, again)
	}
	e.String(text)
}

// Task writes a task.
func (e *Encoder) Task(t berth.Task) {
	e.String(t.ID)
	e.Group(t.Group)
}

// Grant writes a grant, or none.
func (e *Encoder) Grant(g *berth.Grant) {
	e.Bool(g != nil)
	if g != nil {
		e.shares(g.Devices)
		e.ports(g.Ports)
	}
}

func (e *Encoder) shares(shares []berth.DeviceShare) {
	e.Len(len(shares))
	for i := range shares {
		e.String(shares[i].Class)
		e.String(shares[i].ID)
		e.Int(shares[i].Units)
		e.Resources(shares[i].Amounts)
	}
}

func (e *Encoder) ports(ports []berth.Port) {
	e.Len(len(ports))
	for _, p := range ports {
		spaced := p.Protocol != berth.AllProtocols || p.Address != ""
		e.number(p.Number, spaced)
		if spaced {
			e.space(p.Protocol, p.Address)
		}
	}
}

// Hold writes a hold.
func (e *Encoder) Hold(h *berth.Hold) {
	e.String(h.ID)
	e.String(h.Owner)
	e.String(string(h.Role))
	e.String(h.Node)
	e.Resources(h.Resources)
	e.shares(h.Devices)
	e.ports(h.Ports)
	e.Uint(uint64(h.Lease))
	e.Time(h.Deadline)
}

// The parts that an operation has: most have few.
const (
	hasTask = 1 << iota
	hasGroup
	hasNode
	hasID
	hasFrom
	hasGrant
	hasHold
	hasOwner
	hasAll = 1<<iota - 1
)

// Op writes an operation.
func (e *Encoder) Op(op *berth.Op) {
	e.Uint(uint64(op.Kind))
	var has uint64
	part := func(bit uint64, there bool) {
		if there {
			has |= bit
		}
	}
	part(hasTask, op.Task.ID != "")
	part(hasGroup, op.Task.Group != nil)
	part(hasNode, op.Node != "")
	part(hasID, op.ID != "")
	part(hasFrom, op.From != "")
	part(hasGrant, op.Grant != nil)
	part(hasHold, op.Hold != nil)
	part(hasOwner, op.Owner != "")
	e.Uint(has)
	if has&hasTask != 0 {
		e.String(op.Task.ID)
	}
	if has&hasGroup != 0 {
		e.Group(op.Task.Group)
	}
	if has&hasNode != 0 {
		e.String(op.Node)
	}
	if has&hasID != 0 {
		e.String(op.ID)
	}
	if has&hasFrom != 0 {
		e.String(op.From)
	}
	if has&hasGrant != 0 {
		e.Grant(op.Grant)
	}
	if has&hasHold != 0 {
		e.Hold(op.Hold)
	}
	if has&hasOwner != 0 {
		e.String(op.Owner)
	}
}

// Quota writes a quota.
func (e *Encoder) Quota(q *berth.Quota) {
	e.String(string(q.Role))
	e.Resources(q.Limits)
	e.Resources(q.Guarantees)
}
