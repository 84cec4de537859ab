package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/store"
)

// Shortfalls returns what a node lacks of the room that a task of a group takes, given what is free of
// each resource, the free units of each device, and the ports in use, ascending. It cannot say who is in the way, as
// [Fork.Lacks] does.
func Shortfalls(g *berth.Group, n *berth.Node, free func(resource string) int64, devices []int64, used []uint16) []berth.Lack {
	if n == nil || free == nil || g.Err() != nil {
		return nil
	}
	return appendShortfalls(nil, g, n, free, devices, used, new(onNode))
}

// AppendShortfalls appends what Shortfalls returns, with texts that were made for other nodes. It is for berth's own
// packages: no other has texts.
func AppendShortfalls(out []berth.Lack, texts *explain.Texts, g *berth.Group, n *berth.Node, free func(resource string) int64, devices []int64, used []uint16) []berth.Lack {
	if n == nil || free == nil || g.Err() != nil {
		return out
	}
	return appendShortfalls(out, g, n, free, devices, used, &onNode{texts: texts})
}

// appendShortfalls appends what Shortfalls returns, with details if who is there to tell them.
func appendShortfalls(out []berth.Lack, g *berth.Group, n *berth.Node, free func(string) int64, devices []int64, used []uint16, who *onNode) []berth.Lack {
	r := g.Requirements()
	var has []stock
	if len(r.Devices) > 0 {
		has = stocks(r, n, devices, who != nil)
	}
	var asDevices []string // what is only to be had as devices is not a matter of room
	for name := range byDevice(g, n) {
		asDevices = append(asDevices, name)
	}
	for _, need := range r.Needs {
		have := free(need.Name)
		if have >= need.Amount {
			continue
		}
		if i := r.DeviceOf(need.Name); i >= 0 {
			if has[i].serves(&r.Devices[i]) { // else it is said of the devices below
				out = append(out, unitsLack(need.Name, explain.Shortfall(need.Amount, have)))
			}
		} else if _, ok := slices.BinarySearch(asDevices, need.Name); !ok {
			out = append(out, amountLack(n, need.Name, need.Amount, have, who))
		}
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		switch {
		case has[i].serves(d):
		case who == nil:
			out = append(out, berth.Lack{Reason: has[i].reason(d)})
		default:
			l := has[i].lack(d)
			l.Detail += who.strays(n, d.Class)
			out = append(out, l)
		}
	}
	if r.UsesPorts() {
		_, missing := choosePorts(r, unused(n, used))
		for _, s := range missing {
			l := berth.Lack{Reason: s.why}
			if who != nil {
				l.Detail = who.inTheWay(s)
			}
			out = append(out, l)
		}
	}
	return out
}

// amountLack says what n lacks of a resource of which a task takes more than is free, and of what it has in all if who is there to
// tell details.
func amountLack(n *berth.Node, resource string, amount, free int64, who *onNode) berth.Lack {
	l := berth.Lack{Reason: berth.Reason{Code: berth.Insufficient, Subject: resource}, Short: explain.Shortfall(amount, free)}
	if all := n.Capacity[resource]; all < amount {
		l.Reason.Code = berth.TooSmall
		if who != nil {
			l.Detail = who.texts.InAll(resource, all)
		}
	}
	return l
}

// unitsLack says that a node has the devices of a class, but short units of it too little, since others take them of no
// device in particular.
func unitsLack(class string, short int64) berth.Lack {
	return berth.Lack{
		Reason: berth.Reason{Code: berth.UnitsTaken, Subject: class}, Short: short,
		Detail: "taken by tasks without a device",
	}
}

// onNode tells who has what on a node of a fork; of no fork, it tells nothing. It looks at the node's tasks and holds once.
type onNode struct {
	f      *Fork
	texts  *explain.Texts // nil if none are kept
	row    uint32
	gone   map[string][]string // by class: which tasks have devices that the node no longer has
	owners map[uint16]owner
}

// owner is the first task or hold that has a port, in order of their IDs, tasks first.
type owner struct {
	hold bool
	id   string
}

// strays says which tasks still have devices of a class that the node no longer has.
func (o *onNode) strays(n *berth.Node, class string) string {
	if o.f == nil || o.f.s.Node(o.row).Stray == 0 {
		return ""
	}
	if o.gone == nil {
		o.gone = map[string][]string{}
		find := finder(n, len(n.Devices))
		for slot, r := range o.f.s.On(o.row) {
			if r.Extra == nil || r.Extra.Grant == nil {
				continue
			}
			for k := range r.Extra.Grant.Devices {
				if s := &r.Extra.Grant.Devices[k]; find(s) < 0 {
					o.gone[s.Class] = append(o.gone[s.Class], fmt.Sprintf("%s has %s/%s, which is gone", o.f.s.ID(slot), s.Class, s.ID))
				}
			}
		}
	}
	gone := o.gone[class]
	if len(gone) == 0 {
		return ""
	}
	slices.Sort(gone)
	return "; " + short(gone)
}

// inTheWay says what stands in the way of a request for ports: "8080 has web-1".
func (o *onNode) inTheWay(s portShort) string {
	if len(s.ports) == 0 {
		return fmt.Sprintf("%d free", s.free)
	}
	const most = 3
	var parts []string
	for i, p := range s.ports {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(s.ports)-most))
			break
		}
		part := onePort(p)
		switch owner := o.owner(p); {
		case s.why.Code == berth.NoPort:
			part += " is not the node's"
		case owner != "":
			part += " has " + owner
		default:
			part += " is taken"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// owner says who has a port.
func (o *onNode) owner(p uint16) string {
	if o.f == nil {
		return ""
	}
	if o.owners == nil {
		o.owners = map[uint16]owner{}
		for slot, r := range o.f.s.On(o.row) {
			if r.Extra == nil {
				continue
			}
			next := owner{r.Group == store.Holds, o.f.s.ID(slot)}
			for _, p := range r.Extra.Ports {
				if is, ok := o.owners[p]; !ok || !next.hold && is.hold || next.hold == is.hold && next.id < is.id {
					o.owners[p] = next
				}
			}
		}
	}
	if is := o.owners[p]; is.hold {
		return "hold " + is.id
	}
	return o.owners[p].id
}
