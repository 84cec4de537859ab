package fit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/store"
)

// Room is what is free of a node.
type Room struct {
	Amount  func(resource string) int64
	InAll   func(resource string) int64 // free or not
	Devices []int64                     // of its devices, as cluster.NodeView.FreeDevices has it
	Ports   []berth.Port                // in use, ascending
}

// AppendLacks appends what a node lacks of the room that a task of a group takes, with details if there are any to tell.
func AppendLacks(out []berth.Lack, g *berth.Group, n *berth.Node, room Room, tell *Details) []berth.Lack {
	r := g.Requirements()
	var has Stocks
	if len(r.Devices) > 0 {
		has = StocksOf(r, n, room.Devices, tell != nil)
	}
	var asDevices []string // what is only to be had as devices is not a matter of room
	if len(room.Devices) > 0 {
		for name := range byDevice(g, n) {
			asDevices = append(asDevices, name)
		}
	}
	for _, need := range r.Needs {
		have := room.Amount(need.Name)
		if have >= need.Amount {
			continue
		}
		if need.Class == "" {
			if _, ok := slices.BinarySearch(asDevices, need.Name); !ok {
				l := amountLack(need.Name, need.Amount, have, room.InAll(need.Name), tell)
				if tell != nil && l.Reason.Code == berth.Insufficient {
					l.Detail = tell.reserved(need.Name, g.Role())
				}
				out = append(out, l)
			}
		} else if from, to := r.RequestsOf(need.Class); has.Serve(r, from, to, n, room.Devices) { // else it is said of the devices below
			out = append(out, UnitsLack(need.Name, need.Class, explain.Shortfall(need.Amount, have)))
		}
	}
	for l := range has.lacks(r, n, room.Devices, tell) {
		out = append(out, l)
	}
	if r.UsesPorts() {
		_, missing := choosePorts(r, Unused(n, room.Ports))
		for _, s := range missing {
			l := berth.Lack{Reason: s.why}
			if tell != nil {
				l.Detail = tell.inTheWay(s)
			}
			out = append(out, l)
		}
	}
	return out
}

// amountLack says what a node lacks of a resource of which a task takes more than is free, and what it has in all if there are
// details to tell.
func amountLack(resource string, amount, free, all int64, tell *Details) berth.Lack {
	l := berth.Lack{Reason: berth.Reason{Code: berth.Insufficient, Subject: resource}, Short: explain.Shortfall(amount, free)}
	if all < amount {
		l.Reason.Code = berth.TooSmall
		if tell != nil {
			l.Detail = tell.texts.InAll(resource, all)
		}
	}
	return l
}

// UnitsLack says that a node has the devices of a class, but short of what they count as, since others take of it and of
// no device in particular.
func UnitsLack(resource, class string, short int64) berth.Lack {
	why := berth.Reason{Code: berth.UnitsTaken, Subject: resource}
	if resource != class {
		why.Code = berth.Insufficient // an amount, which is no number of devices
	}
	return berth.Lack{Reason: why, Short: short, Detail: "taken by tasks without a device"}
}

// Withheld returns what a node lacks of which a reader may not see what is free: that it is not offered stands for all that
// is taken there. What the node never had stays. lacks is used up.
func Withheld(lacks []berth.Lack) []berth.Lack {
	short := slices.ContainsFunc(lacks, func(l berth.Lack) bool { return IsRoom(l.Reason.Code) })
	lacks = slices.DeleteFunc(lacks, func(l berth.Lack) bool { return isTaken(l.Reason.Code) })
	if short {
		lacks = append(lacks, berth.Lack{Reason: berth.Reason{Code: berth.NotOffered}})
	}
	return lacks
}

// isTaken reports whether a reason says that the node's room is taken.
func isTaken(c berth.Code) bool {
	return c == berth.Insufficient || c == berth.UnitsTaken || c == berth.DeviceTaken || c == berth.PortTaken
}

