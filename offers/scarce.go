package offers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Scarce is a resource, or a class of devices, that few nodes have, so that who does not ask for it is to leave those nodes to who does. Else a
// task that needs a core may take the last one beside an idle GPU.
type Scarce struct {
	// Resource is its name, that of the class for devices.
	Resource string
	// Only says that nodes that have it are offered only to who asks for it, as in Mesos, where a node with GPUs is for frameworks that
	// have said that they use GPUs. The default is a preference: such nodes are offered to others after all nodes that would do as well.
	Only bool
}

// manyScarce is how many scarce resources there can be.
const manyScarce = 64

// checkScarce returns what is wrong with scarce resources, each fault an error.
func checkScarce(all []Scarce) (errs []error) {
	if len(all) > manyScarce {
		errs = append(errs, fmt.Errorf("offers: config: %d in Scarce, at most %d", len(all), manyScarce))
	}
	for i, s := range all {
		err := checkName(s.Resource)
		if err == nil && slices.ContainsFunc(all[:i], func(o Scarce) bool { return o.Resource == s.Resource }) {
			err = errors.New("given twice")
		}
		if err != nil {
			errs = append(errs, faults.Of(fmt.Sprintf("offers: config: resource %q of Scarce", s.Resource), err))
		}
	}
	return errs
}

// checkName returns what is wrong with the name of a resource, or nil.
func checkName(name string) error {
	if name == "" {
		return errors.New("no name")
	}
	return (berth.Resources{name: 0}).Err()
}

// scarceOn returns which scarce resources a node has, as bits by their place in Config.Scarce.
func (x *Exchange) scarceOn(n *berth.Node) (has uint64) {
	for i, s := range x.cfg.Scarce {
		if n.Capacity[s.Resource] > 0 || slices.ContainsFunc(n.Devices, func(d berth.Device) bool { return d.Class == s.Resource }) {
			has |= 1 << i
		}
	}
	return has
}

// scarceIn returns which scarce resources are among those with the names.
func (x *Exchange) scarceIn(uses func(name string) bool) (asked uint64) {
	for i, s := range x.cfg.Scarce {
		if uses(s.Resource) {
			asked |= 1 << i
		}
	}
	return asked
}

// spares reports whether a node is to be left to others by who asks for some scarce resources, and whether it is not offered to him at all.
func (x *Exchange) spares(at *site, asked uint64) (last, never bool) {
	if at.scarce == 0 || at.scarce&asked != 0 {
		return false, false
	}
	for i, s := range x.cfg.Scarce {
		never = never || s.Only && at.scarce>>i&1 != 0
	}
	return true, never
}

// isForOthers reports whether a node is not offered to who asks for some scarce resources.
func (x *Exchange) isForOthers(at *site, asked uint64) bool {
	if at.scarce == 0 {
		return false
	}
	_, never := x.spares(at, asked)
	return never
}

// prefersOthers reports whether there are scarce resources whose nodes some are offered last.
func (c *Config) prefersOthers() bool {
	return slices.ContainsFunc(c.Scarce, func(s Scarce) bool { return !s.Only })
}
