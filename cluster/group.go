package cluster

import (
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// Eligible reports whether the tasks of a group may ever go on n: n takes new tasks, every taint is
// tolerated, every rule about the node's attributes holds, and no resource is asked for that n has as devices, which are
// only granted one by one. It does not look at room. A group with faults may go nowhere.
func Eligible(g *berth.Group, n *berth.Node) bool { return fit.Eligible(g, n) }

// Ineligible returns every reason why the tasks of a group may not go on n; none if they may.
func Ineligible(g *berth.Group, n *berth.Node) []berth.Reason { return fit.Ineligible(g, n) }

// Preferred returns the sum of the weights of a group's preferences that hold on n, less one for each taint
// of effect [berth.PreferNoSchedule] that is not tolerated.
func Preferred(g *berth.Group, n *berth.Node) int64 { return fit.Preferred(g, n) }

// Leaves reports whether tasks of a group that run on n are to leave it because of a taint of effect [berth.NoExecute], and how
// long after the taint came: at once if the group does not tolerate it, and after the time of [berth.Toleration].Stay. Where
// several tolerations are of one taint the longest time counts, and of several taints the first to come to its end. Stopping
// the tasks is the host's: it knows when the taint came, and what may be stopped together.
func Leaves(g *berth.Group, n *berth.Node) (after time.Duration, leaves bool) {
	return fit.Leaves(g, n)
}

// Choose returns the devices and ports that a task of the group would get on n, given what is free of its devices, in the
// order of [NodeView.FreeDevices], and the ports in use, ascending. Each request in turn gets the best devices that leave the others
// enough. Those of preferred models are better; for a share then those of which the least is free, units first and then
// the amounts that are asked for, by name; among equals the first ones in the list. For dynamic ports it is the lowest numbers. Unhealthy
// devices are passed over. It
// returns nil and no reason for a group that asks for neither, and a reason if there is not enough.
func Choose(g *berth.Group, n *berth.Node, devices []int64, used []berth.Port) (*berth.Grant, berth.Reason) {
	return fit.Choose(g, n, devices, used)
}
