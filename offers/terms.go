package offers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Terms are on what conditions a framework takes part. The zero Terms are those of the [Config].
type Terms struct {
	// LeaseFor is how long the framework's offers last. The default is Config.LeaseFor.
	LeaseFor time.Duration
	// MaxOutstanding is how many offers the framework may have that it has not answered. The default is Config.MaxOutstanding.
	MaxOutstanding int
	// MaxPercent is how much of all that the source has the framework may be offered at a time, of every resource: an offer that would make it
	// more is not made, and what is used does not count. It keeps a framework from hoarding whatever the sizes of its offers are. The
	// default, 0, is no such limit. A resource of which there is [math.MaxInt64] in all or more is not limited by it.
	MaxPercent int
	// Window is how many of the framework's demands may find no room before those declared after them are offered nothing. With 1 no demand
	// overtakes one declared before it, so that small tasks do not take again and again the room that a large one needs. The
	// default, 0, is no window: each demand is offered what it can use. Daemons do not count and are not held back. The window holds back no
	// other framework: for that there is Config.Gather. While it holds anything back a pass takes turns over all nodes, as for a [NodeOrder].
	Window int
	// Nodes are rules about nodes (each a [berth.NodeRule], such as package constraints reads from text): the framework is offered nothing
	// of a node that one of them refuses. The groups of a declared demand have rules of their own besides. What a rule answers is kept
	// until the node changes. One that panics refuses, and the pass tells. Mesos has this as offer constraints.
	Nodes []berth.Constraint
	// Least is used instead of Config.Least for this framework, if it has declared no demand. The default, nil, is Config.Least; an empty list that
	// is not nil means that anything is offered. Mesos has this as the min_allocatable_resources of offer filters.
	Least []berth.Resources
	// Uses names the resources that a framework which has declared no demand asks for beside the usual ones: those of Config.Scarce, and
	// revocable ones, such as berth.Revocable("cpu"). Without them it is offered scarce resources last or never, and revocable ones never.
	// The default is none. It does not matter to a framework that has declared a demand, whose groups say what they ask for.
	Uses []string
}

// Err returns every fault of the terms joined into one error, or nil.
func (t Terms) Err() error {
	var errs []error
	if t.LeaseFor < 0 {
		errs = append(errs, fmt.Errorf("LeaseFor is negative (%v)", t.LeaseFor))
	}
	if t.MaxOutstanding < 0 {
		errs = append(errs, fmt.Errorf("MaxOutstanding is negative (%d)", t.MaxOutstanding))
	}
	if t.Window < 0 {
		errs = append(errs, fmt.Errorf("negative Window (%d)", t.Window))
	}
	if t.MaxPercent < 0 || t.MaxPercent > 100 {
		errs = append(errs, fmt.Errorf("MaxPercent is not between 0 and 100 (%d)", t.MaxPercent))
	}
	errs = append(errs, checkLeast(t.Least)...)
	for i, name := range t.Uses {
		errs = append(errs, faults.Of(fmt.Sprintf("resource %d of Uses", i+1), checkName(name)))
	}
	for i, r := range t.Nodes {
		err := errors.New("none given")
		if !faults.IsNil(r) {
			if err = r.Err(); err == nil {
				if _, ok := r.(berth.NodeRule); ok {
					continue
				}
				err = fmt.Errorf("%v is not about nodes", r)
			}
		}
		errs = append(errs, faults.Of(fmt.Sprintf("rule %d of Nodes", i+1), err))
	}
	return errors.Join(errs...)
}

// SetTerms replaces the framework's terms. They hold for offers to come; those already made stay. It fails with every fault of the terms.
func (s *Subscription) SetTerms(t Terms) error {
	return s.call("set terms", func() error {
		if err := t.Err(); err != nil {
			return err
		}
		s.setTerms(t)
		s.x.hurry(s)
		return nil
	})
}

// setTerms makes the terms those of a framework.
func (s *Subscription) setTerms(t Terms) {
	s.leaseFor, s.most = cmp.Or(t.LeaseFor, s.x.cfg.LeaseFor), cmp.Or(t.MaxOutstanding, s.x.cfg.MaxOutstanding)
	s.percent, s.window = t.MaxPercent, t.Window
	if s.least = s.x.cfg.Least; t.Least != nil {
		s.least = make([]berth.Resources, len(t.Least))
		for i, r := range t.Least {
			s.least[i] = r.Clone()
		}
	}
	s.uses = s.x.scarceIn(func(name string) bool { return slices.Contains(t.Uses, name) })
	s.revocable = slices.DeleteFunc(slices.Clone(t.Uses), func(name string) bool { return !berth.IsRevocable(name) })
	if s.nodes = nil; len(t.Nodes) > 0 {
		s.nodes = &suited{}
		for _, r := range t.Nodes {
			s.nodes.rules = append(s.nodes.rules, r.(berth.NodeRule))
		}
	}
}

// suited are the nodes that a framework may be offered anything of.
type suited struct {
	rules []berth.NodeRule
	verdicts
}

// verdicts are what is known of nodes by row, until they change.
type verdicts struct {
	fits, known rowSet
	seen        uint64 // of the touched rows
}

// catchUp forgets what is known of rows that have changed.
func (v *verdicts) catchUp(t *touched) {
	if v.seen == t.end() {
		return
	}
	if v.seen < t.base || t.end()-v.seen > uint64(len(v.known)*64) {
		v.known = v.known[:0]
	} else {
		for _, row := range t.rows[v.seen-t.base:] {
			v.known.remove(row)
		}
	}
	v.seen = t.end()
}

// suits reports whether the rules of a framework's terms let it be offered anything of a node.
func (x *Exchange) suits(s *Subscription, at *site) (ok bool) {
	if s.nodes == nil {
		return true
	}
	v := &s.nodes.verdicts
	if v.catchUp(&x.touched); v.known.has(at.row) {
		return v.fits.has(at.row)
	}
	defer func() {
		if fault := recover(); fault != nil {
			x.account.fault(fmt.Errorf("%v: a rule about nodes panicked: %v", s.client, fault))
			ok = false
		}
		v.fits.set(at.row, ok)
		v.known.add(at.row)
	}()
	return !slices.ContainsFunc(s.nodes.rules, func(r berth.NodeRule) bool { return !r.Allows(at.node.Spec) })
}

// checkLeast returns what is wrong with the amounts of which an offer is to have one at least.
func checkLeast(least []berth.Resources) (errs []error) {
	for i, r := range least {
		if err := r.Err(); err != nil {
			errs = append(errs, faults.Of(fmt.Sprintf("amounts %d of Least", i+1), err))
		} else if isZero(r) {
			errs = append(errs, fmt.Errorf("amounts %d of Least: nothing", i+1))
		}
	}
	return errs
}

// isEnough reports whether what is free on a node is as much as the framework is offered at all.
func (s *Subscription) isEnough(all berth.Resources) bool {
	return len(s.least) == 0 || slices.ContainsFunc(s.least, all.Covers)
}
