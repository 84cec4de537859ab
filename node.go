package berth

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// NodeID is the attribute name under which every node's own ID can be read, as if it were a text
// attribute. A node cannot set it.
const NodeID = "node.id"

// DeviceUnits is how many units every device divides into: a task asks for whole devices or for some
// of the thousand units of one. See [Device].Capacity for amounts beside them.
const DeviceUnits = 1000

// Node is a machine, as its host describes it. berth reads the maps and slices once and keeps copies.
type Node struct {
	// ID names the node. It must be unique in its source and is the last tie-break of every decision.
	ID string
	// Capacity is what tasks can use in all: hosts subtract what the system itself needs.
	Capacity Resources
	// Attributes describe the node to constraints.
	Attributes Attributes
	// Taints keep away every group that does not tolerate them.
	Taints []Taint
	// Devices are the instances tasks can have shares of.
	Devices []Device
	// Ports are the ports that tasks can have; none, unless they are named. A range for all protocols and at all addresses, such as
	// {First: 1, Last: 65535}, is of ports for each protocol and at each address by itself as well; ranges must not overlap.
	Ports []PortRange
	// Unschedulable nodes take no new task; those they have stay.
	Unschedulable bool
	// Reserved is what of the node's Capacity is reserved for roles, as long as it is described so: a reservation that no operation ends. See
	// [Hold] for what that means. All of it together is no more than the capacity, and none is of devices.
	Reserved map[Role]Resources
}

// Attributes are a node's properties by name. A value is text (any string) or a number (any of Go's
// integer and float types), so a literal can be written as it is: {"zone": "a", "generation": 7}.
type Attributes map[string]any

// Value is an attribute's value. Values compare with ==.
type Value struct {
	text   string
	number float64
	isNum  bool
}

// ValueOf returns v as a Value, or an error if it is neither a string nor a finite number. Numbers are
// float64 inside: integers beyond 2^53 lose precision.
func ValueOf(v any) (Value, error) {
	switch v := v.(type) {
	case Value:
		return v, nil
	case string:
		return Value{text: v}, nil
	case int:
		return Value{number: float64(v), isNum: true}, nil
	case int8:
		return Value{number: float64(v), isNum: true}, nil
	case int16:
		return Value{number: float64(v), isNum: true}, nil
	case int32:
		return Value{number: float64(v), isNum: true}, nil
	case int64:
		return Value{number: float64(v), isNum: true}, nil
	case uint:
		return Value{number: float64(v), isNum: true}, nil
	case uint8:
		return Value{number: float64(v), isNum: true}, nil
	case uint16:
		return Value{number: float64(v), isNum: true}, nil
	case uint32:
		return Value{number: float64(v), isNum: true}, nil
	case uint64:
		return Value{number: float64(v), isNum: true}, nil
	case float32:
		return finite(float64(v))
	case float64:
		return finite(v)
	}
	return Value{}, fmt.Errorf("value of type %T is neither text nor a number", v)
}

func finite(f float64) (Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}, fmt.Errorf("value %v is not a finite number", f)
	}
	return Value{number: f + 0, isNum: true}, nil // + 0 makes -0 equal 0
}

// Number returns the value as a number and whether it is one.
func (v Value) Number() (float64, bool) { return v.number, v.isNum }

// String returns text as it is and a number in its shortest form.
func (v Value) String() string {
	if v.isNum {
		return strconv.FormatFloat(v.number, 'g', -1, 64)
	}
	return v.text
}

