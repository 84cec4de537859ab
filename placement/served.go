package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// What a search asks of the devices of a row: whether they serve the group, and which of them a task gets.

// servesDevices says of a row that has the amounts whether its devices serve the group.
func (s *search) servesDevices(row uint32) bool {
	if len(s.devices) == 0 {
		return true
	}
	node, free := s.mirror.rows[row].node.Spec, s.mirror.devicesOf(row)
	if s.several {
		return fit.ServesAll(node, s.group, free)
	}
	for i := range s.devices { // without models, and amounts beside units, what is free of the row says it all
		d := &s.devices[i]
		if (len(d.Models) > 0 || len(free) > len(node.Devices)) && !fit.Serves(node, d, free) {
			return false
		}
	}
	return true
}

// grantOn returns what a task of the group gets on a row that can take it.
func (s *search) grantOn(row uint32, t berth.Task) *berth.Grant {
	if s.policy.grants && len(s.devices) > 0 {
		w := s.scan.aim(1, s, t)[0]
		w.look(row)
		if w.way = s.way; !s.wayKnown {
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

// prefersModels reports whether the group prefers some models of devices to others.
func (s *search) prefersModels() bool {
	return slices.ContainsFunc(s.devices, func(d berth.DeviceRequest) bool { return len(d.Prefer) > 0 })
}
