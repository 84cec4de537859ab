package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/berth-sched/berth"
)

// Fault says where bytes are not what was written, and why. Offset counts from the beginning of the stream.
type Fault struct {
	Offset int64
	Err    error
}

func (f *Fault) Error() string { return fmt.Sprintf("byte %d: %v", f.Offset, f.Err) }

func (f *Fault) Unwrap() error { return f.Err }

// Decoder reads what an [Encoder] wrote. After a fault it reads nothing but zeros, and Err tells. What it makes takes no more memory
// than a multiple of the bytes that it reads: room is made for no more elements than the rest of the bytes can have.
type Decoder struct {
	buf   []byte
	pos   int
	base  int64 // the offset of buf in the stream
	fault *Fault
	parse Parse

	known  map[string]*berth.Group // of earlier messages, by how they are written
	groups []*berth.Group          // of the message
}

// NewDecoder returns a decoder that reads rules by parse.
func NewDecoder(parse Parse) *Decoder {
	return &Decoder{parse: parse, known: map[string]*berth.Group{}}
}

// Begin begins a message that lies at an offset of the stream. It may be written over once it has been read.
func (d *Decoder) Begin(message []byte, offset int64) {
	d.buf, d.pos, d.base, d.fault = message, 0, offset, nil
	clear(d.groups)
	d.groups = d.groups[:0]
	if len(d.known) > 1<<12 {
		clear(d.known)
	}
}

// Err returns the first fault, or nil. Once all is read End is to be asked instead.
func (d *Decoder) Err() error {
	if d.fault == nil {
		return nil
	}
	return d.fault
}

// End returns the first fault, which it is too if something is left, or nil.
func (d *Decoder) End() error {
	if d.More() {
		d.Fail(d.pos, "%d bytes are left over", len(d.buf)-d.pos)
	}
	return d.Err()
}

// More reports whether there is more to read.
func (d *Decoder) More() bool { return d.fault == nil && d.pos < len(d.buf) }

// Pos returns where in the message the decoder is.
func (d *Decoder) Pos() int { return d.pos }

// Fail says that what begins at a place of the message is at fault.
func (d *Decoder) Fail(at int, format string, args ...any) {
	if d.fault == nil {
		d.fault = &Fault{d.base + int64(at), fmt.Errorf(format, args...)}
	}
}

func (d *Decoder) rest() int { return len(d.buf) - d.pos }

// Uint reads a number.
func (d *Decoder) Uint() uint64 {
	if d.fault != nil {
		return 0
	}
	v, n := binary.Uvarint(d.buf[d.pos:])
	switch {
	case n == 0:
		d.Fail(d.pos, "a number is cut off")
		return 0
	case n < 0:
		d.Fail(d.pos, "a number is too large")
		return 0
	case n > 1 && d.buf[d.pos+n-1] == 0:
		d.Fail(d.pos, "a number is longer than it must be")
		return 0
	}
	d.pos += n
	return v
}