// Compare orders numbers before texts, numbers by size and texts by bytes.
func (v Value) Compare(o Value) int {
	if v.isNum != o.isNum {
		if v.isNum {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(v.number, o.number), cmp.Compare(v.text, o.text))
}

// Effect is what a taint does to a task that does not tolerate it.
type Effect uint8

const (
	// NoSchedule keeps new tasks away. It is the default.
	NoSchedule Effect = iota
	// PreferNoSchedule makes the node less welcome: each such taint counts as a preference of
	// weight 1 against it.
	PreferNoSchedule
	// NoExecute keeps new tasks away, as NoSchedule does, and those that are there are to leave unless their group tolerates
	// it for good: cluster.Leaves says which and when. berth stops none of its own accord.
	NoExecute
)

// Taint keeps tasks away from a node unless their group tolerates it.
type Taint struct {
	Key, Value string
	Effect     Effect
}

// String prints "key=value" or, without a value, "key".
func (t Taint) String() string {
	if t.Value == "" {
		return t.Key
	}
	return t.Key + "=" + t.Value
}

// Device is one instance of a class, such as one GPU. It divides into [DeviceUnits] units and, if it has a capacity of its own,
// into amounts beside them. The class
// is also a resource: a node with two healthy devices of class "gpu" has a capacity of 2000 "gpu", which
// counts in scores, shares and limits. On such a node nobody gets "gpu" as a plain resource, for
// units that are taken of no device in particular would block all of them.
type Device struct {
	Class string // "gpu"
	Model string // "A100"; may be empty
	// Capacity is what the device has in amounts beside its units, such as memory and cores, for hosts whose tasks ask for them
	// one by one. It may be empty. Each amount is also a resource, as [DeviceResource] names it.
	Capacity Resources
	// ID names the device among those of its class on the node: tasks keep it, in whatever order the devices are
	// listed later, and whichever come or go. The default is the device's place among those of its class,
	// "0" for the first, which names another device once the list changes before it.
	ID string
	// Unhealthy devices are granted to nobody and are no capacity. Tasks that have a share of one keep it,
	// and the node counts as overcommitted until they are released.
	Unhealthy bool
}

func (d Device) equal(o Device) bool {
	return d.Class == o.Class && d.Model == o.Model && d.ID == o.ID && d.Unhealthy == o.Unhealthy && maps.Equal(d.Capacity, o.Capacity)
}

// DeviceID returns the ID of the device at an index of n.Devices, given or by default; "" if there is none.
func (n *Node) DeviceID(index int) string {
	if n == nil || index < 0 || index >= len(n.Devices) {
		return ""
	}
	d := &n.Devices[index]
	if d.ID != "" {
		return d.ID
	}
	place := 0
	for i := range index {
		if n.Devices[i].Class == d.Class {
			place++
		}
	}
	return strconv.Itoa(place)
}

// Attribute returns the value of an attribute; [NodeID] is always there.
func (n *Node) Attribute(name string) (Value, bool) {
	if n == nil {
		return Value{}, false
	}
	if name == NodeID {
		return Value{text: n.ID}, true
	}
	raw, ok := n.Attributes[name]
	if !ok {
		return Value{}, false
	}
	v, err := ValueOf(raw)
	return v, err == nil
}

// Err returns every fault of the node joined into one error, or nil.
func (n *Node) Err() error {
	if n == nil {
		return errors.New("node: none given")
	}
	var errs []error
	add := func(err error) { errs = appendFaults(errs, fmt.Sprintf("node %q", n.ID), err) }
	if err := checkName("node", n.ID); err != nil {
		errs = append(errs, err)
	}
	add(n.Capacity.Err())
	var few [16]string
	names := slices.AppendSeq(few[:0], maps.Keys(n.Attributes))
	slices.Sort(names)
	for _, name := range names {
		add(checkName("attribute", name))
		if name == NodeID {
			add(fmt.Errorf("attribute %q is the node's own ID and cannot be set", name))
		}
		if _, err := ValueOf(n.Attributes[name]); err != nil {
			add(fmt.Errorf("attribute %q: %w", name, err))
		}
	}
	for _, t := range n.Taints {
		add(checkName("taint", t.Key))
		if t.Effect > NoExecute {
			add(fmt.Errorf("taint %q: unknown effect %d", t.Key, t.Effect))
		}
	}
	for _, err := range n.deviceFaults() {
		add(err)
	}
	add(checkPorts(n.Ports))
	if len(n.Reserved) > 0 {
		for _, err := range n.reservedFaults() {
			add(err)
		}
	}
	return errors.Join(errs...)
}

func (n *Node) reservedFaults() (errs []error) {
	sums := Resources{}
	for _, role := range slices.Sorted(maps.Keys(n.Reserved)) {
		errs = appendFaults(errs, "reserved", role.Err())
		if role == "" {
			errs = append(errs, errors.New("reserved: nothing can be reserved for the root role"))
		}
		of := n.Reserved[role]
		errs = appendFaults(errs, fmt.Sprintf("reserved for %s", role.orRoot()), errors.Join(of.Err(), checkFirm(of, "reserved")))
		for name, q := range of.All() {
			sums[name] = min(sums[name], math.MaxInt64-max(q, 0)) + max(q, 0)
		}
	}
	for name, q := range sums.All() {
		if q > n.Capacity[name] {
			errs = append(errs, fmt.Errorf("resource %q: %d reserved of %d", name, q, n.Capacity[name]))
		}
	}
	return errs
}

func (n *Node) deviceFaults() []error {
	var errs []error
	places := map[string]int{} // by class
	type name struct{ class, id string }
	first := map[name]int{} // the index of the device of that name
	amounts := Resources{}  // of all devices, by the name of their resource
	taken := func(name, what string) {
		if _, ok := n.Capacity[name]; ok {
			errs = append(errs, fmt.Errorf("resource %q is also %s", name, what))
		}
		if name = Revocable(name); n.Capacity[name] != 0 {
			errs = append(errs, fmt.Errorf("resource %q: %s is not revocable", name, what))
		}
	}
	for i, d := range n.Devices {
		if err := checkName(fmt.Sprintf("class of device %d", i), d.Class); err != nil {
			errs = append(errs, err)
		}
		id := d.ID
		if id == "" {
			id = strconv.Itoa(places[d.Class])
		} else if err := checkName(fmt.Sprintf("ID of device %d", i), id); err != nil {
			errs = append(errs, err)
		}
		if places[d.Class] == 0 {
			taken(d.Class, "a device class")
			if d.Class+"." == revocablePrefix || IsRevocable(d.Class) {
				errs = append(errs, fmt.Errorf("device class %q is named as what is revocable, and no device is", d.Class))
			}
		}
		places[d.Class]++
		if k, taken := first[name{d.Class, id}]; taken {
			errs = append(errs, fmt.Errorf("devices %d and %d are both %s %q", k, i, d.Class, id))
			continue
		}
		first[name{d.Class, id}] = i
		errs = appendFaults(errs, fmt.Sprintf("device %d", i), d.Capacity.Err())
		for amount, q := range d.Capacity.All() {
			name := DeviceResource(d.Class, amount)
			sum, known := amounts[name]
			if !known {
				taken(name, "an amount of devices")
			}
			if q > math.MaxInt64-sum {
				errs = append(errs, fmt.Errorf("resource %q: %d + %d: %w", name, sum, q, ErrOverflow))
				continue
			}
			amounts[name] = sum + max(q, 0)
		}
	}
	for _, class := range slices.Sorted(maps.Keys(places)) {
		if _, ok := amounts[class]; ok {
			errs = append(errs, fmt.Errorf("device class %q is also an amount of devices", class))
		}
	}
	return errs
}

// Clone returns a copy of n that shares nothing with it; nil of nil.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Capacity = n.Capacity.Clone()
	c.Attributes = maps.Clone(n.Attributes)
	c.Taints = slices.Clone(n.Taints)
	c.Devices = slices.Clone(n.Devices)
	for i := range c.Devices {
		if d := &c.Devices[i]; d.Capacity != nil {
			d.Capacity = d.Capacity.Clone()
		}
	}
	c.Ports = slices.Clone(n.Ports)
	if n.Reserved != nil {
		c.Reserved = make(map[Role]Resources, len(n.Reserved))
		for role, of := range n.Reserved {
			c.Reserved[role] = of.Clone()
		}
	}
	return &c
}

// Equal reports whether n and o describe one node alike. Resources, attributes and whatever else is named may be in any
// order or none; taints, devices and ports are compared as they are listed, and numbers by their value, whatever their type.
func (n *Node) Equal(o *Node) bool {
	if n == o || n == nil || o == nil {
		return n == o
	}
	return n.ID == o.ID && n.Unschedulable == o.Unschedulable && maps.Equal(n.Capacity, o.Capacity) &&
		maps.EqualFunc(n.Attributes, o.Attributes, func(a, b any) bool {
			x, err := ValueOf(a)
			y, other := ValueOf(b)
			return err == nil && other == nil && x == y
		}) &&
		slices.Equal(n.Taints, o.Taints) && slices.EqualFunc(n.Devices, o.Devices, Device.equal) && slices.Equal(n.Ports, o.Ports) &&
		maps.EqualFunc(n.Reserved, o.Reserved, func(a, b Resources) bool { return maps.Equal(a, b) })
}
