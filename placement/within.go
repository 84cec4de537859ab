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
// to O(nodes) where a strategy counts tasks by node or needs a scan, and the first time since nodes changed.
func (e *Engine) PlaceWithin(t berth.Task, attribute string, value any) (berth.Op, bool) {
	in, ok := domainOf(attribute, value)
	if !ok {
		return berth.Op{}, false
	}
	if st := e.place(t, &in); st != nil {
		return e.op(st), true
	}
	return berth.Op{}, false
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
	for _, slot := range c.used {
		c.tasks[slot] = 0
	}
	*c = taskCounter{domainCounts: domainCounts{tasks: c.tasks[:0]}, used: c.used[:0]}
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