// IsRoom reports whether more room would cure what a reason says.
func IsRoom(c berth.Code) bool {
	return isTaken(c) || c == berth.TooSmall || c == berth.NoDevice || c == berth.DeviceUnhealthy || c == berth.NoPort
}

// Details are what an explanation says of one node beyond its reasons: who has what there, as far as a view is there to tell.
// The node's tasks and holds are looked at once.
type Details struct {
	view   *store.View // nil if nobody is to be named
	row    uint32
	texts  *explain.Texts      // nil if none are kept
	gone   map[string][]string // by class: which tasks have devices that the node no longer has
	owners map[uint16][]owner  // of ports, by their numbers
}

// DetailsOf returns the details of the node in a row of a view.
func DetailsOf(v *store.View, row uint32) *Details { return &Details{view: v, row: row} }

// CommonDetails returns details that name nobody, for one node after another: they keep the texts that these have in common.
func CommonDetails() *Details { return &Details{texts: new(explain.Texts)} }

// owner is a task or hold that has a port.
type owner struct {
	hold bool
	id   string
	port berth.Port
}

// strays says which tasks still have devices of a class that the node no longer has.
func (d *Details) strays(n *berth.Node, class string) string {
	if d.view == nil || d.view.Node(d.row).Stray == 0 {
		return ""
	}
	if d.gone == nil {
		d.gone = map[string][]string{}
		find := Finder(n, len(n.Devices))
		for slot, r := range d.view.On(d.row) {
			if r.Extra == nil || r.Extra.Grant == nil {
				continue
			}
			for k := range r.Extra.Grant.Devices {
				if s := &r.Extra.Grant.Devices[k]; find(s) < 0 {
					d.gone[s.Class] = append(d.gone[s.Class], fmt.Sprintf("%s has %s/%s, which is gone", d.view.ID(slot), s.Class, s.ID))
				}
			}
		}
	}
	gone := d.gone[class]
	if len(gone) == 0 {
		return ""
	}
	slices.Sort(gone)
	return "; " + Few(gone)
}

// reserved says for whom others than a role what of a resource is idle is reserved: "2 reserved for eng, 1 for ops".
func (d *Details) reserved(resource string, role berth.Role) string {
	if d.view == nil {
		return ""
	}
	dim, ok := d.view.DimOf(resource)
	if !ok {
		return ""
	}
	var b strings.Builder
	for of, q := range d.view.ReservesOn(d.row).For(dim, role, "") {
		if b.Len() == 0 {
			fmt.Fprintf(&b, "%s reserved for %s", berth.FormatQuantity(resource, q), of)
		} else {
			fmt.Fprintf(&b, ", %s for %s", berth.FormatQuantity(resource, q), of)
		}
	}
	return b.String()
}

// inTheWay says what stands in the way of a request for ports: "8080/tcp has web-1".
func (d *Details) inTheWay(s portShort) string {
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
		had, owner := d.owner(p)
		part := had.String()
		switch {
		case s.why.Code == berth.NoPort:
			part = p.String() + " is not the node's"
		case owner != "":
			part += " has " + owner
		default:
			part += " is taken"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// owner says who has a port that meets one, and which. Where nobody is known to, it is the port itself.
func (d *Details) owner(p berth.Port) (had berth.Port, name string) {
	if d.view == nil {
		return p, ""
	}
	if d.owners == nil {
		d.owners = map[uint16][]owner{}
		for slot, r := range d.view.On(d.row) {
			if r.Extra == nil {
				continue
			}
			for _, p := range r.Extra.Ports {
				d.owners[p.Number] = append(d.owners[p.Number], owner{r.Group == store.Holds, d.view.ID(slot), p})
			}
		}
	}
	var first *owner // a task before a hold
	for i := range d.owners[p.Number] {
		if o := &d.owners[p.Number][i]; o.port.Meets(p) && (first == nil || !o.hold && first.hold || o.hold == first.hold && o.id < first.id) {
			first = o
		}
	}
	switch {
	case first == nil:
		return p, ""
	case first.hold:
		return first.port, "hold " + first.id
	}
	return first.port, first.id
}