// UintTo reads a number that is no larger than most.
func (d *Decoder) UintTo(most uint64, what string) uint64 {
	at := d.pos
	v := d.Uint()
	if v > most {
		d.Fail(at, "%s %d is more than %d", what, v, most)
		return 0
	}
	return v
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	v := d.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// IntOf reads a signed number that fits in an int.
func (d *Decoder) IntOf() int {
	at := d.pos
	v := d.Int()
	if int64(int(v)) != v {
		d.Fail(at, "number %d does not fit in an int", v)
		return 0
	}
	return int(v)
}

// Len reads the length of a list whose elements take at least so many bytes each.
func (d *Decoder) Len(least int) int {
	at := d.pos
	n := d.Uint()
	if n > uint64(d.rest()/least) {
		d.Fail(at, "a list of %d does not fit in the %d bytes that are left", n, d.rest())
		return 0
	}
	return int(n)
}

// Bool reads a truth value.
func (d *Decoder) Bool() bool { return d.UintTo(1, "truth value") == 1 }

func (d *Decoder) bytes() []byte {
	n := d.Len(1)
	d.pos += n
	return d.buf[d.pos-n : d.pos]
}

// String reads a text.
func (d *Decoder) String() string { return string(d.bytes()) }

// Strings reads texts; nil for none.
func (d *Decoder) Strings() []string { return list(d, 1, (*Decoder).String) }

// list reads a list, nil for an empty one, whose elements take at least so many bytes each.
func list[T any](d *Decoder, least int, read func(*Decoder) T) []T {
	n := d.Len(least)
	if n == 0 {
		return nil
	}
	out := make([]T, 0, n)
	for range n {
		v := read(d)
		if d.fault != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// List is list for lists of what other packages have.
func List[T any](d *Decoder, least int, read func(*Decoder) T) []T { return list(d, least, read) }

// Time reads a moment, in UTC.
func (d *Decoder) Time() time.Time {
	seconds := d.Int()
	return time.Unix(seconds, int64(d.UintTo(999_999_999, "nanoseconds"))).UTC()
}

// sorted reads a map, nil for an empty one, whose entries take at least so many bytes each.
func sorted[V any](d *Decoder, least int, read func(*Decoder) V) map[string]V {
	n := d.Len(least)
	if n == 0 {
		return nil
	}
	out := make(map[string]V, n)
	last := ""
	for i := range n {
		at := d.pos
		name := d.String()
		if i > 0 && name <= last {
			d.Fail(at, "name %q comes after %q", name, last)
		}
		last = name
		v := read(d)
		if d.fault != nil {
			return nil
		}
		out[name] = v
	}
	return out
}

// Resources reads quantities; nil for none.
func (d *Decoder) Resources() berth.Resources { return sorted(d, 2, (*Decoder).Int) }

// Node reads a node. What it says is not checked.
func (d *Decoder) Node() berth.Node {
	return berth.Node{
		ID:         d.String(),
		Capacity:   d.Resources(),
		Attributes: sorted(d, 3, (*Decoder).value),
		Taints: list(d, 3, func(d *Decoder) berth.Taint {
			return berth.Taint{Key: d.String(), Value: d.String(), Effect: berth.Effect(d.UintTo(math.MaxUint8, "effect"))}
		}),
		Devices: list(d, 5, func(d *Decoder) berth.Device {
			return berth.Device{Class: d.String(), Model: d.String(), ID: d.String(), Capacity: d.Resources(), Unhealthy: d.Bool()}
		}),
		Ports:         d.ranges(),
		Unschedulable: d.Bool(),
		Reserved:      d.reserved(),
	}
}

// reserved reads what is reserved of a node.
func (d *Decoder) reserved() map[berth.Role]berth.Resources {
	read := sorted(d, 2, (*Decoder).Resources)
	if read == nil {
		return nil
	}
	out := make(map[berth.Role]berth.Resources, len(read))
	for role, of := range read {
		out[berth.Role(role)] = of
	}
	return out
}

func (d *Decoder) value() any {
	at := d.pos
	kind := d.Uint()
	signed := func(bits int) int64 {
		at := d.pos
		v := d.Int()
		if v<<(64-bits)>>(64-bits) != v {
			d.Fail(at, "number %d does not fit in %d bits", v, bits)
		}
		return v
	}
	unsigned := func(bits int) uint64 { return d.UintTo(1<<bits-1, "number") }
	switch kind {
	case kindText:
		return d.String()
	case kindInt:
		return d.IntOf()
	case kindInt8:
		return int8(signed(8))
	case kindInt16:
		return int16(signed(16))
	case kindInt32:
		return int32(signed(32))
	case kindInt64:
		return d.Int()
	case kindUint:
		return uint(d.UintTo(math.MaxUint, "number"))
	case kindUint8:
		return uint8(unsigned(8))
	case kindUint16:
		return uint16(unsigned(16))
	case kindUint32:
		return uint32(unsigned(32))
	case kindUint64:
		return d.Uint()
	case kindFloat32:
		at := d.pos
		v := d.float()
		if float64(float32(v)) != v && v == v {
			d.Fail(at, "number %v does not fit in 32 bits", v)
		}
		return float32(v)
	case kindFloat64:
		return d.float()
	case kindValueText:
		v, _ := berth.ValueOf(d.String())
		return v
	case kindValueNumber:
		at := d.pos
		f := d.float()
		v, err := berth.ValueOf(f)
		if err != nil {
			d.Fail(at, "%w", err)
		} else if f == 0 && math.Signbit(f) {
			d.Fail(at, "value -0 is 0")
		}
		return v
	}
	d.Fail(at, "kind %d of a value is unknown", kind)
	return nil
}

func (d *Decoder) float() float64 {
	if d.rest() < 8 || d.fault != nil {
		d.Fail(d.pos, "a number is cut off")
		return 0
	}
	d.pos += 8
	return math.Float64frombits(binary.LittleEndian.Uint64(d.buf[d.pos-8:]))
}

// number reads the number of a port, and whether a protocol and an address come later.
func (d *Decoder) number() (number uint16, spaced bool) {
	n := d.UintTo(2*spacedPort-1, "port")
	return uint16(n % spacedPort), n >= spacedPort
}

// space reads what a port is of beside its number, if that was said, which is something then.
func (d *Decoder) space(spaced bool) (protocol berth.Protocol, address string) {
	if !spaced {
		return berth.AllProtocols, ""
	}
	at := d.pos
	protocol, address = berth.Protocol(d.UintTo(math.MaxUint8, "protocol")), d.String()
	if protocol == berth.AllProtocols && address == "" {
		d.Fail(at, "a port is written as one of a protocol or at an address, and is not")
	}
	return protocol, address
}

func (d *Decoder) ranges() []berth.PortRange {
	return list(d, 2, func(d *Decoder) (r berth.PortRange) {
		var spaced bool
		r.First, spaced = d.number()
		r.Last = uint16(d.UintTo(math.MaxUint16, "port"))
		r.Protocol, r.Address = d.space(spaced)
		return r
	})
}

// Group reads a group, which has no fault, or none.
func (d *Decoder) Group() *berth.Group {
	at := d.pos
	switch place := d.Uint(); {
	case place == 0:
		return nil
	case place == 1:
		g := d.newGroup()
		d.groups = append(d.groups, g)
		return g
	case place-2 < uint64(len(d.groups)):
		return d.groups[place-2]
	default:
		d.Fail(at, "group %d is named, of %d", place-2, len(d.groups))
		return nil
	}
}

func (d *Decoder) newGroup() *berth.Group {
	start := d.pos
	text := d.bytes()
	if g := d.known[string(text)]; g != nil {
		return g
	}
	if d.fault != nil {
		return nil
	}
	inner := Decoder{buf: text, base: d.base + int64(d.pos-len(text)), parse: d.parse}
	g := inner.spec()
	if err := inner.End(); err != nil {
		d.fault = inner.fault
		return nil
	}
	if err := g.Err(); err != nil {
		d.Fail(start, "%w", err)
		return nil
	}
	d.known[string(text)] = g
	return g
}

func (d *Decoder) spec() *berth.Group {
	name := d.String()
	s := berth.GroupSpec{
		Role:         berth.Role(d.String()),
		Labels:       sorted(d, 2, (*Decoder).String),
		Priority:     d.IntOf(),
		Request:      d.Resources(),
		Devices:      list(d, 6, (*Decoder).request),
		Ports:        d.ranges(),
		DynamicPorts: d.IntOf(),
		Rules:        list(d, 1, (*Decoder).rule),
		Prefer: list(d, 2, func(d *Decoder) berth.Preference {
			return berth.Preference{Weight: d.Int(), Rule: d.rule()}
		}),
		Mode:     berth.Mode(d.UintTo(math.MaxUint8, "mode")),
		GangSize: d.IntOf(),
	}
	if d.fault != nil {
		return nil
	}
	return berth.NewGroup(name, s)
}

func (d *Decoder) request() berth.DeviceRequest {
	return berth.DeviceRequest{
		Class: d.String(), Count: d.IntOf(), Share: d.Int(), Amounts: d.Resources(), Models: d.Strings(),
		Prefer: sorted(d, 2, (*Decoder).Int),
	}
}

func (d *Decoder) rule() berth.Constraint {
	at := d.pos
	text := d.String()
	if d.fault != nil {
		return nil
	}
	r, err := d.parse(text)
	if err != nil {
		d.Fail(at, "rule: %w", err)
		return nil
	}
	return r
}

// Task reads a task.
func (d *Decoder) Task() berth.Task { return berth.Task{ID: d.String(), Group: d.Group()} }

// Grant reads a grant, or none.
func (d *Decoder) Grant() *berth.Grant {
	if !d.Bool() {
		return nil
	}
	return &berth.Grant{Devices: d.shares(), Ports: d.ports()}
}

func (d *Decoder) shares() []berth.DeviceShare {
	return list(d, 4, func(d *Decoder) berth.DeviceShare {
		return berth.DeviceShare{Class: d.String(), ID: d.String(), Units: d.Int(), Amounts: d.Resources()}
	})
}

func (d *Decoder) ports() []berth.Port {
	return list(d, 1, func(d *Decoder) (p berth.Port) {
		var spaced bool
		p.Number, spaced = d.number()
		p.Protocol, p.Address = d.space(spaced)
		return p
	})
}

// Hold reads a hold. What it says is not checked.
func (d *Decoder) Hold() *berth.Hold {
	return &berth.Hold{
		ID:        d.String(),
		Owner:     d.String(),
		Role:      berth.Role(d.String()),
		Node:      d.String(),
		Resources: d.Resources(),
		Devices:   d.shares(),
		Ports:     d.ports(),
		Lease:     berth.Lease(d.UintTo(math.MaxUint8, "lease")),
		Deadline:  d.Time(),
	}
}

var errEmptyPart = errors.New("a part is there and empty")

// Op reads an operation. What it says is not checked.
func (d *Decoder) Op() berth.Op {
	op := berth.Op{Kind: berth.OpKind(d.UintTo(math.MaxUint8, "operation"))}
	at := d.pos
	has := d.UintTo(hasAll, "the parts of an operation")
	text := func(bit uint64, to *string) {
		if has&bit == 0 {
			return
		}
		at := d.pos
		if *to = d.String(); *to == "" {
			d.Fail(at, "%w", errEmptyPart)
		}
	}
	text(hasTask, &op.Task.ID)
	if has&hasGroup != 0 {
		if op.Task.Group = d.Group(); op.Task.Group == nil {
			d.Fail(at, "%w", errEmptyPart)
		}
	}
	text(hasNode, &op.Node)
	text(hasID, &op.ID)
	text(hasFrom, &op.From)
	if has&hasGrant != 0 {
		if op.Grant = d.Grant(); op.Grant == nil {
			d.Fail(at, "%w", errEmptyPart)
		}
	}
	if has&hasHold != 0 {
		op.Hold = d.Hold()
	}
	text(hasOwner, &op.Owner)
	return op
}

// Quota reads a quota. What it says is not checked.
func (d *Decoder) Quota() berth.Quota {
	return berth.Quota{Role: berth.Role(d.String()), Limits: d.Resources(), Guarantees: d.Resources()}
}
