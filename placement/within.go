package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// domain is the nodes that have a value of an attribute. The zero value is all nodes.
type domain struct {
	attribute string
	value     berth.Value
}

// domainOf returns a domain, or false if no node can have such an attribute.
func domainOf(attribute string, value any) (domain, bool) {
	v, err := berth.ValueOf(value)
	return domain{attribute, v}, err == nil && attribute != ""
}

func (d domain) has(n cluster.NodeView) bool {
	if d == (domain{}) {
		return true
	}
	v, ok := n.Attribute(d.attribute)
	return ok && v == d.value
}

// PlaceWithin picks the best node of a domain: O(nodes of the domain) for the first of several tasks of a group and a domain. It is up
// to O(nodes) where a strategy counts tasks by node or needs a scan, and the first time since nodes changed. To try one node, by its ID, and then
// others for tasks of the same group is O(1) each, if no rule of the group or of others' tasks is about what is elsewhere.
func (e *Engine) PlaceWithin(t berth.Task, attribute string, value any) (berth.Op, bool) {
	in, ok := domainOf(attribute, value)
	if !ok {
		return berth.Op{}, false
	}
	if node, is := value.(string); is && attribute == berth.NodeID && !e.inCover && t.ID != "" && t.Group.Err() == nil && !e.mayMeet(t.Group) {
		if st := e.placeOn(t, node); st != nil {
			return e.op(st), true
		}
		return berth.Op{}, false
	}
	if st := e.place(t, &in); st != nil {
		return e.op(st), true
	}
	return berth.Op{}, false
}

// mayMeet reports whether rules of a group or of others are about more than the node that a task of it goes to.
func (e *Engine) mayMeet(g *berth.Group) bool {
	if g.Mode() == berth.Daemon || len(g.Requirements().DomainRules) > 0 {
		return true
	}
	e.enter()
	meets := e.tasks.meets(g)
	e.leave()
	return meets
}

// placeOn picks one node for a task, whose group's rules are about nothing but the node. It leaves the search as it is but for where it stands, so
// that one node after another costs no search of its own.
func (e *Engine) placeOn(t berth.Task, node string) *step {
	e.enter()
	s := e.search
	if s.group != t.Group || !s.isWithin(nil) {
		e.begin(t.Group)
	}
	row, ok := e.mirror.view.FindNode(node)
	if ok && s.possible && e.allowed(row) {
		_, ok = s.contenderOf(e.mirror.rows[row].class)
		ok = ok && s.fits(row) && (!s.picky || s.usable(row))
	} else {
		ok = false
	}
	var st *step
	if ok {
		st = e.occupy(row, t)
		if s.astray = true; s.first || s.filled() {
			s.end()
		}
	}
	e.leave()
	return st
}

// isWithin reports whether a search is confined to a domain, or for nil to none.
func (s *search) isWithin(in *domain) bool {
	if in == nil {
		return s.inside.attribute == ""
	}
	return s.inside == *in
}

// confine returns the rule that lets tasks go into one domain alone. It is one from below, as if there were a task in the domain that
// they are to be near, and none elsewhere.
func (t *taskCounts) confine(in domain) countRule {
	c := &t.confined
	c.empty()
	slot, found := int32(0), false
	if in.attribute == berth.NodeID {
		c.key.Attribute = store.ByNode
		t.number(c)
		if row, ok := t.mirror.view.FindNode(in.value.String()); ok {
			slot, found = int32(row), true
		}
	} else {
		c.key.Attribute = t.mirror.attrs.ID(in.attribute)
		t.number(c)
		if value, ok := t.mirror.view.FindValue(in.value); ok {
			slot, found = c.slot(value), true
		}
	}
	if found {
		c.add(slot, 1)
	}
	return countRule{attribute: in.attribute, domain: &c.domainCounts, counter: c, near: true}
}
