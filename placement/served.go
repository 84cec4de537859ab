package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// What a search asks of the devices of a row: whether they serve the group, and which of them a task gets.

// served is what the devices of the nodes of a class come to for a request, whatever is free of them.
type served uint8

const (
	neverServed served = iota // they are too few of the models that are asked for
	byRoom                    // the amounts that a row derives of its devices say whether they serve
	byDevice                  // it is to be looked at on the row
)

// servedClasses is what the devices of each class come to, for groups of the same requirements. It lasts as long as classes do.
type servedClasses struct {
	version uint64 // classIndex.version
	of      map[*berth.Requirements][]served
}

const maxServed = 1 << 10 // requirements; beyond it they begin anew

// servedBy returns, by class and request, what the devices come to for a group whose requirements name models; nil for any other.
func (x *classIndex) servedBy(r *berth.Requirements) []served {
	if !slices.ContainsFunc(r.Devices, func(d berth.DeviceRequest) bool { return len(d.Models) > 0 }) {
		return nil
	}
	k := &x.served
	if k.of == nil || k.version != x.version || len(k.of) > maxServed {
		k.version, k.of = x.version, map[*berth.Requirements][]served{}
	}
	of := k.of[r]
	if of == nil {
		of = make([]served, 0, len(x.all)*len(r.Devices))
		for _, c := range x.all {
			for j := range r.Devices {
				of = append(of, servedOn(c.node, &r.Devices[j]))
			}
		}
		k.of[r] = of
	}
	return of
}

// servedOn returns what the devices of a node come to for a request.
func servedOn(n *berth.Node, d *berth.DeviceRequest) served {
	of, right, amounts := 0, 0, false
	for i := range n.Devices {
		dev := &n.Devices[i]
		amounts = amounts || len(dev.Capacity) > 0
		if dev.Class == d.Class {
			if of++; len(d.Models) == 0 || slices.Contains(d.Models, dev.Model) {
				right++
			}
		}
	}
	switch {
	case right < max(d.Count, 1):
		return neverServed
	case right < of || amounts || len(d.Amounts) > 0:
		return byDevice
	}
	return byRoom
}

// servedOn returns what the devices of the rows of a class come to for a request of the group.
func (s *search) servedOn(class int32, request int) served {
	if s.served == nil {
		return byDevice
	}
	return s.served[int(class)*len(s.devices)+request]
}

// neverServes reports whether no row of a class can ever serve the devices that the group asks for.
func (s *search) neverServes(class int32) bool {
	if s.served == nil {
		return false
	}
	for _, of := range s.served[int(class)*len(s.devices) : (int(class)+1)*len(s.devices)] {
		if of == neverServed {
			return true
		}
	}
	return false
}

// servesDevices says of a row that has the amounts whether its devices serve the group.
func (s *search) servesDevices(row uint32) bool {
	if len(s.devices) == 0 {
		return true
	}
	if s.several {
		return fit.ServesAll(s.mirror.rows[row].node.Spec, s.group, s.mirror.devicesOf(row))
	}
	for i := range s.devices {
		if !s.serves(row, i) {
			return false
		}
	}
	return true
}

// serves says of a row that has the amounts that a request for devices needs at least whether its devices serve that request by itself.
func (s *search) serves(row uint32, request int) bool {
	st, d, free := &s.mirror.rows[row], &s.devices[request], s.mirror.devicesOf(row)
	if len(d.Models)+len(d.Amounts) == 0 && len(free) == len(st.node.Spec.Devices) {
		return true // the amounts are all there is to it
	}
	switch s.servedOn(st.class, request) {
	case neverServed:
		return false
	case byRoom:
		return true
	}
	return fit.Serves(st.node.Spec, d, free)
}

// grantOn returns what a task of the group gets on a row that can take it.
func (s *search) grantOn(row uint32, t berth.Task) *berth.Grant {
	if s.policy.grants && len(s.devices) > 0 {
		if grant := s.grantOfLevel(row); grant != nil {
			s.wayKnown = false
			return grant
		}
		w := s.scan.aim(1, s, t)[0]
		w.look(row)
		if w.way = s.way; !s.wayKnown || s.policy.byPlace && w.devices.ways() > 1 { // which is first, is not the same on all nodes of a state
			w.settle()
		}
		s.wayKnown = false
		if w.way >= 0 {
			return w.devices.grant(s.group, w.way, s.mirror.portsOf(row))
		}
	}
	grant, _ := fit.Choose(s.group, s.mirror.rows[row].node.Spec, s.mirror.devicesOf(row), s.mirror.portsOf(row))
	return grant
}

// grantOfLevel returns what a task of the group gets where the way is known and plain: the row's devices are of one kind, the group has one request for them, and
// ways go by what is free, the least first. It returns nil where it is not.
func (s *search) grantOfLevel(row uint32) *berth.Grant {
	states := s.rankings.states
	if !s.wayKnown || s.way < 0 || s.policy.byPlace || s.ports || len(s.devices) != 1 || states.of[row] == 0 {
		return nil
	}
	l, d := &states.levels[states.of[row]-1], &s.devices[0]
	if l.device == nil || len(d.Prefer)+len(d.Amounts) > 0 {
		return nil
	}
	node, free := s.mirror.rows[row].node.Spec, s.mirror.devicesOf(row)
	if d.Count > 0 {
		return fit.GivenAt(node, d, free, berth.DeviceUnits)
	}
	way, last := s.way, int64(0)
	for _, f := range l.free {
		if f < d.Share || f == last {
			continue
		}
		if last = f; way == 0 {
			return fit.GivenAt(node, d, free, f)
		}
		way--
	}
	return nil
}

// prefersModels reports whether the group prefers some models of devices to others.
func (s *search) prefersModels() bool {
	return slices.ContainsFunc(s.devices, func(d berth.DeviceRequest) bool { return len(d.Prefer) > 0 })
}
